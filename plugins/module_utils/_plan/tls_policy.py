# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a declaration to a plan: the TLS policy table. Private to mailops.postfix.

Policies become the entries of a lookup table; what a host would not enforce is refused.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Mapping

from .._errors import DeclarationError, GrammarError
from .._formats import lookup_table, lookup_table_edit, master_cf, tls_levels, tls_policy_spec
from .._formats import tls_policy as tls_policy_format
from .._formats.lines import to_bytes, to_text
from .._host.instance import Instance
from .._host.system import Host
from .._model.routing import Router
from . import lookup_table as lookup_table_plan
from . import pins as pins_plan
from .plan import Plan, strongest

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
                "host": {"type": "str"},
                "level": {"type": "str", "choices": list(tls_levels.LEVELS)},
                "match": {"type": "list", "elements": "str"},
                "pins": {"type": "list", "elements": "dict", **pins_plan.PIN},
                "protocols": {"type": "list", "elements": "str"},
                "ciphers": {"type": "str", "choices": list(tls_policy_spec.GRADES)},
                "exclude": {"type": "list", "elements": "str"},
                "tafile": {"type": "list", "elements": "path"},
                "servername": {"type": "str"},
                "connection_reuse": {"type": "bool"},
                "enable_rpk": {"type": "bool"},
                "route": {"type": "str", "choices": ["direct"]},
                "state": {"type": "str", "default": "present", "choices": ["present", "absent"]},
            },
            "mutually_exclusive": [["nexthop", "domain", "host"], ["nexthop", "route"], ["host", "route"]],
            "required_one_of": [["nexthop", "domain", "host"]],
            "required_if": [["state", "present", ["level"]]],
        },
        "exclusive": {"type": "bool", "default": False},
        "type": {"type": "str", "default": "auto", "choices": ["auto", *lookup_table.KEYED]},
        **lookup_table_plan.FILE_OPTIONS,
    },
}
"""What a policy table takes, as arguments of AnsibleModule."""

MODULE: Mapping[str, Any] = {
    "argument_spec": {**TLS_POLICY["argument_spec"], "checks": {"type": "dict", "default": {}}},
}
"""What the module tls_policy takes."""


def tls_policy(instance: Instance, options: Mapping[str, Any]) -> Plan:
    """Make or edit the TLS policy table. Options and result: those of the module tls_policy."""
    plan, keys = planned(instance, options)
    if not plan.changes_something():
        return plan
    # Imported here, so that a run without a change does not load it.
    from .._model import finding
    from . import tables

    texts = {change.path: change.after for change in plan.changes if isinstance(change.after, bytes)}
    warnings = tables.judge_routes(
        instance,
        instance,
        texts,
        tables.policy_settings(keys),
        finding.severities(options.get("checks") or {}),
        plan.result["map"],
    )
    return replace(plan, warnings=[*plan.warnings, *warnings])


def planned(
    instance: Instance,
    options: Mapping[str, Any],
    parameters: Mapping[str, str] | None = None,
    texts: Mapping[str, bytes] | None = None,
    staged: Instance | None = None,
    main_cf: Mapping[str, Any] | None = None,
) -> tuple[Plan, list[str]]:
    """The plan for the table, not judged with the routes yet, and the keys of the policies that are declared.

    :param parameters: the values of main.cf that the policies will live with; by default the instance's.
    :param texts: the texts of tables, by path, that the same transaction makes.
    :param main_cf: parameters that the same transaction sets.
    :param staged: the instance with the services that the policies will live with; by default as it is.
    """
    parameters = instance.parameters if parameters is None else parameters
    path = lookup_table_plan.table_path(instance, options.get("path") or "tls_policy")
    map_type = lookup_table_plan.choose_type(instance, options.get("type") or "auto")
    router = _Router(instance, staged or instance, parameters, texts or {}, f"{map_type}:{path}")
    judge = _Judge(instance, parameters, staged or instance)
    wanted: dict[str, tls_policy_format.Policy | None] = {}
    for declared in options["policies"]:
        for nexthop, policy in _declared_policies(_with_pins(instance, declared, judge.digest), router):
            if nexthop.lower() in (key.lower() for key in wanted):
                raise DeclarationError(
                    "declaring the TLS policy", nexthop, "it is declared twice", "Keep one of the two"
                )
            wanted[nexthop] = policy
    for policy in wanted.values():
        if policy is not None:
            judge.refuse(policy)

    def edit(text: bytes, map_type: str, utf8: bool, path: str) -> bytes:
        return _edit_policies(text, wanted, bool(options.get("exclusive")), map_type, utf8, path, instance.version)

    plan = lookup_table_plan.edited_table(instance, path, map_type, options, edit, main_cf)
    after = plan.changes[0].after
    effective = _policies(after, map_type, path, instance.version) if isinstance(after, bytes) else []
    declared_keys = [key.lower() for key in wanted]
    warnings = [
        text for policy in wanted.values() if policy is not None for text in tls_policy_spec.policy_warnings(policy)
    ]
    warnings += [
        text
        for policy in effective
        if policy.nexthop.lower() not in declared_keys
        for text in judge.doubts(policy, path)
    ]
    extra = router.plans()
    plan = Plan(
        changes=[*plan.changes, *(change for other in extra for change in other.changes)],
        result={**plan.result, "policies": [tls_policy_format.to_declaration(policy) for policy in effective]},
        requires=strongest(plan.requires, *(other.requires for other in extra)),
        warnings=warnings,
    )
    return plan, declared_keys


def _with_pins(instance: Instance, declared: Mapping[str, Any], digest: str) -> Mapping[str, Any]:
    """A declaration with its pins among what is to match."""
    pins = declared.get("pins")
    if not pins:
        return declared
    where = str(declared.get("nexthop") or declared.get("domain") or declared.get("host"))
    if declared.get("level") != "fingerprint":
        raise DeclarationError(
            "declaring the TLS policy",
            where,
            f"pins count at level fingerprint alone, this is {declared.get('level')}",
            "Choose level fingerprint, or leave the pins out",
        )
    matched = [*(declared.get("match") or []), *pins_plan.pinned_fingerprints(instance, pins, digest, where)]
    return {**declared, "match": matched, "pins": None}


def _declared_policies(
    declared: Mapping[str, Any], router: _Router
) -> list[tuple[str, tls_policy_format.Policy | None]]:
    """The keys and policies of one declaration: several for a domain with several next hops."""
    domain = declared.get("domain")
    present = declared.get("state") != "absent"
    if domain:
        domain = domain.rstrip(".").lower()
        if not tls_policy_format.is_postfix_hostname(domain):
            raise DeclarationError(
                "declaring the TLS policy", repr(domain), "it is not a valid domain", "Declare a next hop with nexthop"
            )
        keys = router.keys(domain, declared.get("route") == "direct", present)
    elif declared.get("host"):
        keys = router.keys_of_host(declared["host"].rstrip(".").lower(), present)
    else:
        nexthop = declared.get("nexthop") or ""
        tls_policy_spec.check_nexthop(nexthop)
        keys = [nexthop]
    if not present:
        return [(key, None) for key in keys]
    attributes = {
        name: value
        for name, value in declared.items()
        if name not in ("domain", "nexthop", "host", "route", "state", "pins")
    }
    return [(key, tls_policy_spec.from_declaration(attributes, key)) for key in keys]


def _edit_policies(
    text: bytes,
    wanted: Mapping[str, tls_policy_format.Policy | None],
    exclusive: bool,
    map_type: str,
    utf8: bool,
    path: str,
    version: tuple[int, ...],
) -> bytes:
    """The text with the wanted policies; an entry that says the same in other words stays as it is."""
    present = lookup_table.contents(text, map_type, utf8)
    declared: dict[str, str | None] = {}
    for nexthop, policy in wanted.items():
        old = present.get(lookup_table.fold(to_bytes(nexthop), map_type, utf8))
        declared[nexthop] = None if policy is None else tls_policy_spec.render(policy, version)
        if (
            policy is not None
            and old is not None
            and _says(nexthop, old) == _says(nexthop, to_bytes(declared[nexthop] or ""))
        ):
            declared[nexthop] = to_text(old)
    return lookup_table_edit.edit_table(
        text, lookup_table_edit.declaration(declared, map_type, utf8), map_type, exclusive, utf8, path
    )


def _says(nexthop: str, value: bytes) -> tls_policy_format.Policy | None:
    try:
        policy = tls_policy_format.parse(nexthop, to_text(value))
    except GrammarError:
        return None
    return replace(policy, match=tuple(sorted(policy.match)))


def _policies(text: bytes, map_type: str, path: str, version: tuple[int, ...]) -> list[tls_policy_format.Policy]:
    """The policies of a table.

    :raises GrammarError: for an entry that Postfix would take for wrong, and mail would wait for.
    """
    result = []
    for entry in lookup_table.table_entries(text, map_type):
        key = to_text(entry.key)
        try:
            result.append(tls_policy_format.parse(key, to_text(entry.value), f"{path}:{entry.line.number}", version))
        except GrammarError as error:
            remedy = error.remedy or f"Mail to {key} waits for it. Declare its policy again, or with state: absent"
            raise GrammarError(error.action, error.subject, error.cause, remedy) from None
    return result


class _Judge:
    """What can only be said of a policy on its host."""

    def __init__(self, instance: Instance, parameters: Mapping[str, str], staged: Instance) -> None:
        self.instance = instance
        self.staged = staged
        self.dependencies: Any = None
        self.proxy = lookup_table_plan.expanded_map("tlsproxy_service_name", parameters) or "tlsproxy"
        self.digest = lookup_table_plan.expanded_map("smtp_tls_fingerprint_digest", parameters).strip().lower()
        self.default_match = lookup_table_plan.expanded_map("smtp_tls_fingerprint_cert_match", parameters)
        self.obstacle = tls_policy_format.dane_obstacle(lambda name: lookup_table_plan.expanded_map(name, parameters))
        self.owner = lookup_table_plan.expanded_map("mail_owner", parameters) or "postfix"
        self.chroot = (
            lookup_table_plan.expanded_map("queue_directory", parameters).rstrip("/")
            if staged.chrooted("smtp/unix")
            else ""
        )

    def refuse(self, policy: tls_policy_format.Policy) -> None:
        """Refuse what this host would not enforce.

        :raises DeclarationError: saying why.
        """
        tls_policy_spec.check_policy(policy, self.instance.version, self.digest, self.default_match)
        for path in policy.tafile:
            # Unlike smtp_tls_CAfile, the files of a policy are read when mail is sent, hence inside the chroot.
            seen = f"{self.chroot}/{path.lstrip('/')}" if self.chroot else path
            content = self.instance.read(seen)
            if content is None or b"-----BEGIN " not in content:
                cause = "there is no such file" if content is None else "it holds nothing in PEM form"
                raise DeclarationError(
                    "declaring the TLS policy",
                    policy.nexthop,
                    f"tafile {path}: " + (f"smtp(8) is chrooted and reads {seen}: {cause}" if self.chroot else cause),
                    "Put the trust anchor there first, in PEM form",
                )
            if not Host().readable_by(seen, self.owner):
                raise DeclarationError(
                    "declaring the TLS policy",
                    policy.nexthop,
                    f"tafile {path}: {self.owner}, as whom smtp(8) reads {seen}, may not",
                    f"Let {self.owner} read it, and enter its directories",
                )
        if policy.connection_reuse and master_cf.find_entry(self.staged.master_cf, self.proxy, "unix") is None:
            raise DeclarationError(
                "declaring the TLS policy",
                policy.nexthop,
                f"connection_reuse needs the service {self.proxy}/unix, which is not in master.cf: mail waits without it",
                "Declare that service with command tlsproxy and process_limit 0, or leave connection_reuse out",
            )
        if policy.level in ("dane", "dane-only") and self.obstacle:
            raise DeclarationError(
                "declaring the TLS policy",
                policy.nexthop,
                f"{self.obstacle} Postfix treats level {policy.level} as "
                + ("may" if policy.level == "dane" else "an error, and mail waits"),
                "Set smtp_dns_support_level: dnssec in main.cf, on a host with a validating resolver",
            )
        if policy.level in ("dane", "dane-only"):
            # Imported here, since most tables have no such policy.
            from .._checks import dane
            from . import dependencies

            self.dependencies = self.dependencies or dependencies.Dependencies(self.staged)
            cause = dane.distrust(self.dependencies.resolver())
            if cause:
                raise DeclarationError("declaring the TLS policy", policy.nexthop, cause, dane.REMEDY)

    def doubts(self, policy: tls_policy_format.Policy, path: str) -> list[str]:
        """The same for an entry that is not declared: it belongs to the user, and is reported but not refused."""
        try:
            self.refuse(policy)
            return tls_policy_spec.policy_warnings(policy)
        except DeclarationError as error:
            return [f"{path}, an entry that is not declared here: {error}"]


class _Router:
    """The keys of policies for domains, and the transport entries that ``route: direct`` takes."""

    def __init__(
        self,
        instance: Instance,
        staged: Instance,
        parameters: Mapping[str, str],
        planned: Mapping[str, bytes],
        table: str,
    ) -> None:
        self.instance = instance
        self.staged = staged
        self.parameters = parameters
        self.planned = dict(planned)
        self.table = table
        self._resolver: Router | None = None
        self.added: dict[tuple[str, str], dict[str, str]] = {}

    @property
    def resolver(self) -> Router:
        """The routes as they will be."""
        # Imported here, since only policies for domains need routes.
        from . import tables

        if self._resolver is None:
            self._resolver = tables.router_of(self.instance, self.staged, self.planned, self.parameters)
        return self._resolver

    def keys(self, domain: str, direct: bool, present: bool) -> list[str]:
        """The policy keys for a recipient domain.

        :raises DeclarationError: if a policy could not apply to its mail, and to its mail alone.
        """
        from .._model import effective_policy

        if not present:
            # What once was declared for the domain stood under the domain, or under the next hop that has it to itself.
            try:
                return list(dict.fromkeys([domain, *effective_policy.policy_keys(self.resolver, domain)]))
            except DeclarationError:
                return [domain]
        if direct:
            self._route_directly(domain)
        return effective_policy.policy_keys(self.resolver, domain, direct)

    def keys_of_host(self, host: str, present: bool) -> list[str]:
        """Every next hop of the configuration that names a host.

        :raises DeclarationError: if there is none.
        """
        from .._model import routing

        resolver = self.resolver
        if not present:
            keys = [*resolver.nexthops(), *(resolver.tables.entries(self.table) or {}), host, f"[{host}]"]
            return list(dict.fromkeys(key.lower() for key in keys if routing.host(key) == host))
        keys = list(dict.fromkeys(key for key in resolver.nexthops() if routing.host(key) == host))
        if not keys:
            raise DeclarationError(
                "declaring the TLS policy",
                host,
                "neither relayhost, nor a transport, nor a fallback relay has a next hop on this host",
                "Declare the policy for the next hop itself (nexthop), or the route with it",
            )
        return keys

    def plans(self) -> list[Plan]:
        """Plans for the transport tables."""
        return [self._plan(map_type, path) for map_type, path in self.added]

    def _plan(self, map_type: str, path: str) -> Plan:
        entries = self.added[map_type, path]
        return lookup_table_plan.lookup_table(self.instance, {"path": path, "type": map_type, "entries": entries})

    def _route_directly(self, domain: str) -> None:
        from .._model import routing

        resolver = self.resolver
        try:
            names = resolver.map_names("transport_maps")
        except routing.Unknown as error:
            raise DeclarationError(
                "routing directly", f"the domain {domain}", str(error), "Correct that first"
            ) from None
        for name in names:
            entries = resolver.tables.entries(name) if routing.is_keyed(name) else None
            if entries is None:
                continue
            if entries.get(domain) in ("smtp:", f"smtp:{domain}"):
                return
            map_type, _colon, path = name.partition(":")
            if path in self.planned and (map_type, path) not in self.added:
                raise DeclarationError(
                    "routing directly",
                    f"the domain {domain}",
                    f"{name} is declared in the same configuration, without that route",
                    f'Add the entry {domain}: "smtp:" there',
                )
            self.added.setdefault((map_type, path), {})[domain] = "smtp:"
            after = self._plan(map_type, path).changes[0].after
            self.planned[path] = after if isinstance(after, bytes) else b""
            self._resolver = None
            return
        raise DeclarationError(
            "routing directly",
            f"the domain {domain}",
            "transport_maps has no table whose text is on this host, so there is no place for the route",
            f"Declare a lookup_table {self.instance.path('transport')}, which may be empty, "
            "and name its map in the main.cf parameter transport_maps",
        )
