# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can only be said of a TLS policy on its host. Private to mailops.postfix."""

from __future__ import annotations

from functools import partial
from typing import Any

from .._errors import DeclarationError
from .._formats import macros, master_cf, tls_policy, tls_policy_spec
from .._formats.tls_policy import Policy
from .._host.instance import Instance
from .._host.system import Host


class PolicyLimits:
    """What can only be said of a policy on its host."""

    def __init__(self, instance: Instance, staged: Instance) -> None:
        self.instance = instance
        self.staged = staged
        self._dependencies: Any = None
        value = partial(macros.expanded_parameter, parameters=staged.parameters)
        self.proxy = value("tlsproxy_service_name") or "tlsproxy"
        self.digest = value("smtp_tls_fingerprint_digest").lower()
        self.default_match = value("smtp_tls_fingerprint_cert_match")
        self.obstacle = tls_policy.dane_obstacle(value)
        self.owner = value("mail_owner") or "postfix"
        self.chroot = value("queue_directory").rstrip("/") if staged.chrooted("smtp/unix") else ""

    def refuse(self, policy: Policy) -> None:
        """Refuse what this host would not enforce.

        :raises DeclarationError: saying why.
        """
        tls_policy_spec.check_policy(policy, self.instance.version, self.digest, self.default_match)
        for path in policy.tafile:
            self._refuse_trust_anchor(policy, path)
        if policy.connection_reuse and master_cf.find_entry(self.staged.master_cf, self.proxy, "unix") is None:
            raise policy_refusal(
                policy.nexthop,
                f"connection_reuse needs the service {self.proxy}/unix, which is not in master.cf: mail waits without it",
                "Declare that service with command tlsproxy and process_limit 0, or leave connection_reuse out",
            )
        if policy.level in ("dane", "dane-only"):
            self._refuse_dane(policy)

    def _refuse_trust_anchor(self, policy: Policy, path: str) -> None:
        # Unlike smtp_tls_CAfile, the files of a policy are read when mail is sent, hence inside the chroot.
        seen = f"{self.chroot}/{path.lstrip('/')}" if self.chroot else path
        content = self.instance.read(seen)
        if content is None or b"-----BEGIN " not in content:
            cause = "there is no such file" if content is None else "it holds nothing in PEM form"
            raise policy_refusal(
                policy.nexthop,
                f"tafile {path}: " + (f"smtp(8) is chrooted and reads {seen}: {cause}" if self.chroot else cause),
                "Put the trust anchor there first, in PEM form",
            )
        if not Host().readable_by(seen, self.owner):
            raise policy_refusal(
                policy.nexthop,
                f"tafile {path}: {self.owner}, as whom smtp(8) reads {seen}, may not",
                f"Let {self.owner} read it, and enter its directories",
            )

    def _refuse_dane(self, policy: Policy) -> None:
        if self.obstacle:
            consequence = "may" if policy.level == "dane" else "an error, and mail waits"
            raise policy_refusal(
                policy.nexthop,
                f"{self.obstacle} Postfix treats level {policy.level} as {consequence}",
                "Set smtp_dns_support_level: dnssec in main.cf, on a host with a validating resolver",
            )
        # Imported here, since most tables have no such policy.
        from .._checks import dane
        from . import dependencies

        self._dependencies = self._dependencies or dependencies.Dependencies(self.staged)
        cause = dane.distrust(self._dependencies.resolver())
        if cause:
            raise policy_refusal(policy.nexthop, cause, dane.REMEDY)

    def doubts(self, policy: Policy, path: str) -> list[str]:
        """The same for an entry that is not declared: it belongs to the user, and is reported but not refused."""
        try:
            self.refuse(policy)
            return tls_policy_spec.policy_warnings(policy)
        except DeclarationError as error:
            return [f"{path}, an entry that is not declared here: {error}"]


def policy_refusal(nexthop: str, cause: str, remedy: str) -> DeclarationError:
    """The error for a policy that cannot be declared so.

    :param nexthop: its next hop, domain or host.
    """
    return DeclarationError("declaring the TLS policy", nexthop, cause, remedy)
