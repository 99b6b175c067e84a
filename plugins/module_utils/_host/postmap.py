# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compiles lookup tables with postmap(1) or postalias(1). Private to mailops.postfix."""

from __future__ import annotations

import os
import re
import shutil
from typing import Sequence

from .._errors import HostError
from .._formats import lookup_table
from .._formats.lines import to_text
from .instance import Instance


def compile_text(
    instance: Instance,
    name: str,
    text: bytes,
    temporary: str,
    command: Sequence[str] = ("postmap",),
    secret: bool = False,
    faulty: bool = False,
) -> None:
    """Compile a text in a directory of its own beside the target, and put the result at the temporary path.

    :param name: the table, ``TYPE:PATH``.
    :param command: the program, with options. Warnings of postalias(1) are accepted.
    :param faulty: whether warnings about lines are accepted.
    :raises HostError: if it fails, or warns about a line.
    """
    (map_type, _colon, path), (program, *options) = name.partition(":"), command
    # Its name begins like that of the temporary file, so that it is found if this process is killed.
    directory = f"{temporary}.{program}"
    os.mkdir(directory, 0o700)
    try:
        source = os.path.join(directory, os.path.basename(path))
        with open(source, "wb") as file:
            file.write(text)
        os.chmod(source, 0o600)
        done = instance.run(program, "-c", instance.config_directory, *options, f"{map_type}:{source}", check=False)
        warnings = complaints(done.stderr, source) if program == "postmap" and not faulty else []
        if done.returncode != 0 or warnings:
            cause = (
                "; ".join(warnings)
                or to_text(done.stderr).strip().replace("\n", " / ")
                or f"{program} ended with status {done.returncode}"
            )
            if secret:
                found = re.search(r", line (\d+)", cause)
                line = f"line {found.group(1)}" if found else "a line"
                cause = f"{program} {'warns about' if warnings else 'fails at'} {line}; what it says is not shown, since the table is secret"
            raise HostError("compiling", name, cause.replace(source, path), "Nothing has been changed")
        os.rename(source + lookup_table.COMPILED[map_type], temporary)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def complaints(stderr: bytes, about: str) -> list[str]:
    """The warnings that concern the table, not main.cf."""
    lines = to_text(stderr).split("\n")
    return [re.sub(r"^\S+: (warning|error|fatal): ", "", line) for line in lines if about in line]
