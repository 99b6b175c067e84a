# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of server names (tls_server_sni_maps). Private to mailops.postfix.

``postmap -F`` copies keys and certificates into the compiled table. The compiled table is therefore as secret as the keys, and must be
rebuilt at each renewal although its text does not change. Only postmap and openssl read the keys: this process never does.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from typing import Mapping, Sequence

from .._errors import DeclarationError, HostError
from .._formats import lookup_table, lookup_table_edit
from .._formats.lines import to_bytes, to_text
from .._host import openssl
from .._host.instance import Instance
from .._x509 import certificate, pem
from .._x509.pem import PemError
from . import lookup_table as lookup_table_plan
from .plan import Change, Plan, root_owned

_HEADER = b"# Server names and the files that are served for them. Compile it with postmap -F, at each renewal too.\n"

# The certificates, and the public key, that the compiled table holds for a name. The pipe keeps private keys out of this process.
_OUTLINE = 'directory=$1 name=$2 map=$3; shift 3; postmap -c "$directory" -F -q "$name" "$map" | sed -n "$@"'
_PUBLIC_KEY = 'postmap -c "$1" -F -q "$2" "$3" | openssl pkey -passin pass:none -pubout'


@dataclass(frozen=True)
class SniEntry:
    """A certificate, and the names for which Postfix serves it."""

    chain_file: str
    hostnames: Sequence[str]
    chain: Sequence[bytes] | None
    """The certificates for its chain file, in DER form; None if they do not exist yet."""
    public_key: bytes | None
    rewritten: bool
    """Whether its chain file changes."""
    staged: Mapping[str, str]
    """For the path of its chain file the temporary path of the new version during the transaction."""


def table(instance: Instance, path: str, entries: Sequence[SniEntry]) -> Plan:
    """The plan for the table with these certificates. Result: the parameters that make smtpd(8) use it.

    :raises DeclarationError: if a host name is not valid.
    """
    openssl.protected(path)
    map_type = lookup_table_plan.choose_type(instance, "auto")
    before = instance.read(path)
    text = before if before is not None else _HEADER
    values = _values(instance, text, map_type, path, entries)
    declared = lookup_table_edit.declaration(values, map_type)
    after = lookup_table_edit.edit_table(text, declared, map_type, path=path)
    target = path + lookup_table.COMPILED[map_type]
    final = _files_by_name(after, map_type)
    stale = _stale(instance, map_type, path, final, entries, before != after)

    def make(temporary: str) -> None:
        staged = {old: new for entry in entries for old, new in entry.staged.items()}
        current = {name: [staged.get(file, file) for file in files] for name, files in final.items()}
        _build(instance, map_type, path, current, temporary)

    return Plan(
        changes=[
            Change(path, after, before, attributes=root_owned(0o644)),
            Change(target, make, stale=stale, attributes=root_owned(0o600), secret=True),
        ],
        result={"parameters": {"tls_server_sni_maps": f"{map_type}:{openssl.as_parameter(path)}"}},
        requires="reload" if stale else "none",
    )


def key_of(hostname: str) -> str:
    """The lookup key for a host name. The key for ``*.example.org`` is ``.example.org``."""
    name = certificate.to_ascii(hostname)
    return name[1:] if name.startswith("*.") else name


def files_by_name(instance: Instance, path: str) -> dict[str, list[str]]:
    """For each name in the text of a table its files."""
    return _files_by_name(instance.read(path) or b"", "hash")


def _files_by_name(text: bytes, map_type: str) -> dict[str, list[str]]:
    contents = lookup_table.contents(text, map_type)
    return {to_text(name): _files(to_text(value)) for name, value in contents.items()}


def _files(value: str) -> list[str]:
    return [file for file in re.split(r"[\s,]+", value) if file]


def _values(
    instance: Instance, text: bytes, map_type: str, path: str, entries: Sequence[SniEntry]
) -> dict[str, str | None]:
    """The entries that change: for each name the files of its certificates, one for each type of key; None removes a name."""
    present = _files_by_name(text, map_type)
    own = {entry.chain_file for entry in entries}
    wanted: dict[str, list[SniEntry]] = {}
    for entry in entries:
        for hostname in entry.hostnames:
            if not certificate.is_certificate_name(certificate.to_ascii(hostname)):
                raise DeclarationError("editing", path, f"{hostname!r} is not a valid host name", "Correct hostnames")
            wanted.setdefault(key_of(hostname), []).append(entry)
    result: dict[str, str | None] = {}
    for name in [*present, *(name for name in wanted if name not in present)]:
        others = [file for file in present.get(name, []) if file not in own]
        declared = wanted.get(name, [])
        if declared:
            key_types = {_key_type(entry.public_key) for entry in declared}
            others = [file for file in others if _key_type_of_file(instance, file) not in (None, *key_types)]
        files = sorted({*others, *(openssl.as_parameter(entry.chain_file) for entry in declared)})
        if files != sorted(present.get(name, [])):
            result[name] = ", ".join(files) or None
    return result


def _key_type(public_key: bytes | None) -> str | None:
    return None if public_key is None else certificate.key_type(public_key)[0]


def _key_type_of_file(instance: Instance, path: str) -> str | None:
    """The key type of the first certificate in a file; None if the file does not exist."""
    if openssl.status(path) is None:
        return None
    return _key_type(openssl.read_chain(instance, path, "")[0].public_key)


def _stale(
    instance: Instance,
    map_type: str,
    path: str,
    final: Mapping[str, Sequence[str]],
    entries: Sequence[SniEntry],
    text_changes: bool,
) -> str:
    """Why the compiled table must be rebuilt; empty if it holds the current keys and certificates for each name of its text."""
    if openssl.status(path + lookup_table.COMPILED[map_type]) is None:
        return "missing"
    if text_changes:
        return "other names or files"
    if any(entry.rewritten for entry in entries):
        return "other certificates"
    wanted = {entry.chain_file: entry for entry in entries}
    for name, files in final.items():
        ders: list[bytes] = []
        for file in files:
            entry = wanted.get(file)
            ders += (
                entry.chain if entry and entry.chain else [item.der for item in openssl.read_chain(instance, file, "")]
            )
        arguments = (instance.config_directory, name, f"{map_type}:{path}")
        outline = instance.run("sh", "-c", _OUTLINE, "sh", *arguments, *pem.OUTLINE_SCRIPT)
        try:
            held = [block.der for block in pem.blocks(outline.stdout) if block.is_certificate]
        except PemError:
            held = []
        if held != ders:
            return f"other certificates for {name}"
        public = instance.run("sh", "-c", _PUBLIC_KEY, "sh", *arguments, check=False)
        if pem.public_key(public.stdout) != openssl.public_half(instance, files[0]):
            return f"another private key for {name}"
    return ""


def _build(instance: Instance, map_type: str, path: str, final: Mapping[str, Sequence[str]], temporary: str) -> None:
    """Compile the table in a directory of its own, and rename the result to the temporary path.

    :raises HostError: if postmap fails, or warns about a name, which it then omits.
    """
    # The next run removes the files of a killed one by their names. The directory's name begins like that of the temporary file.
    directory = f"{temporary}.postmap"
    os.mkdir(directory, 0o700)
    try:
        source = os.path.join(directory, os.path.basename(path))
        with open(source, "wb") as file:
            file.write(b"".join(to_bytes(f"{name} {', '.join(files)}\n") for name, files in final.items()))
        os.chmod(source, 0o600)
        done = instance.run("postmap", "-c", instance.config_directory, "-F", f"{map_type}:{source}", check=False)
        complaints = [line for line in to_text(done.stderr).split("\n") if source in line]
        if done.returncode != 0 or complaints:
            cause = "; ".join(complaints) or done.complaint
            raise HostError("compiling", f"{map_type}:{path}", cause.replace(source, path), "Nothing has been changed")
        os.rename(source + lookup_table.COMPILED[map_type], temporary)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
