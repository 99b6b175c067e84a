# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the variables of a role require of each other, and of the inventory. Private to mailops.postfix."""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Callable, Iterator, Mapping

from . import _fleet, _owners

Check = Callable[[Mapping[str, Any], Mapping[str, Any]], Iterator[str]]

_CERTIFICATE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
"""As the module certificate has it."""

_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?")


def role_faults(role: str, values: Mapping[str, Any], variables: Mapping[str, Any]) -> list[str]:
    """A sentence for each precondition of a role that is not met.

    :param values: the validated values of its variables.
    :param variables: all variables of the host, with ``groups`` and ``hostvars``.
    """
    faults = list(_CHECKS[role](values, variables)) if role in _CHECKS else []
    if "confirm_within" in values and int(values["confirm_within"] or 0) < 1:
        faults.append(
            f"{role}_confirm_within: {values['confirm_within']} is not valid for a role, which verifies what it changes. Set it to the "
            "seconds that this may take, for example 600. To apply without probing, set "
            f"{role}_verify to {{listeners: ignore, next_hops: ignore}}"
        )
    # In check mode there is no record of it on the host.
    if role in _owners.ROLES:
        owner = (variables.get("__mailops_postfix_owners") or {}).get(instance_of(variables))
        faults += _owners.second_owner(role, owner, values.get("take_over"))
    return faults


def instance_of(variables: Mapping[str, Any]) -> str:
    """The configuration directory that a run applies a role to."""
    return str(variables.get("postfix_instance_config_directory") or "/etc/postfix")


def _mta_relay(values: Mapping[str, Any], _variables: Mapping[str, Any]) -> Iterator[str]:
    yield from _dane("mta_relay", values)


def _smarthost(values: Mapping[str, Any], variables: Mapping[str, Any]) -> Iterator[str]:
    yield from _dane("smarthost", values)
    host = str(variables.get("inventory_hostname"))
    hostvars = variables.get("hostvars") or {}
    groups = variables.get("groups") or {}
    for name in values.get("fleet") or []:
        if name not in groups.get("all", [name]):
            yield f"smarthost_fleet: {name} is not a host of the inventory"
    if not values.get("hostname"):
        yield from _own_name(host, "smarthost_hostname")
    own = values.get("hostname") or host
    others = [
        other
        for other in groups.get("smarthosts") or []
        if other != host and _fleet.smarthost_name(hostvars, other) == own
    ]
    if others:
        yield (
            f"smarthost_hostname: {', '.join(sorted(others))} has the name {own}, too, so that clients can't tell which key belongs to it. "
            "Give each smarthost a name of its own"
        )
    # The role revokes the keys of hosts that have left the fleet. A renamed host is one of them, and must be able to enrol its key again.
    for client in _fleet.clients_of(hostvars, values.get("fleet") or groups.get("roadwarriors") or [], host):
        if client in hostvars:
            yield from _client_names(client, hostvars[client].get("roadwarrior_certificates"), f" of {client}")


def _roadwarrior(values: Mapping[str, Any], variables: Mapping[str, Any]) -> Iterator[str]:
    for one, other in (("sasl_user", "sasl_password"), ("sasl_password", "sasl_user")):
        if values.get(one) and not values.get(other):
            yield f"roadwarrior_{one} requires roadwarrior_{other}"
    host = str(variables.get("inventory_hostname"))
    yield from _client_names(host, values.get("certificates"))
    wanted = values.get("smarthost")
    groups = variables.get("groups") or {}
    if wanted and "smarthosts" in groups:
        found = _fleet.smarthosts_named(variables.get("hostvars") or {}, groups["smarthosts"], wanted)
        if len(found) > 1:
            yield (
                f"roadwarrior_smarthost: {' and '.join(sorted(found))} have the name {wanted}, so that their keys can't be told apart. "
                "Give each of them a smarthost_hostname of its own"
            )


def _letsencrypt(values: Mapping[str, Any], _variables: Mapping[str, Any]) -> Iterator[str]:
    names = [certificate["name"] for certificate in values.get("certificates") or []]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"letsencrypt_certificates: {name} is the name of several certificates. Give each a name of its own"
    for certificate in values.get("certificates") or []:
        if certificate.get("challenge") == "webroot" and not certificate.get("webroot"):
            yield (
                f"letsencrypt_certificates: {certificate['name']}: challenge is webroot, but webroot is not set. Set webroot to the document "
                "root of the web server, or challenge to standalone"
            )


def _dane(role: str, values: Mapping[str, Any]) -> Iterator[str]:
    level = values.get("tls_security_level")
    if values.get("dane") and level not in ("may", "dane"):
        yield (
            f"{role}_dane requires the level dane (or may, the default), but {role}_tls_security_level is {level}. "
            f"Remove one of the two"
        )


def _client_names(host: str, certificates: Any, whose: str = "") -> Iterator[str]:
    """A sentence for each name of a road-warrior's certificates that is not valid.

    :param certificates: the value of roadwarrior_certificates; None or empty for the default, a certificate for the name in the inventory.
    :param whose: follows the name of the variable.
    """
    if certificates is None or certificates == "":
        yield from _own_name(host, "roadwarrior_certificates", whose)
        return
    for certificate in certificates if isinstance(certificates, list) else []:
        name = certificate.get("name") if isinstance(certificate, Mapping) else None
        if isinstance(name, str) and not _CERTIFICATE_NAME.fullmatch(name):
            yield (
                f"roadwarrior_certificates{whose}: {name!r} is not a valid certificate name. Use letters, digits, '.', '-' and '_', and begin "
                "with a letter, a digit or '_'"
            )


def _own_name(host: str, variable: str, whose: str = "") -> Iterator[str]:
    """A sentence if the name of a host in the inventory can't be the name of a host or certificate."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        if _HOST_NAME.fullmatch(host):
            return
    yield f"{variable}{whose}: its default is the name in the inventory, but {host} is not a valid host name. Set {variable}"


_CHECKS: Mapping[str, Check] = {
    "mta_relay": _mta_relay,
    "smarthost": _smarthost,
    "roadwarrior": _roadwarrior,
    "letsencrypt": _letsencrypt,
}
