# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._model import listeners
from ansible_collections.mailops.postfix.plugins.module_utils._model.configuration import configuration_of
from ansible_collections.mailops.postfix.plugins.module_utils._verify import unreadable_tables


def test_tables_that_postmap_cannot_ask(tmp_path):
    (tmp_path / "good.regexp").write_text("/nothing/ OK\n")
    (tmp_path / "main.cf").write_text(
        "alias_maps =\ncanonical_maps = regexp:/missing/canonical\nrelay_domains = example.net\n"
        f"virtual_alias_maps = regexp:{tmp_path}/good.regexp, static:x\n"
        f"smtpd_sender_restrictions = check_sender_access cidr:/missing/senders, check_client_access cidr:/dev/null\n"
    )
    (tmp_path / "master.cf").write_text("25 inet n - n - - smtpd\n")
    for name in ("main.cf", "master.cf"):
        os.utime(tmp_path / name, (1, 1))
    instance = Instance(str(tmp_path))
    configuration = configuration_of(instance)
    [listener] = listeners.listeners(configuration)
    found = unreadable_tables.unreadable_tables(instance, configuration, listener, "example.net")
    assert [text.partition(":/")[0] for text in found] == [
        "canonical_maps has regexp",
        "smtpd_sender_restrictions has cidr",
    ]
    assert all("No such file or directory" in text for text in found)
