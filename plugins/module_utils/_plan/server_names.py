# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tables of server names that others have made (tls_server_sni_maps). Private to mailops.postfix.

Postfix reads the certificates from the compiled table itself, and a client whose name has a wrong entry gets no TLS at all.
"""

from __future__ import annotations

import os
from typing import Iterator

from .._formats import lookup_table
from .._formats.lines import to_text
from .._formats.main_cf import braced_words, words
from .._host.instance import Instance
from .._model.configuration import Configuration, shown
from .._model.domain_lists import bare
from .._model.finding import Finding

PARAMETER = "tls_server_sni_maps"

# Whether a table holds the text of an entry. Otherwise it holds private keys, which stay out of this process.
_HOLDS = 'test "$(postmap -c "$1" -q "$2" "$3" 2>&1)" = "$4"'


def server_name_findings(configuration: Configuration, instance: Instance) -> Iterator[Finding]:
    """Entries whose key no client asks for, or whose files do not exist, and tables that are compiled without their files."""
    for service in (None, *configuration.of_command("smtpd")):
        if service is not None and PARAMETER not in service.effective_options:
            continue
        for name in map(bare, braced_words(configuration.value(PARAMETER, service) or "")):
            for cause, remedy in _faults(configuration, instance, name):
                yield Finding(
                    "server_names",
                    shown(PARAMETER, configuration.raw(service).get(PARAMETER, ""))
                    + (f" in service {service.key}" if service else ""),
                    cause,
                    remedy,
                    configuration.where(PARAMETER, service),
                    frozenset([configuration.setting(PARAMETER, service)]),
                )


def _faults(configuration: Configuration, instance: Instance, name: str) -> Iterator[tuple[str, str]]:
    kind, _colon, path = name.partition(":")
    text = instance.read(path) if kind in lookup_table.KEYED else None
    if text is None or path in configuration.created_files:
        return
    names = [(to_text(key), words(to_text(value))) for key, value in lookup_table.pairs(text, kind)]
    for key, files in names:
        if key.startswith("*."):
            yield (
                f"no client asks for the name {key} in {path}: the key for all names below a domain is {key[1:]}",
                f"Write {key[1:]}, and compile the table with postmap -F",
            )
        for file in files:
            if file not in configuration.created_files and not os.path.exists(file):
                yield f"the file {file} for {key} in {path} does not exist", "Name an existing file, with the key first"
    compiled = path + lookup_table.COMPILED.get(kind, "")
    if not names or compiled == path or compiled in configuration.created_files or not os.path.exists(compiled):
        return
    (_first, content), *_others = lookup_table.pairs(text, kind)
    key, value = names[0][0], to_text(content)
    if instance.run("sh", "-c", _HOLDS, "sh", instance.config_directory, key, name, value, check=False).returncode == 0:
        yield (
            f"{compiled} was compiled without the files that {path} names: TLS fails for clients that ask for its names",
            f"Compile it with postmap -F {name}, or declare certificates with sni: true",
        )
