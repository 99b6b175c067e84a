# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The common options, which each module of the action group must accept, so that ``module_defaults`` of the group work."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest
import yaml
from ansible_collections.mailops.postfix.plugins.module_utils import _ansible

ROOT = Path(__file__).resolve().parents[4]
GROUP = yaml.safe_load((ROOT / "meta/runtime.yml").read_text(encoding="utf-8"))["action_groups"]["postfix"]
DEFAULTS = {"backup": True, "lock_timeout": 5}

ARGUMENTS = {
    "ca_bundle": {"update_hook": False},
    "certificate": {"name": "mx.example.org", "provider": "self_signed"},
    "configuration": {"main_cf": {"biff": False}},
    "instance_info": {},
    "lookup_table": {"path": "transport", "entries": {"example.org": "smtp:[hub.example.org]"}},
    "main_cf": {"parameters": {"biff": True}},
    "master_cf": {"services": [{"service": "smtp/inet", "process_limit": 10}]},
    "smtp_tls_info": {"host": "127.0.0.1", "port": 1},
    "tls_policy": {"policies": [{"nexthop": "[hub.example.org]", "level": "encrypt"}]},
    "verify": {"requires": "reload"},
}
"""Arguments with which each module succeeds in check mode, on a small configuration directory."""


class _SpecSeenError(Exception):
    """Ends a module once its options are known."""


@pytest.fixture
def options_of(monkeypatch):
    """A function that returns the argument_spec of a module."""

    def options_of(name):
        seen = {}

        def see(argument_spec, **_arguments):
            seen.update(argument_spec)
            raise _SpecSeenError

        for name_of_class in ("_Module", "AnsibleModule"):
            monkeypatch.setattr(_ansible, name_of_class, see)
        with pytest.raises(_SpecSeenError):
            importlib.import_module(f"ansible_collections.mailops.postfix.plugins.modules.{name}").main()
        return seen

    return options_of


@pytest.mark.parametrize("name", GROUP)
def test_module_has_the_common_options(name, options_of):
    options = options_of(name)
    assert {option: options.get(option) for option in _ansible.COMMON_OPTIONS} == _ansible.COMMON_OPTIONS


def test_the_common_options_are_more_than_the_directory():
    assert {"config_directory", "backup"} <= set(_ansible.COMMON_OPTIONS)


def test_common_options_are_documented(run_ansible, tmp_path):
    names = [f"mailops.postfix.{name}" for name in GROUP]
    documented = json.loads(run_ansible("doc", "--json", *names, cwd=tmp_path).stdout)
    assert list(documented) == names
    for name in names:
        options = documented[name]["doc"]["options"]
        for option, specification in _ansible.COMMON_OPTIONS.items():
            found = {key: options[option].get(key) for key in ("type", "default")}
            assert found == {"type": specification["type"], "default": specification.get("default")}, (
                f"{name}: {option}"
            )


def test_module_defaults_of_the_group(run_ansible, directory):
    """One run of ansible-playbook in check mode, with each module of the group."""
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "check_mode": True,
        "vars": {"ansible_python_interpreter": sys.executable},
        "module_defaults": {"group/mailops.postfix.postfix": {**DEFAULTS, "config_directory": str(directory)}},
        "tasks": [{"name": name, f"mailops.postfix.{name}": ARGUMENTS[name], "register": "run"} for name in GROUP],
    }
    (directory / "play.yml").write_text(yaml.safe_dump([play], sort_keys=False))
    arguments = ("playbook", "-i", "localhost,", "play.yml")
    done = run_ansible(*arguments, cwd=directory, ANSIBLE_STDOUT_CALLBACK="ansible.posix.json")
    assert done.returncode == 0, done.stdout + done.stderr
    results = {
        task["task"]["name"]: task["hosts"]["localhost"] for task in json.loads(done.stdout)["plays"][0]["tasks"]
    }
    assert list(results) == GROUP
    for name, result in results.items():
        arguments = result["invocation"]["module_args"]
        assert {option: arguments[option] for option in DEFAULTS} == DEFAULTS, name
        assert arguments["config_directory"] == str(directory)
