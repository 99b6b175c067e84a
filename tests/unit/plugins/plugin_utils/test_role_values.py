# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The values of a role's variables, whatever way they come in."""

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.plugin_utils import _role_values

OMIT = "__omit_place_holder__0123"

OPTIONS = {
    "relay_certificates": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "provider": {"type": "str", "default": "certbot"},
            "backup": {"type": "bool", "default": False},
            "chroot": {"type": "raw", "default": "keep"},
        },
    },
    "relay_hostname": {"type": "str"},
    "relay_domains": {"type": "list", "elements": "str", "default": []},
    "relay_cas": {"type": "list", "elements": "path", "default": []},
    "relay_dane": {"type": "bool", "default": False},
    "relay_loglevel": {"type": "int", "default": 1},
    "relay_level": {"type": "str", "choices": ["may", "encrypt"], "default": "may"},
    "relay_policies": {"type": "list", "elements": "dict"},
    "relay_main_cf": {"type": "dict", "default": {}},
    "relay_name": {"type": "str", "default": "{{ inventory_hostname }}"},
    "relay_ignored_variables": {"type": "list", "elements": "str", "default": []},
}
CERTIFICATES = [{"name": "mx1"}]


def values(role="relay", **variables):
    given = {f"relay_{name}": value for name, value in {"certificates": CERTIFICATES, **variables}.items()}
    return _role_values.role_values(role, OPTIONS, given, OMIT)


def value(name, declared):
    result = values(**{name: declared})
    assert result.faults == []
    return result.validated[name]


@pytest.mark.parametrize("declared", [None, "", "  ", OMIT])
@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("hostname", None),
        ("domains", []),
        ("dane", False),
        ("loglevel", 1),
        ("level", "may"),
        ("policies", None),
        ("main_cf", {}),
        ("name", None),
    ],
)
def test_what_is_not_given_has_its_default(name, default, declared):
    assert value(name, declared) == default
    assert values().validated[name] == default


@pytest.mark.parametrize(
    ("name", "declared", "expected"),
    [
        ("dane", "false", False),
        ("dane", "no", False),
        ("dane", "yes", True),
        ("dane", 0, False),
        ("domains", "example.org", ["example.org"]),
        ("domains", "example.org, example.com,", ["example.org", "example.com"]),
        ("domains", [], []),
        ("domains", 0, ["0"]),
        ("loglevel", "2", 2),
        ("hostname", 0, "0"),
        ("main_cf", "a=b", {"a": "b"}),
        ("main_cf", {"a": None, "b": ""}, {"a": None, "b": ""}),
        ("main_cf", {"a": OMIT, "b": {"c": OMIT}}, {"b": {}}),
        ("policies", [], []),
        ("policies", [{"nexthop": "a", "level": OMIT}], [{"nexthop": "a"}]),
        ("certificates", [{"name": "a", "backup": "no"}], [{"name": "a", "backup": False}]),
        ("certificates", [{"name": "a", "provider": None}], [{"name": "a"}]),
        ("certificates", [{"name": "a", "chroot": None}], [{"name": "a", "chroot": None}]),
    ],
)
def test_a_value_is_converted(name, declared, expected):
    assert value(name, declared) == expected


@pytest.mark.parametrize(
    ("name", "declared", "words"),
    [
        ("loglevel", "high", "loglevel"),
        ("level", "none", "level must be one of: may, encrypt, got: none"),
        ("dane", "perhaps", "dane"),
        ("policies", "a,b", "policies"),
        ("main_cf", 7, "main_cf"),
        ("certificates", None, "missing required arguments: relay_certificates"),
        ("certificates", "", "missing required arguments: relay_certificates"),
        ("certificates", OMIT, "missing required arguments: relay_certificates"),
        ("certificates", [{"name": "a", "privider": "files"}], "there is no option relay_certificates.privider"),
        ("certificates", [{}], "name"),
    ],
)
def test_a_value_is_refused_with_the_name_of_its_variable(name, declared, words):
    faults = values(**{name: declared}).faults
    assert faults and all(words in fault and "relay_" in fault for fault in faults)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("certificate", "certificates"),
        ("dan", "dane"),
        ("policy", "policies"),
        ("cert", "certificates"),
        ("hostnmae", "hostname"),
        ("log_level", "loglevel"),
        ("main_cfg", "main_cf"),
    ],
)
def test_an_unknown_variable_is_refused_with_the_right_name(name, nearest):
    [fault] = values(**{name: None}).faults
    assert fault.startswith(f"relay_{name}: the role relay does not have this variable. Did you mean relay_{nearest}? ")


def test_a_variable_that_is_to_be_ignored():
    assert values(own=1, other=2, ignored_variables="relay_own, relay_other").faults == []


def test_a_role_without_the_variable_that_ignores_others():
    options = {name: option for name, option in OPTIONS.items() if name != "relay_ignored_variables"}
    given = {"relay_certificates": CERTIFICATES, "relay_own": 1, "relay_ignored_variables": ["relay_own"]}
    assert _role_values.role_values("relay", options, given).faults == []
