# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a declaration to a plan: the TLS policy table. Private to mailops.postfix.

Policies become the entries of a lookup table; what a host would not enforce is refused.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Mapping, Sequence

from ansible_collections.mailops.postfix.plugins.module_utils import (
    _lookup_table,
    _master_cf,
    _plan_lookup_table,
    _routes,
    _tls_policy,
)
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError, GrammarError
from ansible_collections.mailops.postfix.plugins.module_utils._instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._logical_lines import to_bytes, to_text
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import Plan, strongest

TLS_POLICY: Mapping[str, Any] = {
    "argument_spec": {
        "path": {"type": "path"},
        "policies": {
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": {
                "nexthop": {"type": "str"},
                "domain": {"type": "str"},
                "level": {"type": "str", "choices": list(_tls_policy.LEVELS)},
                "match": {"type": "list", "elements": "str"},
                "protocols": {"type": "list", "elements": "str"},
                "ciphers": {"type": "str", "choices": list(_tls_policy.GRADES)},
                "exclude": {"type": "list", "elements": "str"},
                "tafile": {"type": "list", "elements": "path"},
                "servername": {"type": "str"},
                "connection_reuse": {"type": "bool"},
                "enable_rpk": {"type": "bool"},
                "route": {"type": "str", "choices": ["direct"]},
                "state": {"type": "str", "default": "present", "choices": ["present", "absent"]},
            },
            "mutually_exclusive": [["nexthop", "domain"], ["nexthop", "route"]],
            "required_one_of": [["nexthop", "domain"]],
            "required_if": [["state", "present", ["level"]]],
        },
        "exclusive": {"type": "bool", "default": False},
        "type": {"type": "str", "default": "auto", "choices": ["auto", *_lookup_table.KEYED]},
        **_plan_lookup_table.ATTRIBUTES,
    },
}
"""What the module tls_policy takes, as arguments of AnsibleModule."""


def tls_policy(
    instance: Instance,
    options: Mapping[str, Any],
    parameters: Mapping[str, str] | None = None,
    planned: Mapping[str, bytes] | None = None,
    future: Instance | None = None,
    main_cf: Mapping[str, Any] | None = None,
) -> Plan:
    """Make or edit the TLS policy table. Options and result: those of the module tls_policy.

    :param parameters: the values of main.cf that the policies will live with; by default the instance's.
    :param planned: the texts of tables, by path, that the same transaction makes.
    :param main_cf: parameters that the same transaction sets.
    :param future: the instance with the services that the policies will live with; by default as it is.
    """
    parameters = instance.parameters if parameters is None else parameters
    planned = planned or {}
    path = instance.path(options.get("path") or "tls_policy")
    map_type = _plan_lookup_table.choose_type(instance, options.get("type") or "auto")
    router = _Router(instance, parameters, planned)
    wanted: dict[str, _tls_policy.Policy | None] = {}
    for declared in options["policies"]:
        for nexthop, policy in _declared_policies(declared, router):
            if nexthop.lower() in (key.lower() for key in wanted):
                raise DeclarationError(
                    "declaring the TLS policy", nexthop, "it is declared twice", "Keep one of the two"
                )
            wanted[nexthop] = policy
    judge = _Judge(instance, parameters, future or instance)
    for policy in wanted.values():
        if policy is not None:
            judge.refuse(policy)

    def edit(text: bytes, map_type: str, utf8: bool, path: str) -> bytes:
        return _edit_policies(text, wanted, bool(options.get("exclusive")), map_type, utf8, path, instance.version)

    plan = _plan_lookup_table.edited_table(instance, path, map_type, options, edit, main_cf)
    after = plan.changes[0].after
    effective = _policies(after, map_type, path) if isinstance(after, bytes) else []
    declared_keys = [key.lower() for key in wanted]
    warnings = [text for policy in wanted.values() if policy is not None for text in _tls_policy.doubts(policy)]
    warnings += [
        text
        for policy in effective
        if policy.nexthop.lower() not in declared_keys
        for text in judge.doubts(policy, path)
    ]
    warnings += _routes.near_misses([policy.nexthop for policy in effective], parameters)
    extra = router.plans()
    return Plan(
        changes=[*plan.changes, *(change for other in extra for change in other.changes)],
        result={**plan.result, "policies": [_tls_policy.to_declaration(policy) for policy in effective]},
        requires=strongest(plan.requires, *(other.requires for other in extra)),
        warnings=warnings,
    )


def _declared_policies(declared: Mapping[str, Any], router: _Router) -> list[tuple[str, _tls_policy.Policy | None]]:
    """The keys and policies of one declaration: several for a domain with several next hops."""
    domain = declared.get("domain")
    present = declared.get("state") != "absent"
    if domain:
        domain = domain.rstrip(".").lower()
        if not _tls_policy.is_hostname(domain):
            raise DeclarationError(
                "declaring the TLS policy", repr(domain), "it is no domain", "Declare a next hop with nexthop"
            )
        keys = router.keys(domain, declared.get("route") == "direct", present)
    else:
        nexthop = declared.get("nexthop") or ""
        _tls_policy.check_nexthop(nexthop)
        keys = [nexthop]
    if not present:
        return [(key, None) for key in keys]
    attributes = {
        name: value for name, value in declared.items() if name not in ("domain", "nexthop", "route", "state")
    }
    return [(key, _tls_policy.from_declaration(attributes, key)) for key in keys]


def _edit_policies(
    text: bytes,
    wanted: Mapping[str, _tls_policy.Policy | None],
    exclusive: bool,
    map_type: str,
    utf8: bool,
    path: str,
    version: tuple[int, ...],
) -> bytes:
    """The text with the wanted policies; an entry that says the same in other words stays as it is."""
    present = _lookup_table.contents(text, map_type, utf8)
    declared: dict[str, str | None] = {}
    for nexthop, policy in wanted.items():
        old = present.get(_lookup_table.fold(to_bytes(nexthop), map_type))
        declared[nexthop] = None if policy is None else _tls_policy.render(policy, version)
        if (
            policy is not None
            and old is not None
            and _says(nexthop, old) == _says(nexthop, to_bytes(declared[nexthop] or ""))
        ):
            declared[nexthop] = to_text(old)
    return _lookup_table.edit(
        text, _lookup_table.declaration(declared, map_type, utf8), map_type, exclusive, utf8, path
    )


def _says(nexthop: str, value: bytes) -> _tls_policy.Policy | None:
    try:
        policy = _tls_policy.parse(nexthop, to_text(value))
    except GrammarError:
        return None
    return replace(policy, match=tuple(sorted(policy.match)))


def _policies(text: bytes, map_type: str, path: str) -> list[_tls_policy.Policy]:
    """The policies of a table.

    :raises GrammarError: for an entry that Postfix would take for wrong, and mail would wait for.
    """
    return [
        _tls_policy.parse(to_text(entry.key), to_text(entry.value), f"{path}:{entry.line.number}")
        for entry in _lookup_table.entries(text, map_type)
    ]


class _Judge:
    """What can only be said of a policy on its host."""

    def __init__(self, instance: Instance, parameters: Mapping[str, str], future: Instance) -> None:
        self.instance = instance
        self.future = future
        self.proxy = _plan_lookup_table.expanded("tlsproxy_service_name", parameters) or "tlsproxy"
        self.digest = _plan_lookup_table.expanded("smtp_tls_fingerprint_digest", parameters).strip().lower()
        self.default_match = _plan_lookup_table.expanded("smtp_tls_fingerprint_cert_match", parameters)
        self.dnssec = _plan_lookup_table.expanded("smtp_dns_support_level", parameters).strip() == "dnssec"
        self.jail = (
            _plan_lookup_table.expanded("queue_directory", parameters).rstrip("/")
            if future.chrooted("smtp/unix")
            else ""
        )

    def refuse(self, policy: _tls_policy.Policy) -> None:
        """Refuse what this host would not enforce.

        :raises DeclarationError: saying why.
        """
        _tls_policy.check(policy, self.instance.version, self.digest, self.default_match)
        for path in policy.tafile:
            # Unlike smtp_tls_CAfile, the files of a policy are read when mail is sent, hence inside the chroot.
            seen = f"{self.jail}/{path.lstrip('/')}" if self.jail else path
            content = self.instance.read(seen)
            if content is None or b"-----BEGIN " not in content:
                cause = "there is no such file" if content is None else "it holds nothing in PEM form"
                raise DeclarationError(
                    "declaring the TLS policy",
                    policy.nexthop,
                    f"tafile {path}: " + (f"smtp(8) is chrooted and reads {seen}: {cause}" if self.jail else cause),
                    "Put the trust anchor there first, in PEM form",
                )
        if policy.connection_reuse and _master_cf.find(self.future.master_cf, self.proxy, "unix") is None:
            raise DeclarationError(
                "declaring the TLS policy",
                policy.nexthop,
                f"connection_reuse needs the service {self.proxy}/unix, which is not in master.cf: mail waits without it",
                "Declare that service with command tlsproxy and process_limit 0, or leave connection_reuse out",
            )
        if policy.level in ("dane", "dane-only") and not self.dnssec:
            raise DeclarationError(
                "declaring the TLS policy",
                policy.nexthop,
                f"without smtp_dns_support_level = dnssec Postfix takes level {policy.level} for "
                + ("may" if policy.level == "dane" else "a mistake, and mail waits"),
                "Set smtp_dns_support_level: dnssec in main.cf, on a host with a validating resolver",
            )

    def doubts(self, policy: _tls_policy.Policy, path: str) -> list[str]:
        """The same for an entry that nobody declared: it is the user's, and said but not refused."""
        try:
            self.refuse(policy)
            return _tls_policy.doubts(policy)
        except DeclarationError as error:
            return [f"{path}, an entry that is not declared here: {error}"]


class _Router:
    """The keys of policies for domains, and the transport entries that ``route: direct`` takes."""

    def __init__(self, instance: Instance, parameters: Mapping[str, str], planned: Mapping[str, bytes]) -> None:
        self.instance = instance
        self.parameters = parameters
        self.planned = planned
        self.added: dict[tuple[str, str], dict[str, str]] = {}

    def keys(self, domain: str, direct: bool, present: bool) -> list[str]:
        """The policy keys for a recipient domain.

        :raises DeclarationError: if a policy could not apply to its mail, and to its mail alone.
        """
        if not present:
            # What once was declared for the domain stood under the domain, or under the next hop that has it to itself.
            try:
                return list(dict.fromkeys([domain, *_routes.policy_keys(domain, self.parameters, self._tables())]))
            except DeclarationError:
                return [domain]
        if direct:
            self._route_directly(domain)
        return _routes.policy_keys(domain, self.parameters, self._tables(), direct)

    def plans(self) -> list[Plan]:
        """Plans for the transport tables."""
        return [
            _plan_lookup_table.lookup_table(self.instance, {"path": path, "type": map_type, "entries": entries})
            for (map_type, path), entries in self.added.items()
        ]

    def _tables(self) -> Sequence[_routes.Table]:
        try:
            return _routes.tables(self.parameters.get("transport_maps", ""), self.parameters, self._read)
        except _routes.Unknown as error:
            raise DeclarationError(
                "reading", "transport_maps", str(error), "Declare the policy for the next hop itself (nexthop)"
            ) from None

    def _read(self, map_type: str, path: str) -> Mapping[str, str] | None:
        text = self.planned[path] if path in self.planned else self.instance.read(path)
        if text is None:
            return None
        held = {to_text(key): to_text(value) for key, value in _lookup_table.contents(text, map_type).items()}
        return {**held, **self.added.get((map_type, path), {})}

    def _route_directly(self, domain: str) -> None:
        for table in self._tables():
            if table.entries is None:
                continue
            if table.entries.get(domain) in ("smtp:", f"smtp:{domain}"):
                return
            map_type, _colon, path = table.name.partition(":")
            if path in self.planned:
                raise DeclarationError(
                    "routing directly",
                    f"the domain {domain}",
                    f"{table.name} is declared in the same configuration, without that route",
                    f'Add the entry {domain}: "smtp:" there',
                )
            self.added.setdefault((map_type, path), {})[domain] = "smtp:"
            return
        raise DeclarationError(
            "routing directly",
            f"the domain {domain}",
            "transport_maps has no table whose text is on this host, so there is no place for the route",
            f"Declare a lookup_table {self.instance.path('transport')}, which may be empty, "
            "and name its map in the main.cf parameter transport_maps",
        )
