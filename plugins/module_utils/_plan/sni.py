# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of server names (tls_server_sni_maps). Private to mailops.postfix.

``postmap -F`` copies keys and certificates into the compiled table. The compiled table is therefore as secret as the keys, and must be
rebuilt at each renewal although its text does not change. Only postmap and openssl read the keys: this process never does.
"""

from __future__ import annotations

from typing import Mapping, Sequence

from .._errors import DeclarationError
from .._formats import lookup_table, lookup_table_edit
from .._formats.lines import to_bytes, to_text
from .._formats.main_cf import words
from .._host import openssl, postmap, stamp
from .._host.instance import Instance
from .._x509 import certificate, pem
from .._x509.pem import PemError
from .chain_file import Deployment
from .lookup_table import PlannedTable
from .plan import Agreement, Change, Plan, root_owned
from .table_file import Table
from .table_references import choose_type

_HEADER = b"# Server names and the files that are served for them. Compile it with postmap -F, at each renewal too.\n"

# The certificates, and the public key, that the compiled table holds for a name. The pipe keeps private keys out of this process.
_OUTLINE = 'directory=$1 name=$2 map=$3; shift 3; postmap -c "$directory" -F -q "$name" "$map" | sed -n "$@"'
_PUBLIC_KEY = 'postmap -c "$1" -F -q "$2" "$3" | openssl pkey -passin pass:none -pubout'


def sni_table(instance: Instance, path: str, entries: Sequence[Deployment], former: Sequence[str] = ()) -> PlannedTable:
    """The table with these certificates, which have chain files, for tls_server_sni_maps.

    :param former: the chain files of certificates that may be in the table and must not stay there, unless they are among the entries.
    :raises DeclarationError: if a host name is not valid.
    """
    table = Table(instance, openssl.protected(path), choose_type(instance, "auto"))
    before = instance.read(path)
    text = before if before is not None else _HEADER
    declared = lookup_table_edit.declaration(_values(table, text, entries, former), table.type)
    after = lookup_table_edit.edit_table(text, declared, table.type)
    ignored = lookup_table_edit.check_entries(after, table.type, path=path, before=text)
    final = files_by_name(after, table.type)
    agreement = _agreement(table, final)
    stale = _stale(table, before != after, final, entries, agreement)

    def make(temporary: str) -> None:
        # For the path of a chain file the temporary path of the new version.
        staged = {old: new for entry in entries for old, new in entry.staged.items()}
        lines = [f"{name} {', '.join(staged.get(file, file) for file in files)}\n" for name, files in final.items()]
        postmap.compile_text(table.instance, table.map, to_bytes("".join(lines)), temporary, ("postmap", "-F"))

    changes = [
        Change(path, after, before, attributes=root_owned(0o644)),
        Change(table.compiled_path, make, stale=stale, attributes=root_owned(0o600), secret=True),
    ]
    map_name = f"{table.type}:{openssl.as_parameter(path)}"
    requires = "reload" if stale else "none"
    plan = Plan(changes, requires=requires, agreements=[agreement], warnings=list(ignored.values()))
    return PlannedTable(map_name, path, after, plan)


def sni_table_has_stamp(instance: Instance, path: str) -> bool:
    """Whether the compiled table has the current keys and certificates, since none of its files has changed since they were compared."""
    table = Table(instance, path, choose_type(instance, "auto"))
    agreement = _agreement(table, files_by_name(instance.read(path) or b"", table.type))
    return stamp.holds(agreement.name, agreement.paths)


def compiled_path(instance: Instance, path: str) -> str:
    """The compiled file of a table of server names."""
    return Table(instance, path, choose_type(instance, "auto")).compiled_path


def _agreement(table: Table, final: Mapping[str, Sequence[str]]) -> Agreement:
    files = dict.fromkeys(file for files in final.values() for file in files)
    return Agreement(f"server names {table.map}", [table.path, table.compiled_path, *files])


def key_of(hostname: str) -> str:
    """The lookup key for a host name. The key for ``*.example.org`` is ``.example.org``."""
    name = certificate.to_ascii(hostname)
    return name[1:] if name.startswith("*.") else name


def files_by_name(text: bytes, map_type: str) -> dict[str, list[str]]:
    """For each name in the text of a table its files."""
    contents = lookup_table.contents(text, map_type)
    return {to_text(name): words(to_text(value)) for name, value in contents.items()}


def _values(table: Table, text: bytes, entries: Sequence[Deployment], former: Sequence[str]) -> dict[str, str | None]:
    """The entries that change: for each name the files of its certificates, one for each type of key; None removes a name."""
    present = files_by_name(text, table.type)
    own = {*(entry.chain_file for entry in entries), *former}
    wanted: dict[str, list[Deployment]] = {}
    for entry in entries:
        for hostname in entry.options.hostnames or entry.names:
            if not certificate.is_certificate_name(certificate.to_ascii(hostname)):
                cause = f"{hostname!r} is not a valid host name"
                raise DeclarationError("editing", table.path, cause, "Correct hostnames")
            wanted.setdefault(key_of(hostname), []).append(entry)
    result: dict[str, str | None] = {}
    for name in [*present, *(name for name in wanted if name not in present)]:
        others = [file for file in present.get(name, []) if file not in own]
        declared = wanted.get(name, [])
        if declared:
            key_types = {_key_type(entry.public_key) for entry in declared}
            others = [file for file in others if _key_type_of_file(table.instance, file) not in (None, *key_types)]
        files = sorted({*others, *(openssl.as_parameter(entry.chain_file or "") for entry in declared)})
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
    table: Table,
    changed: bool,
    final: Mapping[str, Sequence[str]],
    entries: Sequence[Deployment],
    agreement: Agreement,
) -> str:
    """Why the compiled table must be rebuilt; empty if it holds the current keys and certificates for each name of its text."""
    if openssl.status(table.compiled_path) is None:
        return "missing"
    if changed:
        return "other names or files"
    if any(entry.rewritten for entry in entries):
        return "other certificates"
    if stamp.holds(agreement.name, agreement.paths):
        return ""
    instance = table.instance
    chains = {entry.chain_file: entry.chain for entry in entries if entry.chain}
    for name, files in final.items():
        ders: list[bytes] = []
        for file in files:
            ders += chains.get(file) or [item.der for item in openssl.read_chain(instance, file, "")]
        arguments = (instance.config_directory, name, table.map)
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
