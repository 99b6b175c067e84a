# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's own certificate authority: a root, an intermediate, and certificates in the layout of an ACME client."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Sequence

from lab.common import run

DAYS = "800"
AUTHORITY = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n"
SERVER = (
    "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n"
    "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\nsubjectAltName={names}\n"
)


def _key(path: Path) -> None:
    """Generate a key, as PEM without a pass phrase, readable by its owner only."""
    run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(path)])
    path.chmod(0o600)


def _certificate(path: Path, key: Path, subject: str, extensions: str, issuer: tuple[Path, Path] | None) -> None:
    """Issue a certificate for the key. issuer: the issuing certificate and its key; None: self-signed."""
    with tempfile.TemporaryDirectory() as directory:
        request, config = Path(directory, "request"), Path(directory, "extensions")
        config.write_text(extensions, encoding="utf-8")
        run(["openssl", "req", "-new", "-key", str(key), "-subj", f"/CN={subject}", "-out", str(request)])
        signer = ["-CA", str(issuer[0]), "-CAkey", str(issuer[1]), "-CAcreateserial"] if issuer else []
        run(
            ["openssl", "x509", "-req", "-in", str(request), "-days", DAYS, "-extfile", str(config), "-out", str(path)]
            + (signer or ["-signkey", str(key)])
        )


def authority(directory: Path) -> None:
    """Create root.pem and intermediate.pem with their keys, unless they exist."""
    if (directory / "intermediate.pem").exists():
        return
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    root, root_key = directory / "root.pem", directory / "root.key"
    middle, middle_key = directory / "intermediate.pem", directory / "intermediate.key"
    _key(root_key)
    _certificate(root, root_key, "Lab root CA", AUTHORITY, None)
    _key(middle_key)
    _certificate(middle, middle_key, "Lab intermediate CA", AUTHORITY, (root, root_key))


def issue(authority_directory: Path, names: Sequence[str], directory: Path) -> None:
    """Create privkey.pem, cert.pem, chain.pem and fullchain.pem for the names, unless they exist."""
    if (directory / "fullchain.pem").exists():
        return
    directory.mkdir(parents=True, exist_ok=True)
    leaf, key = directory / "cert.pem", directory / "privkey.pem"
    middle = authority_directory / "intermediate.pem"
    _key(key)
    extensions = SERVER.format(names=",".join(f"DNS:{name}" for name in names))
    _certificate(leaf, key, names[0], extensions, (middle, authority_directory / "intermediate.key"))
    (directory / "chain.pem").write_bytes(middle.read_bytes())
    (directory / "fullchain.pem").write_bytes(leaf.read_bytes() + middle.read_bytes())
