# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command line of the program."""

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._program import main


@pytest.mark.parametrize("arguments", [["-h"], ["--help"]])
def test_help(capsys, arguments):
    assert main.main(arguments) == 0
    assert "mailops-postfix deploy ..." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"), [([], "a verb is missing"), (["undeploy"], "'undeploy' is not a valid verb")]
)
def test_wrong_verbs(capsys, arguments, message):
    assert main.main(arguments) == 2
    output = capsys.readouterr()
    assert message in output.err and "usage: " in output.err and output.out == ""


def test_a_verb_gets_the_rest_of_the_arguments(monkeypatch):
    monkeypatch.setitem(main._VERBS, "deploy", lambda rest: rest)
    assert main.main(["deploy", "--name", "mx1"]) == ["--name", "mx1"]


@pytest.mark.parametrize(("operation", "status"), [("deploy_cert", 2), ("deploy_challenge", 0), ("startup_hook", 0)])
def test_operations_of_dehydrated_need_no_verb(operation, status):
    """The setting HOOK of dehydrated is the path of a program, without arguments. Here deploy_cert lacks its own arguments."""
    assert main.main([operation]) == status
