# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option checks. Private to mailops.postfix."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  checks:
    description:
      - The severity of the findings of a check, by the name of the check, which is at the end of its message. V(error) refuses the
        change before anything is written, V(warning) warns, V(ignore) reports nothing.
      - By default, a finding that the change introduces, or in what it declares, is an error; an older finding in what is not declared is a
        warning. An explicit V(error) applies to older findings, too.
      - "The checks are:"
      - V(unknown_parameter) - a name that this Postfix does not use.
      - V(deprecated_parameter) - a name that a later Postfix does not have.
      - V(undefined_parameter) - a $name that nothing defines.
      - V(wrong_value) - a value that is not valid for its parameter.
      - V(wrong_protocols) - protocols with an unknown name, or none that is left enabled.
      - V(unknown_group) - a key exchange group that OpenSSL does not have, which Postfix skips.
      - V(lost_protocols) - a list of protocols that switches off newer ones, such as TLSv1.3, by not naming them.
      - V(unknown_restriction) - a word in smtpd's restrictions that is not a restriction.
      - V(missing_file) - a file or directory that does not exist.
      - V(unreadable_file) - a file that the process that needs it can't read.
      - V(wrong_file) - a file of another kind than the parameter needs.
      - V(key_mismatch) - a private key that does not belong to the certificate.
      - V(unknown_table_type) - a table of a type that this Postfix lacks.
      - V(missing_table) - a table that does not exist, or is not compiled.
      - V(wrong_destination) - a relayhost or transport in a syntax that Postfix rejects, or reads differently.
      - V(open_relay) - a listener that relays for strangers, or that refuses to start since it might.
      - V(missing_auth) - restrictions that only authenticated clients pass, on a port that offers no AUTH.
      - V(auth_without_tls) - passwords that are accepted without TLS, or AUTH that is never offered since TLS is off.
      - V(password_without_tls) - passwords that are sent without TLS.
      - V(unused_password) - a password that smtp(8) does not find for the next hop that it is for.
      - V(no_certificate) - a server with TLS and without a certificate.
      - V(no_trusted_ca) - a level that verifies certificates, without trusted CAs.
      - V(dane_without_dnssec) - a dane level without DNSSEC lookups, which Postfix downgrades to may.
      - V(weaker_next_hop) - mail that bypasses a TLS policy, through another next hop or another name of the same host.
      - V(shadowed_policy) - a TLS policy that Postfix does not use, since another table has one for the same next hop, or no parameter names
        its table.
      - "V(tls_required) - senders that may bypass TLS policies with the header TLS-Required: no."
      - V(unvalidated_dns) - a dane level with a resolver that does not validate DNSSEC, which Postfix downgrades to may.
      - V(remote_resolver) - a dane level with a resolver on another host, whose answers can be forged on the way.
      - V(dead_policy_service) - a TLS policy service that does not answer, so that all mail is deferred.
      - V(mta_sts_before_dane) - an MTA-STS policy service that takes the place of DANE for domains that have both.
      - V(wrapper_mode) - implicit TLS where clients use STARTTLS, or the other way round.
      - V(overridden) - a master.cf option that overrides the declared main.cf value.
      - V(option_syntax) - an -o in master.cf that is not name=value.
      - V(duplicate_service) - two live entries of master.cf for one service.
      - V(unknown_command) - a service whose program is not in daemon_directory.
      - V(missing_service) - a service that master.cf must have for a parameter to work.
      - V(missing_account) - a user or group that the host does not have.
      - V(wrong_column) - a column of master.cf that the service can't work with.
      - V(wrong_listener) - a listener that master(8) stops on.
      - V(unresolvable_host) - a host name in a listener or in inet_interfaces that can't be resolved now.
      - V(missing_address) - a listener's address that this host does not have now.
      - V(port_in_use) - a new listener's port that another program uses.
      - V(server_names) - a table of server names with a wrong key, a missing file, or compiled without its files.
      - V(no_listener) - a mail relay or smarthost that no other host can reach.
      - V(postfix_check) - postfix check fails.
      - V(postfix_complaint) - postfix check warns of something new.
      - V(deprecated_parameter), V(undefined_parameter), V(unknown_group), V(duplicate_service) and V(remote_resolver) are warnings by
        default; so are, in the modules that manage a single file, V(no_certificate), V(no_trusted_ca) and V(missing_service), since another
        task may add what is missing.
      - Postfix stops on what V(wrong_listener) and V(postfix_check) find; they are always errors. So is a configuration that Postfix
        cannot read.
    type: dict
    default: {}
"""
