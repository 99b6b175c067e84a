# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The other Postfix instances of a host, which may share files with one (postmulti(1)). Private to mailops.postfix."""

from __future__ import annotations

import os
from typing import Iterator, List

from .._errors import HostError
from .._formats.lines import to_text
from .instance import Instance


def other_instances(instance: Instance) -> Iterator[Instance]:
    """The other instances of the host: the default one, and those in its multi_instance_directories."""
    names = ("config_directory", "multi_instance_directories")
    shown = [to_text(instance.run("postconf", "-h", name, check=False).stdout) for name in names]
    own = os.path.realpath(instance.config_directory)
    directories: List[str] = [path for text in shown for path in text.replace(",", " ").split()]
    for path in dict.fromkeys(os.path.realpath(directory) for directory in directories):
        if path != own:
            try:
                yield Instance(path)
            except HostError:  # it has been removed
                continue


def names_file(instance: Instance, path: str) -> bool:
    """Whether main.cf or master.cf of an instance names a file, in a line that is not a comment."""
    wanted = os.fsencode(path)
    lines = [*instance.main_cf.split(b"\n"), *instance.master_cf.split(b"\n")]
    return any(wanted in line for line in lines if not line.lstrip().startswith(b"#"))
