# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What certbot has to be told to obtain a declared certificate, and whether it has to. Private to mailops.postfix.

certbot keeps the options with which it obtained a certificate in its renewal configuration, ``/etc/letsencrypt/renewal/NAME.conf``.
"""

from __future__ import annotations

import re
from typing import Any, Mapping

DIRECTORY = "/etc/letsencrypt"

_BUILT_IN = ("standalone", "webroot")
"""The other authenticators are plugins."""

_LINE = re.compile(r"^([^ \n]+) = (.*)$", re.MULTILINE)


def recorded_options(record: str) -> dict[str, str]:
    """The options in the text of a renewal configuration."""
    return {"reuse_key": "False", **dict(_LINE.findall(record))}


def names_in_certificate(text: str) -> list[str]:
    """The host names in the output of ``openssl x509 -ext subjectAltName``."""
    return re.findall(r"DNS:([^, \n]+)", text)


def certbot_request(
    declared: Mapping[str, Any], settings: Mapping[str, Any], record: str | None = None, names: str = ""
) -> dict[str, Any]:
    """What certbot has to be told to obtain a certificate.

    :param declared: an item of ``letsencrypt_certificates``.
    :param settings: the other variables of the role, without their prefix.
    :param record: the text of certbot's renewal configuration; None if certbot does not have the certificate.
    :param names: the output of ``openssl x509 -ext subjectAltName`` for the current certificate.
    :returns: ``plugin`` (the authenticator, empty if it is not a plugin), ``credentials_file`` (empty without credentials), ``differences``
        (the options and "domains" that differ from the current certificate; empty if nothing has to be done), ``reason`` and ``arguments`` of certbot.
    """
    challenge = declared.get("challenge") or "standalone"
    plugin = "" if challenge in _BUILT_IN else challenge
    # ACME servers issue names in lower case, each once.
    domains = list(dict.fromkeys(str(name).lower() for name in declared.get("domains") or [declared["name"]]))
    credentials_file = (
        f"{DIRECTORY}/credentials/{declared['name']}.ini" if plugin and declared.get("dns_credentials") else ""
    )
    options = _options(declared, settings, challenge, plugin, credentials_file)
    wanted = {**options, "reuse_key": str(bool(declared.get("reuse_key")))}
    if "webroot_path" in wanted:
        wanted["webroot_path"] += ","  # certbot writes a list
    recorded = recorded_options(record or "")
    differences = sorted(name for name, value in wanted.items() if recorded.get(name) != value)
    if sorted(domains) != sorted(names_in_certificate(names)):
        differences.append("domains")
    reason = "it does not exist" if record is None else f"it differs in {', '.join(differences)}"
    return {
        "plugin": plugin,
        "credentials_file": credentials_file,
        "differences": differences,
        "reason": reason,
        "arguments": _arguments(declared, settings, domains, options, record is not None, differences),
    }


def _options(
    declared: Mapping[str, Any], settings: Mapping[str, Any], challenge: str, plugin: str, credentials_file: str
) -> dict[str, str]:
    """The declared options, by their names in certbot's renewal configuration."""
    staging = "staging-" if settings.get("staging") else ""
    options = {
        "server": settings.get("server") or f"https://acme-{staging}v02.api.letsencrypt.org/directory",
        "authenticator": challenge,
    }
    if declared.get("key_type"):
        options["key_type"] = declared["key_type"]
    if challenge == "webroot":
        options["webroot_path"] = declared["webroot"]
    prefix = plugin.replace("-", "_")
    if credentials_file:
        options[f"{prefix}_credentials"] = credentials_file
    if plugin and declared.get("dns_propagation_seconds") is not None:
        options[f"{prefix}_propagation_seconds"] = str(declared["dns_propagation_seconds"])
    return options


def _arguments(
    declared: Mapping[str, Any],
    settings: Mapping[str, Any],
    domains: list[str],
    options: Mapping[str, str],
    exists: bool,
    differences: list[str],
) -> list[str]:
    arguments = [settings["program"], "certonly", "--non-interactive", "--agree-tos"]
    arguments += ["--cert-name", declared["name"], "--domains", ",".join(domains)]
    arguments += ["--email", settings["email"]] if settings.get("email") else ["--register-unsafely-without-email"]
    for name, value in options.items():
        arguments += [f"--{name.replace('_', '-')}", value]
    arguments.append("--reuse-key" if declared.get("reuse_key") else "--no-reuse-key")
    if exists:
        arguments += ["--force-renewal", "--renew-with-new-domains"]
    if exists and declared.get("reuse_key") and "key_type" in differences:
        arguments.append("--new-key")
    return arguments
