# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files for renewals on a host: the program, its hooks and its timer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError, ProgramNotSent
from ansible_collections.mailops.postfix.plugins.module_utils._host import openssl
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._plan import (
    ca_bundle_standalone,
    certificate,
    configuration,
)
from ansible_collections.mailops.postfix.plugins.module_utils._plan.certificate_options import (
    CertificateOptions,
)
from ansible_collections.mailops.postfix.plugins.module_utils._plan.plan import Plan
from ansible_collections.mailops.postfix.plugins.module_utils._program import archive, install, renewals
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import apply as apply_transaction
from ansible_collections.mailops.postfix.plugins.module_utils._transaction.journal import FORMAT
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.authority import (
    FULL_CHAIN,
    LEAF,
    MIDDLE,
    ROOT,
    write,
)

NAME = "mx1.example.org"


@pytest.fixture(name="host")
def fixture_host(directory, tmp_path):
    write(tmp_path / f"le/live/{NAME}/fullchain.pem", FULL_CHAIN, 0o644)
    write(tmp_path / f"le/live/{NAME}/privkey.pem", LEAF.key_pem)
    write(tmp_path / "root.pem", ROOT.pem, 0o644)
    return directory


def with_renewals(build):
    """A planner with what its renewals need, as the module runs it."""

    def plan(instance, options):
        result = build(instance, options)
        install.add_renewals(instance, result, options["_program"], renewals.Declarer("module certificate"))
        return result

    return plan


def options(host, **given):
    specified = {name: option.get("default") for name, option in CertificateOptions.suboptions()["options"].items()}
    return {
        **specified,
        "name": NAME,
        "directory": str(host / "le"),
        "ca_file": str(host / "root.pem"),
        "chain_file": "tls/mx1.pem",
        **given,
    }


def apply(host, sent, *declared, check_mode=False):
    def build(instance):
        wanted = [CertificateOptions.from_declaration(options) for options in declared]
        plans = [item.reported(instance) for item in certificate.deployments(instance, wanted)]
        plan = Plan(
            [change for plan in plans for change in plan.changes],
            plans[0].result,
            warnings=plans[0].warnings,
            renewals=[renewal for plan in plans for renewal in plan.renewals],
        )
        install.add_renewals(instance, plan, sent, renewals.Declarer("module certificate"))
        return plan

    return apply_transaction.apply(build, lambda: Instance(str(host)), check_mode=check_mode)


def declarations():
    return sorted(Path(renewals.STORE, "certificates").glob("*"))


def mode(path):
    return oct(os.stat(path).st_mode & 0o777)


def test_hook_is_installed(host, no_hooks, sent):
    predicted = apply(host, sent, options(host), check_mode=True)
    assert not os.path.exists(install.PROGRAM) and not os.path.exists(install.WRAPPER)
    outcome = apply(host, sent, options(host))
    assert outcome.diff == predicted.diff
    hook = outcome.plan.result["deploy_hook"]
    [declaration] = declarations()
    [crontab] = map(str, (no_hooks / "cron.d").iterdir())
    command = f"{install.interpreter()} {install.PROGRAM}"
    assert hook == {
        "program": install.PROGRAM,
        "command": f"{command} deploy",
        "declaration": str(declaration),
        "timer": crontab,
    }
    assert Path(install.PROGRAM).read_bytes() == archive.program()
    assert [mode(path) for path in (install.PROGRAM, declaration, install.WRAPPER)] == ["0o600", "0o600", "0o755"]
    assert mode(os.path.dirname(install.PROGRAM)) == "0o700"
    content = json.loads(declaration.read_text())
    assert content["config_directory"] == str(host) and content["options"]["chain_file"] == "tls/mx1.pem"
    assert content["format"] == FORMAT and "_program" not in content["options"]
    script = host / "le/renewal-hooks/deploy/mailops-postfix"
    assert os.access(script, os.X_OK) and script.read_text().endswith(f'exec {command} deploy "$@"\n')
    assert f" root {command} deploy --due " in Path(crontab).read_text()
    assert Path(install.WRAPPER).read_text() == f'#!/bin/sh\nexec {command} "$@"\n'
    assert not os.path.exists(install.FORMER_PROGRAM)
    assert not apply(host, {"checksum": sent["checksum"]}, options(host)).changed


def test_the_program_is_installed_first(host, sent):
    outcome = apply(host, sent, options(host), check_mode=True)
    assert outcome.plan.changes[0].path == install.PROGRAM


@pytest.mark.parametrize("sent", [None, {"checksum": "0"}, {"checksum": "0", "path": None}])
def test_nothing_changes_before_the_program_has_been_sent(host, sent):
    before = sorted(host.rglob("*"))
    with pytest.raises(ProgramNotSent):
        apply(host, sent, options(host))
    assert sorted(host.rglob("*")) == before and not os.path.exists(install.PROGRAM)


def test_check_mode_needs_the_checksum_only(host):
    assert apply(host, {"checksum": "0"}, options(host), check_mode=True).changed


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, True),
        ({"chain_file": None}, False),
        ({"chain_file": None, "deploy_hook": True}, True),
        ({"deploy_hook": False}, False),
        ({"provider": "files"}, False),
        ({"provider": "files", "deploy_hook": True}, True),
        ({"provider": "self_signed", "directory": None}, False),
    ],
)
def test_default_of_deploy_hook(host, sent, given, wanted):
    if given.get("provider") == "files":
        lineage = host / f"le/live/{NAME}"
        given = {**given, "certificate": str(lineage / "fullchain.pem"), "private_key": str(lineage / "privkey.pem")}
    outcome = apply(host, sent, options(host, **given))
    assert bool(outcome.plan.result["deploy_hook"]) is os.path.exists(install.PROGRAM) is bool(declarations()) is wanted


def test_a_hook_for_self_signed_certificates_is_refused(host, sent):
    with pytest.raises(DeclarationError, match="only this module renews a self-signed certificate"):
        apply(host, sent, options(host, provider="self_signed", directory=None, deploy_hook=True))


def test_a_hook_that_is_no_longer_wanted(host, sent):
    apply(host, sent, options(host))
    assert apply(host, sent, options(host, deploy_hook=False)).changed
    assert declarations() == []
    assert not apply(host, sent, options(host, deploy_hook=False)).changed


def test_a_host_without_a_scheduler(host, no_hooks, sent):
    (no_hooks / "cron.d").rmdir()
    outcome = apply(host, sent, options(host))
    assert outcome.plan.result["deploy_hook"]["timer"] is None
    assert any(f"run '{install.command()} deploy --due' each hour" in text for text in outcome.plan.warnings)


def test_new_code_is_installed(host, no_hooks, sent):
    apply(host, sent, options(host))
    other = no_hooks / "other"
    other.write_bytes(b"other code")
    newer = {"checksum": install.checksum(b"other code"), "path": str(other)}
    predicted = apply(host, newer, options(host), check_mode=True)
    assert [entry["after_header"] for entry in predicted.diff] == [install.PROGRAM]
    assert Path(install.PROGRAM).read_bytes() == archive.program()
    assert apply(host, newer, options(host)).changed and Path(install.PROGRAM).read_bytes() == b"other code"


def test_a_newer_program_is_not_replaced(host, sent):
    apply(host, sent, options(host))
    with zipfile.ZipFile(install.PROGRAM, "a") as program:
        program.comment = install.COMMENT + str(FORMAT + 1).encode()
    newer = Path(install.PROGRAM).read_bytes()
    outcome = apply(host, sent, options(host))
    assert not outcome.changed and Path(install.PROGRAM).read_bytes() == newer
    assert any(f"(format {FORMAT + 1}; this version has {FORMAT})" in text for text in outcome.plan.warnings)


def test_a_damaged_program_is_replaced(host, sent):
    apply(host, sent, options(host))
    Path(install.PROGRAM).write_bytes(archive.program()[:1000])
    assert apply(host, sent, options(host)).changed and Path(install.PROGRAM).read_bytes() == archive.program()


@pytest.mark.parametrize("obstacle", ["directory", "file"])
def test_a_wrapper_that_cannot_be_written(host, no_hooks, sent, obstacle):
    """The program and its hooks work without the wrapper."""
    if obstacle == "directory":
        os.makedirs(install.WRAPPER)
    else:
        (no_hooks / "sbin").write_text("")
    outcome = apply(host, sent, options(host))
    assert os.path.exists(install.PROGRAM) and declarations()
    [warning] = [text for text in outcome.plan.warnings if install.WRAPPER in text]
    assert f"Call '{install.interpreter()} {install.PROGRAM}' instead" in warning


def test_the_program_of_an_earlier_version_calls_the_new_one(host, sent):
    """Hooks that administrators have set up call its path."""
    os.makedirs(os.path.dirname(install.FORMER_PROGRAM))
    Path(install.FORMER_PROGRAM).write_bytes(b"PK earlier")
    script = host / "le/renewal-hooks/deploy/mailops-postfix"
    script.parent.mkdir(parents=True)
    script.write_text(f'#!/bin/sh\nexec {install.FORMER_PROGRAM} "$@"\n')
    apply(host, sent, options(host))
    assert script.read_text().endswith(f'exec {install.command()} deploy "$@"\n')
    done = subprocess.run([install.FORMER_PROGRAM, "--help"], capture_output=True, text=True, check=False, cwd="/")
    assert (done.returncode, done.stderr) == (0, "") and "usage: mailops-postfix deploy" in done.stdout


def test_two_certificates_have_one_program(host, sent):
    outcome = apply(host, sent, options(host), options(host, chain_file="tls/second.pem"))
    assert len(declarations()) == 2
    assert len([entry for entry in outcome.diff if entry["after_header"] == install.PROGRAM]) == 1


def test_a_configuration_has_one_program(host, no_hooks, sent, monkeypatch):
    """A parameter may refer to a directory that the same transaction creates."""
    monkeypatch.setattr(openssl, "SYSTEM_BUNDLES", (str(host / "root.pem"),))
    (no_hooks / "update.d").mkdir()
    (host / "queue").mkdir()
    declared = {
        "certificates": [options(host), options(host, chain_file="tls/second.pem")],
        "ca_bundle": {"extra": [], "system": True, "form": "directory", "path": None, "update_hook": True},
        "main_cf": {"queue_directory": str(host / "queue")},
        "validate": True,
        "checks": {"missing_file": "error"},
        "_program": sent,
    }
    build = with_renewals(configuration.configuration)
    outcome = apply_transaction.apply(lambda instance: build(instance, declared), lambda: Instance(str(host)))
    assert len([entry for entry in outcome.diff if entry["after_header"] == install.PROGRAM]) == 1
    assert len(declarations()) == 2 and (no_hooks / "update.d/mailops-postfix").exists()
    assert f"smtp_tls_CApath = {host}/tls/ca-certificates\n" in (host / "main.cf").read_text()
    result = outcome.plan.result
    assert all(item["deploy_hook"]["program"] == install.PROGRAM for item in result["certificates"])
    assert result["ca_bundle"]["update_hook"]["program"] == install.PROGRAM


# CAs


@pytest.fixture(name="bundle")
def fixture_bundle(host, sent, monkeypatch):
    """Plans and installs a CA bundle."""
    monkeypatch.setattr(openssl, "SYSTEM_BUNDLES", (str(host / "root.pem"),))
    monkeypatch.setattr(install, "_SYSTEM", str(host))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    write(host / "site.pem", MIDDLE.pem, 0o644)

    def bundle(**given):
        declared = {"extra": [], "system": True, "path": None, "update_hook": None, "_program": sent, **given}
        build = with_renewals(ca_bundle_standalone.ca_bundle)
        return apply_transaction.apply(lambda instance: build(instance, declared), lambda: Instance(str(host)))

    return bundle


def test_update_hook(bundle, no_hooks, monkeypatch):
    place = no_hooks / "update.d"
    # Red Hat and FreeBSD have only the timer.
    hook = bundle(extra=["site.pem"]).plan.result["update_hook"]
    assert set(hook) == {"program", "command", "declaration", "timer"}
    place.mkdir()
    assert bundle(extra=["site.pem"]).changed
    script = (place / "mailops-postfix").read_text()
    assert script.endswith(f"{install.command()} deploy --ca-bundles || :\n")
    assert mode(place / "mailops-postfix") == "0o755"
    assert not bundle(extra=["site.pem"]).changed
    assert bundle(extra=["site.pem"], update_hook=False).changed
    assert bundle().plan.result["update_hook"] is None
    monkeypatch.setattr(install, "_SYSTEM", "/etc/")
    assert bundle(extra=["site.pem"]).plan.result["update_hook"] is None


@pytest.mark.parametrize("given", [{}, {"extra": ["site.pem"], "system": False}])
def test_update_hook_without_a_copy_of_the_cas(bundle, given):
    with pytest.raises(DeclarationError, match="update_hook: Postfix uses the system's CAs directly"):
        bundle(update_hook=True, **given)


def test_interpreter_is_the_running_one():
    assert os.path.realpath(install.interpreter()) == os.path.realpath(sys.executable)
