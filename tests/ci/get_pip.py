# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replaces the get-pip.py that ansible-test downloads: installs pip from Python itself, and the rest from PyPI."""

from __future__ import annotations

import runpy
import subprocess
import sys

subprocess.run([sys.executable, "-m", "ensurepip", "--default-pip"], check=True, stdout=subprocess.DEVNULL)
# Without the options of get-pip.py; all others are arguments of "pip install".
arguments = [argument for argument in sys.argv[1:] if argument not in ("--no-setuptools", "--no-wheel")]
sys.argv = ["pip", "install", *arguments]
runpy.run_module("pip", run_name="__main__", alter_sys=True)
