# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run plans as Ansible modules. Private to mailops.postfix.

Only this file of module_utils imports Ansible. It defines the options that all modules share, and reports results, diffs and errors.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterator, Mapping

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import UnsupportedError

from ._errors import DeclarationError, PostfixError, ProgramNotSent
from ._host.instance import Instance
from ._host.runner import is_installed
from ._model import secrets
from ._plan.plan import Plan
from ._transaction import lock, store
from ._transaction.apply import Confirmation, OpenTransaction, Outcome, apply

COMMON_OPTIONS: Mapping[str, Any] = {
    "config_directory": {"type": "path"},
    "backup": {"type": "bool", "default": False},
    "lock_timeout": {"type": "int", "default": lock.LOCK_TIMEOUT},
}
"""The options that all modules have, so that each can be set in ``module_defaults`` of the action group."""

CONTROLLER: Mapping[str, Any] = {"_controller": {"type": "dict"}}
"""The hidden option of modules that open transactions, in which the action plugin says who opens it: ``host``, ``user``, ``process``. With
``asks``, the module asks the plugin about open transactions of others; ``asked`` and ``ended`` are the answers."""


def run(
    argument_spec: dict[str, Any],
    build: Callable[[Instance, Mapping[str, Any]], Plan],
    parts: Mapping[str, Mapping[str, Any]] | None = None,
    hidden: Mapping[str, Any] | None = None,
    complete: Callable[[Instance, Plan, Mapping[str, Any]], None] | None = None,
    **arguments: Any,
) -> None:
    """Run a module that changes files.

    :param argument_spec: its own options; :data:`COMMON_OPTIONS` are added.
    :param build: makes the plan from an instance and the module's options.
    :param parts: for each option that holds options of another module the specification of that module, for validation.
    :param hidden: options that the action plugin of the module sets, and users do not.
    :param complete: adds to the plan what its renewals and its deadline need, from the options.
    :param arguments: further arguments of AnsibleModule, such as ``mutually_exclusive``.
    """
    module = _Module({**argument_spec, **COMMON_OPTIONS, **(hidden or {})}, parts=parts, **arguments)
    options = dict(module.params)
    _before(module, options)

    def plan(instance: Instance) -> Plan:
        result = build(instance, options)
        if complete is not None:
            complete(instance, result, options)
        return result

    try:
        for name, specification in (parts or {}).items():
            options[name] = _validated(name, options[name], specification)
        outcome = apply(
            plan,
            lambda: Instance(options["config_directory"]),
            check_mode=module.check_mode,
            backup=options["backup"],
            confirmation=_confirmation(options),
            lock_timeout=options["lock_timeout"],
        )
    except OpenTransaction as question:
        # The action plugin looks whether that process of its controller still exists, and calls the module again.
        module.exit_json(changed=False, _opener=question.transaction.opener.process, _open=question.transaction.id)
    except ProgramNotSent as error:
        if options.get("_program") is None:
            module.fail_json(msg=str(error))
        # The action plugin calls the module again, with the program.
        module.exit_json(changed=False, _transfer=True)
    except PostfixError as error:
        module.fail_json(msg=str(error))
    for warning in outcome.plan.warnings:
        module.warn(warning)
    result = dict(outcome.plan.result, requires=outcome.requires)
    if "confirm_within" in options:
        result.update(_open_transaction(outcome))
    if outcome.backup_files:
        result["backup_files"] = outcome.backup_files
    module.exit_json(changed=outcome.changed, diff=outcome.diff, **result)


def _confirmation(options: Mapping[str, Any]) -> Confirmation:
    """How the changes of a run are confirmed, from the options of its module."""
    controller = options.get("_controller") or {}
    opener = store.this_host()
    if controller:
        opener = store.Opener(controller["host"], controller["user"], controller.get("process") or {})

    def undoes(other: store.Transaction) -> bool:
        if options.get("pending") == "undo" or other.id == controller.get("ended"):
            return True
        if controller.get("asks") and other.opener.process and other.id not in controller.get("asked", []):
            raise OpenTransaction(other)
        return False

    return Confirmation(
        options.get("confirm_within") or 0,
        options.get("transaction"),
        undoes,
        opener=opener,
        ignores_others="entries" in options,
    )


def _before(module: AnsibleModule, options: Mapping[str, Any]) -> None:
    """Leave the module for options that no plan is made for."""
    if options.get("confirm_within", 0) < 0:
        module.fail_json(
            msg=f"confirm_within: {options['confirm_within']} is not a valid number of seconds. Set it to 0 or more"
        )
    if options.get("if_missing") == "report" and not is_installed():
        module.exit_json(changed=False, diff=[], installed=False, running=False, requires="none", **_open_transaction())


def _open_transaction(outcome: Outcome | None = None) -> dict[str, Any]:
    """The results about the transaction that is to be confirmed."""
    transaction = None if outcome is None else outcome.transaction
    return {
        "transaction": {
            "id": None if transaction is None else transaction.id,
            "deadline": None if transaction is None else transaction.deadline,
        },
        "verify": "none" if outcome is None else outcome.verify,
        "verified": None if outcome is None else outcome.verified,
    }


class _Module(AnsibleModule):  # type: ignore[misc]
    """Logs the names of what it is to change, and returns its arguments without secrets, for -vvv."""

    def __init__(
        self, argument_spec: dict[str, Any], *, parts: Mapping[str, Any] | None = None, **arguments: Any
    ) -> None:
        self._known = frozenset(_option_names({"options": {**argument_spec, "": {"options": dict(parts or {})}}}))
        super().__init__(argument_spec, supports_check_mode=True, **arguments)

    def _log_invocation(self) -> None:
        named = [f"{name}={', '.join(values)}" for name, values in _names(self.params) if values]
        self.log(" ".join(["Invoked with", *named]) if named else "Invoked")

    def _return_formatted(self, kwargs: dict[str, Any]) -> None:
        # Here, since Ansible itself ends a module whose arguments are not valid.
        kwargs.setdefault("invocation", {"module_args": secrets.shown_options(self.params, self._known)})
        super()._return_formatted({name: secrets.without_credentials(value) for name, value in kwargs.items()})

    def warn(self, warning: str) -> None:
        super().warn(secrets.without_credentials(warning))


def _option_names(specification: Mapping[str, Any]) -> Iterator[str]:
    """The names of all options and sub-options."""
    for name, option in (specification.get("options") or specification.get("argument_spec") or {}).items():
        yield name
        yield from _option_names(option)


_IDENTITIES = ("path", "service", "name", "nexthop", "domain")
"""The options by which an item of a list is known."""

_LOGGED = ("config_directory", "state", "scope", "transaction", *_IDENTITIES)


def _names(options: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """The names of what a module is to change, by option."""
    for name, value in options.items():
        if name in _LOGGED and isinstance(value, str):
            yield name, [value]
        elif name in ("parameters", "main_cf") and isinstance(value, dict):
            yield name, [str(key) for key in value]
        elif name in ("tls_policy", "ca_bundle", "overrides") and isinstance(value, dict):
            yield from ((f"{name}.{part}", values) for part, values in _names(value))
        elif isinstance(value, list):
            items = [item for item in value if isinstance(item, dict)]
            yield name, [str(item[key]) for item in items for key in _IDENTITIES if item.get(key) is not None]


def _validated(name: str, value: Any, specification: Mapping[str, Any]) -> Any:
    """The options of another module, or each of a list of them, with the defaults of that module.

    :raises DeclarationError: if they do not conform to its specification.
    """
    if value is None:
        return None
    if isinstance(value, list):
        return [_validated(f"{name}[{index}]", item, specification) for index, item in enumerate(value)]
    result = ArgumentSpecValidator(**specification).validate(value)
    if result.error_messages:
        causes = [
            f"there is no option {error.msg}" if isinstance(error, UnsupportedError) else error.msg
            for error in result.errors
        ]
        raise DeclarationError("reading option", name, "; ".join(causes))
    return result.validated_parameters


def run_read_only(argument_spec: dict[str, Any], read: Callable[[Mapping[str, Any]], dict[str, Any]]) -> None:
    """Run a module that only reads, for which ``backup`` and ``lock_timeout`` have no effect.

    :param argument_spec: its own options; :data:`COMMON_OPTIONS` are added.
    :param read: gives the result for the module's options.
    """
    module = _Module({**argument_spec, **COMMON_OPTIONS})
    try:
        result = read(module.params)
    except PostfixError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **result)


def run_verify(argument_spec: Dict[str, Any], verify: Callable[..., Dict[str, Any]]) -> None:
    """Run the module that brings a configuration into service, for which ``backup`` has no effect.

    :param argument_spec: its own options; :data:`COMMON_OPTIONS` are added.
    :param verify: gives the result, from a function that takes a snapshot, the module's options and whether it is check mode.
    """
    module = _Module({**argument_spec, **COMMON_OPTIONS})
    try:
        result = verify(lambda: Instance(module.params["config_directory"]), module.params, module.check_mode)
        failed = None
    except PostfixError as error:
        result, failed = dict(getattr(error, "result", {})), str(error)
    for warning in result.pop("warnings", []):
        module.warn(warning)
    if failed is not None:
        module.fail_json(msg=failed, **result)
    module.exit_json(**result)
