# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The catalogue of parameters, and the checks of log levels and groups, against one Postfix: a new version shows what is missing.

What the catalogue does not have, since it needs no checks beyond those of its default, is in ``tests/corpus/other_parameters``.
"""

from __future__ import annotations

import functools
import json
import re
import subprocess
from pathlib import Path

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._checks import values
from ansible_collections.mailops.postfix.plugins.module_utils._host import system
from ansible_collections.mailops.postfix.plugins.module_utils._host.runner import Completed
from ansible_collections.mailops.postfix.plugins.module_utils._model.configuration import Configuration
from ansible_collections.mailops.postfix.plugins.module_utils._model.parameters import CATALOGUE, Parameter

# What a transport named NAME adds, as NAME_destination_rate_delay.
OF_A_TRANSPORT = re.compile(
    r"\w[\w-]*_(delivery_slot_(cost|discount|loan)|destination_(concurrency_(failed_cohort_limit|limit|negative_feedback"
    r"|positive_feedback)|rate_delay|recipient_limit)|extra_recipient_limit|initial_destination_concurrency"
    r"|minimum_delivery_slots|recipient_(limit|refill_delay|refill_limit)|transport_rate_delay|time_limit)"
)


class Host:
    """The host with Postfix, through one long-lived process."""

    def __init__(self, python):
        server = Path(__file__).with_name("command_server.py").read_text(encoding="utf-8")
        self._process = subprocess.Popen([*python, "-c", server], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def run(self, command, stdin=None, main_cf=""):
        """Run a command; ``@`` is replaced by a configuration directory with this main.cf."""
        self._process.stdin.write(json.dumps({"command": command, "main.cf": main_cf}).encode() + b"\n")
        self._process.stdin.flush()
        status, output, errors = json.loads(self._process.stdout.readline())
        return Completed(tuple(command), status, output.encode("latin-1"), errors.encode("latin-1"))

    def close(self):
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(timeout=60)


@pytest.fixture(scope="module")
def host(python_with_postfix):
    found = Host(python_with_postfix)
    yield found
    found.close()


@pytest.fixture(scope="module")
def version(host):
    text = host.run(["postconf", "-dh", "mail_version"]).stdout.decode()
    return tuple(int(number) for number in re.findall(r"\d+", text)[:3])


@pytest.fixture(scope="module")
def defaults(host):
    lines = host.run(["postconf", "-d"]).stdout.decode("latin-1").split("\n")
    return {line.partition(" =")[0]: line.partition(" =")[2].strip() for line in lines if " =" in line}


@pytest.fixture(scope="module")
def finger(host):
    """The output of posttls-finger(1), which reads parameters as smtp(8) does. It need not connect to anything."""
    if host.run(["posttls-finger", "-?"]).returncode == 127:
        pytest.skip("this Postfix has no posttls-finger(1)")

    def run(*options):
        done = host.run(["posttls-finger", "-c", "-l", "encrypt", *options, "[127.0.0.1]:1"])
        return (done.stdout + done.stderr).decode()

    return run


def other_parameters():
    """The parameters that the catalogue does not have."""
    for line in (Path(__file__).parents[2] / "corpus" / "other_parameters").read_text(encoding="ascii").splitlines():
        if not line.startswith("#"):
            name, *branches = line.split()
            since, removed = (
                None if branch == "-" else tuple(int(number) for number in branch.split(".")) for branch in branches
            )
            yield Parameter(name, "text", since=since, removed=removed)


OTHERS = {parameter.name: parameter for parameter in other_parameters()}


def test_a_parameter_is_listed_once():
    assert OTHERS.keys() & CATALOGUE.keys() == set()


def test_all_parameters_of_this_postfix_are_listed(defaults, version):
    known = {name for name, parameter in {**OTHERS, **CATALOGUE}.items() if parameter.known_in(version)}
    assert [name for name in sorted(defaults.keys() - known) if not OF_A_TRANSPORT.fullmatch(name)] == []


def test_this_postfix_has_the_parameters_that_are_listed_for_it(host, defaults, version):
    """It lists old names not, but answers to them."""
    missing = [name for name, p in {**OTHERS, **CATALOGUE}.items() if p.known_in(version) and name not in defaults]
    complaints = host.run(["postconf", "-d", *missing]).stderr.decode() if missing else ""
    assert set(re.findall(r"warning: (\S+): unknown parameter", complaints)) == set()
    assert [name for name in missing if not CATALOGUE[name].deprecated] == []


def names_of_postconf(host):
    """All words in the program that may be names; the linker joins a string with one that ends in it."""
    program = host.run(["sh", "-c", 'cat "$(command -v postconf)"']).stdout.decode("latin-1")
    for word in set(re.findall(r"[a-z][a-z0-9_]{5,}(?=\0)", program)):
        parts = word.split("_")
        for start in range(len(parts)):
            yield "_".join(parts[start:])


def test_deprecated_names(host, version):
    """And what Postfix says to write instead."""
    names = {*names_of_postconf(host), *CATALOGUE, *OTHERS} - {"compatibility_level", "config_directory", ""}
    main_cf = "".join(f"{name} =\n" for name in sorted(names))
    done = host.run(["postconf", "-c", "@", "-n"], main_cf=main_cf)
    assert done.returncode == 0, done.complaint
    said = dict(
        re.findall(r'support for parameter "?(\w+)"? (?:will be|has been) removed; instead, (.*)', done.stderr.decode())
    )
    mine = {
        name: parameter.instead
        for name, parameter in CATALOGUE.items()
        if parameter.deprecated and version >= parameter.deprecated
    }
    removed = {name for name, parameter in CATALOGUE.items() if not parameter.known_in(version)}
    assert said.keys() - removed == mine.keys()
    for name, instead in mine.items():
        words = said[name].replace('"', "").replace("specify ", "", 1)
        assert words == instead or (words.startswith("do not") and instead.startswith("nothing")), (name, said[name])
    for name in said.keys() & removed:
        assert CATALOGUE[name].instead in said[name]


def findings(version, name, value, host=None):
    after = Configuration({}, f"{name} = {value}\n".encode(), b"", "main.cf", "master.cf", version, frozenset())
    return [problem.check for problem in values.value_findings(after, host=host)]


LEVELS = (
    "0 1 2 3 4 5 9 10 0x1 none routine Routine debug ssl-expert ssl-developer summary untrusted peercert certmatch verbose cache dane "
    "ssl-debug ssl-handshake-packet-dump ssl-session-packet-dump trace 1,trace 1:2 loud"
)


def test_log_levels(finger, version):
    said = {level: "unknown -L option value" not in finger("-L", level) for level in LEVELS.split()}
    assert {level: findings(version, "smtp_tls_loglevel", level) == [] for level in LEVELS.split()} == said


# Groups

SPECIAL = (
    "X25519 x25519 X448 x448 P-192 P-224 P-256 p-256 P-384 P-521 K-163 B-233 prime192v1 PRIME256V1 secp192r1 secp256r1 SECP256R1 "
    "ffdhe2048 FFDHE2048 ffdhe8192 ffdhe512 modp_2048 bogus ?bogus *X25519 -X25519 DEFAULT X25519MLKEM768 x25519mlkem768 MLKEM768 "
    "SecP256r1MLKEM768 X25519/P-256 bogus/X25519 ?bogus/X25519 X25519/bogus brainpoolP256r1tls13 curveSM2"
)


@pytest.fixture
def facts(host, monkeypatch):
    monkeypatch.setattr(system, "run_program", host.run)
    found = system.Host()
    monkeypatch.setattr(found, "has_tls_group", functools.lru_cache(maxsize=None)(found.has_tls_group))
    return found


def test_groups(host, finger, facts, defaults, version):
    """Each alone, since Postfix does not warn of single ones from 3.10 on."""
    listed = host.run(["openssl", "ecparam", "-list_curves"]).stdout.decode()
    curves = re.findall(r"^ *([\w-]+) *:", listed, re.MULTILINE)
    groups = {*curves[::4], *SPECIAL.split()}
    options = ("-o", "tls_ffdhe_auto_groups=") if "tls_ffdhe_auto_groups" in defaults else ()
    skipped = re.compile(r"ignoring unknown|none of the")
    said = {group: not skipped.search(finger(*options, "-o", f"tls_eecdh_auto_curves={group}")) for group in groups}
    mine = {group: findings(version, "tls_eecdh_auto_curves", group, facts) == [] for group in groups}
    assert {group for group in groups if mine[group] != said[group]} == set()


def test_default_groups(defaults, facts, version):
    for name in ("tls_eecdh_auto_curves", "tls_ffdhe_auto_groups", "tls_eecdh_strong_curve", "tls_eecdh_ultra_curve"):
        if name in defaults:
            assert findings(version, name, defaults[name], facts) == []


def test_empty_groups(finger, defaults, version):
    for name in ("tls_eecdh_auto_curves", "tls_ffdhe_auto_groups", "tls_eecdh_strong_curve", "tls_eecdh_ultra_curve"):
        if name in defaults:
            stops = "fatal: bad string length" in finger("-o", f"{name}=")
            assert findings(version, name, "") == (["wrong_value"] if stops else [])
