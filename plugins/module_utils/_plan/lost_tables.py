# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables of types that this Postfix has lost, for the module instance_info. Private to mailops.postfix."""

from __future__ import annotations

from .._host.instance import Instance
from .._model import migrations
from .migrations import lost_default, table_settings
from .table_references import lost_types


def lost_tables(instance: Instance) -> list[dict[str, str]]:
    """Each reference to a table of a lost type."""
    lost = lost_types(instance)
    default = lost_default(instance, lost)
    return [
        {"service": service, "parameter": name, "table": f"{kind}:{path}"}
        for service, name, value in (table_settings(instance) if lost else ())
        for kind, path in migrations.berkeley_tables(migrations.spelled_out(value, default), lost)
    ]
