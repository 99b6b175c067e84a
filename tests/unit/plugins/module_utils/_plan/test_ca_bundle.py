# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans for CA files, with the real openssl and a temporary configuration directory."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError, HostError, PostfixError
from ansible_collections.mailops.postfix.plugins.module_utils._host import openssl
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._host.runner import run_program
from ansible_collections.mailops.postfix.plugins.module_utils._plan import ca_bundle, ca_bundle_standalone
from ansible_collections.mailops.postfix.plugins.module_utils._plan.ca_bundle_options import CaBundleOptions
from ansible_collections.mailops.postfix.plugins.module_utils._transaction.apply import Outcome, apply
from ansible_collections.mailops.postfix.plugins.module_utils._x509 import pem
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.authority import (
    LEAF,
    MIDDLE,
    OTHER_ROOT,
    ROOT,
    issue,
    write,
)
from cryptography.hazmat.primitives.serialization import Encoding

HUB = issue("hub.example.org", names=["hub.example.org"])


@pytest.fixture(name="host")
def fixture_host(tmp_path, monkeypatch):
    """A temporary directory with a configuration directory and a CA file of the system."""
    (tmp_path / "postfix").mkdir()
    (tmp_path / "postfix/main.cf").write_text("compatibility_level = 3.6\n")
    (tmp_path / "postfix/master.cf").write_text("smtp unix - - y - - smtp\n")
    monkeypatch.setattr(openssl, "SYSTEM_BUNDLES", (str(tmp_path / "none.pem"), str(tmp_path / "system.pem")))
    (tmp_path / "system.pem").write_bytes(b"# Root\n" + ROOT.pem + OTHER_ROOT.pem)
    return tmp_path


def bundle(host: Path, check_mode: bool = False, spy: Any = run_program, **given: Any) -> Outcome:
    wanted = {"extra": [], "system": True, "path": None, "update_hook": False, **given}
    return apply(
        lambda instance: ca_bundle_standalone.ca_bundle(instance, wanted),
        lambda: Instance(str(host / "postfix"), spy),
        check_mode=check_mode,
    )


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_system_bundle_is_used_as_it_is(host):
    outcome = bundle(host)
    assert not outcome.changed and outcome.plan.changes == []
    assert outcome.plan.result == {
        "parameters": {"smtp_tls_CAfile": str(host / "system.pem"), "smtp_tls_CApath": None},
        "chrooted": True,
        "services": {"smtp/unix": True},
        "certificates": 2,
    }
    [renewal] = outcome.plan.renewals
    assert not renewal.copied, "there is no copy to update"


def test_services_of_the_same_transaction_count(host):
    instance = Instance(str(host / "postfix"))
    with instance.staged(instance.main_cf, b"smtp unix - - n - - smtp\n") as staged:
        planned = ca_bundle.planned_bundle(instance, CaBundleOptions(), staged)
    assert planned.services == {"smtp/unix": False}


def test_no_program_is_run_for_the_system_bundle(host):
    def never(argv, stdin):
        raise AssertionError(argv)

    bundle(host, spy=never)


@pytest.mark.parametrize(
    ("given", "path", "cas"),
    [
        ({"extra": ["site.pem"]}, "tls/ca-certificates.pem", [ROOT, OTHER_ROOT, MIDDLE]),
        ({"extra": ["site.pem"], "system": False}, "tls/ca-certificates.pem", [MIDDLE]),
        ({"extra": ["site.pem", "site.pem"], "path": "cas.pem"}, "cas.pem", [ROOT, OTHER_ROOT, MIDDLE]),
        ({"path": "cas.pem"}, "cas.pem", [ROOT, OTHER_ROOT]),
        ({"extra": ["two.pem"]}, "tls/ca-certificates.pem", [ROOT, OTHER_ROOT]),
    ],
)
def test_bundle(host, given, path, cas):
    write(host / "postfix/site.pem", MIDDLE.pem)
    write(host / "postfix/two.pem", b"once more\n" + OTHER_ROOT.pem.replace(b"\n", b"\r\n") + ROOT.pem)
    target = host / "postfix" / path
    predicted = bundle(host, check_mode=True, **given)
    assert predicted.changed and not target.exists()
    outcome = bundle(host, **given)
    assert outcome.changed and outcome.diff == predicted.diff and outcome.plan.requires == "reload"
    (diff,) = outcome.diff
    assert (diff["before"], len(diff["after"].splitlines())) == ("", len(cas)), "a line for each certificate"
    header, newline, rest = target.read_bytes().partition(b"\n")
    assert header.startswith(b"# Written by Ansible (mailops.postfix.ca_bundle)")
    assert rest == b"".join(ca.pem for ca in cas)
    assert mode(target) == 0o644
    assert outcome.plan.result["parameters"] == {"smtp_tls_CAfile": str(target), "smtp_tls_CApath": None}
    assert outcome.plan.result["certificates"] == len(cas)
    again = bundle(host, **given)
    assert not again.changed and again.plan.requires == "none"
    [renewal] = again.plan.renewals
    assert (renewal.key, renewal.copied) == (path, given.get("system", True))


def test_bundle_follows_the_system(host):
    write(host / "postfix/site.pem", MIDDLE.pem)
    bundle(host, extra=["site.pem"])
    (host / "system.pem").write_bytes(ROOT.pem)
    assert bundle(host, extra=["site.pem"]).changed
    assert pem.certificates((host / "postfix/tls/ca-certificates.pem").read_bytes()) == [
        ca.certificate.public_bytes(Encoding.DER) for ca in (ROOT, MIDDLE)
    ]


def test_mode_of_bundle_is_corrected(host):
    path = host / "postfix/cas.pem"
    bundle(host, path="cas.pem")
    path.chmod(0o600)
    assert bundle(host, path="cas.pem").changed
    assert mode(path) == 0o644


@pytest.mark.parametrize(
    ("ca", "warning"),
    [
        (ROOT, ""),
        (MIDDLE, ""),
        (HUB, ""),
        (issue("v1 root", constraints=False, usage=None), ""),
        (LEAF, "CN=mx1.example.org is neither a CA's certificate nor self-signed: OpenSSL does not trust it"),
        (issue("Old root", ca=True, start=-20, end=-10), "CN=Old root: it expired on"),
        (issue("New root", ca=True, start=10, end=20), "CN=New root: it is not valid before"),
    ],
    ids=["root", "intermediate", "self-signed", "v1", "leaf", "expired", "too-early"],
)
def test_warnings_about_cas(host, ca, warning):
    write(host / "postfix/site.pem", ca.pem)
    warnings = bundle(host, extra=["site.pem"]).plan.warnings
    assert len(warnings) == bool(warning)
    assert all(f"{host}/postfix/site.pem: {warning}" in text for text in warnings)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "site.pem: there is no such file. Copy the CA's certificate to this host first"),
        (b"", "site.pem: it holds no certificate"),
        (LEAF.key_pem, "site.pem: it holds a private key"),
        (ROOT.pem + ROOT.key_pem, "site.pem: it holds a private key"),
        (ROOT.pem[:-40], "site.pem: PEM block 1 (CERTIFICATE) has no END line"),
        (pem.to_pem(b"\x30\x03\x02\x01\x01"), "site.pem: openssl cannot read it"),
        (ROOT.pem.replace(b"CERT", b"TRUSTED CERT"), "'openssl x509' rewrites a TRUSTED CERTIFICATE"),
    ],
)
def test_cas_that_are_refused(host, content, message):
    if content is not None:
        write(host / "postfix/site.pem", content)
    with pytest.raises(PostfixError) as caught:
        bundle(host, extra=["site.pem"])
    assert message in str(caught.value)
    assert not (host / "postfix/tls").exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"system": False}, "system is false and extra is empty: smtp(8) would trust no CA"),
        (
            {"system": False, "extra": [], "path": "x.pem"},
            "system is false and extra is empty: smtp(8) would trust no CA",
        ),
        ({"path": "../system.pem"}, "path is a file or directory of the system, or of extra"),
        ({"extra": ["site.pem"], "path": "site.pem"}, "path is a file or directory of the system, or of extra"),
        ({"path": "a,b.pem"}, "Postfix cannot have white space"),
    ],
)
def test_bundle_declarations_that_are_refused(host, given, message):
    write(host / "postfix/site.pem", MIDDLE.pem)
    with pytest.raises(DeclarationError) as caught:
        bundle(host, **given)
    assert message in str(caught.value)


def test_no_system_bundle(host):
    (host / "system.pem").unlink()
    with pytest.raises(HostError, match="Install the package ca-certificates"):
        bundle(host)


def test_damaged_system_bundle(host):
    (host / "system.pem").write_bytes(ROOT.pem[:-40])
    with pytest.raises(DeclarationError, match="has no END line"):
        bundle(host)


# Directories with hash links


def directory_of(host: Path, **given: Any) -> Outcome:
    return bundle(host, **{"form": "directory", "path": "cas", **given})


def finds(path: Path, ca: Any, scratch: Path) -> bool:
    """Whether openssl finds a CA in a directory."""
    file = write(scratch / "peer.pem", issue("peer", ca).pem)
    done = run_program(["env", "SSL_CERT_FILE=/nonexistent", "openssl", "verify", "-CApath", str(path), file])
    return done.returncode == 0


@pytest.fixture(name="queue")
def fixture_queue(host):
    path = host / "postfix/main.cf"
    path.write_text(path.read_text() + f"queue_directory = {host}/queue\n")
    return host / "queue"


def test_directory(host, queue):
    write(host / "postfix/site.pem", HUB.pem)
    path = host / "postfix/cas"
    inside = queue / str(path).lstrip("/")
    predicted = directory_of(host, extra=["site.pem"], check_mode=True)
    assert not path.exists()
    outcome = directory_of(host, extra=["site.pem"])
    assert outcome.diff == predicted.diff and outcome.requires == "reload"
    assert outcome.plan.result["parameters"] == {"smtp_tls_CAfile": None, "smtp_tls_CApath": str(path)}
    assert outcome.plan.result["certificates"] == 3
    for place, number in ((path, 3), (inside, 0)):
        names = sorted(file.name for file in place.iterdir())
        assert len(names) == 3 + number and len([name for name in names if name.endswith(".pem")]) == number
        assert not any(file.is_symlink() for file in place.iterdir())
        assert finds(place, ROOT, host) and finds(place, OTHER_ROOT, host) and not finds(place, MIDDLE, host)
    assert not directory_of(host, extra=["site.pem"]).changed


@pytest.mark.parametrize(
    ("master_cf", "services", "inside"),
    [
        ("smtp unix - - n - - smtp\n", {"smtp/unix": False}, False),
        ("smtp unix - - - - - smtp\n", {"smtp/unix": False}, False),
        ("smtp unix - - n - - smtp\nrelay unix - - y - - smtp\n", {"smtp/unix": False, "relay/unix": True}, True),
        ("smtp unix - - n - - smtp\nsmtp inet n - y - - smtpd\n", {"smtp/unix": False}, False),
    ],
)
def test_each_client_has_its_own_chroot(host, queue, master_cf, services, inside):
    (host / "postfix/master.cf").write_text(master_cf)
    result = directory_of(host).plan.result
    assert (result["services"], result["chrooted"]) == (services, inside)
    assert queue.exists() is inside


def test_drift_is_corrected(host, queue):
    """Files in the chroot that were removed, changed or added. Files of other tools stay."""
    directory_of(host)
    inside = queue / str(host / "postfix/cas").lstrip("/")
    files = {file.name: file.read_bytes() for file in inside.iterdir()}
    first, second = sorted(files)[:2]
    (inside / first).unlink()
    (inside / second).write_bytes(b"")
    (inside / "0123abcd.0").write_bytes(MIDDLE.pem)
    (inside / "README").write_bytes(b"mine")
    outcome = directory_of(host)
    assert outcome.changed and outcome.requires == "reload"
    assert {file.name: file.read_bytes() for file in inside.iterdir()} == {**files, "README": b"mine"}


@pytest.mark.parametrize("links", [["openssl", "rehash", "-compat"], ["openssl", "rehash"], None])
def test_chroot_after_a_restart_on_debian(host, queue, links):
    """Debian 11 and 12 copy the .pem files and create links to them, 11 two to each; 13 copies the files with hashes as names."""
    path = host / "postfix/cas"
    directory_of(host)
    inside = queue / str(path).lstrip("/")
    shutil.rmtree(inside)
    inside.mkdir()
    for file in path.iterdir():
        if (file.suffix == ".pem") is bool(links):
            shutil.copy(file, inside)
    if links:
        run_program([*links, str(inside)])
    assert finds(inside, ROOT, host) and not directory_of(host).changed
    (host / "system.pem").write_bytes(ROOT.pem)
    assert directory_of(host).changed
    assert finds(inside, ROOT, host) and not finds(inside, OTHER_ROOT, host)


def test_a_link_to_another_directory_is_not_removed(host, queue):
    directory_of(host)
    inside = queue / str(host / "postfix/cas").lstrip("/")
    write(host / "mine.pem", MIDDLE.pem)
    (inside / "0123abcd.0").symlink_to(host / "mine.pem")
    assert not directory_of(host).changed and (host / "mine.pem").exists()


def test_a_removed_ca_is_no_longer_found(host, queue):
    path = host / "postfix/cas"
    directory_of(host)
    assert finds(path, OTHER_ROOT, host)
    (host / "system.pem").write_bytes(ROOT.pem)
    directory_of(host)
    for place, number in ((path, 2), (queue / str(path).lstrip("/"), 1)):
        assert finds(place, ROOT, host) and not finds(place, OTHER_ROOT, host)
        assert len(list(place.iterdir())) == number


def test_two_cas_of_one_name(host):
    twin = issue("Test root", ca=True)
    write(host / "postfix/twin.pem", twin.pem)
    directory_of(host, extra=["twin.pem"])
    assert finds(host / "postfix/cas", ROOT, host) and finds(host / "postfix/cas", twin, host)


def test_the_directory_of_the_system_is_refused(host):
    with pytest.raises(DeclarationError, match="path is a file or directory of the system"):
        directory_of(host, path=str(host))


# The CA files of the systems


@pytest.mark.parametrize(
    "layout",
    [
        ["etc/ssl/certs/ca-certificates.crt"],
        ["etc/pki/tls/certs/ca-bundle.crt", "etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"],
        ["etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"],
        ["var/lib/ca-certificates/ca-bundle.pem", "etc/ssl/ca-bundle.pem"],
        ["etc/ssl/certs/ca-certificates.crt", "etc/ssl/cert.pem"],
        ["usr/local/share/certs/ca-root-nss.crt", "etc/ssl/cert.pem"],
        ["etc/ssl/cert.pem"],
    ],
    ids=["debian", "red-hat", "red-hat-10", "suse", "alpine", "freebsd", "freebsd-base"],
)
def test_layouts(host, monkeypatch, layout):
    monkeypatch.undo()
    present = [str(host / path) for path in layout]
    monkeypatch.setattr(openssl, "SYSTEM_BUNDLES", tuple(f"{host}{path}" for path in openssl.SYSTEM_BUNDLES))
    for path in present:
        write(Path(path), ROOT.pem, 0o644)
    assert bundle(host).plan.result["parameters"]["smtp_tls_CAfile"] == present[0]
