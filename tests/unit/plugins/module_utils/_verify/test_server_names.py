# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._verify import server_names


def test_names_of_tables(tmp_path):
    for name in ("main.cf", "master.cf"):
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (1, 1))
    (tmp_path / "sni").write_text("a.example /k.pem, /c.pem\n.wild.example /w.pem\n*.example /x.pem\n")
    (tmp_path / "other").write_text("a.example /second.pem\nb.example /b.pem\n")
    found = server_names.names_of_tables(
        Instance(str(tmp_path)), f"hash:{tmp_path}/sni, proxy:hash:{tmp_path}/other pcre:{tmp_path}/p"
    )
    assert found.files == {
        "a.example": ["/k.pem", "/c.pem"],
        "probe.wild.example": ["/w.pem"],
        "b.example": ["/b.pem"],
    }
    assert found.unlisted == (f"pcre:{tmp_path}/p",)


@pytest.mark.parametrize(
    ("served", "expected", "problem", "text"),
    [
        ("AA", ["AA", "BB"], None, ""),
        ("AA", [], None, ""),
        ("CC", ["AA"], None, "with the server name a.example, it serves another certificate (CC) than /a.pem (AA)"),
        (None, ["AA"], "the TLS handshake failed: internal error", "fails: the TLS handshake failed: internal error"),
        (None, ["AA"], None, "it serves no certificate"),
    ],
)
def test_certificate_problem(served, expected, problem, text):
    found = server_names.certificate_problem("a.example", served, expected, ["/a.pem"], problem)
    assert text in found and bool(found) is bool(text)
    assert not found or "postmap -F" in found
