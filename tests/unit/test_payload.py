# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which files of the collection travel to a host with one call of a module, and how large they are together."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULE_UTILS = "ansible_collections/mailops/postfix/plugins/module_utils/"

KIB = {
    "certificate": 355,
    "ca_bundle": 275,
    "configuration": 815,
    "main_cf": 540,
    "lookup_table": 420,
    "tls_policy": 490,
    "verify": 720,
}
"""The most that the sources in module_utils may have together, in KiB, for each module."""

# In a process of its own, since Ansible's plugin loader changes how Python imports.
BUILD = """
import base64, io, json, re, sys, zipfile
from ansible.plugins.loader import init_plugin_loader
collections, *modules = sys.argv[1:]
init_plugin_loader([collections])
from ansible.executor.module_common import modify_module
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
sizes = {}
for module in modules:
    built = modify_module(
        module_name=f"mailops.postfix.{module}",
        module_path=f"{collections}/ansible_collections/mailops/postfix/plugins/modules/{module}.py",
        module_args={},
        templar=Templar(loader=DataLoader()),
        task_vars={"ansible_python_interpreter": "/usr/bin/python3"},
        module_compression="ZIP_STORED",
        remote_is_local=False,
    )
    # The payload is the one long literal of the wrapper.
    archive = re.search(rb"[A-Za-z0-9+/=]{5000,}", built.b_module_data).group()
    members = zipfile.ZipFile(io.BytesIO(base64.b64decode(archive))).infolist()
    sizes[module] = {item.filename: item.file_size for item in members}
print(json.dumps(sizes))
"""


@functools.lru_cache(maxsize=1)
def payloads() -> dict[str, dict[str, int]]:
    """For each module, the sources of module_utils that travel with it, with their sizes in bytes."""
    command = [sys.executable, "-c", BUILD, str(ROOT / ".ansible/collections"), *sorted(KIB)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return {
        module: {
            name[len(MODULE_UTILS) :]: size for name, size in sizes.items() if name.startswith(MODULE_UTILS) and size
        }
        for module, sizes in json.loads(done.stdout.splitlines()[-1]).items()
    }


@pytest.mark.parametrize("module", sorted(KIB))
def test_size(module):
    sources = payloads()[module]
    assert "_errors.py" in sources
    assert sum(sources.values()) / 1024 <= KIB[module], sorted(sources, key=lambda name: -sources[name])


@pytest.mark.parametrize("module", ["certificate", "ca_bundle", "configuration"])
def test_the_program_does_not_travel(module):
    """It is sent as one file, and only to a host that has another one."""
    program = {name for name in payloads()[module] if name.startswith("_program/")}
    own = {"configuration": {"specifications", "undeclared"}}.get(module, set())
    assert program == {f"_program/{name}.py" for name in {"deadline", "install", "renewals", "timer"} | own}
