# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Takes a change of a file back in its present text, so that later edits of others stay. Private to mailops.postfix. Pure.

Each function takes the text before the change, after it, and now. What the change has set is taken back where the present text still has
it: main.cf by parameter, master.cf by column, option and arguments of a service, a lookup table by key. What others have set since stays, and
is named. A text that is as the change left it becomes the one before, byte for byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Dict, List, Mapping, Optional, Tuple

from .._errors import PostfixError
from . import lookup_table, lookup_table_edit, main_cf
from .lines import to_text
from .lookup_table import ORDERED, TableEntry
from .master_cf import COLUMNS, MasterEntry, is_private_service, master_entries, service_identity
from .master_cf_edit import edit_master_cf
from .master_cf_spec import ServiceSpec


@dataclass(frozen=True)
class Reversal:
    """A text from which a change has been taken back."""

    text: Optional[bytes]
    """The text; None if the change can't be taken back in the present text, which must stay as it is."""
    kept: Tuple[str, ...] = ()
    """What others have changed since, so that it stays: parameters, services with their options, keys."""


def reverse_main_cf(before: bytes, after: bytes, now: bytes) -> Reversal:
    """Take a change of main.cf back, by parameter."""

    def merge() -> Reversal:
        texts = [{entry.name: entry.value for entry in main_cf.main_entries(text)} for text in (before, after, now)]
        back, kept = _reverse_values(*texts)
        return Reversal(main_cf.edit_main_cf(now, back), kept)

    return _merged(before, after, now, merge)


def reverse_master_cf(before: bytes, after: bytes, now: bytes) -> Reversal:
    """Take a change of master.cf back, by service and, where others have edited the same service, by column and option."""

    def merge() -> Reversal:
        old, new, present = (_services(text) for text in (before, after, now))
        specs: List[ServiceSpec] = []
        kept: List[str] = []
        for identity in {**old, **new}:
            was, became, found = old.get(identity), new.get(identity), present.get(identity)
            if str(was) == str(became) or str(found) == str(was):
                continue
            if str(found) == str(became) and was is not None:
                specs.append(service_as_it_is(was))
            elif str(found) == str(became) and became is not None:
                specs.append(_absent(became))
            elif was is not None and became is not None and found is not None:
                spec, others = _parts(was, became, found)
                specs.append(spec)
                kept += others
            else:
                kept += [entry.key for entry in (found, was, became) if entry is not None][:1]
        return Reversal(edit_master_cf(now, specs), tuple(kept))

    return _merged(before, after, now, merge)


def reverse_table(before: bytes, after: bytes, now: bytes, map_type: str = "hash", utf8: bool = True) -> Reversal:
    """Take a change of a lookup table back, by key.

    A rule that was removed from a table whose order counts can't be brought back in a text that others have edited.
    """

    def merge() -> Reversal:
        entries = [_entries(text, map_type, utf8) for text in (before, after, now)]
        back, kept = _reverse_values(*({key: entry.value for key, entry in found.items()} for found in entries))
        if map_type in ORDERED and any(key not in entries[2] for key in back):
            return Reversal(None)
        written = {key: entry.key for found in entries for key, entry in found.items()}
        declared = {written[key]: value for key, value in back.items()}
        return Reversal(
            lookup_table_edit.edit_table(now, declared, map_type, utf8=utf8), tuple(to_text(key) for key in kept)
        )

    return _merged(before, after, now, merge)


def reverse_file(before: bytes, after: bytes, now: bytes) -> Reversal:
    """Take a change of a file without parts back, which is possible only if it has not been changed since."""
    return Reversal(before if now == after else now if now == before else None)


def _merged(before: bytes, after: bytes, now: bytes, merge: Callable[[], Reversal]) -> Reversal:
    untouched = reverse_file(before, after, now)
    if untouched.text is not None:
        return untouched
    try:
        return merge()
    except PostfixError:  # a text that Postfix can't read
        return Reversal(None)


def _reverse_values(before: Mapping, after: Mapping, now: Mapping) -> Tuple[Dict, Tuple]:  # type: ignore[type-arg]
    """What to set so that a change is taken back (None removes a name), and the names that others have changed since."""
    back, kept = {}, []
    for name in {**before, **after}:
        was, became, found = before.get(name), after.get(name), now.get(name)
        if was == became or found == was:
            continue
        if found == became:
            back[name] = was
        else:
            kept.append(name)
    return back, tuple(kept)


def _services(text: bytes) -> Dict[Tuple[str, str, bool], MasterEntry]:
    """The services; a private and a public socket of one name are two."""
    return {
        (*service_identity(entry), is_private_service(entry.column("private"))): entry for entry in master_entries(text)
    }


def service_as_it_is(entry: MasterEntry) -> ServiceSpec:
    """The declaration by which an edit writes a service as an entry has it."""
    columns = {name: entry.column(name) for name in COLUMNS[2:]}
    arguments = tuple(word.text for word in entry.arguments)
    return ServiceSpec(*_names(entry), columns, arguments, dict(entry.effective_options), purge_options=True)


def _absent(entry: MasterEntry) -> ServiceSpec:
    return ServiceSpec(*_names(entry), {"private": entry.column("private")}, None, {}, state="absent")


def _names(entry: MasterEntry) -> Tuple[str, str]:
    return entry.column("service"), entry.column("type")


def _parts(was: MasterEntry, became: MasterEntry, found: MasterEntry) -> Tuple[ServiceSpec, List[str]]:
    """What to set in a service that others have edited, too, and what of it stays as they have set it."""
    columns, other_columns = _reverse_values(
        *({name: e.column(name) for name in COLUMNS[2:]} for e in (was, became, found))
    )
    options, other_options = _reverse_values(*(e.effective_options for e in (was, became, found)))
    texts = [tuple(word.text for word in entry.arguments) for entry in (was, became, found)]
    arguments, other_arguments = _reverse_values(*({"arguments": words} for words in texts))
    others = [f"{found.key} {name}" for name in (*other_columns, *other_options, *other_arguments)]
    return ServiceSpec(*_names(found), columns, arguments.get("arguments", texts[2]), options), others


def _entries(text: bytes, map_type: str, utf8: bool) -> Dict[bytes, TableEntry]:
    found: Dict[bytes, TableEntry] = {}
    for entry in lookup_table.table_entries(text, map_type, utf8):
        found.setdefault(lookup_table.fold(entry.key, map_type, utf8), entry)
    return found
