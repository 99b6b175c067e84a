# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads PEM files with openssl. Private to mailops.postfix.

Only openssl reads private keys; this process compares their public halves.
"""

from __future__ import annotations

import os
import re
import stat
from datetime import datetime, timezone
from typing import NoReturn, Sequence

from .._errors import DeclarationError, HostError
from .._x509 import certificate, pem
from .._x509.certificate import Certificate
from .._x509.pem import Block, PemError
from .instance import Instance
from .runner import Runner

SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",  # Red Hat
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # Red Hat, where the one above is gone
    "/var/lib/ca-certificates/ca-bundle.pem",  # SUSE
    "/etc/ssl/ca-bundle.pem",
    "/usr/local/share/certs/ca-root-nss.crt",  # FreeBSD
    "/etc/ssl/cert.pem",  # Alpine, FreeBSD
)
"""Files with all CAs of a system; the first one that exists is used."""

# openssl must never ask a terminal for a pass phrase; 1.1.1 does so if it is given an empty one.
NO_PASSPHRASE = ("-passin", "pass:none")


def system_bundle() -> str:
    return next((path for path in SYSTEM_BUNDLES if os.path.isfile(path)), "")


def chain_problem(run: Runner, path: str, server: bool, ca_file: str = "", ca_path: str = "") -> str:
    """Why openssl(1) does not verify the chain in a file; empty if it does.

    :param server: whether it must be the chain of a server.
    :param ca_file: these CAs, and those of ca_path, in place of the system's.
    """
    # A server that knows a client certificate by its fingerprint accepts it without the clientAuth purpose.
    command = ["openssl", "verify", *(["-purpose", "sslserver"] if server else [])]
    if ca_file or ca_path:
        # Exclude the system's CAs. No option does so in every version: 3.0 and later need -no-CAstore, which 1.1.1 does not have.
        command = ["env", "SSL_CERT_DIR=/nonexistent", "SSL_CERT_FILE=/nonexistent", *command]
    for option, value in (("-CAfile", ca_file or ("" if ca_path else system_bundle())), ("-CApath", ca_path)):
        command += [option, value] if value else []
    done = run((*command, "-untrusted", path, path), None)
    return certificate.verify_problem(done.stderr + b"\n" + done.stdout) if done.returncode else ""


def now() -> datetime:
    return datetime.now(timezone.utc)


def refuse_file(path: str, cause: str, remedy: str) -> NoReturn:
    raise DeclarationError("checking", path, cause, remedy)


def status(path: str) -> os.stat_result | None:
    """The file behind symbolic links, or None."""
    try:
        return os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise HostError("reading", path, error.strerror or str(error), "Run as root (become: true)") from error


def outline(instance: Instance, path: str) -> list[Block] | None:
    """The PEM blocks of a file, without the content of its private keys; None if there is no file."""
    found = status(path)
    if found is None:
        return None
    if not stat.S_ISREG(found.st_mode):
        refuse_file(path, "it is not a file", "Name a PEM file")
    return pem.blocks(instance.run("sed", "-n", *pem.OUTLINE_SCRIPT, path).stdout)


def read_certificates(text: bytes, path: str) -> list[bytes]:
    return decode_certificates(pem.blocks(text), path)


def decode_certificates(blocks: Sequence[Block], path: str) -> list[bytes]:
    try:
        return pem.certificates_of(blocks)
    except PemError as error:
        refuse_file(path, error.cause, error.remedy)


def examine(instance: Instance, der: bytes, path: str = "") -> Certificate:
    done = instance.run("openssl", "x509", *certificate.X509_ARGUMENTS, stdin=pem.to_pem(der), check=False)
    if done.returncode != 0:
        raise HostError(
            "reading",
            path or "a certificate",
            f"openssl cannot read it: {done.complaint}",
            "Put an undamaged file there",
        )
    return certificate.read_certificate(der, done.stdout)


def read_chain(instance: Instance, path: str, remedy: str) -> list[Certificate]:
    blocks = outline(instance, path)
    if blocks is None:
        refuse_file(path, "there is no such file", remedy)
    return [examine(instance, der, path) for der in decode_certificates(blocks, path)]


def read_key(instance: Instance, path: str, remedy: str) -> bytes:
    """The public half of a private key that Postfix can load."""
    blocks = outline(instance, path)
    if blocks is None:
        refuse_file(path, "there is no such file", remedy)
    keys = [block for block in blocks if block.is_private_key]
    if not keys:
        held = ", ".join(dict.fromkeys(block.label for block in blocks)) or "no PEM block at all"
        refuse_file(
            path, f"it holds no private key in PEM form but {held}", "Name the file with -----BEGIN PRIVATE KEY-----"
        )
    if keys[0].is_encrypted:
        refuse_file(
            path,
            "the private key is encrypted, and Postfix has no way to ask for its pass phrase",
            f"Decrypt it: openssl pkey -in {path} -out NEWFILE",
        )
    key = public_half(instance, path)
    if key is None:
        refuse_file(
            path, "openssl cannot read the private key: it is damaged, or cut off", "Put the undamaged file there"
        )
    return key


def public_half(instance: Instance, path: str) -> bytes | None:
    done = instance.run("openssl", "pkey", "-in", path, *NO_PASSPHRASE, "-pubout", check=False)
    return pem.public_key(done.stdout) if done.returncode == 0 else None


def relative(instance: Instance, path: str) -> str:
    """A path relative to the configuration directory, if it is in there."""
    inside = instance.config_directory + os.sep
    return path[len(inside) :] if path.startswith(inside) else path


def protected(path: str) -> str:
    """Return the path of a private key; refuse it if others than root can write to its directory."""
    parent = os.path.dirname(path)
    found = status(parent)
    if found is not None and (found.st_uid not in (0, os.geteuid()) or found.st_mode & 0o022):
        refuse_file(
            path,
            f"others than root can write to {parent} (mode {stat.S_IMODE(found.st_mode):04o}, user {found.st_uid})",
            f"chown root {parent} && chmod go-w {parent}",
        )
    return path


def as_parameter(path: str) -> str:
    if re.search(r"[\s,$]", path):
        refuse_file(path, "Postfix cannot have white space, ',' or '$' in this path", "Use another path")
    return path
