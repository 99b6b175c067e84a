# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a declaration to a plan: lookup tables. Private to mailops.postfix.

The text is edited, and the compiled file beside it is rebuilt when, and only when, it does not hold what the text
says. A text and a compiled file that bear the stamp of one installation are known to agree, and neither is listed; a text
that has the declared checksum is not even read into memory.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import AbstractSet, Any, Callable, Iterator, Mapping

from .._errors import DeclarationError, GrammarError, HostError
from .._formats import compiled_table, file_modes, lookup_table_edit, macros
from .._formats import lookup_table as lookup_table_format
from .._formats.lines import to_bytes, to_text
from .._host import stamp
from .._host.instance import Instance
from .._model import migrations
from .plan import Attributes, Change, Plan

FILE_OPTIONS: Mapping[str, Any] = {
    "owner": {"type": "str"},
    "group": {"type": "str"},
    "mode": {"type": "raw"},
}

LOOKUP_TABLE: Mapping[str, Any] = {
    "argument_spec": {
        "path": {"type": "path", "required": True},
        "entries": {"type": "dict"},
        "src": {"type": "path"},
        "remote_src": {"type": "bool", "default": False},
        "checksum": {"type": "str"},
        "exclusive": {"type": "bool", "default": False},
        "only_values": {"type": "list", "elements": "str"},
        "unique_values": {"type": "bool", "default": False},
        "type": {"type": "str", "default": "auto", "choices": ["auto", *lookup_table_format.MAP_TYPES]},
        "state": {"type": "str", "default": "present", "choices": ["present", "absent"]},
        **FILE_OPTIONS,
    },
    "mutually_exclusive": [["entries", "src"]],
    "required_by": {"checksum": ["src"]},
}
"""What a table takes, as arguments of AnsibleModule."""

_BLOCK = 1 << 20
_OTHERS = 0o077
_NO_TABLES = ("main.cf", "master.cf", "dynamicmaps.cf", "postfix-files")
_PACKAGED = ("cdb", "lmdb", "pcre")

Edit = Callable[[bytes, str, bool, str], bytes]
"""A text, the type of its table, whether Postfix wants UTF-8, and its path, to the new text."""


def lookup_table(instance: Instance, options: Mapping[str, Any], main_cf: Mapping[str, Any] | None = None) -> Plan:
    """Make, edit or remove a table. Options and result: those of the module lookup_table.

    :param main_cf: parameters that the same transaction sets: what they refer to counts, not what they replace.
    """
    if options.get("parameter"):  # which will name the table as it is now
        main_cf = {**(main_cf or {}), options["parameter"]: ""}
    path = table_path(instance, options["path"])
    map_type = choose_type(instance, options.get("type") or "auto")
    if options.get("state") == "absent":
        return _absent(instance, path, map_type, options.get("type") or "auto", main_cf or {})
    if any(
        use.parameter == "tls_server_sni_maps" for use in _uses(instance, path, main_cf or {}, b"tls_server_sni_maps")
    ):
        raise DeclarationError(
            "declaring the table",
            path,
            "tls_server_sni_maps names it, and the files that it names must be compiled into it (postmap -F)",
            "Declare certificates with sni: true instead (module certificate, or certificates of a role)",
        )
    if options.get("exclusive") and options.get("entries") is None and options.get("src") is None:
        raise DeclarationError(
            "declaring the table",
            path,
            "exclusive without entries would empty it",
            "Give entries; entries: {} empties the table",
        )
    if options.get("src") is not None and (options.get("only_values") is not None or options.get("unique_values")):
        raise DeclarationError(
            "declaring the table", path, "only_values and unique_values are for entries, not for src", "Leave them out"
        )
    if options.get("src") is None:
        return edited_table(instance, path, map_type, options, _editor(options), main_cf)
    return _copied_table(instance, path, map_type, options, main_cf)


def table_path(instance: Instance, declared: str) -> str:
    """The absolute path of a table's text.

    :raises DeclarationError: for what is not the name of a text.
    """
    kind, colon, rest = declared.partition(":")
    if colon and kind in lookup_table_format.MAP_TYPES:
        raise DeclarationError(
            "declaring the table", declared, "path is the file alone, without the type", f"Write path: {rest}"
        )
    path = os.path.normpath(instance.path(declared))
    suffix = os.path.splitext(path)[1]
    if os.path.realpath(path) in [os.path.realpath(instance.path(name)) for name in _NO_TABLES]:
        raise DeclarationError(
            "declaring the table", path, "it is a file of Postfix itself, no table", "Give the table another name"
        )
    if suffix in lookup_table_format.COMPILED.values():
        remedy = f"Name the text, {path[: -len(suffix)]}: the compiled file is beside it"
        raise DeclarationError("declaring the table", path, f"{suffix} is the name of a compiled file", remedy)
    if re.search(r"[\s,]", declared):
        raise DeclarationError(
            "declaring the table",
            path,
            "there is a blank or a comma in its name, at which parameters are split",
            "Choose another",
        )
    return path


def _editor(options: Mapping[str, Any]) -> Edit:
    """The edit that entries describe."""
    entries = options.get("entries") or {}
    exclusive = bool(options.get("exclusive"))
    only, unique = options.get("only_values"), bool(options.get("unique_values"))

    def edit(text: bytes, map_type: str, utf8: bool, path: str) -> bytes:
        declared = lookup_table_edit.declaration(entries, map_type, utf8)
        if only is not None or unique:
            values = None if only is None else frozenset(map(to_bytes, only))
            gone = lookup_table_edit.stale_entries(text, declared, map_type, utf8, values, unique)
            declared = {**declared, **dict.fromkeys(gone)}
        return lookup_table_edit.edit_table(text, declared, map_type, exclusive, utf8, path)

    return edit


def _copied_table(
    instance: Instance, path: str, map_type: str, options: Mapping[str, Any], main_cf: Mapping[str, Any] | None
) -> Plan:
    """The plan for a table whose text is a file: on the host, or on the controller, and known by its checksum alone."""
    source = options["src"]
    wanted = (options.get("checksum") or "").lower()
    here = bool(options.get("remote_src"))
    if here:
        found = _digest(instance.path(source))
        if found is None:
            raise DeclarationError(
                "reading", source, "there is no such file on the host", "Name an existing file in src"
            )
        if wanted and found != wanted:
            raise DeclarationError("reading", source, f"its SHA-256 is {found}, not {wanted}", "Correct either")
        wanted = found
    elif not wanted:
        raise DeclarationError(
            "reading",
            source,
            "a file of the controller can't be read from here",
            "Use the module lookup_table, or remote_src: true",
        )
    if _digest(path) != wanted:
        if not here:
            # The action plugin's question before the file travels: it must.
            return Plan(result={"map": f"{map_type}:{path}", "_transfer": True})
        content = instance.read(source) or b""
        return edited_table(instance, path, map_type, options, lambda _text, _map_type, _utf8, _path: content, main_cf)
    if _is_sealed(path, map_type, _wants_utf8(instance)):
        return _plan(instance, path, map_type, options, _Text(None, None), main_cf)
    return edited_table(instance, path, map_type, options, lambda text, _map_type, _utf8, _path: text, main_cf)


def _digest(path: str) -> str | None:
    """The SHA-256 of a file, which is not held in memory; None if there is none."""
    status = _status(path)
    if status is None:
        return None
    return _digest_of(path, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@lru_cache(maxsize=4)
def _digest_of(path: str, *_identity: int) -> str:
    """The same, once: the plan may be made twice, and between the two nothing may have happened to the file."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            for block in iter(lambda: file.read(_BLOCK), b""):
                digest.update(block)
    except OSError as error:
        raise HostError("reading", path, error.strerror or str(error)) from error
    return digest.hexdigest()


def _absent(instance: Instance, path: str, map_type: str, declared_type: str, main_cf: Mapping[str, Any]) -> Plan:
    suffixes = sorted(set(lookup_table_format.COMPILED.values()))
    if declared_type in lookup_table_format.COMPILED:
        suffixes = [lookup_table_format.COMPILED[declared_type]]
    changes = [Change(path, None, instance.read(path), secret=_is_secret(_status(path), None))]
    compiled = [path + suffix for suffix in suffixes if _status(path + suffix) is not None]
    changes += [Change(target, None, b"", secret=True) for target in compiled]
    plan = Plan(changes, {"map": f"{map_type}:{path}"}, _requires(map_type))
    use = next(_uses(instance, path, main_cf), None) if plan.changes_something() else None
    if use:
        raise DeclarationError(
            "removing the table",
            path,
            f"{use.parameter} still names it, as {use.type}:{path}, and Postfix defers all mail while the table is missing",
            f"Take it out of {use.parameter} first, or in the same configuration",
        )
    return plan


def edited_table(
    instance: Instance,
    path: str,
    map_type: str,
    options: Mapping[str, Any],
    edit: Edit,
    main_cf: Mapping[str, Any] | None = None,
) -> Plan:
    """The plan for a table whose text is what the edit makes of it."""
    utf8 = _wants_utf8(instance)
    before = instance.read(path)
    after = edit(before or b"", map_type, utf8, path)
    if before != after or not _is_sealed(path, map_type, utf8):
        origin = options.get("src") or path
        lookup_table_edit.check_entries(after, map_type, utf8, origin)
        if map_type in lookup_table_format.ORDERED:
            secret = _is_secret(_status(path), _attributes(options, path).mode)
            _let_postfix_read(instance, origin, map_type, after, secret)
    return _plan(instance, path, map_type, options, _Text(before, after), main_cf)


@dataclass(frozen=True)
class _Text:
    """The text of a table, before and after; None and None for one that stays and need not be read."""

    before: bytes | None
    after: bytes | None


def _plan(
    instance: Instance,
    path: str,
    map_type: str,
    options: Mapping[str, Any],
    text: _Text,
    main_cf: Mapping[str, Any] | None,
) -> Plan:
    utf8 = _wants_utf8(instance)
    attributes = _attributes(options, path)
    secret = _is_secret(_status(path), attributes.mode)
    stamp = lookup_table_format.stamp_name(path, map_type, utf8)
    if text.after is None:
        changes = [Change(path, _not_made, b"", attributes=attributes, secret=secret, stamp=stamp)]
    else:
        changes = [Change(path, text.after, text.before, attributes=attributes, secret=secret, stamp=stamp)]
    if map_type in lookup_table_format.COMPILED:
        changes.append(_compiled(instance, path, map_type, text, attributes, utf8, secret))
    changes += _other_types(instance, path, map_type, text, attributes, secret, main_cf or {})
    return Plan(changes, {"map": f"{map_type}:{path}"}, _requires(map_type))


def _not_made(temporary: str) -> None:
    """What stays as it is needs no making."""
    raise AssertionError(temporary)


def _other_types(
    instance: Instance,
    path: str,
    map_type: str,
    text: _Text,
    attributes: Attributes,
    secret: bool,
    main_cf: Mapping[str, Any],
) -> list[Change]:
    """The compiled files of the types that the table had before: Postfix reads on what it still refers to, all others go."""
    own = lookup_table_format.COMPILED.get(map_type)
    suffixes = [
        suffix
        for suffix in sorted({*lookup_table_format.COMPILED.values()} - {own})
        if _status(path + suffix) is not None
    ]
    if not suffixes:
        return []
    types = [use.type for use in _uses(instance, path, main_cf)]
    changes = []
    for suffix in suffixes:
        used = [name for name in types if name == _ANY or lookup_table_format.COMPILED.get(name) == suffix]
        if not used:
            changes.append(Change(path + suffix, None, b"", secret=True))
            continue
        known = next((name for name in used if name in instance.map_types), "")
        if known and text.after is not None:
            compiled = _compiled(instance, path, known, text, attributes, _wants_utf8(instance), secret)
            changes.append(replace(compiled, stamp=""))
    return changes


@dataclass(frozen=True)
class _Use:
    """One of Postfix's references to a table."""

    parameter: str
    type: str


_ANY = "any type"


def _uses(instance: Instance, path: str, main_cf: Mapping[str, Any], mentioned: bytes = b"") -> Iterator[_Use]:
    """Where main.cf and master.cf name a table, by whatever spelling of its file; what can't be told counts.

    :param main_cf: parameters that the same transaction sets.
    :param mentioned: without this in a file there is nothing to look for.
    """
    if mentioned not in instance.main_cf + instance.master_cf:
        return
    settings = [(name, value) for name, value in instance.explicit.items() if name not in main_cf]
    settings += [(name, str(value)) for name, value in main_cf.items()]
    live = [line for line in instance.master_cf.split(b"\n") if not line.lstrip().startswith(b"#")]
    settings.append((instance.path("master.cf"), to_text(b"\n".join(live))))
    real = os.path.realpath(path)
    for name, value in settings:
        for word in re.split(r"[\s,;'\[\]()=]+", value):
            parts = word.split(":")
            for kind, file in zip(parts, parts[1:]):
                file = file.rstrip("}")
                try:
                    same = os.path.realpath(instance.path(macros.expand(file, instance.parameters))) == real
                except macros.Unexpandable:
                    same = os.path.basename(file) == os.path.basename(path)
                if not same:
                    continue
                try:
                    found = macros.expand(kind.lstrip("{"), instance.parameters)
                except macros.Unexpandable:
                    found = _ANY
                if found in (*lookup_table_format.MAP_TYPES, _ANY):
                    yield _Use(name, found)


def _requires(map_type: str) -> str:
    """Daemons notice a new compiled file by themselves; other tables they read once."""
    return "reload" if map_type in lookup_table_format.READ_ONCE else "none"


def choose_type(instance: Instance, declared: str) -> str:
    """The type of the table.

    :raises HostError: if this Postfix does not have it.
    """
    available = instance.map_types
    chosen = lookup_table_format.preferred_type(
        declared, expanded_map("default_database_type", instance.parameters), available
    )
    if chosen:
        return chosen
    has = ", ".join(name for name in lookup_table_format.MAP_TYPES if name in available)
    remedy = "Choose one of these"
    if declared in _PACKAGED:
        remedy += f", or install the package that brings it (Debian: postfix-{declared})"
    raise HostError(
        "choosing",
        f"the table type {declared}",
        f"this Postfix does not have {'any type that postmap compiles' if declared == 'auto' else 'it'}; it has {has}",
        remedy,
    )


def lost_types(instance: Instance) -> AbstractSet[str]:
    """The types of Berkeley DB that main.cf or master.cf names and this Postfix lacks, unless it redirects them itself."""
    if not migrations.may_be_lost(instance.main_cf, instance.master_cf):
        return frozenset()
    if "enable" in expanded_map("non_bdb_migration_level", instance.parameters):
        return frozenset()
    return frozenset(migrations.BERKELEY) - instance.map_types


def expanded_map(name: str, parameters: Mapping[str, str]) -> str:
    try:
        return macros.expand(parameters.get(name, ""), parameters)
    except macros.Unexpandable:
        return ""


def _wants_utf8(instance: Instance) -> bool:
    return expanded_map("smtputf8_enable", instance.parameters) != "no"


# Files


def _status(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HostError("reading", path, error.strerror or str(error)) from error


def _attributes(options: Mapping[str, Any], path: str) -> Attributes:
    return Attributes(options.get("owner"), options.get("group"), _mode(options.get("mode"), path))


def _mode(declared: str | int | None, path: str) -> int | None:
    if declared is None:
        return None
    mode = file_modes.octal(declared)
    if mode is None:
        raise DeclarationError(
            "setting the mode of", path, f"{declared!r} is not a valid octal mode", 'Write it in quotes, as in "0644"'
        )
    return mode


def _is_secret(status: os.stat_result | None, mode: int | None) -> bool:
    """Whether others than the owner may not read the table, now or afterwards."""
    modes = [] if mode is None else [mode]
    if status is not None:
        modes.append(stat.S_IMODE(status.st_mode))
    return any(map(file_modes.is_private, modes))


def _is_sealed(path: str, map_type: str, utf8: bool) -> bool:
    """Whether the text, and its compiled file, still are what one installation put there after it had checked them."""
    paths = (
        [path, path + lookup_table_format.COMPILED[map_type]] if map_type in lookup_table_format.COMPILED else [path]
    )
    found = [status for status in map(_status, paths) if status is not None]
    return len(found) == len(paths) and stamp.holds(lookup_table_format.stamp_name(path, map_type, utf8), found)


def _compiled(
    instance: Instance, path: str, map_type: str, text: _Text, attributes: Attributes, utf8: bool, secret: bool
) -> Change:
    """The compiled file beside a text."""
    target = path + lookup_table_format.COMPILED[map_type]
    stale = _stale(instance, path, target, map_type, text, utf8)
    text_status, status = _status(path), _status(target)

    def build(temporary: str) -> None:
        _build(instance, path, map_type, text.after or b"", temporary, secret)

    return Change(
        target,
        build,
        None if status is None else b"",
        stale,
        _attributes_of_compiled(attributes, text_status, status),
        secret=True,
        not_before=text_status.st_mtime if text_status is not None and text.before == text.after else 0.0,
        stamp=lookup_table_format.stamp_name(path, map_type, utf8),
    )


def _attributes_of_compiled(
    declared: Attributes, text: os.stat_result | None, compiled: os.stat_result | None
) -> Attributes:
    """What is declared; else those of the text for a new file, and for an old one never more readable than the text."""
    if text is None:
        return declared
    mode = stat.S_IMODE(text.st_mode)
    if compiled is not None:
        return replace(
            declared,
            mode=stat.S_IMODE(compiled.st_mode) & (mode | ~_OTHERS) if declared.mode is None else declared.mode,
        )
    return Attributes(
        str(text.st_uid) if declared.owner is None else declared.owner,
        str(text.st_gid) if declared.group is None else declared.group,
        mode if declared.mode is None else declared.mode,
    )


def _stale(instance: Instance, path: str, target: str, map_type: str, text: _Text, utf8: bool) -> str:
    """Why the compiled file must be rebuilt; empty if it need not."""
    status = _status(target)
    if status is None:
        return "missing"
    if text.before != text.after:
        return "older than its text"
    if text.after is None or _is_sealed(path, map_type, utf8):
        return ""
    text_status = _status(path)
    # In whole seconds, as Postfix itself compares them.
    if text_status is not None and int(status.st_mtime) < int(text_status.st_mtime):
        return "older than its text"
    if map_type in ("hash", "btree") and compiled_table.berkeley_type(_head(target)) != map_type:
        return "of another type"
    held = _held(instance, path, target, map_type, utf8)
    if held is None:
        return "unreadable"
    return "" if held == lookup_table_format.contents(text.after, map_type, utf8) else "other content"


def _head(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(16)
    except OSError as error:
        raise HostError("reading", path, error.strerror or str(error)) from error


def _held(instance: Instance, path: str, target: str, map_type: str, utf8: bool) -> dict[bytes, bytes] | None:
    """What a compiled file holds; None if Postfix can't read it."""
    if map_type == "cdb":
        return compiled_table.cdb_contents(instance.read(target) or b"", utf8)
    listed = instance.run("postmap", "-c", instance.config_directory, "-s", f"{map_type}:{path}", check=False)
    return compiled_table.listed_contents(listed.stdout, utf8) if listed.returncode == 0 else None


def _build(instance: Instance, path: str, map_type: str, text: bytes, temporary: str, secret: bool) -> None:
    """Compile a text in a directory of its own beside the target, and put the result at the temporary path.

    :raises HostError: if postmap fails, or warns about a line.
    """
    # Its name begins like that of the temporary file, so that it is found if this process is killed.
    directory = f"{temporary}.postmap"
    os.mkdir(directory, 0o700)
    try:
        source = os.path.join(directory, os.path.basename(path))
        with open(source, "wb") as file:
            file.write(text)
        os.chmod(source, 0o600)
        done = instance.run("postmap", "-c", instance.config_directory, f"{map_type}:{source}", check=False)
        complaints = _complaints(done.stderr, source)
        if done.returncode != 0 or complaints:
            cause = (
                "; ".join(complaints)
                or to_text(done.stderr).strip().replace("\n", " / ")
                or f"postmap ended with status {done.returncode}"
            )
            if secret and complaints:
                cause = "postmap warns about a line; what it says is not shown, since the table is secret"
            raise HostError("compiling", f"{map_type}:{path}", cause.replace(source, path), "Nothing has been changed")
        os.rename(source + lookup_table_format.COMPILED[map_type], temporary)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _let_postfix_read(instance: Instance, origin: str, map_type: str, text: bytes, secret: bool) -> None:
    """Have Postfix read a table that is not compiled: what it does not understand it skips with a warning."""
    done = instance.run(
        "postmap", "-c", instance.config_directory, "-q", "probe", f"{map_type}:/dev/stdin", stdin=text, check=False
    )
    complaints = _complaints(done.stderr, "/dev/stdin")
    if complaints:
        found = re.search(r", line (\d+)", complaints[0])
        number = int(found.group(1)) if found else 0
        rule = next((e.key for e in lookup_table_format.table_entries(text, map_type) if e.line.number == number), b"")
        cause = re.sub(r".*?/dev/stdin(?:, line \d+)?: ", "", complaints[0])
        raise GrammarError(
            "reading",
            f"{origin}:{found.group(1)}" if found else origin,
            "Postfix warns about this line" if secret else f"Postfix warns: {cause}",
            f"Correct or remove the rule {to_text(rule)}" if rule and not secret else "Correct or remove it",
        )


def _complaints(stderr: bytes, about: str) -> list[str]:
    """The warnings that concern the table, not main.cf."""
    lines = to_text(stderr).split("\n")
    return [re.sub(r"^\S+: (warning|error|fatal): ", "", line) for line in lines if about in line]
