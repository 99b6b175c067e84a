# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The values of a role's variables as its argument spec defines them. Private to mailops.postfix.

Ansible validates the arguments of a role, but the role's tasks still see the variables as they came in: ``-e x=false`` is the string
``false``, and ``-e x=a,b`` one string. So the roles use the values that these functions return, and no variable directly.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Callable, Iterable, Iterator, Mapping, NamedTuple

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import UnsupportedError

from . import _role_names


class RoleValues(NamedTuple):
    """The result of :func:`role_values`."""

    validated: dict[str, Any]
    """By the name of the variable without the prefix; None if it is not given and has no default."""
    faults: list[str]
    """What is wrong, each a sentence that names the variable."""


def role_values(
    role: str,
    options: Mapping[str, Any],
    variables: Mapping[str, Any],
    omit: Any = None,
    names: Iterable[str] = (),
    specs: Callable[[], _role_names.Specs] = dict,
) -> RoleValues:
    """Validate and convert the variables of a role.

    :param options: the options of its argument spec.
    :param variables: the variables that begin with the role's prefix, with templates resolved.
    :param omit: the placeholder that older versions of ansible-core put in place of ``omit``.
    :param names: the names of the host's other variables.
    :param specs: returns the argument specs of all roles.
    """
    given = {name: _without_omitted(value, omit) for name, value in variables.items()}
    known = {
        name: _without_null(_split(value, options[name]), options[name])
        for name, value in given.items()
        if name in options and _is_given(value, omit)
    }
    faults = [fault for name, value in known.items() for fault in _misshapen(name, value, options[name])]
    if faults:
        return RoleValues({}, faults)
    result = ArgumentSpecValidator(_without_templates(options)).validate(known)
    faults = list(_faults(_without_templates(options), known)) if result.error_messages else []
    validated = result.validated_parameters
    prefix = f"{role}_"
    values = {
        name[len(prefix) :]: (
            _as_given(validated.get(name), known[name], option)
            if name in known
            else _without_templates(options)[name].get("default")
        )
        for name, option in options.items()
    }
    ignored = values.get("ignored_variables") or names_in(given.get(f"{prefix}ignored_variables"))
    expected = {*options, *ignored, f"{prefix}ignored_variables"}
    faults += _role_names.unknown_variable_faults(role, expected, {*given, *names}, specs)
    return RoleValues(values, faults)


def _as_given(value: Any, given: Any, option: Mapping[str, Any]) -> Any:
    """A validated value without the suboptions that are not given, for which the module has defaults of its own."""
    suboptions = option.get("options")
    if suboptions and isinstance(value, list) and isinstance(given, list):
        return [_as_given(item, before, option) for item, before in zip(value, given)]
    if suboptions and isinstance(value, dict) and isinstance(given, Mapping):
        return {
            name: _as_given(item, given[name], suboptions.get(name, {}))
            for name, item in value.items()
            if name in given
        }
    return value


def _misshapen(name: str, value: Any, option: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for each value that is not a dictionary where suboptions are specified. Ansible's validation terminates there."""
    suboptions = option.get("options")
    if not suboptions:
        return
    items = value if option.get("type") == "list" and isinstance(value, list) else [value]
    for item in items:
        if isinstance(item, Mapping):
            for key, suboption in suboptions.items():
                if item.get(key) is not None:
                    yield from _misshapen(f"{name}.{key}", item[key], suboption)
        elif not isinstance(item, str):
            wanted = "a list of dictionaries" if option.get("type") == "list" else "a dictionary"
            shown = "a list" if isinstance(item, (list, tuple)) else repr(item)  # which may have passwords
            yield f"{name}: {shown} is not valid. Set it to {wanted}"


def _is_given(value: Any, omit: Any) -> bool:
    return value is not None and not (isinstance(value, str) and (not value.strip() or value == omit))


def _without_omitted(value: Any, omit: Any) -> Any:
    """A value without the items of dictionaries that are omitted."""
    if isinstance(value, Mapping):
        return {name: _without_omitted(item, omit) for name, item in value.items() if not _is_omitted(item, omit)}
    if isinstance(value, (list, tuple)):
        return [_without_omitted(item, omit) for item in value if not _is_omitted(item, omit)]
    return value


def _is_omitted(value: Any, omit: Any) -> bool:
    return omit is not None and isinstance(value, str) and value == omit


def _split(value: Any, option: Mapping[str, Any]) -> Any:
    """A value, or the items of a list that is given as one string."""
    if option.get("type") == "list" and isinstance(value, str):
        return names_in(value)
    return value


def _without_null(value: Any, option: Mapping[str, Any]) -> Any:
    """A value without the suboptions that are null, unless their type is ``raw``."""
    suboptions = option.get("options")
    if isinstance(value, list):
        return [_without_null(item, option) for item in value]
    if not suboptions or not isinstance(value, Mapping):
        return value
    return {
        name: _without_null(item, suboptions.get(name, {}))
        for name, item in value.items()
        if item is not None or suboptions.get(name, {}).get("type", "raw") == "raw"
    }


def names_in(value: Any) -> list[Any]:
    """The items of a list that may be given as one string."""
    if isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    return list(value) if isinstance(value, (list, tuple)) else []


def _without_templates(options: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the options, since a validation changes them, without defaults that are templates, which the role resolves itself."""
    return {
        name: {key: deepcopy(value) for key, value in option.items() if key != "default" or "{{" not in str(value)}
        for name, option in options.items()
    }


def _faults(options: Mapping[str, Any], known: Mapping[str, Any]) -> Iterator[str]:
    """The messages about each variable, with its name, which some of Ansible's messages lack."""
    for name, option in options.items():
        given = {name: known[name]} if name in known else {}
        errors = ArgumentSpecValidator({name: deepcopy(option)}).validate(given).errors.errors
        for text in dict.fromkeys(_text(error) for error in errors):
            yield text if name in text else f"{name}: {text}"


def _text(error: Exception) -> str:
    return (f"there is no option {error}" if isinstance(error, UnsupportedError) else str(error)).rstrip(".")
