# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import shutil

import pytest
from ansible.module_utils.testing import patch_module_args

STOCK = "/usr/share/postfix"


@pytest.fixture
def directory(tmp_path):
    """A configuration directory with the distribution's own files."""
    shutil.copy(f"{STOCK}/main.cf.debian", tmp_path / "main.cf")
    shutil.copy(f"{STOCK}/master.cf.dist", tmp_path / "master.cf")
    with open(tmp_path / "main.cf", "a", encoding="utf-8") as file:
        file.write("compatibility_level = 3.6\n")
    for name in ("main.cf", "master.cf"):
        os.utime(tmp_path / name, (1, 1))
    return tmp_path


@pytest.fixture
def run_module(directory, capsys):
    """A function that runs a module as Ansible does, on the configuration directory, and gives its result."""

    def run(module, **options):
        with patch_module_args({"config_directory": str(directory), **options}), pytest.raises(SystemExit):
            module.main()
        return json.loads(capsys.readouterr().out)

    return run
