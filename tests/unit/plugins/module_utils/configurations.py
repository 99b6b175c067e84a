# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Configurations as the checks see them, for their tests."""

from __future__ import annotations

from ansible_collections.mailops.postfix.plugins.module_utils._model.configuration import Configuration


def built(
    defaults, main_cf="", master_cf="smtp inet n - y - - smtpd\n", version=(3, 7, 11), created_files=(), **parameters
):
    """Texts of main.cf and master.cf, with what postconf would say of them: the defaults, and parameters."""
    types = frozenset({"hash", "texthash", "cidr", "regexp", "static", "inline", "proxy", "unionmap", "pipemap"})
    return Configuration(
        {**defaults, **parameters},
        main_cf.encode(),
        master_cf.encode(),
        "main.cf",
        "master.cf",
        version,
        types,
        frozenset(created_files),
    )
