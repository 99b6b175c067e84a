# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The routes of an instance before an open transaction. Private to mailops.postfix."""

from __future__ import annotations

import os

from .._errors import PostfixError
from .._host.instance import Instance
from .._model.routing import Router
from .._plan import tables
from .._transaction.store import Transaction


def previous_router(instance: Instance, transaction: Transaction) -> Router | None:
    """The routes as the files were before the transaction; None if Postfix could not read them."""
    texts = {
        file.target: b"" if former is None else instance.read(former) or b""
        for file in transaction.files
        for former in [transaction.former(file)]
        if not file.compiled
    }
    paths = [os.path.realpath(instance.path(name)) for name in ("main.cf", "master.cf")]
    main_cf, master_cf = (texts.get(path, instance.read(path) or b"") for path in paths)
    try:
        with instance.staged(main_cf, master_cf) as staged:
            if not staged.is_readable():
                return None
            return tables.router_of(instance, staged, texts)
    except PostfixError:
        return None
