# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
import shlex
import subprocess
import sys
import time

import pytest
import yaml
from lab import secret_finder

SECRETS = [(kind, name) for kind, values in secret_finder.secrets().items() for name in values]

QUOTED = {
    "raw": lambda text: text,
    "repr": repr,
    "repr of repr": lambda text: repr(repr(text)),
    "json": json.dumps,
    "shell": shlex.quote,
    "ascii": ascii,
    "hexadecimal": lambda text: text.encode().hex(),
    "HEXADECIMAL": lambda text: text.encode().hex().upper(),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64, 1": lambda text: base64.b64encode(b"x" + text.encode()).decode(),
    "base64, 2": lambda text: base64.b64encode(b"xy" + text.encode() + b"z").decode(),
    "first half": lambda text: text[:12],
}


@pytest.mark.parametrize("quote", QUOTED)
@pytest.mark.parametrize(("kind", "name"), SECRETS)
def test_a_secret_is_found(kind, name, quote):
    text = f"before {QUOTED[quote](secret_finder.secret(kind, name))} after"
    assert f"{kind}: {name}" in secret_finder.found_in(text.encode())


def test_nothing_is_found_without_secrets():
    assert secret_finder.found_in(b"Invoked with path=/etc/postfix/sasl_passwd ********") == []


def test_the_variables_are_the_secrets():
    class Loader(yaml.SafeLoader):
        pass

    Loader.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(node))
    assert yaml.load(secret_finder.variables(), Loader)["secrets"] == secret_finder.secrets()


def test_six_kinds_and_all_spellings():
    assert len(secret_finder.KINDS) >= 6
    assert {name for _kind, name in SECRETS} == set(secret_finder.SPELLINGS)
    assert len(secret_finder.secret("entry", "long")) >= 200


def test_files(tmp_path):
    value = secret_finder.secret("entry", "tab")
    for name, mode in (("open", 0o644), ("closed", 0o600), ("left", 0o600), ("innocent", 0o644)):
        (tmp_path / name).write_text("nothing" if name == "innocent" else f"x {value}")
        (tmp_path / name).chmod(mode)
    for directory in (tmp_path, *tmp_path.parents[:-1]):
        directory.chmod(directory.stat().st_mode | 0o055)
    expected = [f"{tmp_path}/open", f"{tmp_path}/cl*"]
    found = secret_finder.files_with_secrets([str(tmp_path)], expected)
    assert set(found) == {f"{tmp_path}/open", f"{tmp_path}/left"}
    tmp_path.chmod(0o700)
    assert set(secret_finder.files_with_secrets([str(tmp_path)], expected)) == {f"{tmp_path}/left"}


def test_arguments_and_environment_of_processes(tmp_path):
    output = tmp_path / "processes"
    with subprocess.Popen([sys.executable, secret_finder.__file__, "watch", str(output)]) as watcher:
        while not output.exists():
            time.sleep(0.01)
        value, other = secret_finder.secret("static", "dollar"), secret_finder.secret("static", "backslash")
        waiting = {"args": [sys.executable, "-c", "input()"], "stdin": subprocess.PIPE}
        first = subprocess.Popen(**waiting, env={"PASSWORD": value})
        second = subprocess.Popen([*waiting["args"], other], stdin=subprocess.PIPE)
        with first, second:
            while set(secret_finder.found_in(output.read_bytes())) != {"static: dollar", "static: backslash"}:
                time.sleep(0.01)
            first.communicate(b"\n")
            second.communicate(b"\n")
        output.with_name("processes.end").write_text("")
        watcher.wait()
