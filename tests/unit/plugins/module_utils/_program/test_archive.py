# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The program as one file: its content, and that it needs only Python."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._program import archive, install
from ansible_collections.mailops.postfix.plugins.module_utils._transaction.journal import FORMAT

MODULE_UTILS = Path(archive.__file__).parents[1]


@pytest.fixture(name="program")
def fixture_program(tmp_path):
    path = tmp_path / "program"
    path.write_bytes(archive.program())
    return path


def members():
    return zipfile.ZipFile(io.BytesIO(archive.program())).namelist()


def test_it_contains_all_packages_without_ansible():
    sources = {path.relative_to(MODULE_UTILS).as_posix() for path in MODULE_UTILS.rglob("*.py")} - {"_ansible.py"}
    held = {name.partition("/")[2] for name in members() if not name.endswith("__init__.py")} - {""}
    assert held == sources and len(sources) > 60


def test_sources_are_those_of_the_collection():
    read = zipfile.ZipFile(io.BytesIO(archive.program())).read
    for name in ("_errors.py", "_program/deploy.py", "_formats/main_cf.py"):
        assert read(f"{archive.PACKAGE}/{name}") == (MODULE_UTILS / name).read_bytes()


def test_the_same_code_gives_the_same_bytes():
    first = archive.program()
    archive.program.cache_clear()
    assert archive.program() == first and members() == sorted(members())


def test_python_runs_it_by_its_path(program):
    done = subprocess.run([sys.executable, program, "--help"], capture_output=True, text=True, check=False, cwd="/")
    assert (done.returncode, done.stderr) == (0, "") and "usage: mailops-postfix deploy" in done.stdout
    done = subprocess.run([sys.executable, program, "deploy", "no-such"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "usage: mailops-postfix deploy" in done.stderr


def test_it_needs_only_python(program):
    code = (
        f"import sys; sys.path.insert(0, {str(program)!r})\n"
        f"import {archive.PACKAGE}._program.main\n"
        "print([name for name in sys.modules if name.split('.')[0].startswith('ansible')])\n"
        f"files = {{m.__file__ for n, m in sys.modules.items() if n.startswith('{archive.PACKAGE}.')}}\n"
        f"print({{path.startswith({str(program)!r}) for path in files}})\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False, timeout=60, cwd="/"
    )
    assert (done.stdout, done.stderr) == ("[]\n{True}\n", "")


@pytest.mark.parametrize(
    ("content", "number"),
    [
        (archive.program(), FORMAT),
        (b"#!/bin/sh\n", None),
        (b"", None),
        (archive.program()[:-1], None),
    ],
    ids=["program", "script", "empty", "truncated"],
)
def test_format_of(content, number):
    assert install.format_of(content) == number


def test_format_of_another_archive():
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as other:
        other.writestr("__main__.py", "")
    assert install.format_of(content.getvalue()) is None
