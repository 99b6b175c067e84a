# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parts that a declaration writes, and what they are now."""

from __future__ import annotations

from ansible_collections.mailops.postfix.plugins.module_utils._formats.master_cf_spec import service_spec
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._plan.declared import FileKind, WrittenFile
from ansible_collections.mailops.postfix.plugins.module_utils._plan.written import (
    Literal,
    PresentParts,
    WrittenParts,
    parts_of,
)


def test_what_is_written_is_what_is_there(directory):
    instance = Instance(str(directory))
    written = WrittenParts(instance, Literal(["biff"], ["25/inet"]))
    written.add_parameters({"biff": "no", "mydestination": "$myhostname,\n  localhost", "relayhost": None})
    written.add_services(
        [service_spec({"service": "smtp/inet", "command": "smtpd", "chroot": True, "options": {"a": None}})]
    )
    present = PresentParts(instance)
    found = {part: (value, present.value(path, file, part)) for path, file, part, value in parts_of(written.files)}
    assert {part: value.derived for part, (value, _now) in found.items()} == {
        "biff": False,
        "mydestination": True,
        "relayhost": True,
        "smtp/inet": False,
        "smtp/inet chroot": False,
        "smtp/inet command": False,
        "smtp/inet -o a": False,
    }
    assert all(value.is_same(now) for value, now in found.values())


def test_entries_of_tables_are_found_as_postfix_compares_keys(directory):
    (directory / "t").write_text("Example.COM  a b\n")
    present = PresentParts(Instance(str(directory)))
    file = WrittenFile(FileKind.TABLE, {}, "hash")
    assert present.value(str(directory / "t"), file, "example.com") == "a b"
    assert present.value(str(directory / "t"), file, "example.org") is None
    assert present.value(str(directory / "u"), file, "example.com") is None


def test_arguments_of_a_service(directory):
    with open(directory / "master.cf", "a", encoding="utf-8") as file:
        file.write("x unix - n n - - pipe flags=F argv=/bin/x ${nexthop}\n")
    spec = service_spec({"service": "x/unix", "command": "pipe flags=F argv=/bin/x ${nexthop}"})
    written = WrittenParts(Instance(str(directory)))
    written.add_services([spec])
    [(path, file, part, value)] = [item for item in parts_of(written.files) if item[2] == "x/unix arguments"]
    assert value.is_same(PresentParts(Instance(str(directory))).value(path, file, part))
