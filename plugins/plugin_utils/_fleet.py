# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who belongs to a smarthost, and which keys the hosts pin, from the variables of the inventory. Private to mailops.postfix.

A variable that is given in a play is known on that play's hosts only. So each role publishes its validated values as a fact of its host,
which has precedence over the inventory as long as the run lasts.
"""

from __future__ import annotations

from typing import Any, Iterable, Mapping, NamedTuple

Hosts = Mapping[str, Mapping[str, Any]]
"""The variables of each host, as ``hostvars`` has them."""


def smarthost_name(hosts: Hosts, host: str) -> str:
    """The name under which clients reach a smarthost."""
    return str(_value(hosts, host, "smarthost", "hostname") or host)


def smarthost_certificates(hosts: Hosts, host: str) -> list[dict[str, Any]]:
    """The certificates that a smarthost serves; without a declaration a self-signed one for its name."""
    declared = _value(hosts, host, "smarthost", "certificates")
    # ansible-core 2.18 turns null into an empty string where a template is nested in another one.
    if declared is None or declared == "":
        return [{"name": smarthost_name(hosts, host), "provider": "self_signed"}]
    return [dict(certificate) for certificate in declared]


def smarthosts_named(hosts: Hosts, candidates: Iterable[str], name: str) -> list[str]:
    """The hosts that are the smarthost of this name: the host itself, and all others that have the same name for clients."""
    candidates = list(candidates)
    names = {smarthost_name(hosts, host) for host in candidates if name in (host, smarthost_name(hosts, host))}
    return [host for host in candidates if smarthost_name(hosts, host) in names]


def smarthost(hosts: Hosts, candidates: Iterable[str], name: str) -> dict[str, Any]:
    """The host of the inventory that is the smarthost of this name, as ``host``, with its ``name`` and ``certificates``.

    Without such a host, ``host`` is empty, and ``name`` the given one.
    """
    found = smarthosts_named(hosts, candidates, name)
    if not found:
        return {"host": "", "name": name, "certificates": []}
    return {
        "host": found[0],
        "name": smarthost_name(hosts, found[0]),
        "certificates": smarthost_certificates(hosts, found[0]),
    }


def clients_of(hosts: Hosts, fleet: Iterable[str], smarthost: str) -> list[str]:
    """The hosts of a fleet that do not name another smarthost."""
    own = (smarthost, smarthost_name(hosts, smarthost))
    return [
        host
        for host in fleet
        if host != smarthost and (_value(hosts, host, "roadwarrior", "smarthost") or smarthost) in own
    ]


def _clients_in_inventory(hosts: Hosts, fleet: Iterable[str], smarthost: str) -> list[str]:
    """The same without what the road-warriors have published."""
    own = (smarthost, smarthost_name(hosts, smarthost))
    return [
        host
        for host in fleet
        if host != smarthost and host in hosts and (hosts[host].get("roadwarrior_smarthost") or smarthost) in own
    ]


def outdated_smarthosts(hosts: Hosts, candidates: Iterable[str], default_fleet: Iterable[str]) -> list[dict[str, Any]]:
    """The smarthosts that this run has configured, and whose clients are fewer than the inventory says.

    Road-warriors whose play names their smarthost publish that after the smarthosts have been configured.

    :param default_fleet: the fleet of a smarthost that does not declare one.
    :returns: for each its name in the inventory, ``host``, and its ``clients``.
    """
    default_fleet = list(default_fleet)
    found = []
    for host in candidates:
        published = hosts[host].get("__smarthost_published") if host in hosts else None
        if isinstance(published, Mapping):
            clients = clients_of(hosts, published.get("fleet") or default_fleet, host)
            if any(
                name not in clients
                for name in _clients_in_inventory(hosts, published.get("fleet") or default_fleet, host)
            ):
                found.append({"host": host, "clients": clients})
    return found


def key_pins(certificates: Iterable[Mapping[str, Any]]) -> list[str]:
    """The SHA-256 fingerprints of the public keys, those of next keys included.

    :param certificates: the results of the module certificate. In check mode a key that would be generated has no fingerprint.
    """
    certificates = list(certificates)
    keys = [item.get("certificate") for item in certificates] + [item.get("next") for item in certificates]
    pins = [((key or {}).get("public_key_fingerprint") or {}).get("sha256") for key in keys]
    return [str(pin) for pin in pins if pin]


class Rotation(NamedTuple):
    """The state of the rotation of a smarthost's keys."""

    next_pins: list[str]
    unreachable: list[str]
    """The clients whose pins could not be read."""
    unconfirmed: list[str]
    """The clients that do not have the pins of the next keys, each with the reason."""
    is_incomplete: bool
    """Whether a client has the pin of a replaced key besides the current one, and there is no next key: an earlier rotation has ended after
    the switch. A client that has only other pins says that the smarthost's key was replaced by other means, such as a backup."""


def rotation(
    hosts: Hosts,
    clients: Iterable[str],
    certificates: Iterable[Mapping[str, Any]],
    readings: Mapping[str, Mapping[str, Any]],
) -> Rotation:
    """What hosts and smarthost have of the keys.

    :param clients: the road-warriors that pin the keys.
    :param certificates: the results of the module certificate on the smarthost.
    :param readings: for each client the result of the module instance_info, empty if the client was unreachable.
    """
    clients = list(clients)
    certificates = list(certificates)
    current = key_pins([{"certificate": item.get("certificate")} for item in certificates])
    following = key_pins([{"certificate": item.get("next")} for item in certificates])
    pinned = {host: _pins_of(readings[host]) for host in clients if (readings.get(host) or {}).get("installed", False)}
    unconfirmed = [
        f"{host} (has other pins)" if host in pinned else f"{host} (unreachable)"
        for host in clients
        if host not in pinned or set(following) - set(pinned[host])
    ]
    old = [
        pin
        for host, pins in pinned.items()
        if not _value(hosts, host, "roadwarrior", "pins")
        for pin in pins
        if pin not in (*current, *following) and set(current) <= set(pins)
    ]
    return Rotation(
        following, [host for host in clients if host not in pinned], unconfirmed, bool(old and not following)
    )


def _pins_of(reading: Mapping[str, Any]) -> list[str]:
    value = (reading.get("explicit_parameters") or {}).get("smtp_tls_fingerprint_cert_match") or ""
    return str(value).upper().replace(",", " ").split()


def _value(hosts: Hosts, host: str, role: str, name: str) -> Any:
    """A variable of a role on another host: as the role has published it in this run, or else as the inventory has it."""
    if host not in hosts:
        return None
    variables = hosts[host]
    published = variables.get(f"__{role}_published")
    if isinstance(published, Mapping) and name in published:
        return published[name]
    return variables.get(f"{role}_{name}")
