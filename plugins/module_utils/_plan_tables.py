# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a declaration to a plan: lookup tables and the TLS policy table. Private to mailops.postfix.

The text is edited, and the compiled file beside it is made anew when, and only when, it does not hold what the text
says.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tempfile
from dataclasses import replace
from typing import Any, Callable, Mapping, Sequence

from ansible_collections.mailops.postfix.plugins.module_utils import (
    _lookup_table,
    _macros,
    _master_cf,
    _routes,
    _tls_policy,
)
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError, GrammarError, HostError
from ansible_collections.mailops.postfix.plugins.module_utils._instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._logical_lines import to_bytes, to_text
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import Attributes, Change, Plan, strongest

_ATTRIBUTES: Mapping[str, Any] = {
    "owner": {"type": "str"},
    "group": {"type": "str"},
    "mode": {"type": "raw"},
}

LOOKUP_TABLE: Mapping[str, Any] = {
    "argument_spec": {
        "path": {"type": "path", "required": True},
        "entries": {"type": "dict"},
        "src": {"type": "path"},
        "remote_src": {"type": "bool", "default": False},
        "checksum": {"type": "str"},
        "exclusive": {"type": "bool", "default": False},
        "type": {"type": "str", "default": "auto", "choices": ["auto", *_lookup_table.TYPES]},
        "state": {"type": "str", "default": "present", "choices": ["present", "absent"]},
        **_ATTRIBUTES,
    },
    "mutually_exclusive": [["entries", "src"]],
    "required_by": {"checksum": ["src"]},
}
"""What the module lookup_table takes, as arguments of AnsibleModule; likewise below."""

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
        **_ATTRIBUTES,
    },
}

_OTHERS = 0o077
_PACKAGED = ("cdb", "lmdb", "pcre")

Edit = Callable[[bytes, str, bool, str], bytes]
"""A text, the type of its table, whether Postfix wants UTF-8, and its path, to the text that it shall be."""


# lookup_table


def lookup_table(instance: Instance, options: Mapping[str, Any]) -> Plan:
    """Make, edit or remove a table. Options and result: those of the module lookup_table."""
    path = instance.path(options["path"])
    map_type = _map_type(instance, options.get("type") or "auto")
    if options.get("state") == "absent":
        return _absent(instance, path, map_type, options.get("type") or "auto")
    if options.get("exclusive") and options.get("entries") is None and options.get("src") is None:
        raise DeclarationError(
            "declaring the table",
            path,
            "exclusive without entries would empty it",
            "Give entries; entries: {} empties the table",
        )
    if _is_elsewhere(options) and _sha256(instance.read(path) or b"") != options["checksum"].lower():
        # The action plugin's question before the file travels: it must.
        return Plan(result={"map": f"{map_type}:{path}", "_transfer": True})
    return _present(instance, path, map_type, options, _editor(instance, options))


def _is_elsewhere(options: Mapping[str, Any]) -> bool:
    """Whether the file is on the controller, and all that is known here is its checksum."""
    return bool(options.get("src") and options.get("checksum") and not options.get("remote_src"))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _editor(instance: Instance, options: Mapping[str, Any]) -> Edit:
    """The edit that lookup_table's options describe."""
    source = options.get("src")
    if source is not None:
        if _is_elsewhere(options):
            return lambda text, _map_type, _utf8, _path: text
        if not options.get("remote_src"):
            raise DeclarationError(
                "reading",
                source,
                "a file of the controller can't be read from here",
                "Use the module lookup_table, or remote_src: true",
            )
        content = instance.read(source)
        if content is None:
            raise DeclarationError(
                "reading", source, "there is no such file on the host", "Name an existing file in src"
            )
        if options.get("checksum") and _sha256(content) != options["checksum"].lower():
            raise DeclarationError(
                "reading",
                source,
                f"its SHA-256 is {_sha256(content)}, not {options['checksum']}",
                "Correct either",
            )
        wanted = content
        return lambda _text, _map_type, _utf8, _path: wanted
    entries = options.get("entries") or {}
    exclusive = bool(options.get("exclusive"))

    def edit(text: bytes, map_type: str, utf8: bool, path: str) -> bytes:
        declared = _lookup_table.declaration(entries, map_type, utf8)
        return _lookup_table.edit(text, declared, map_type, exclusive, utf8, path)

    return edit


def _absent(instance: Instance, path: str, map_type: str, declared_type: str) -> Plan:
    suffixes = sorted(set(_lookup_table.COMPILED.values()))
    if declared_type in _lookup_table.COMPILED:
        suffixes = [_lookup_table.COMPILED[declared_type]]
    changes = [Change(path, None, instance.read(path), secret=_is_secret(_status(path), None))]
    compiled = [path + suffix for suffix in suffixes if _status(path + suffix) is not None]
    changes += [Change(target, None, b"", secret=True) for target in compiled]
    return Plan(changes, {"map": f"{map_type}:{path}"}, _requires(map_type))


def _present(instance: Instance, path: str, map_type: str, options: Mapping[str, Any], edit: Edit) -> Plan:
    """The plan for a table whose text is what the edit makes of it."""
    utf8 = _wants_utf8(instance)
    before = instance.read(path)
    status = _status(path)
    attributes = _attributes(options, path)
    secret = _is_secret(status, attributes.mode)
    after = edit(before or b"", map_type, utf8, path)
    origin = options.get("src") or path
    _lookup_table.check(after, map_type, utf8, origin)
    changes = [Change(path, after, before, attributes=attributes, secret=secret)]
    if map_type in _lookup_table.COMPILED:
        changes.append(_compiled(instance, path, map_type, before, after, attributes, utf8, secret))
    elif map_type in _lookup_table.ORDERED:
        _let_postfix_read(instance, origin, map_type, after, secret)
    return Plan(changes, {"map": f"{map_type}:{path}"}, _requires(map_type))


def _requires(map_type: str) -> str:
    """Daemons notice a new compiled file by themselves; other tables they read once."""
    return "reload" if map_type in _lookup_table.READ_ONCE else "none"


def _map_type(instance: Instance, declared: str) -> str:
    """The type of the table.

    :raises HostError: if this Postfix does not have it.
    """
    available = instance.map_types
    default = _expanded("default_database_type", instance.parameters)
    if declared == "auto":
        for candidate in (default, *_lookup_table.AUTOMATIC):
            if candidate in available and candidate in _lookup_table.COMPILED:
                return candidate
    elif declared in available:
        return declared
    has = ", ".join(name for name in _lookup_table.TYPES if name in available)
    remedy = "Choose one of these"
    if declared in _PACKAGED:
        remedy += f", or install the package that brings it (Debian: postfix-{declared})"
    raise HostError(
        "choosing",
        f"the table type {declared}",
        f"this Postfix does not have {'any type that postmap compiles' if declared == 'auto' else 'it'}; it has {has}",
        remedy,
    )


def _expanded(name: str, parameters: Mapping[str, str]) -> str:
    try:
        return _macros.expand(parameters.get(name, ""), parameters)
    except _macros.Unexpandable:
        return ""


def _wants_utf8(instance: Instance) -> bool:
    return _expanded("smtputf8_enable", instance.parameters) != "no"


# Files


def _status(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HostError("reading", path, error.strerror or str(error)) from error


def _attributes(options: Mapping[str, Any], path: str) -> Attributes:
    return Attributes(options.get("owner"), options.get("group"), _mode(options.get("mode"), path))


def _mode(declared: str | int | None, path: str) -> int | None:
    if declared is None:
        return None
    mode = declared if isinstance(declared, int) and not isinstance(declared, bool) else None
    if isinstance(declared, str) and re.fullmatch(r"0?o?[0-7]{3,4}", declared):
        mode = int(declared.replace("o", ""), 8)
    if mode is None or not 0 <= mode <= 0o7777:
        raise DeclarationError(
            "setting the mode of", path, f"{declared!r} is no octal mode", 'Write it in quotes, as in "0644"'
        )
    return mode


def is_private(mode: Any) -> bool:
    """Whether a declared mode, right or wrong, leaves a table to its owner."""
    try:
        declared = _mode(mode, "")
    except DeclarationError:
        return False
    return declared is not None and _is_secret(None, declared)


def _is_secret(status: os.stat_result | None, mode: int | None) -> bool:
    """Whether others than the owner may not read the table, now or afterwards."""
    modes = [] if mode is None else [mode]
    if status is not None:
        modes.append(stat.S_IMODE(status.st_mode))
    return any(not each & 0o044 for each in modes)


def _compiled(
    instance: Instance,
    path: str,
    map_type: str,
    before: bytes | None,
    after: bytes,
    attributes: Attributes,
    utf8: bool,
    secret: bool,
) -> Change:
    """The compiled file beside a text."""
    target = path + _lookup_table.COMPILED[map_type]
    stale = _stale(instance, path, target, map_type, before, after, utf8)
    text_status, status = _status(path), _status(target)

    def build(temporary: str) -> None:
        _build(instance, path, map_type, after, temporary, secret)

    return Change(
        target,
        build,
        None if status is None else b"",
        stale,
        _attributes_of_compiled(attributes, text_status, status),
        secret=True,
        not_before=text_status.st_mtime if text_status is not None and before == after else 0.0,
    )


def _attributes_of_compiled(
    declared: Attributes, text: os.stat_result | None, compiled: os.stat_result | None
) -> Attributes:
    """What is declared; else those of the text for a new file, and for an old one never more readable than the text."""
    if text is None:
        return declared
    mode = stat.S_IMODE(text.st_mode)
    if compiled is not None:
        return replace(
            declared,
            mode=stat.S_IMODE(compiled.st_mode) & (mode | ~_OTHERS) if declared.mode is None else declared.mode,
        )
    return Attributes(
        str(text.st_uid) if declared.owner is None else declared.owner,
        str(text.st_gid) if declared.group is None else declared.group,
        mode if declared.mode is None else declared.mode,
    )


def _stale(
    instance: Instance, path: str, target: str, map_type: str, before: bytes | None, after: bytes, utf8: bool
) -> str:
    """Why the compiled file must be made anew; empty if it need not."""
    status = _status(target)
    if status is None:
        return "missing"
    if before != after:
        return "older than its text"
    text_status = _status(path)
    # In whole seconds, as Postfix itself compares them.
    if text_status is not None and int(status.st_mtime) < int(text_status.st_mtime):
        return "older than its text"
    if map_type in ("hash", "btree") and _lookup_table.berkeley_type(_head(target)) != map_type:
        return "of another type"
    held = _held(instance, path, target, map_type)
    if held is None:
        return "unreadable"
    return "" if held == _lookup_table.contents(after, map_type, utf8) else "other content"


def _head(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(16)
    except OSError as error:
        raise HostError("reading", path, error.strerror or str(error)) from error


def _held(instance: Instance, path: str, target: str, map_type: str) -> dict[bytes, bytes] | None:
    """What a compiled file holds; None if Postfix can't read it."""
    if map_type == "cdb":
        return _lookup_table.cdb_contents(instance.read(target) or b"")
    listed = instance.run("postmap", "-c", instance.config_directory, "-s", f"{map_type}:{path}", check=False)
    return _lookup_table.dumped(listed.stdout) if listed.returncode == 0 else None


def _build(instance: Instance, path: str, map_type: str, text: bytes, temporary: str, secret: bool) -> None:
    """Compile a text in a directory of its own beside the target, and put the result at the temporary path.

    :raises HostError: if postmap fails, or warns about a line.
    """
    name = os.path.basename(path)
    with tempfile.TemporaryDirectory(
        prefix=f".{name}.", suffix=".postmap", dir=os.path.dirname(temporary)
    ) as directory:
        source = os.path.join(directory, name)
        with open(source, "wb") as file:
            file.write(text)
        os.chmod(source, 0o600)
        done = instance.run("postmap", "-c", instance.config_directory, f"{map_type}:{source}", check=False)
        complaints = _complaints(done.stderr, source)
        if done.returncode != 0 or complaints:
            cause = (
                "; ".join(complaints)
                or to_text(done.stderr).strip().replace("\n", " / ")
                or f"postmap ended with status {done.returncode}"
            )
            if secret and complaints:
                cause = "postmap warns about a line; what it says is not shown, since the table is secret"
            raise HostError("compiling", f"{map_type}:{path}", cause.replace(source, path), "Nothing has been changed")
        os.rename(source + _lookup_table.COMPILED[map_type], temporary)


def _let_postfix_read(instance: Instance, origin: str, map_type: str, text: bytes, secret: bool) -> None:
    """Have Postfix read a table that is not compiled: what it does not understand it skips with a warning."""
    done = instance.run(
        "postmap", "-c", instance.config_directory, "-q", "probe", f"{map_type}:/dev/stdin", stdin=text, check=False
    )
    complaints = _complaints(done.stderr, "/dev/stdin")
    if complaints:
        found = re.search(r", line (\d+)", complaints[0])
        cause = re.sub(r".*?/dev/stdin(?:, line \d+)?: ", "", complaints[0])
        raise GrammarError(
            "reading",
            f"{origin}:{found.group(1)}" if found else origin,
            "Postfix warns about this line" if secret else f"Postfix warns: {cause}",
            "Correct or remove it",
        )


def _complaints(stderr: bytes, about: str) -> list[str]:
    """The warnings that concern the table, not main.cf."""
    lines = to_text(stderr).split("\n")
    return [re.sub(r"^\S+: (warning|error|fatal): ", "", line) for line in lines if about in line]


# tls_policy


def tls_policy(
    instance: Instance,
    options: Mapping[str, Any],
    parameters: Mapping[str, str] | None = None,
    planned: Mapping[str, bytes] | None = None,
    future: Instance | None = None,
) -> Plan:
    """Make or edit the TLS policy table. Options and result: those of the module tls_policy.

    :param parameters: the values of main.cf that the policies will live with; by default the instance's.
    :param planned: the texts of tables, by path, that the same transaction makes.
    :param future: the instance with the services that the policies will live with; by default as it is.
    """
    parameters = instance.parameters if parameters is None else parameters
    planned = planned or {}
    path = instance.path(options.get("path") or "tls_policy")
    map_type = _map_type(instance, options.get("type") or "auto")
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

    plan = _present(instance, path, map_type, options, edit)
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
        self.proxy = _expanded("tlsproxy_service_name", parameters) or "tlsproxy"
        self.digest = _expanded("smtp_tls_fingerprint_digest", parameters).strip().lower()
        self.default_match = _expanded("smtp_tls_fingerprint_cert_match", parameters)
        self.dnssec = _expanded("smtp_dns_support_level", parameters).strip() == "dnssec"
        self.jail = _expanded("queue_directory", parameters).rstrip("/") if future.chrooted("smtp/unix") else ""

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
            lookup_table(self.instance, {"path": path, "type": map_type, "entries": entries})
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
