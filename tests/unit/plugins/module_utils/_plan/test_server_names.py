# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import subprocess

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._model.configuration import configuration_of
from ansible_collections.mailops.postfix.plugins.module_utils._plan import configuration as configuration_plan
from ansible_collections.mailops.postfix.plugins.module_utils._plan import server_names


@pytest.fixture(name="names")
def fixture_names(tables):
    """A directory with a file of keys, and a function that makes a table of server names."""
    tables.main_cf(myhostname="mx.example.org")
    (tables.path / "master.cf").write_text("smtp inet n - n - - smtpd\n")
    tables.write("chain.pem", "KEY\n")

    def make(text, *options):
        path = tables.write("sni", text.replace("@", str(tables.path)))
        for compiled in tables.path.glob("sni.*"):
            compiled.unlink()
        if options != ("never",):
            subprocess.run(
                ["/usr/sbin/postmap", "-c", str(tables.path), *options, f"hash:{path}"], check=True, timeout=60
            )
        os.utime(tables.path / "main.cf", (1, 1))
        return f"hash:{path}"

    make.directory = tables.path
    return make


def plan(names, **options):
    declared = {"validate": True, **options}
    return configuration_plan.configuration(Instance(str(names.directory)), declared)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("*.example.org @/chain.pem\n", ["-F"], r"no client asks for the name \*.example.org.*Write .example.org"),
        (
            "a.example.org @/chain.pem\nb.example.org @/gone.pem\n",
            ["-F"],
            "the file .*gone.pem for b.example.org .*does not exist",
        ),
        ("a.example.org @/chain.pem\n", [], "compiled without the files.*postmap -F hash:"),
    ],
)
def test_wrong_tables_are_refused(names, text, options, message):
    table = names(text, *options)
    with pytest.raises(DeclarationError, match=message) as caught:
        plan(names, main_cf={"tls_server_sni_maps": table})
    assert "server_names" in str(caught.value) and "KEY" not in str(caught.value)
    master_cf = [{"service": "smtp/inet", "options": {"tls_server_sni_maps": table}}]
    with pytest.raises(DeclarationError, match=message):
        plan(names, master_cf=master_cf)


@pytest.mark.parametrize("text", ["a.example.org @/chain.pem\n.example.org @/chain.pem, @/chain.pem\n", ""])
def test_right_tables_pass(names, text):
    found = plan(names, main_cf={"tls_server_sni_maps": names(text, "-F")})
    assert not [warning for warning in found.warnings if "server_names" in warning]


def test_a_table_that_is_declared_as_any_other_is_refused(names):
    table = {
        "path": "sni",
        "entries": {"a.example.org": str(names.directory / "chain.pem")},
        "parameter": "tls_server_sni_maps",
    }
    with pytest.raises(DeclarationError, match="postmap -F.*Declare certificates with sni: true"):
        plan(names, lookup_tables=[table])


def test_findings_name_the_parameter(names):
    with open(names.directory / "main.cf", "a", encoding="utf-8") as file:
        file.write(f"tls_server_sni_maps = {names('a.example.org @/gone.pem', 'never')}\n".replace("@", ""))
    instance = Instance(str(names.directory))
    found = list(server_names.server_name_findings(configuration_of(instance), instance))
    assert found and {setting for finding in found for setting in finding.settings} == {("main", "tls_server_sni_maps")}
