# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The other Postfix instances of a host."""

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._host import instances
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._host.runner import Completed


@pytest.fixture
def host(tmp_path):
    """The default instance and two others, one of which has been removed."""
    for name in ("postfix", "postfix-in", "postfix-out"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "main.cf").write_text("")
    values = {
        "config_directory": tmp_path / "postfix",
        "multi_instance_directories": f"{tmp_path}/postfix-in, {tmp_path}/postfix-out {tmp_path}/removed",
    }

    def run(argv, _stdin):
        return Completed(tuple(argv), 0, f"{values[argv[-1]]}\n".encode(), b"")

    return lambda name: Instance(str(tmp_path / name), run)


@pytest.mark.parametrize(
    ("own", "others"), [("postfix", ["postfix-in", "postfix-out"]), ("postfix-out", ["postfix", "postfix-in"])]
)
def test_other_instances(host, own, others):
    found = instances.other_instances(host(own))
    assert [item.config_directory.rpartition("/")[2] for item in found] == others


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("transport_maps = hash:/shared/transport\n", True),
        ("x =\n    hash:/shared/transport\n", True),
        ("# x = hash:/shared/transport\n", False),
        ("x = hash:/etc/postfix/transport\n", False),
    ],
)
@pytest.mark.parametrize("file", ["main.cf", "master.cf"])
def test_names_file(tmp_path, text, named, file):
    (tmp_path / "main.cf").write_text("")
    (tmp_path / file).write_text(text)
    assert instances.names_file(Instance(str(tmp_path)), "/shared/transport") is named
