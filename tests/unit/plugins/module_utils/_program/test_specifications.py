# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Renewal specifications as the program on the host reads them; how they are stored is tested with the renewals."""

from __future__ import annotations

import json

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import HostError
from ansible_collections.mailops.postfix.plugins.module_utils._plan.plan import RenewalKind
from ansible_collections.mailops.postfix.plugins.module_utils._program import renewals, specifications
from ansible_collections.mailops.postfix.plugins.module_utils._transaction.journal import FORMAT


def write(path, content):
    path.parent.mkdir(exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def test_a_specification_without_a_format_has_the_first_format(tmp_path):
    path = write(tmp_path / "certificates/spec.json", {"config_directory": "/etc/postfix", "options": {"name": "mx1"}})
    assert specifications.read_spec(path).name == "mx1"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "spec.json: "),
        ([], "spec.json: "),
        ({"options": {}}, "config_directory"),
        ({"config_directory": "/", "options": {}, "format": FORMAT + 1}, "a newer version of mailops.postfix wrote it"),
    ],
)
def test_unreadable_specifications(tmp_path, content, message):
    with pytest.raises(HostError, match=message):
        specifications.read_spec(write(tmp_path / "certificates/spec.json", content))


def test_spec_files(tmp_path, monkeypatch):
    monkeypatch.setattr(renewals, "STORE", str(tmp_path))
    assert specifications.spec_files(RenewalKind.CERTIFICATE) == []
    for name in ("b.json", "a.json", "a.json.new"):
        write(tmp_path / "certificates" / name, {})
    assert specifications.spec_files(RenewalKind.CERTIFICATE) == [
        f"{tmp_path}/certificates/{name}.json" for name in "ab"
    ]
