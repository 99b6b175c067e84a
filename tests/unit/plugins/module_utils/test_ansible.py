# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils import _ansible
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError
from ansible_collections.mailops.postfix.plugins.module_utils._plan.plan import Change, Plan

PART = {"argument_spec": {"name": {"required": True}, "size": {"type": "int", "default": 3}}}


@pytest.fixture
def run(run_module):
    """Runs a test module with a planner."""

    def run(build, **options):
        class Module:
            @staticmethod
            def main():
                _ansible.run(
                    {"parts": {"type": "list", "elements": "dict"}, "part": {"type": "dict"}},
                    build,
                    {"parts": PART, "part": PART},
                )

        return run_module(Module, **options)

    return run


def test_options_of_other_modules_get_their_defaults(run):
    def build(_instance, options):
        return Plan(result={"got": [options["parts"], options["part"]]})

    result = run(build, parts=[{"name": "a", "size": "5"}, {"name": "b"}], part=None)
    assert result["got"] == [[{"name": "a", "size": 5}, {"name": "b", "size": 3}], None]
    assert (result["changed"], result["requires"]) == (False, "none")


@pytest.mark.parametrize(
    ("options", "place"),
    [({"parts": [{"name": "a"}, {"size": 1}]}, "parts[1]"), ({"part": {"name": "a", "sise": 1}}, "part:")],
)
def test_an_error_names_the_wrong_item(run, options, place):
    result = run(lambda _instance, _options: Plan(), **options)
    assert result["failed"] and place in result["msg"]


def test_warnings_and_requires(run, monkeypatch):
    warned = []
    monkeypatch.setattr(_ansible.AnsibleModule, "warn", lambda _ansible, warning: warned.append(warning))

    def build(instance, _options):
        return Plan([Change(instance.path("x"), b"new", instance.read("x"))], requires="reload", warnings=["a warning"])

    first, second = run(build), run(build)
    assert (first["changed"], first["requires"]) == (True, "reload")
    assert warned == ["a warning", "a warning"]
    assert (second["changed"], second["requires"]) == (False, "none")


def test_an_error_is_a_message_without_a_traceback(run):
    def build(_instance, _options):
        raise DeclarationError("setting", "x", "it is wrong", "Write y")

    result = run(build)
    assert (result["failed"], result["msg"]) == (True, "setting x: it is wrong. Write y")
    assert "exception" not in result
