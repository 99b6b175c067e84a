# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans for certificates, with the real openssl and a temporary configuration directory."""

from __future__ import annotations

import os
import stat
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError, HostError, PostfixError
from ansible_collections.mailops.postfix.plugins.module_utils._host import openssl
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._host.runner import run_program
from ansible_collections.mailops.postfix.plugins.module_utils._plan import certificate as certificate_plan
from ansible_collections.mailops.postfix.plugins.module_utils._plan import certificate_standalone
from ansible_collections.mailops.postfix.plugins.module_utils._transaction.apply import Outcome, apply
from ansible_collections.mailops.postfix.plugins.module_utils._x509 import acme_layout, pem
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.authority import (
    FULL_CHAIN,
    LEAF,
    MIDDLE,
    NOW,
    OTHER_ROOT,
    ROOT,
    issue,
    write,
)
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID


@pytest.fixture(name="host")
def fixture_host(tmp_path, monkeypatch):
    """A temporary directory with a configuration directory, a lineage of certbot, and a CA file of the system."""
    (tmp_path / "postfix").mkdir()
    (tmp_path / "postfix/main.cf").write_text("compatibility_level = 3.6\n")
    (tmp_path / "postfix/master.cf").write_text("smtp unix - - y - - smtp\n")
    monkeypatch.setattr(acme_layout, "DIRECTORIES", {**acme_layout.DIRECTORIES, "certbot": [str(tmp_path)]})
    monkeypatch.setattr(openssl, "SYSTEM_BUNDLES", (str(tmp_path / "none.pem"), str(tmp_path / "system.pem")))
    (tmp_path / "system.pem").write_bytes(b"# Root\n" + ROOT.pem + OTHER_ROOT.pem)
    write(tmp_path / "live/mx1.example.org/privkey.pem", LEAF.key_pem)
    write(tmp_path / "live/mx1.example.org/fullchain.pem", FULL_CHAIN, 0o644)
    return tmp_path


def options(**given: Any) -> dict[str, Any]:
    return {
        "name": "mx1.example.org",
        "provider": "certbot",
        "certificate": None,
        "private_key": None,
        "hostnames": None,
        "verify": "auto",
        "ca_file": None,
        "chain_file": None,
        "side": "server",
        "key_type": None,
        "key_bits": None,
        "days": 3650,
        "deploy_hook": False,
        **given,
    }


def run(
    host: Path,
    check_mode: bool = False,
    spy: Any = run_program,
    **given: Any,
) -> Outcome:
    wanted = options(**given)
    return apply(
        lambda instance: certificate_standalone.certificate(instance, wanted),
        lambda: Instance(str(host / "postfix"), spy),
        check_mode=check_mode,
    )


def self_signed(host: Path, **given: Any) -> Outcome:
    return run(host, **{"name": "hub.example.org", "provider": "self_signed", **given})


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# Certificates of ACME clients, and from files


def test_certbot(host):
    outcome = run(host, hostnames=["mx1.example.org", "a.mx.example.org"])
    live = host / "live/mx1.example.org"
    assert not outcome.changed and outcome.plan.requires == "none" and outcome.plan.warnings == []
    assert outcome.plan.result["parameters"] == {
        "smtpd_tls_chain_files": f"{live}/privkey.pem, {live}/fullchain.pem",
        **dict.fromkeys(
            f"smtpd_tls_{old}"
            for old in ("cert_file", "key_file", "eccert_file", "eckey_file", "dcert_file", "dkey_file")
        ),
    }
    assert outcome.plan.result["files"] == {
        "chain_file": None,
        "certificate": f"{live}/fullchain.pem",
        "private_key": f"{live}/privkey.pem",
    }
    facts = outcome.plan.result["certificate"]
    assert facts["subject"] == "CN=mx1.example.org" and facts["issuer"] == "CN=Test CA"
    assert facts["names"] == ["mx1.example.org", "*.mx.example.org"]
    assert (facts["key_type"], facts["key_bits"]) == ("rsa", 2048)
    assert facts["serial"] == f"{LEAF.certificate.serial_number:X}".zfill(len(facts["serial"]))
    assert facts["not_after"] == (NOW + timedelta(days=90)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert (
        facts["fingerprint"]["sha256"].replace(":", "").lower() == LEAF.certificate.fingerprint(hashes.SHA256()).hex()
    )
    assert facts["public_key_fingerprint"] == pem.fingerprints_by_digest(LEAF.spki)


@pytest.mark.parametrize(
    ("side", "set_parameters"),
    [
        ("server", ["smtpd_tls_chain_files"]),
        ("client", ["smtp_tls_chain_files"]),
        ("both", ["smtpd_tls_chain_files", "smtp_tls_chain_files"]),
    ],
)
def test_sides(host, side, set_parameters):
    parameters = run(host, side=side).plan.result["parameters"]
    assert [name for name, value in parameters.items() if value] == set_parameters
    assert len(parameters) == 7 * len(set_parameters)


def provide(
    host: Path, certificate: bytes = FULL_CHAIN, key: bytes | None = None, key_mode: int = 0o600
) -> dict[str, str]:
    return {
        "provider": "files",
        "certificate": write(host / "in/cert.pem", certificate, 0o644),
        "private_key": write(host / "in/key.pem", LEAF.key_pem if key is None else key, key_mode),
    }


@pytest.mark.parametrize(
    ("certificate", "key"),
    [
        (FULL_CHAIN, LEAF.key_pem),
        (FULL_CHAIN, LEAF.private(PrivateFormat.TraditionalOpenSSL)),
        (FULL_CHAIN, b"a comment\n" + LEAF.key_pem),
        (FULL_CHAIN.replace(b"\n", b"\r\n"), LEAF.key_pem.replace(b"\n", b"\r\n")),
        (LEAF.pem, LEAF.key_pem),
        (FULL_CHAIN + ROOT.pem, LEAF.key_pem),
    ],
    ids=["pkcs8", "traditional", "comment", "crlf", "leaf", "with-root"],
)
def test_files(host, certificate, key):
    given = provide(host, certificate, key)
    result = run(host, **given).plan.result
    assert result["parameters"]["smtpd_tls_chain_files"] == f"{given['private_key']}, {given['certificate']}"


def test_key_and_certificate_in_one_file(host):
    path = write(host / "both.pem", LEAF.key_pem + FULL_CHAIN)
    result = run(host, provider="files", certificate=path, private_key=path).plan.result
    assert result["parameters"]["smtpd_tls_chain_files"] == path


REFUSALS = {
    "not a key": ({"key": b"hello\n"}, "key.pem: it holds no private key in PEM form but no PEM block at all"),
    "certificate for key": ({"key": FULL_CHAIN}, "key.pem: it holds no private key in PEM form but CERTIFICATE"),
    "encrypted": (
        {"key": LEAF.private(encryption=BestAvailableEncryption(b"none"))},
        "key.pem: the private key is encrypted, and Postfix has no way to ask for its pass phrase. Decrypt it: openssl",
    ),
    "encrypted, old form": (
        {"key": LEAF.private(PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"none"))},
        "key.pem: the private key is encrypted",
    ),
    "cut off": ({"key": LEAF.key_pem[:400]}, "key.pem: openssl cannot read the private key: it is damaged, or cut off"),
    "other key": ({"key": MIDDLE.key_pem}, "key.pem: this private key does not belong to the first certificate in"),
    "key for certificate": ({"certificate": LEAF.key_pem}, "cert.pem: it holds no certificate but PRIVATE KEY"),
    "empty": ({"certificate": b""}, "cert.pem: it holds no certificate: there is no PEM block in it"),
    "DER": ({"certificate": LEAF.certificate.public_bytes(Encoding.DER)}, "cert.pem: it holds no certificate"),
    "truncated chain": (
        {"certificate": FULL_CHAIN[:-40]},
        "cert.pem: PEM block 2 (CERTIFICATE) has no END line: the file is truncated",
    ),
    "damaged": ({"certificate": pem.to_pem(b"\x30\x03\x02\x01\x01")}, "cert.pem: openssl cannot read it"),
    "CA first": ({"certificate": MIDDLE.pem + LEAF.pem}, "does not belong to the first certificate in"),
    "order": (
        {"certificate": LEAF.pem + ROOT.pem + MIDDLE.pem},
        "cert.pem: wrong order: certificate 2 (CN=Test root) did not issue",
    ),
    "other chain": (
        {"certificate": LEAF.pem + ROOT.pem},
        "cert.pem: certificate 2 is CN=Test root, but the one before it was issued by CN=Test CA. Write the leaf first",
    ),
}


@pytest.mark.parametrize(("files", "message"), REFUSALS.values(), ids=list(REFUSALS))
def test_files_that_are_refused(host, files, message):
    with pytest.raises(PostfixError) as caught:
        run(host, chain_file="chain.pem", **provide(host, **files))
    assert message in str(caught.value)
    assert LEAF.key_pem.decode().split("\n")[1] not in str(caught.value)
    assert not (host / "postfix/chain.pem").exists()


def test_files_that_are_being_replaced_are_read_again(host, monkeypatch):
    """An ACME client has replaced the key, and replaces the certificate while they are read."""
    live = host / "live/mx1.example.org"
    write(live / "fullchain.pem", MIDDLE.pem + ROOT.pem, 0o644)
    monkeypatch.setattr(
        certificate_plan.time, "sleep", lambda _seconds: write(live / "fullchain.pem", FULL_CHAIN, 0o644)
    )
    assert run(host).plan.result["certificate"]["subject"] == "CN=mx1.example.org"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"name": "mx2.example.org"},
            "live/mx2.example.org/fullchain.pem: there is no such file. Obtain it first (certbot certonly",
        ),
        ({"name": "../x"}, "'../x': this is not a valid certificate name"),
        ({"name": "a b"}, "'a b': this is not a valid certificate name"),
        ({"certificate": "/x"}, "certificate is not an option of provider certbot"),
        (
            {"provider": "files", "certificate": "/x", "private_key": "/y"},
            "/x: there is no such file. Copy the file to this host first",
        ),
        ({"provider": "files", "certificate": "/", "private_key": "/y"}, "/: it is not a file"),
        (
            {"hostnames": ["mx1.example.org", "mx2.example.org"]},
            "the certificate does not cover mx2.example.org; its names are mx1.example.org, *.mx.example.org",
        ),
        ({"hostnames": ["a.b.mx.example.org"]}, "the certificate does not cover a.b.mx.example.org"),
        ({"ca_file": "/nonexistent.pem"}, "/nonexistent.pem: ca_file: there is no such file"),
        ({"chain_file": "a b.pem"}, "Postfix cannot have white space, ',' or '$' in this path"),
        (
            {"chain_file": "../live/mx1.example.org/privkey.pem"},
            "chain_file is also the file of the key or the certificate",
        ),
    ],
)
def test_declarations_that_are_refused(host, given, message):
    with pytest.raises(DeclarationError) as caught:
        run(host, **given)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("leaf", "message"),
    [
        (
            issue("mx1", MIDDLE, start=-20, end=-10),
            f"it expired on {(NOW - timedelta(days=10)).strftime('%Y-%m-%dT%H:%M:%SZ')}. Renew it",
        ),
        (issue("mx1", MIDDLE, start=10, end=20), "it is not valid before"),
    ],
    ids=["expired", "too-early"],
)
def test_not_valid_now(host, leaf, message):
    with pytest.raises(DeclarationError) as caught:
        run(host, **provide(host, leaf.pem + MIDDLE.pem, leaf.key_pem))
    assert message in str(caught.value)


def test_warning_about_an_expired_intermediate(host):
    middle = issue("Old CA", ROOT, ca=True, start=-20, end=-10)
    leaf = issue("mx1", middle)
    warnings = run(host, **provide(host, leaf.pem + middle.pem, leaf.key_pem)).plan.warnings
    assert len(warnings) == 1 and "the chain contains CN=Old CA: it expired on" in warnings[0]


@pytest.mark.parametrize(
    ("key_mode", "group", "after", "warnings"),
    [
        (0o600, "root", 0o600, []),
        (0o400, "root", 0o400, []),
        (0o640, "root", 0o600, ["(mode 0640, now 0600). If one of them may have read it, replace the key"]),
        (0o604, "root", 0o600, ["(mode 0604, now 0600)"]),
        (0o640, "ssl-cert", 0o640, ["members of the group ssl-cert can read this private key"]),
        (0o644, "ssl-cert", 0o640, ["members of the group ssl-cert", "(mode 0644, now 0640)"]),
        (0o660, "ssl-cert", 0o640, ["members of the group ssl-cert", "(mode 0660, now 0640)"]),
    ],
)
def test_access_to_the_key_is_removed(host, monkeypatch, key_mode, group, after, warnings):
    monkeypatch.setattr(certificate_plan, "_group_name", lambda gid: group)
    given = provide(host, key_mode=key_mode)
    key = Path(given["private_key"])
    predicted = run(host, check_mode=True, **given)
    assert mode(key) == key_mode
    outcome = run(host, **given)
    assert predicted.changed == outcome.changed == (after != key_mode) and predicted.diff == outcome.diff
    assert (mode(key), key.read_bytes(), outcome.plan.requires) == (after, LEAF.key_pem, "none")
    assert len(outcome.plan.warnings) == len(warnings)
    assert all(part in text for part, text in zip(warnings, outcome.plan.warnings))
    assert not run(host, **given).changed


def test_a_link_to_a_key_stays_a_link(host):
    given = provide(host, key_mode=0o644)
    archived = Path(given["private_key"])
    link = host / "in/link.pem"
    link.symlink_to(archived)
    run(host, **{**given, "private_key": str(link)})
    assert link.is_symlink() and mode(archived) == 0o600


def test_a_directory_that_others_can_write_to(host):
    (host / "postfix/tls").mkdir()
    (host / "postfix/tls").chmod(0o775)
    with pytest.raises(DeclarationError, match="others than root can write to .*/tls .mode 0775"):
        run(host, chain_file="tls/mx1.pem")


def test_key_of_another_user(host, monkeypatch):
    given = provide(host)
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    real = os.stat(given["private_key"])
    monkeypatch.setattr(openssl, "status", lambda path: os.stat_result((*real[:4], 4712, *real[5:])))
    with pytest.raises(DeclarationError, match="user 4712 owns the private key and can replace it"):
        run(host, **given)


def test_a_copy_of_the_key_of_another_user(host, monkeypatch):
    """Postfix does not use the original."""
    given = provide(host)
    status = openssl.status

    def owned_by_another(path):
        found = status(path)
        return os.stat_result((*found[:4], 4712, *found[5:])) if path == given["private_key"] else found

    monkeypatch.setattr(openssl, "status", owned_by_another)
    assert run(host, chain_file="mx1.pem", **given).changed
    assert mode(host / "postfix/mx1.pem") == 0o600


LAYOUTS = {
    "certbot": ("live/{name}", "privkey.pem", "fullchain.pem"),
    "lego": ("certificates", "{name}.key", "{name}.crt"),
    "dehydrated": ("certs/{name}", "privkey.pem", "fullchain.pem"),
    "acme_sh": ("{name}_ecc", "{name}.key", "fullchain.cer"),
}


@pytest.mark.parametrize("provider", LAYOUTS)
def test_lineages(host, provider):
    directory, key, chain = (part.format(name="mx1.example.org") for part in LAYOUTS[provider])
    write(host / "acme" / directory / key, LEAF.key_pem)
    write(host / "acme" / directory / chain, FULL_CHAIN, 0o644)
    given = {"provider": provider, "directory": str(host / "acme")}
    outcome = run(host, chain_file="tls/mx1.pem", **given)
    assert (host / "postfix/tls/mx1.pem").read_bytes() == LEAF.key_pem + FULL_CHAIN
    assert outcome.plan.result["files"]["certificate"] == str(host / "acme" / directory / chain)
    (host / "system.pem").write_bytes(OTHER_ROOT.pem)
    with pytest.raises(DeclarationError, match="openssl does not verify it"):
        run(host, **given)


@pytest.mark.parametrize(
    ("start", "end", "warn_below", "remaining", "warns"),
    [
        (-10, 90, 0.3, 0.9, False),
        (-71, 29, 0.3, 0.29, True),
        (-71, 29, 0.2, 0.29, False),
        (-71, 29, 0, 0.29, False),
        (-5, 1, 0.3, 0.167, True),
    ],
)
def test_remaining_life(host, monkeypatch, start, end, warn_below, remaining, warns):
    # The certificate is dated when the tests are collected.
    monkeypatch.setattr(openssl, "now", lambda: NOW)
    leaf = issue("mx1", MIDDLE, start=start, end=end)
    outcome = run(host, warn_below=warn_below, **provide(host, leaf.pem + MIDDLE.pem, leaf.key_pem))
    assert outcome.plan.result["certificate"]["remaining"] == pytest.approx(remaining, abs=0.002)
    assert [
        f"{remaining:.0%} of its lifetime is left. Check that it is renewed" in text for text in outcome.plan.warnings
    ] == [True] * warns


@pytest.mark.parametrize("given", [{"warn_below": 1.0}, {"warn_below": -0.1}, {"renew_below": 30.0}])
def test_fractions(host, given):
    with pytest.raises(DeclarationError, match="is not a valid fraction of the certificate's lifetime"):
        run(host, **given)


# openssl verify

CLIENT_ONLY = issue("mx1.example.org", MIDDLE, usage=ExtendedKeyUsageOID.CLIENT_AUTH)


@pytest.mark.parametrize(
    ("issued", "chain", "given", "problem"),
    [
        (LEAF, FULL_CHAIN, {}, ""),
        (LEAF, FULL_CHAIN, {"ca_file": "root.pem"}, ""),
        (LEAF, FULL_CHAIN, {"ca_file": "other.pem"}, "issuer certificate (at depth 1)"),
        (
            LEAF,
            LEAF.pem,
            {},
            "unable to get local issuer certificate (at depth 0). The file must hold the whole chain up to a CA in",
        ),
        (LEAF, LEAF.pem, {"verify": "consistent"}, ""),
        (CLIENT_ONLY, CLIENT_ONLY.pem + MIDDLE.pem, {}, "certificate purpose"),
        (CLIENT_ONLY, CLIENT_ONLY.pem + MIDDLE.pem, {"side": "client"}, ""),
        (LEAF, FULL_CHAIN, {"side": "client", "ca_file": "other.pem"}, "issuer certificate (at depth 1)"),
    ],
)
def test_verify_chain(host, issued, chain, given, problem):
    write(host / "postfix/root.pem", ROOT.pem)
    write(host / "postfix/other.pem", OTHER_ROOT.pem)
    write(host / "live/mx1.example.org/privkey.pem", issued.key_pem)
    write(host / "live/mx1.example.org/fullchain.pem", chain)
    if problem:
        with pytest.raises(DeclarationError) as caught:
            run(host, **given)
        assert "openssl does not verify it: " in str(caught.value) and problem in str(caught.value)
    else:
        run(host, **given)


def test_system_cas_are_not_trusted_with_ca_file(host):
    """Not even in the directory with hash links that openssl reads by default."""
    write(host / "postfix/other.pem", OTHER_ROOT.pem)
    root = write(host / "hashed/root.pem", ROOT.pem)
    name = run_program(["openssl", "x509", "-noout", "-hash", "-in", root]).stdout.decode().strip()
    os.symlink(root, host / f"hashed/{name}.0")

    def with_environment(argv, stdin):
        return run_program(
            ["env", f"SSL_CERT_DIR={host}/hashed", *argv] if argv[0] in ("openssl", "env") else argv, stdin
        )

    (host / "system.pem").unlink()
    run(host, spy=with_environment)
    with pytest.raises(DeclarationError, match="openssl does not verify it"):
        run(host, spy=with_environment, ca_file="other.pem")


def test_files_are_verified_only_if_declared(host):
    given = provide(host, LEAF.pem)
    run(host, **given)
    with pytest.raises(DeclarationError, match="unable to get local issuer"):
        run(host, verify="chain", **given)


# One file with key and chain


def test_chain_file(host):
    chain_file = host / "postfix/tls/mx1.pem"
    predicted = run(host, check_mode=True, chain_file="tls/mx1.pem")
    assert predicted.changed and not chain_file.parent.exists()
    outcome = run(host, chain_file="tls/mx1.pem")
    assert outcome.changed and outcome.plan.requires == "reload"
    assert outcome.diff == predicted.diff and outcome.plan.result == predicted.plan.result
    assert chain_file.read_bytes() == LEAF.key_pem + FULL_CHAIN
    assert (mode(chain_file), mode(chain_file.parent)) == (0o600, 0o755)
    assert outcome.plan.result["parameters"]["smtpd_tls_chain_files"] == str(chain_file)
    assert outcome.plan.result["files"]["chain_file"] == str(chain_file)
    again = run(host, chain_file="tls/mx1.pem")
    assert not again.changed and again.plan.requires == "none"


RENEWED = issue("mx1.example.org", MIDDLE, names=["mx1.example.org"])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a key followed by its certificates"),
        (FULL_CHAIN, "not a key followed by its certificates"),
        (FULL_CHAIN + LEAF.key_pem, "not a key followed by its certificates"),
        (LEAF.key_pem + FULL_CHAIN + LEAF.key_pem, "not a key followed by its certificates"),
        (LEAF.key_pem + LEAF.pem, "other certificates"),
        (LEAF.key_pem + FULL_CHAIN[:-40], "other certificates"),
        (RENEWED.key_pem + RENEWED.pem + MIDDLE.pem, "other certificates"),
        (RENEWED.key_pem + FULL_CHAIN, "another private key"),
        (LEAF.key_pem[:600] + b"\n" + FULL_CHAIN, "another private key"),
        (LEAF.private(encryption=BestAvailableEncryption(b"none")) + FULL_CHAIN, "another private key"),
        (LEAF.private(PrivateFormat.TraditionalOpenSSL) + FULL_CHAIN, ""),
        (b"a comment\n" + LEAF.key_pem + b"another\n" + FULL_CHAIN, ""),
    ],
)
def test_existing_chain_file(host, content, reason):
    path = host / "postfix/chain.pem"
    write(path, content)
    outcome = run(host, chain_file="chain.pem")
    assert outcome.plan.changes[0].stale == reason
    assert outcome.changed is bool(reason)
    assert path.read_bytes() == (LEAF.key_pem + FULL_CHAIN if reason else content)


def test_mode_of_chain_file_is_corrected(host):
    path = host / "postfix/chain.pem"
    write(path, LEAF.key_pem + FULL_CHAIN, 0o644)
    outcome = run(host, chain_file="chain.pem")
    assert outcome.changed and outcome.plan.requires == "none"
    assert mode(path) == 0o600
    assert not run(host, chain_file="chain.pem").changed


def test_key_replaced_while_it_is_copied(host):
    def replace_key(argv, stdin):
        if "-out" in argv:
            write(host / "live/mx1.example.org/privkey.pem", RENEWED.key_pem)
        return run_program(argv, stdin)

    with pytest.raises(HostError, match="was replaced during this run"):
        run(host, spy=replace_key, chain_file="chain.pem")
    assert sorted(os.listdir(host / "postfix")) == ["main.cf", "master.cf"]


def test_private_key_is_never_read(host):
    """No program prints a private key or gets one as an argument, and no result or diff contains one."""
    seen = []

    def spy(argv, stdin):
        done = run_program(argv, stdin)
        seen.append(repr((argv, stdin, done)))
        return done

    outcomes = [
        run(host, spy=spy, chain_file="chain.pem"),
        run(host, spy=spy, chain_file="chain.pem"),
        self_signed(host, spy=spy),
        self_signed(host, spy=spy),
        self_signed(host, spy=spy, hostnames=["other.example.org"]),
    ]
    keys = [
        LEAF.key_pem,
        (host / "postfix/tls/hub.example.org.pem").read_bytes().partition(b"-----BEGIN CERTIFICATE")[0],
    ]
    text = "".join(seen) + repr([(outcome.diff, outcome.plan.result, outcome.plan.warnings) for outcome in outcomes])
    for key in keys:
        for line in key.decode().split("\n")[1:-2]:
            assert line not in text
    assert "PUBLIC KEY" in text


def test_whether_the_key_is_new(host):
    """The chain file gets the key of the source."""

    def is_new(issued, **given):
        write(host / "live/mx1.example.org/privkey.pem", issued.key_pem)
        write(host / "live/mx1.example.org/fullchain.pem", issued.pem + MIDDLE.pem, 0o644)
        return run(host, **given).plan.result["new_key"]

    copy = {"chain_file": "tls/mx1.pem"}
    renewed, other = (issue("mx1.example.org", MIDDLE, names=["mx1.example.org"], key=key) for key in (LEAF.key, None))
    assert [is_new(LEAF, **copy), is_new(LEAF, **copy), is_new(renewed, **copy)] == [True, False, False]
    assert [is_new(other, **copy), is_new(other, **copy)] == [True, False]
    assert is_new(LEAF) is False
    (host / "postfix/tls/mx1.pem").write_bytes(b"damaged")
    assert is_new(other, **copy) is True
