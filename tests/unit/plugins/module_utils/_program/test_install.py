# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is installed for renewals, and that it runs on its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError
from ansible_collections.mailops.postfix.plugins.module_utils._host import openssl
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._plan import certificate, configuration
from ansible_collections.mailops.postfix.plugins.module_utils._plan.plan import Plan
from ansible_collections.mailops.postfix.plugins.module_utils._program import install
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import apply as apply_transaction
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


def options(host, **given):
    specified = {name: option.get("default") for name, option in certificate.CERTIFICATE["argument_spec"].items()}
    return {
        **specified,
        "name": NAME,
        "directory": str(host / "le"),
        "ca_file": str(host / "root.pem"),
        "chain_file": "tls/mx1.pem",
        **given,
    }


def apply(host, *declared, check_mode=False):
    def build(instance):
        plans = certificate.certificates(instance, declared)
        return Plan([change for plan in plans for change in plan.changes], plans[0].result, warnings=plans[0].warnings)

    return apply_transaction.apply(build, lambda: Instance(str(host)), check_mode=check_mode)


def declarations():
    return sorted(Path(install.DECLARATIONS, "certificates").glob("*"))


def test_hook_is_installed(host, no_hooks):
    predicted = apply(host, options(host), check_mode=True)
    assert not os.path.exists(install.PROGRAM)
    outcome = apply(host, options(host))
    assert outcome.diff == predicted.diff
    hook = outcome.plan.result["deploy_hook"]
    [declaration] = declarations()
    [crontab] = map(str, (no_hooks / "cron.d").iterdir())
    assert hook == {"program": install.PROGRAM, "declaration": str(declaration), "timer": crontab}
    assert [oct(os.stat(path).st_mode & 0o777) for path in (install.PROGRAM, declaration)] == ["0o755", "0o600"]
    content = json.loads(declaration.read_text())
    assert content["config_directory"] == str(host) and content["options"]["chain_file"] == "tls/mx1.pem"
    script = host / "le/renewal-hooks/deploy/mailops-postfix"
    assert os.access(script, os.X_OK) and script.read_text().endswith(f'exec {install.PROGRAM} "$@"\n')
    assert not apply(host, options(host)).changed


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
def test_when_it_is_wanted(host, given, wanted):
    if given.get("provider") == "files":
        lineage = host / f"le/live/{NAME}"
        given = {**given, "certificate": str(lineage / "fullchain.pem"), "private_key": str(lineage / "privkey.pem")}
    outcome = apply(host, options(host, **given))
    assert bool(outcome.plan.result["deploy_hook"]) is os.path.exists(install.PROGRAM) is bool(declarations()) is wanted


def test_a_hook_for_self_signed_certificates_is_refused(host):
    with pytest.raises(DeclarationError, match="nobody but this module renews"):
        apply(host, options(host, provider="self_signed", directory=None, deploy_hook=True))


def test_a_hook_that_is_not_wanted_any_more(host):
    apply(host, options(host))
    assert apply(host, options(host, deploy_hook=False)).changed
    assert declarations() == []
    assert not apply(host, options(host, deploy_hook=False)).changed


def test_a_host_that_has_nothing_to_call_it(host, no_hooks):
    (no_hooks / "cron.d").rmdir()
    outcome = apply(host, options(host))
    assert outcome.plan.result["deploy_hook"]["timer"] is None
    assert any(f"have something call {install.PROGRAM} --due each hour" in text for text in outcome.plan.warnings)


def test_new_code_is_installed(host, monkeypatch):
    apply(host, options(host))
    monkeypatch.setattr(install, "program", lambda: b"other code")
    assert apply(host, options(host)).changed and Path(install.PROGRAM).read_bytes() == b"other code"


def test_two_certificates_have_one_program(host):
    outcome = apply(host, options(host), options(host, chain_file="tls/second.pem"))
    assert len(declarations()) == 2
    assert len([entry for entry in outcome.diff if entry["after_header"] == install.PROGRAM]) == 1


def test_a_whole_configuration_has_one_program(host, no_hooks, monkeypatch):
    """And what refers to a directory that the same transaction makes is not refused."""
    monkeypatch.setattr(openssl, "SYSTEM_BUNDLES", (str(host / "root.pem"),))
    (no_hooks / "update.d").mkdir()
    (host / "queue").mkdir()
    declared = {
        "certificates": [options(host), options(host, chain_file="tls/second.pem")],
        "ca_bundle": {"extra": [], "system": True, "form": "directory", "path": None, "update_hook": True},
        "main_cf": {"queue_directory": str(host / "queue")},
        "validate": True,
        "checks": {"missing_file": "error"},
    }

    def build(instance):
        return configuration.configuration(instance, declared)

    outcome = apply_transaction.apply(build, lambda: Instance(str(host)))
    assert len([entry for entry in outcome.diff if entry["after_header"] == install.PROGRAM]) == 1
    assert len(declarations()) == 2 and (no_hooks / "update.d/mailops-postfix").exists()
    assert f"smtp_tls_CApath = {host}/tls/ca-certificates\n" in (host / "main.cf").read_text()


# The program


def alone(code, *arguments):
    """Run code as the program runs: its own files, Python, and nothing else."""
    prelude = (
        f"import sys; sys.path.insert(0, {install.PROGRAM!r})\nfrom {install._PACKAGE} import _deployment, install\n"
    )
    command = [sys.executable, "-I", "-S", "-c", prelude + code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd="/")


def test_program_runs(host):
    apply(host, options(host))
    done = subprocess.run([install.PROGRAM, "--help"], capture_output=True, text=True, check=False, timeout=60, cwd="/")
    assert (done.returncode, done.stderr) == (0, "") and "usage: deploy-certificate" in done.stdout
    done = subprocess.run(
        [install.PROGRAM, "no-such"], capture_output=True, text=True, check=False, timeout=60, cwd="/"
    )
    assert done.returncode == 2 and "usage: " in done.stderr


def test_program_needs_nothing_but_python(host):
    apply(host, options(host))
    done = alone(
        "names = [name for name in sys.modules if name.split('.')[0] == 'ansible']\n"
        "files = {module.__file__ for name, module in sys.modules.items() if name.startswith('ansible_collections')}\n"
        f"print(names, {{path.startswith({install.PROGRAM!r}) for path in files}})"
    )
    assert (done.stdout, done.stderr) == ("[] {True}\n", "")


def test_program_refuses_what_is_wrong(host):
    """The program itself, with a real openssl and postconf: the old file stays."""
    apply(host, options(host))
    chain_file = host / "tls/mx1.pem"
    before = chain_file.read_bytes()
    write(host / f"le/live/{NAME}/privkey.pem", MIDDLE.key_pem)
    done = alone(f"install.DECLARATIONS = {install.DECLARATIONS!r}\nsys.exit(_deployment.main(sys.argv[1:]))", "--all")
    assert done.returncode == 1 and "this private key does not belong to the first certificate" in done.stderr
    assert chain_file.read_bytes() == before and "Traceback" not in done.stderr


def test_program_is_the_same_each_time():
    first = install.program()
    install.program.cache_clear()
    assert install.program() == first


def test_parts_are_all_that_is_imported():
    sources = install.parts("_deployment")
    assert {"_deployment", "_instance", "apply_transaction", "_errors"} <= set(sources) and "_module" not in sources
    for name, source in sources.items():
        with open(os.path.join(os.path.dirname(install.__file__), f"{name}.py"), encoding="utf-8") as file:
            assert file.read() == source


def test_interpreter_is_the_one_that_runs():
    assert os.path.realpath(install.interpreter()) == os.path.realpath(sys.executable)
