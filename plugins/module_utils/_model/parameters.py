# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A catalogue of Postfix's TLS, SASL, relay and listener parameters. Private to mailops.postfix; pure data.

It follows Postfix 3.11's documentation: postconf(5), DEPRECATION_README, MAILLOG_README, and the names that 3.12's snapshots
add to them. It knows types, sides, versions and what a change needs; the host's postconf tells
which names exist there. Other parameters are included if they take lookup tables, so that all tables are checked.

What ``kind`` means for a value:

==================  =============================================================================================
boolean             ``yes`` or ``no``, in any case
integer             digits
time                digits with an optional unit: s, m, h, d or w
enum                one of ``values``; the empty value too where the parameter is ``optional``
list                words, separated by commas or white space; each one of ``values`` if there are any
protocols           TLS protocols: ``TLSv1.2``, ``!TLSv1``, and ``>=TLSv1.2`` from Postfix 3.6 on
cipher_grade        one of ``values``
digest              a digest algorithm of OpenSSL
fingerprints        a list of fingerprints in that digest
file                a file that Postfix reads; ``none`` instead of a name where ``none`` is among ``values``
file list           several of them
path                a file that Postfix writes: it need not exist
directory           a directory that must exist
table               one ``type:name`` that Postfix itself fills: it need not exist
table list          lookup tables, ``type:name``, separated by commas or white space
match list          host names, networks, ``/files`` and tables, with ``!`` to exclude
restriction list    smtpd(8) access restrictions and tables
nexthop list        destinations: ``[host]:port``, ``host``, several from Postfix 3.5 on
transport           ``name`` or ``name:nexthop``
version             digits, with ``.digits`` from Postfix 3.6 on
text                anything else
==================  =============================================================================================
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from .._formats.tls_levels import LEVELS

RELOAD = "reload"
RESTART = "restart"

_SERVER_LEVELS = ("none", "may", "encrypt")
_GRADES = ("export", "low", "medium", "high", "null")
_CLIENT_MECHANISMS = ("noplaintext", "noactive", "nodictionary", "noanonymous", "mutual_auth")
_SERVER_MECHANISMS = _CLIENT_MECHANISMS + ("forward_secrecy",)

_SIDES = {
    "smtp": "client",
    "lmtp": "client",
    "tlsproxy_client": "client",
    "smtpd": "server",
    "postscreen": "server",
    "tlsproxy": "server",
}


class Parameter(NamedTuple):
    """What the documentation says about one parameter. Versions are those of Postfix; None: all that we support."""

    name: str
    kind: str
    side: str  # client, server or both
    values: tuple[str, ...] = ()
    optional: bool = False
    change: str = RELOAD
    since: tuple[int, int] | None = None
    backports: tuple[tuple[int, int, int], ...] = ()  # patch releases of older branches that have it too
    deprecated: tuple[int, int] | None = None
    removed: tuple[int, int] | None = None
    instead: str = ""  # what to use in place of a deprecated or removed parameter

    def known_in(self, version: tuple[int, ...]) -> bool:
        """Whether this version of Postfix has the parameter."""
        if self.removed and version >= self.removed:
            return False
        if self.since is None or version >= self.since:
            return True
        return any(version[:2] == first[:2] and version >= first for first in self.backports)


def _rows(prefixes: str, stem: str, kind: str, instead: str = "", **more: Any) -> list[Parameter]:
    """One parameter per prefix: ``smtp lmtp`` and ``tls_CAfile`` make smtp_tls_CAfile and lmtp_tls_CAfile."""
    return [
        Parameter(f"{prefix}_{stem}", kind, _SIDES[prefix], instead=instead.replace("*", prefix), **more)
        for prefix in prefixes.split()
    ]


def _row(names: str, kind: str, side: str, **more: Any) -> list[Parameter]:
    """One parameter per name, with nothing derived from the name."""
    return [Parameter(name, kind, side, **more) for name in names.split()]


_OLD_SWITCH: dict[str, Any] = {"deprecated": (3, 9), "instead": "*_tls_security_level"}
_REPLACED_BY_AUTO: dict[str, Any] = {"deprecated": (3, 9), "instead": "nothing: leave it at its default"}

# fmt: off
_TABLE: tuple[list[Parameter], ...] = (
    # TLS: the level, and what it replaced
    _rows("smtp lmtp", "tls_security_level", "enum", values=LEVELS, optional=True),
    _rows("smtpd postscreen tlsproxy", "tls_security_level", "enum", values=_SERVER_LEVELS, optional=True),
    _rows("tlsproxy_client", "security_level", "enum", values=LEVELS, optional=True, since=(3, 7)),
    _rows("tlsproxy_client", "level", "enum", values=LEVELS, optional=True, removed=(3, 7),
          instead="tlsproxy_client_security_level"),
    _rows("smtp lmtp smtpd postscreen tlsproxy", "use_tls", "boolean", **_OLD_SWITCH),
    _rows("smtp lmtp smtpd postscreen tlsproxy", "enforce_tls", "boolean", **_OLD_SWITCH),
    _row("tlsproxy_client_use_tls tlsproxy_client_enforce_tls", "boolean", "client", deprecated=(3, 9),
         instead="tlsproxy_client_security_level"),
    _rows("smtp lmtp", "tls_enforce_peername", "boolean", deprecated=(3, 11), instead="*_tls_security_level"),
    _rows("smtp lmtp", "tls_per_site", "table list", deprecated=(3, 9), instead="*_tls_policy_maps"),
    _rows("tlsproxy_client", "per_site", "table list", deprecated=(3, 9), instead="tlsproxy_client_policy_maps"),
    _rows("smtp lmtp", "tls_policy_maps", "table list"),
    _rows("tlsproxy_client", "policy_maps", "table list", since=(3, 7)),
    _rows("tlsproxy_client", "policy", "table list", removed=(3, 7), instead="tlsproxy_client_policy_maps"),
    _rows("smtp lmtp smtpd", "tls_wrappermode", "boolean"),

    # TLS: whom to trust. Distributions copy CApath into the chroot when Postfix starts, not when it reloads
    _rows("smtp lmtp smtpd tlsproxy", "tls_CAfile", "file"),
    _rows("smtp lmtp smtpd tlsproxy", "tls_CApath", "directory", change=RESTART),
    _row("tls_append_default_CA", "boolean", "both"),
    _rows("smtp lmtp", "tls_trust_anchor_file", "file list"),
    _rows("smtp lmtp smtpd tlsproxy", "tls_fingerprint_digest", "digest"),
    _rows("smtp lmtp", "tls_fingerprint_cert_match", "fingerprints"),
    _row("tls_legacy_public_key_fingerprints", "boolean", "both", removed=(3, 11),
         instead="fingerprints of the public key as Postfix 2.9.6 and later make them"),
    _rows("smtp lmtp", "tls_verify_cert_match", "list"),
    _rows("smtp lmtp", "tls_secure_cert_match", "list"),
    _rows("smtp lmtp", "tls_scert_verifydepth", "integer"),
    _rows("smtpd tlsproxy", "tls_ccert_verifydepth", "integer"),
    _rows("smtpd tlsproxy", "tls_ask_ccert", "boolean"),
    _rows("smtpd tlsproxy", "tls_req_ccert", "boolean"),
    _row("tls_wildcard_matches_multiple_labels", "boolean", "client"),
    _row("smtp_tls_dane_insecure_mx_policy", "enum", "client", values=("may", "encrypt", "dane")),
    _rows("smtp lmtp", "tls_force_insecure_host_tlsa_lookup", "boolean"),
    _row("tls_dane_digests", "list", "client"),
    _rows("smtp lmtp", "tls_enforce_sts_mx_patterns", "boolean", since=(3, 11), backports=((3, 10, 5),)),
    _rows("smtp lmtp smtpd tlsproxy", "tls_enable_rpk", "boolean", since=(3, 9)),
    _row("tls_trust_server_ccerts", "boolean", "server", since=(3, 12)),
    _row("tls_required_enable", "boolean", "both", since=(3, 10)),
    _row("requiretls_enable requiretls_esmtp_header requiretls_redact_dsn", "boolean", "both", since=(3, 11)),
    _rows("smtp lmtp", "requiretls_policy", "list", since=(3, 11)),

    # TLS: our own certificates
    _rows("smtp lmtp smtpd tlsproxy", "tls_chain_files", "file list"),
    _rows("smtp lmtp smtpd tlsproxy", "tls_cert_file", "file", values=("none",)),
    _rows("smtp lmtp smtpd tlsproxy", "tls_key_file", "file"),
    _rows("smtp lmtp smtpd tlsproxy", "tls_eccert_file", "file"),
    _rows("smtp lmtp smtpd tlsproxy", "tls_eckey_file", "file"),
    _rows("smtp lmtp smtpd tlsproxy", "tls_dcert_file", "file"),
    _rows("smtp lmtp smtpd tlsproxy", "tls_dkey_file", "file"),
    _row("tls_server_sni_maps", "table list", "server"),
    _rows("smtp lmtp", "tls_servername", "text"),

    # TLS: protocols and ciphers
    _rows("smtp lmtp smtpd tlsproxy", "tls_protocols", "protocols"),
    _rows("smtp lmtp smtpd tlsproxy", "tls_mandatory_protocols", "protocols"),
    _rows("smtp lmtp smtpd tlsproxy", "tls_ciphers", "cipher_grade", values=_GRADES),
    _rows("smtp lmtp smtpd tlsproxy", "tls_mandatory_ciphers", "cipher_grade", values=_GRADES),
    _rows("smtp lmtp smtpd tlsproxy", "tls_exclude_ciphers", "list"),
    _rows("smtp lmtp smtpd tlsproxy", "tls_mandatory_exclude_ciphers", "list"),
    _row("tls_high_cipherlist tls_medium_cipherlist tls_low_cipherlist tls_export_cipherlist tls_null_cipherlist",
         "text", "both"),
    _row("tls_preempt_cipherlist", "boolean", "server"),
    _rows("smtpd tlsproxy", "tls_dh1024_param_file", "file", **_REPLACED_BY_AUTO),
    _rows("smtpd tlsproxy", "tls_dh512_param_file", "file"),
    _rows("smtpd tlsproxy", "tls_eecdh_grade", "enum", values=("auto", "none", "strong", "ultra"), **_REPLACED_BY_AUTO),
    _row("tls_eecdh_auto_curves", "list", "both"),
    _row("tls_eecdh_strong_curve tls_eecdh_ultra_curve", "text", "server"),
    _row("tls_ffdhe_auto_groups", "list", "both", since=(3, 8)),
    _row("tls_disable_workarounds tls_ssl_options", "list", "both"),
    _row("tls_config_file tls_config_name", "text", "both", since=(3, 9),
         backports=((3, 5, 20), (3, 6, 10), (3, 7, 6), (3, 8, 1))),

    # TLS: sessions, logging, the rest
    _rows("smtp lmtp smtpd", "tls_session_cache_database", "table"),
    _rows("smtp lmtp smtpd", "tls_session_cache_timeout", "time"),
    _rows("smtpd tlsproxy", "tls_always_issue_session_ids", "boolean"),
    _row("tls_session_ticket_cipher", "text", "server"),
    _rows("smtp lmtp", "tls_connection_reuse", "boolean"),
    _rows("smtp lmtp smtpd tlsproxy", "tls_loglevel", "integer"),
    _rows("smtp lmtp", "tls_note_starttls_offer", "boolean"),
    _rows("smtp lmtp", "tls_block_early_mail_reply", "boolean"),
    _rows("smtp lmtp", "log_tls_feature_status", "boolean", since=(3, 11)),
    _rows("smtp lmtp", "tlsrpt_enable", "boolean", since=(3, 10)),
    _rows("smtp lmtp", "tlsrpt_socket_name", "text", since=(3, 10)),
    _rows("smtp lmtp", "tlsrpt_skip_reused_handshakes", "boolean", since=(3, 10)),
    _rows("smtp lmtp smtpd", "starttls_timeout", "time"),
    _row("smtpd_tls_received_header smtpd_tls_auth_only", "boolean", "server"),
    _rows("smtp lmtp smtpd postscreen", "tls_loglevel_maps", "match list", since=(3, 12)),
    _rows("smtp lmtp smtpd postscreen", "tls_trace_size_limit", "integer", since=(3, 12)),
    _row("tls_trace_rate_limit", "integer", "both", since=(3, 12)),
    _row("smtpd_client_new_tls_session_rate_limit", "integer", "server"),
    _row("tls_fast_shutdown_enable", "boolean", "both"),
    _row("tls_random_bytes tls_daemon_random_bytes", "integer", "both"),
    _row("tls_random_source", "text", "both"),
    _row("tls_random_exchange_name", "path", "both"),
    _row("tls_random_prng_update_period tls_random_reseed_period tlsproxy_watchdog_timeout", "time", "both"),
    _row("tlsmgr_service_name tlsproxy_service_name", "text", "both"),
    _rows("tlsproxy_client", "CAfile", "file"),
    _rows("tlsproxy_client", "CApath", "directory", change=RESTART),
    _rows("tlsproxy_client", "chain_files", "file list"),
    _row("tlsproxy_client_cert_file tlsproxy_client_key_file tlsproxy_client_eccert_file tlsproxy_client_eckey_file "
         "tlsproxy_client_dcert_file tlsproxy_client_dkey_file", "file", "client"),
    _rows("tlsproxy_client", "fingerprint_digest", "digest"),
    _row("tlsproxy_client_loglevel tlsproxy_client_scert_verifydepth", "integer", "client"),
    _rows("tlsproxy_client", "loglevel_parameter", "text", removed=(3, 12), instead="tlsproxy_client_loglevel"),

    # TLS: postscreen's own, instead of smtpd's
    _rows("postscreen", "tls_CAfile", "file", since=(3, 12)),
    _rows("postscreen", "tls_CApath", "directory", change=RESTART, since=(3, 12)),
    _row("postscreen_tls_key_file postscreen_tls_eccert_file postscreen_tls_eckey_file postscreen_tls_dcert_file "
         "postscreen_tls_dkey_file postscreen_tls_dh1024_param_file postscreen_tls_dh512_param_file", "file", "server",
         since=(3, 12)),
    _rows("postscreen", "tls_cert_file", "file", values=("none",), since=(3, 12)),
    _rows("postscreen", "tls_chain_files", "file list", since=(3, 12)),
    _row("postscreen_tls_always_issue_session_ids postscreen_tls_ask_ccert postscreen_tls_req_ccert "
         "postscreen_tls_enable_rpk", "boolean", "server", since=(3, 12)),
    _row("postscreen_tls_ccert_verifydepth postscreen_tls_loglevel", "integer", "server", since=(3, 12)),
    _row("postscreen_tls_ciphers postscreen_tls_mandatory_ciphers", "cipher_grade", "server", values=_GRADES,
         since=(3, 12)),
    _row("postscreen_tls_exclude_ciphers postscreen_tls_mandatory_exclude_ciphers", "list", "server", since=(3, 12)),
    _row("postscreen_tls_protocols postscreen_tls_mandatory_protocols", "protocols", "server", since=(3, 12)),
    _rows("postscreen", "tls_eecdh_grade", "enum", values=("auto", "none", "strong", "ultra"), since=(3, 12)),
    _rows("postscreen", "tls_fingerprint_digest", "digest", since=(3, 12)),
    _rows("postscreen", "starttls_timeout", "time", since=(3, 12)),

    # SASL
    _rows("smtp lmtp smtpd", "sasl_auth_enable", "boolean"),
    _rows("smtp lmtp smtpd", "sasl_type", "text"),
    _rows("smtp lmtp smtpd", "sasl_path", "text"),
    _rows("smtp lmtp", "sasl_security_options", "list", values=_CLIENT_MECHANISMS),
    _rows("smtp lmtp", "sasl_tls_security_options", "list", values=_CLIENT_MECHANISMS),
    _rows("smtp lmtp", "sasl_tls_verified_security_options", "list", values=_CLIENT_MECHANISMS),
    _rows("smtpd", "sasl_security_options", "list", values=_SERVER_MECHANISMS),
    _rows("smtpd", "sasl_tls_security_options", "list", values=_SERVER_MECHANISMS),
    _rows("smtp lmtp", "sasl_mechanism_filter", "match list"),
    _rows("smtpd", "sasl_mechanism_filter", "match list", since=(3, 6)),
    _rows("smtp lmtp", "sasl_password_maps", "table list"),
    _rows("smtp lmtp", "sasl_password_result_delimiter", "text", since=(3, 9)),
    _rows("smtp lmtp", "sasl_auth_cache_name", "table"),
    _rows("smtp lmtp", "sasl_auth_cache_time", "time"),
    _rows("smtp lmtp", "sasl_auth_soft_bounce", "boolean"),
    _row("smtp_sender_dependent_authentication send_cyrus_sasl_authzid", "boolean", "client"),
    _row("smtpd_sasl_authenticated_header broken_sasl_auth_clients", "boolean", "server"),
    _row("smtpd_sasl_local_domain smtpd_sasl_service cyrus_sasl_config_path", "text", "server"),
    _row("smtpd_sasl_exceptions_networks", "match list", "server"),
    _row("smtpd_sasl_response_limit", "integer", "server"),
    _row("smtpd_sender_login_maps", "table list", "server"),

    # Relaying: who may, and access in general
    _row("smtpd_client_restrictions smtpd_helo_restrictions smtpd_sender_restrictions smtpd_relay_restrictions "
         "smtpd_recipient_restrictions smtpd_data_restrictions smtpd_end_of_data_restrictions smtpd_etrn_restrictions",
         "restriction list", "server"),
    _row("smtpd_restriction_classes", "list", "server"),
    _row("smtpd_relay_before_recipient_restrictions", "boolean", "server", since=(3, 6)),
    _row("smtpd_helo_required smtpd_delay_reject smtpd_reject_unlisted_recipient smtpd_reject_unlisted_sender "
         "disable_vrfy_command strict_rfc821_envelopes smtpd_peername_lookup", "boolean", "server"),
    _row("relay_clientcerts relay_recipient_maps local_recipient_maps virtual_alias_maps alias_maps", "table list",
         "server"),
    _row("alias_database", "table", "both"),
    _row("mynetworks mydestination relay_domains virtual_alias_domains virtual_mailbox_domains fast_flush_domains "
         "permit_mx_backup_networks", "match list", "server"),
    _row("virtual_mailbox_maps recipient_canonical_maps sender_canonical_maps canonical_maps relocated_maps "
         "recipient_bcc_maps sender_bcc_maps rbl_reply_maps smtpd_milter_maps smtpd_reject_footer_maps "
         "header_checks body_checks mime_header_checks nested_header_checks milter_header_checks "
         "postscreen_discard_ehlo_keyword_address_maps postscreen_reject_footer_maps postscreen_dnsbl_reply_map",
         "table list", "server"),
    _row("local_login_sender_maps", "table list", "server", since=(3, 6)),
    _row("smtpd_reject_filter_maps", "table list", "server", since=(3, 11)),
    _row("virtual_uid_maps virtual_gid_maps mailbox_command_maps mailbox_transport_maps fallback_transport_maps",
         "table list", "both"),
    _row("address_verify_map postscreen_cache_map", "table", "server"),
    _row("default_cache_db_type", "text", "both", since=(3, 11)),
    _row("postscreen_access_list", "list", "server"),
    _row("smtpd_proxy_filter", "text", "server"),
    _row("mynetworks_style", "enum", "server", values=("class", "subnet", "host")),
    _row("smtpd_authorized_xclient_hosts smtpd_authorized_xforward_hosts smtpd_client_event_limit_exceptions "
         "authorized_submit_users", "match list", "server"),
    _row("smtpd_client_connection_count_limit smtpd_client_connection_rate_limit smtpd_client_message_rate_limit "
         "smtpd_client_recipient_rate_limit smtpd_client_auth_rate_limit smtpd_recipient_limit message_size_limit",
         "integer", "server"),

    # Relaying: the way out
    _row("relayhost smtp_fallback_relay", "nexthop list", "client"),
    _rows("lmtp", "fallback_relay", "nexthop list"),
    _row("address_verify_relayhost", "nexthop list", "client"),
    _row("transport_maps sender_dependent_relayhost_maps sender_dependent_default_transport_maps "
         "address_verify_transport_maps address_verify_sender_dependent_relayhost_maps "
         "address_verify_sender_dependent_default_transport_maps", "table list", "client"),
    _rows("smtp lmtp", "generic_maps", "table list"),
    _rows("smtp lmtp", "header_checks", "table list"),
    _rows("smtp lmtp", "body_checks", "table list"),
    _rows("smtp lmtp", "mime_header_checks", "table list"),
    _rows("smtp lmtp", "nested_header_checks", "table list"),
    _rows("smtp lmtp", "pix_workaround_maps", "table list"),
    _row("lmtp_discard_lhlo_keyword_address_maps", "table list", "client"),
    _rows("smtp lmtp", "connection_cache_destinations", "match list"),
    _row("default_transport relay_transport local_transport virtual_transport mailbox_transport fallback_transport "
         "best_mx_transport address_verify_default_transport address_verify_relay_transport "
         "address_verify_local_transport address_verify_virtual_transport", "transport", "client"),
    _rows("smtp lmtp", "dns_support_level", "enum", values=("disabled", "enabled", "dnssec"), optional=True),
    _row("disable_dns_lookups", "boolean", "client", deprecated=(3, 9), instead="smtp_dns_support_level"),
    _rows("smtp lmtp", "host_lookup", "list", values=("dns", "native")),
    _rows("smtp lmtp", "address_preference", "enum", values=("any", "ipv4", "ipv6")),
    _rows("smtp lmtp", "bind_address", "text"),
    _rows("smtp lmtp", "bind_address6", "text"),
    _rows("smtp lmtp", "connect_timeout", "time"),
    _row("smtp_helo_name", "text", "client"),
    _row("smtp_helo_timeout", "time", "client"),
    _row("smtp_discard_ehlo_keyword_address_maps smtpd_discard_ehlo_keyword_address_maps", "table list", "both"),
    _row("smtpd_discard_ehlo_keywords smtp_discard_ehlo_keywords", "list", "both"),
    _row("maximal_queue_lifetime bounce_queue_lifetime minimal_backoff_time maximal_backoff_time queue_run_delay",
         "time", "client"),
    _row("soft_bounce", "boolean", "both"),
    _row("debug_peer_list", "match list", "both"),
    _row("debug_peer_level", "integer", "both"),

    # Listeners and the instance
    _row("inet_interfaces", "list", "both", change=RESTART),
    _row("inet_protocols", "list", "both", values=("all", "ipv4", "ipv6"), change=RESTART),
    _row("proxy_interfaces", "list", "server"),
    _row("smtpd_banner", "text", "server"),
    _rows("smtpd postscreen", "upstream_proxy_protocol", "enum", values=("haproxy",), optional=True),
    _rows("smtpd postscreen", "upstream_proxy_timeout", "time"),
    _row("postscreen_allowlist_interfaces", "match list", "server", since=(3, 6)),
    _row("default_process_limit", "integer", "both"),
    _row("master_service_disable", "list", "server"),
    _row("myhostname mydomain myorigin default_database_type", "text", "both"),
    _row("compatibility_level", "version", "both"),
    _row("maillog_file", "path", "both", change=RESTART),
    _row("queue_directory data_directory daemon_directory config_directory", "directory", "both", change=RESTART),
    _row("mail_owner setgid_group", "text", "both", change=RESTART),
)
# fmt: on

_MORE_THAN_THEIR_DEFAULT = ("smtpd_forbid_bare_newline", "mail_release_date", "process_id")

CATALOGUE: dict[str, Parameter] = {parameter.name: parameter for rows in _TABLE for parameter in rows}


def find_parameter(name: str) -> Parameter | None:
    """The parameter of this name; None if the catalogue does not list it, which does not make it unknown to Postfix."""
    return CATALOGUE.get(name)


def by_default(name: str, default: str) -> Parameter | None:
    """A parameter that the catalogue does not list, of the kind that its default tells; None if it does not tell."""
    if name.endswith(("_directory", "_feedback", "_port", "_protocol", "_file")) or name in _MORE_THAN_THEIR_DEFAULT:
        return None
    for kind, pattern in (("boolean", "yes|no"), ("integer", r"\d+"), ("time", r"\d+[smhdw]")):
        if re.fullmatch(pattern, default):
            return Parameter(name, kind, "both")
    return None


def requires(name: str) -> str:
    """What the running Postfix needs when this parameter changes: ``reload`` or ``restart``."""
    parameter = find_parameter(name)
    return parameter.change if parameter else RELOAD


def since(name: str) -> tuple[int, int] | None:
    """The branch of Postfix that introduced the parameter; None if all that we support have it, or it is not listed."""
    parameter = find_parameter(name)
    return parameter.since if parameter else None


def other_side(name: str) -> str | None:
    """The same parameter on the other side: smtpd_x for smtp_x and lmtp_x, smtp_x for smtpd_x; None without one."""
    for prefix, counterpart in (("smtpd_", "smtp_"), ("smtp_", "smtpd_"), ("lmtp_", "smtpd_")):
        if name.startswith(prefix):
            other = counterpart + name[len(prefix) :]
            return other if other in CATALOGUE else None
    return None
