# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A catalogue of Postfix's TLS, SASL, relay and listener parameters. Private to mailops.postfix; pure data.

It follows Postfix 3.11's documentation: postconf(5), DEPRECATION_README, MAILLOG_README, and the names that 3.12's
snapshots add to them. It knows types, versions and what a change needs; the host's postconf tells which names exist
there. Other parameters are included if they take lookup tables, so that all tables are checked.

What ``kind`` means for a value:

* boolean: ``yes`` or ``no``, in any case
* integer: digits
* time: digits with an optional unit: s, m, h, d or w
* enum: one of ``values``; the empty value too where the parameter is ``optional``
* list: words, separated by commas or white space; each one of ``values`` if there are any
* protocols: TLS protocols: ``TLSv1.2``, ``!TLSv1``, and ``>=TLSv1.2`` from Postfix 3.6 on
* cipher_grade: one of ``values``
* digest: a digest algorithm of OpenSSL
* groups: key exchange groups of OpenSSL
* fingerprints: a list of fingerprints in that digest
* file: a file that Postfix reads; ``none`` instead of a name where ``none`` is among ``values``
* file list: several of them
* path: a file that Postfix writes: it need not exist
* directory: a directory that must exist
* table: one ``type:name`` that Postfix itself fills: it need not exist
* table list: lookup tables, ``type:name``, separated by commas or white space
* match list: host names, networks, ``/files`` and tables, with ``!`` to exclude
* restriction list: smtpd(8) access restrictions and tables
* nexthop list: destinations: ``[host]:port``, ``host``, several from Postfix 3.5 on
* transport: ``name`` or ``name:nexthop``
* version: digits, with ``.digits`` from Postfix 3.6 on
* log level: digits and names of what to log, separated by commas or white space
* text: anything else
"""

from __future__ import annotations

import re
from typing import Any, Callable, Iterator, NamedTuple

from .._formats.tls_levels import LEVELS

RELOAD = "reload"
RESTART = "restart"


class Parameter(NamedTuple):
    """What the documentation says about one parameter. Versions are those of Postfix; None: all that we support."""

    name: str
    kind: str
    values: tuple[str, ...] = ()
    optional: str = ""
    change: str = RELOAD
    since: tuple[int, ...] | None = None
    backports: tuple[tuple[int, ...], ...] = ()  # patch releases of older branches that have it too
    deprecated: tuple[int, ...] | None = None
    removed: tuple[int, ...] | None = None
    instead: str = ""  # what to use in place of a deprecated or removed parameter

    def known_in(self, version: tuple[int, ...]) -> bool:
        """Whether this version of Postfix has the parameter."""
        if self.removed and version >= self.removed:
            return False
        if self.since is None or version >= self.since:
            return True
        return any(version[:2] == first[:2] and version >= first for first in self.backports)

    def successor(self, version: tuple[int, ...]) -> str:
        """What to use instead in this version of Postfix; empty if it does not have that yet."""
        new = CATALOGUE.get(self.instead)
        return self.instead if new is None or new.known_in(version) else ""


# The prefixes of the names, their stems, their kind, more of Parameter, and what to use instead; with the prefix in place of *.
_TABLE = """
# TLS: the level, and what it replaced
smtp lmtp | tls_security_level | enum | values=LEVELS optional=yes
smtpd postscreen tlsproxy | tls_security_level | enum | values=none,may,encrypt optional=yes
tlsproxy_client | security_level | enum | values=LEVELS optional=yes since=3.7
tlsproxy_client | level | enum | values=LEVELS optional=yes removed=3.7 | *_security_level
smtp lmtp smtpd postscreen tlsproxy | use_tls enforce_tls | boolean | deprecated=3.9 | *_tls_security_level
tlsproxy_client | use_tls enforce_tls | boolean | deprecated=3.9 | *_security_level
smtp lmtp | tls_enforce_peername | boolean | deprecated=3.11 | *_tls_security_level
smtp lmtp | tls_per_site | table list | deprecated=3.9 | *_tls_policy_maps
tlsproxy_client | per_site | table list | deprecated=3.9 | *_policy_maps
smtp lmtp | tls_policy_maps | table list
tlsproxy_client | policy_maps | table list | since=3.7
tlsproxy_client | policy | table list | removed=3.7 | *_policy_maps
smtp lmtp smtpd | tls_wrappermode | boolean

# TLS: whom to trust. Distributions copy CApath into the chroot when Postfix starts, not when it reloads
smtp lmtp smtpd tlsproxy | tls_CAfile | file
smtp lmtp smtpd tlsproxy | tls_CApath | directory | change=restart
- | tls_append_default_CA | boolean
smtp lmtp | tls_trust_anchor_file | file list
smtp lmtp smtpd tlsproxy | tls_fingerprint_digest | digest
smtp lmtp | tls_fingerprint_cert_match | fingerprints
- | tls_legacy_public_key_fingerprints | boolean | removed=3.11 | fingerprints of the public key as Postfix 2.9.6 and later make them
smtp lmtp | tls_verify_cert_match tls_secure_cert_match | list
smtp lmtp | tls_scert_verifydepth | integer
smtpd tlsproxy | tls_ccert_verifydepth | integer
smtpd tlsproxy | tls_ask_ccert tls_req_ccert | boolean
- | tls_wildcard_matches_multiple_labels | boolean
- | smtp_tls_dane_insecure_mx_policy | enum | values=may,encrypt,dane
smtp lmtp | tls_force_insecure_host_tlsa_lookup | boolean
- | tls_dane_digests | list
smtp lmtp | tls_enforce_sts_mx_patterns | boolean | since=3.11 backports=3.10.5
smtp lmtp smtpd tlsproxy | tls_enable_rpk | boolean | since=3.9
- | tls_trust_server_ccerts | boolean | since=3.12
- | tls_required_enable | boolean | since=3.10
- | requiretls_enable requiretls_esmtp_header requiretls_redact_dsn | boolean | since=3.11
smtp lmtp | requiretls_policy | list | since=3.11

# TLS: our own certificates
smtp lmtp smtpd tlsproxy | tls_chain_files | file list
smtp lmtp smtpd tlsproxy | tls_cert_file | file | values=none
smtp lmtp smtpd tlsproxy | tls_key_file tls_eccert_file tls_eckey_file tls_dcert_file tls_dkey_file | file
- | tls_server_sni_maps | table list
smtp lmtp | tls_servername | text

# TLS: protocols and ciphers
smtp lmtp smtpd tlsproxy | tls_protocols tls_mandatory_protocols | protocols
smtp lmtp smtpd tlsproxy | tls_ciphers tls_mandatory_ciphers | cipher_grade | values=export,low,medium,high,null
smtp lmtp smtpd tlsproxy | tls_exclude_ciphers tls_mandatory_exclude_ciphers | list
- | tls_high_cipherlist tls_medium_cipherlist tls_low_cipherlist tls_export_cipherlist tls_null_cipherlist | text
- | tls_preempt_cipherlist | boolean
smtpd | tls_dh1024_param_file | file | deprecated=3.9 | nothing: leave it at its default
tlsproxy | tls_dh1024_param_file | file
smtpd tlsproxy | tls_dh512_param_file | file
smtpd | tls_eecdh_grade | enum | values=auto,none,strong,ultra deprecated=3.9 | nothing: leave it at its default
tlsproxy | tls_eecdh_grade | enum | values=auto,none,strong,ultra
- | tls_eecdh_auto_curves tls_eecdh_strong_curve tls_eecdh_ultra_curve | groups
- | tls_ffdhe_auto_groups | groups | since=3.8
- | tls_disable_workarounds tls_ssl_options | list
- | tls_config_file tls_config_name | text | since=3.9 backports=3.5.20,3.6.10,3.7.6,3.8.1

# TLS: sessions, logging, the rest
smtp lmtp smtpd | tls_session_cache_database | table
smtp lmtp smtpd | tls_session_cache_timeout starttls_timeout | time
smtpd tlsproxy | tls_always_issue_session_ids | boolean
- | tls_session_ticket_cipher | text
smtp lmtp | tls_connection_reuse tls_note_starttls_offer tls_block_early_mail_reply | boolean
smtp lmtp smtpd tlsproxy | tls_loglevel | log level
smtp lmtp | log_tls_feature_status | boolean | since=3.11
smtp lmtp | tlsrpt_enable tlsrpt_skip_reused_handshakes | boolean | since=3.10
smtp lmtp | tlsrpt_socket_name | text | since=3.10
- | smtpd_tls_received_header smtpd_tls_auth_only | boolean
smtp lmtp smtpd postscreen | tls_loglevel_maps | match list | since=3.12
smtp lmtp smtpd postscreen | tls_trace_size_limit | integer | since=3.12
- | tls_trace_rate_limit | integer | since=3.12
- | smtpd_client_new_tls_session_rate_limit | integer
- | tls_fast_shutdown_enable | boolean
- | tls_random_bytes tls_daemon_random_bytes | integer
- | tls_random_source tlsmgr_service_name tlsproxy_service_name | text
- | tls_random_exchange_name | path
- | tls_random_prng_update_period tls_random_reseed_period tlsproxy_watchdog_timeout | time
tlsproxy_client | CAfile cert_file key_file eccert_file eckey_file dcert_file dkey_file | file
tlsproxy_client | CApath | directory | change=restart
tlsproxy_client | chain_files | file list
tlsproxy_client | fingerprint_digest | digest
tlsproxy_client | scert_verifydepth | integer
tlsproxy_client | loglevel | log level
tlsproxy_client | loglevel_parameter | text | removed=3.12 | *_loglevel

# TLS: postscreen's own, instead of smtpd's
postscreen | tls_CAfile tls_key_file tls_eccert_file tls_eckey_file tls_dcert_file tls_dkey_file | file | since=3.12
postscreen | tls_dh1024_param_file tls_dh512_param_file | file | since=3.12
postscreen | tls_CApath | directory | change=restart since=3.12
postscreen | tls_cert_file | file | values=none since=3.12
postscreen | tls_chain_files | file list | since=3.12
postscreen | tls_always_issue_session_ids tls_ask_ccert tls_req_ccert tls_enable_rpk | boolean | since=3.12
postscreen | tls_ccert_verifydepth | integer | since=3.12
postscreen | tls_loglevel | log level | since=3.12
postscreen | tls_ciphers tls_mandatory_ciphers | cipher_grade | values=export,low,medium,high,null since=3.12
postscreen | tls_exclude_ciphers tls_mandatory_exclude_ciphers | list | since=3.12
postscreen | tls_protocols tls_mandatory_protocols | protocols | since=3.12
postscreen | tls_eecdh_grade | enum | values=auto,none,strong,ultra since=3.12
postscreen | tls_fingerprint_digest | digest | since=3.12
postscreen | starttls_timeout | time | since=3.12

# SASL
smtp lmtp smtpd | sasl_auth_enable | boolean
smtp lmtp smtpd | sasl_type sasl_path | text
smtp lmtp | sasl_security_options sasl_tls_security_options | list | values=noplaintext,noactive,nodictionary,noanonymous,mutual_auth
smtp lmtp | sasl_tls_verified_security_options | list | values=noplaintext,noactive,nodictionary,noanonymous,mutual_auth
smtpd | sasl_security_options sasl_tls_security_options | list | values=noplaintext,noactive,nodictionary,noanonymous,mutual_auth,forward_secrecy
smtp lmtp | sasl_mechanism_filter | match list
smtpd | sasl_mechanism_filter | match list | since=3.6
smtp lmtp | sasl_password_maps | table list
smtp lmtp | sasl_password_result_delimiter | text | since=3.9
smtp lmtp | sasl_auth_cache_name | table
smtp lmtp | sasl_auth_cache_time | time
smtp lmtp | sasl_auth_soft_bounce | boolean
- | smtp_sender_dependent_authentication send_cyrus_sasl_authzid | boolean
- | smtpd_sasl_authenticated_header broken_sasl_auth_clients | boolean
- | smtpd_sasl_local_domain smtpd_sasl_service cyrus_sasl_config_path | text
- | smtpd_sasl_exceptions_networks | match list
- | smtpd_sasl_response_limit | integer
- | smtpd_sender_login_maps | table list

# Relaying: who may, and access in general
- | smtpd_client_restrictions smtpd_helo_restrictions smtpd_sender_restrictions | restriction list
- | smtpd_relay_restrictions smtpd_recipient_restrictions smtpd_data_restrictions | restriction list
- | smtpd_end_of_data_restrictions smtpd_etrn_restrictions | restriction list
- | smtpd_restriction_classes postscreen_access_list | list
- | smtpd_relay_before_recipient_restrictions | boolean | since=3.6
- | smtpd_helo_required smtpd_delay_reject smtpd_reject_unlisted_recipient smtpd_reject_unlisted_sender | boolean
- | disable_vrfy_command strict_rfc821_envelopes smtpd_peername_lookup | boolean
- | relay_clientcerts relay_recipient_maps local_recipient_maps virtual_alias_maps alias_maps | table list
- | virtual_mailbox_maps recipient_canonical_maps sender_canonical_maps canonical_maps relocated_maps | table list
- | recipient_bcc_maps sender_bcc_maps rbl_reply_maps smtpd_milter_maps smtpd_reject_footer_maps | table list
- | header_checks body_checks mime_header_checks nested_header_checks milter_header_checks | table list
- | postscreen_discard_ehlo_keyword_address_maps postscreen_reject_footer_maps postscreen_dnsbl_reply_map | table list
- | alias_database | table
- | mynetworks mydestination relay_domains virtual_alias_domains virtual_mailbox_domains fast_flush_domains | match list
- | permit_mx_backup_networks smtpd_authorized_xclient_hosts smtpd_authorized_xforward_hosts | match list
- | smtpd_client_event_limit_exceptions authorized_submit_users | match list
- | local_login_sender_maps | table list | since=3.6
- | smtpd_reject_filter_maps | table list | since=3.11
- | virtual_uid_maps virtual_gid_maps mailbox_command_maps mailbox_transport_maps fallback_transport_maps | table list
- | address_verify_map postscreen_cache_map | table
- | default_cache_db_type | text | since=3.11
- | smtpd_proxy_filter | text
- | mynetworks_style | enum | values=class,subnet,host
- | smtpd_client_connection_count_limit smtpd_client_connection_rate_limit smtpd_client_message_rate_limit | integer
- | smtpd_client_recipient_rate_limit smtpd_client_auth_rate_limit smtpd_recipient_limit message_size_limit | integer

# Relaying: the way out
- | relayhost smtp_fallback_relay address_verify_relayhost | nexthop list
lmtp | fallback_relay | nexthop list
- | transport_maps sender_dependent_relayhost_maps sender_dependent_default_transport_maps | table list
- | address_verify_transport_maps address_verify_sender_dependent_relayhost_maps | table list
- | address_verify_sender_dependent_default_transport_maps lmtp_discard_lhlo_keyword_address_maps | table list
smtp lmtp | generic_maps header_checks body_checks mime_header_checks nested_header_checks | table list
smtp lmtp | pix_workaround_maps | table list
smtp lmtp | connection_cache_destinations | match list
- | default_transport relay_transport local_transport virtual_transport mailbox_transport fallback_transport | transport
- | best_mx_transport address_verify_default_transport address_verify_relay_transport | transport
- | address_verify_local_transport address_verify_virtual_transport | transport
smtp lmtp | dns_support_level | enum | values=disabled,enabled,dnssec optional=yes
- | disable_dns_lookups | boolean | deprecated=3.9 | smtp_dns_support_level
smtp lmtp | host_lookup | list | values=dns,native
smtp lmtp | address_preference | enum | values=any,ipv4,ipv6
smtp lmtp | bind_address bind_address6 | text
smtp lmtp | connect_timeout | time
- | smtp_helo_name | text
- | smtp_helo_timeout maximal_queue_lifetime bounce_queue_lifetime minimal_backoff_time maximal_backoff_time | time
- | queue_run_delay | time
- | smtp_discard_ehlo_keyword_address_maps smtpd_discard_ehlo_keyword_address_maps | table list
- | smtpd_discard_ehlo_keywords smtp_discard_ehlo_keywords | list
- | soft_bounce | boolean
- | debug_peer_list | match list
- | debug_peer_level | integer

# Names that others have replaced
- | virtual_maps | table list | deprecated=3.11 | virtual_alias_maps
- | fallback_relay | nexthop list | deprecated=3.11 | smtp_fallback_relay
- | authorized_verp_clients | match list | deprecated=3.11 | smtpd_authorized_verp_clients
- | smtpd_client_connection_limit_exceptions | match list | deprecated=3.11 | smtpd_client_event_limit_exceptions
postscreen | whitelist_interfaces | match list | deprecated=3.11 | *_allowlist_interfaces
postscreen | blacklist_action | text | deprecated=3.11 | *_denylist_action
postscreen | dnsbl_whitelist_threshold | text | deprecated=3.11 | *_dnsbl_allowlist_threshold
postscreen | dnsbl_ttl | text | deprecated=3.11 | *_dnsbl_max_ttl
postscreen | denylist_action dnsbl_allowlist_threshold | text | since=3.6
smtp lmtp smtpd | per_record_deadline | boolean | deprecated=3.11 | *_per_request_deadline
smtp lmtp smtpd | per_request_deadline | boolean | since=3.7
smtp lmtp | cname_overrides_servername | boolean | deprecated=3.11 | nothing: leave it at its default

# Listeners and the instance
- | inet_interfaces | list | change=restart
- | inet_protocols | list | values=all,ipv4,ipv6 change=restart
- | proxy_interfaces master_service_disable | list
- | smtpd_banner | text
smtpd postscreen | upstream_proxy_protocol | enum | values=haproxy optional=yes
smtpd postscreen | upstream_proxy_timeout | time
- | postscreen_allowlist_interfaces | match list | since=3.6
- | default_process_limit | integer
- | myhostname mydomain myorigin default_database_type | text
- | compatibility_level | version
- | maillog_file | path | change=restart
- | queue_directory data_directory daemon_directory config_directory | directory | change=restart
- | mail_owner setgid_group | text | change=restart
"""


def _version(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))


_READERS: dict[str, Callable[[str], Any]] = {
    "since": _version,
    "deprecated": _version,
    "removed": _version,
    "backports": lambda text: tuple(map(_version, text.split(","))),
    "values": lambda text: LEVELS if text == "LEVELS" else tuple(text.split(",")),
}


def _parse(table: str) -> Iterator[Parameter]:
    for line in table.split("\n"):
        if " | " in line:
            prefixes, stems, kind, extras, instead = (*line.split(" | "), "", "")[:5]
            pairs = [extra.split("=") for extra in extras.split()]
            more = {key: _READERS.get(key, str)(text) for key, text in pairs}
            for prefix in prefixes.split():
                for stem in stems.split():
                    name = stem if prefix == "-" else f"{prefix}_{stem}"
                    yield Parameter(name, kind, instead=instead.replace("*", prefix), **more)


_MORE_THAN_THEIR_DEFAULT = ("smtpd_forbid_bare_newline", "mail_release_date", "process_id")

# Not a parameter: the versions in which one of kind "groups" may be empty.
GROUPS_MAY_BE_EMPTY = Parameter("", "", since=(3, 10), backports=((3, 6, 17), (3, 7, 13), (3, 8, 8), (3, 9, 2)))

CATALOGUE = {parameter.name: parameter for parameter in _parse(_TABLE)}


def find_parameter(name: str) -> Parameter | None:
    """The parameter of this name; None if the catalogue does not list it, which does not make it unknown to Postfix."""
    return CATALOGUE.get(name)


def by_default(name: str, default: str) -> Parameter | None:
    """A parameter that the catalogue does not list, of the kind that its default tells; None if it does not tell."""
    if not default or name in _MORE_THAN_THEIR_DEFAULT:
        return None
    if name.endswith(("_directory", "_feedback", "_port", "_protocol", "_file")):
        return None
    for kind, pattern in (("boolean", "yes|no"), ("integer", r"\d+"), ("time", r"\d+[smhdw]")):
        if re.fullmatch(pattern, default):
            return Parameter(name, kind)
    return None


def requires(name: str) -> str:
    """What the running Postfix needs when this parameter changes: ``reload`` or ``restart``."""
    parameter = find_parameter(name)
    return parameter.change if parameter else RELOAD


def other_side(name: str) -> str | None:
    """The same parameter on the other side: smtpd_x for smtp_x and lmtp_x, smtp_x for smtpd_x; None without one."""
    for prefix, counterpart in (("smtpd_", "smtp_"), ("smtp_", "smtpd_"), ("lmtp_", "smtpd_")):
        if name.startswith(prefix):
            other = counterpart + name[len(prefix) :]
            return other if other in CATALOGUE else None
    return None
