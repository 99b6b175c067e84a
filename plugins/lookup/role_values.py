# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lookup role_values."""

from __future__ import annotations

DOCUMENTATION = r"""
name: role_values
short_description: The variables of a role of this collection, as its argument spec defines them
version_added: 0.1.0
author: mailops.postfix contributors (!UNKNOWN)
description:
  - Reads the variables of the role, and converts each value to the type in the role's argument spec, whether it comes from the inventory, a
    play, or C(--extra-vars), where each value is a string.
  - Other variables that begin with the name of the role, and misspelt names, are faults.
  - A variable that is V(null), an empty string or omitted is not given, and has its default. A list may be a string with commas.
  - The roles of this collection use it in C(tasks/assert.yml).
options:
  _terms:
    description: The name of one role, such as V(mta_relay).
    type: list
    elements: str
    required: true
seealso:
  - module: ansible.builtin.validate_argument_spec
"""

EXAMPLES = r"""
- name: Fail if a variable is not valid
  ansible.builtin.fail:
    msg: "{{ lookup('mailops.postfix.role_values', 'mta_relay').faults | join('. ') }}"
  when: lookup('mailops.postfix.role_values', 'mta_relay').faults | length > 0
"""

RETURN = r"""
_raw:
  description:
    - For the role a dictionary with C(validated), the values by the names of the variables without the prefix, and C(faults), a sentence for each
      variable that is not valid or that the role does not have.
  type: list
  elements: dict
  sample:
    - validated: {tls_security_level: may, loglevel: 1}
      faults: ["mta_relay_tls_policy: the role mta_relay does not have this variable. Did you mean mta_relay_tls_policies?"]
"""

from functools import cache
from pathlib import Path
from typing import Any, Iterator, Mapping

import yaml
from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

from ..plugin_utils import _owners, _role_faults, _role_names, _role_values

_ROLES = Path(__file__).resolve().parents[2] / "roles"
_INSTANCE = "postfix_instance"


@cache
def options_of(role: str) -> dict[str, Any]:
    """The options in the argument spec of a role."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = (_ROLES / role / "meta/argument_specs.yml").read_text(encoding="utf-8")
    options: dict[str, Any] = yaml.load(text, Loader=loader)["argument_specs"]["main"]["options"]
    return options


@cache
def _defaults_of(role: str) -> dict[str, Any]:
    """The defaults of a role, which are read in less time than its argument spec."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    defaults: dict[str, Any] = yaml.load(
        (_ROLES / role / "defaults/main.yml").read_text(encoding="utf-8"), Loader=loader
    )
    return defaults


def _all_options() -> dict[str, dict[str, Any]]:
    return {path.name: options_of(path.name) for path in _ROLES.iterdir()}


class LookupModule(LookupBase):
    """Returns the values of a role's variables."""

    def run(self, terms: list[Any], variables: Any = None, **kwargs: Any) -> list[Any]:
        """The values of each of the roles."""
        return [self._values(str(role), variables or {}) for role in terms]

    def _values(self, role: str, variables: Any) -> dict[str, Any]:
        try:
            options = options_of(role)
        except OSError as error:
            raise AnsibleError(f"mailops.postfix.role_values: {role} is not a role of this collection") from error
        found: dict[str, Any] = {}
        for name in [name for name in options if name in variables]:
            try:
                # As an item, since an item that is omitted is left out.
                found.update(self._templar.template({name: variables[name]}) or {name: None})
            except Exception as error:
                raise AnsibleError(f"{name}: {error}") from error
        result = _role_values.role_values(role, options, found, variables.get("omit"), variables, _all_options)
        templated = _Templated(variables, self._templar)
        faults = result.faults + self._instance_faults(role, templated)
        return {
            "validated": result.validated,
            "faults": faults or _role_faults.role_faults(role, result.validated, templated),
        }

    def _instance_faults(self, role: str, variables: Mapping[str, Any]) -> list[str]:
        """The faults in the names of the variables for the role that a role applies."""
        if role not in _owners.ROLES:
            return []
        ignored = _role_values.names_in(variables.get(f"{_INSTANCE}_ignored_variables"))
        return list(
            _role_names.unknown_variable_faults(
                _INSTANCE, {*_defaults_of(_INSTANCE), *ignored}, variables, _all_options
            )
        )


class _Templated(Mapping[str, Any]):
    """The variables of a host with their templates resolved."""

    def __init__(self, variables: Mapping[str, Any], templar: Any) -> None:
        self._variables = variables
        self._templar = templar

    def __getitem__(self, name: str) -> Any:
        value = self._variables[name]
        return value if name in ("hostvars", "groups") else self._templar.template(value)

    def __iter__(self) -> Iterator[str]:
        return iter(self._variables)

    def __len__(self) -> int:
        return len(self._variables)
