# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The result of the module instance_info. Private to mailops.postfix."""

from __future__ import annotations

import os
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence

from .._formats import main_cf as main_cf_format
from .._formats import master_cf as master_cf_format
from .._formats import master_cf_services, tls_levels, tls_policy
from .._host.instance import Instance
from .._model import parameters as parameters_model
from .._model.effective_policy import EffectivePolicy, effective_policy
from .._model.routing import Hop, Router, Unknown
from .._model.secrets import secret_words, shown_master_cf, shown_value
from . import tables

_QUEUES = ("maildrop", "incoming", "active", "deferred", "hold", "corrupt")


def instance_report(instance: Instance) -> Dict[str, Any]:
    """The facts of an instance, without routes."""
    entries = master_cf_format.master_entries(instance.master_cf, instance.path("master.cf"))
    deprecated = {}
    for name in instance.explicit:
        parameter = parameters_model.find_parameter(name)
        old = parameter and (parameter.deprecated or parameter.removed)
        instead = parameter.successor(instance.version) if parameter else ""
        if old and instead:
            deprecated[name] = {"since": ".".join(map(str, old)), "instead": instead}
    return {
        "installed": True,
        "running": instance.running(),
        "version": ".".join(map(str, instance.version)),
        "config_directory": instance.config_directory,
        "directories": {
            name: value
            for name, value in instance.parameters.items()
            if name.endswith("_directory") and value.startswith("/")
        },
        "explicit_parameters": {
            name: main_cf_format.normalize_whitespace(value)
            for name, value in _shown_settings(instance, instance.explicit).items()
        },
        "parameters": _shown_settings(instance, instance.parameters),
        "services": [_service(instance, entry) for entry in entries],
        "map_types": sorted(instance.map_types),
        "default_database_type": instance.parameters.get("default_database_type", ""),
        "queue": _queue(instance),
        "deprecated_parameters": deprecated,
        "unused_parameters": sorted(name for _file, name in instance.unused),
    }


def _service(instance: Instance, entry: master_cf_format.MasterEntry) -> Dict[str, Any]:
    """A service without secrets."""
    described = master_cf_services.describe(entry)
    return {
        **described,
        "command": shown_master_cf(described["command"]),
        "options": _shown_settings(instance, described["options"]),
        "chrooted": instance.chrooted(entry.key),
    }


def _shown_settings(instance: Instance, settings: Mapping[str, str]) -> Dict[str, str]:
    """Values without secrets; the others as they are."""
    names = instance.secrets.names
    return {
        name: shown_value(name, value, names=names) if name in names or secret_words(name, value) else value
        for name, value in settings.items()
    }


def _queue(instance: Instance) -> Dict[str, int]:
    """Number of messages in each queue; -1 if it can't be read."""
    result = {}
    for name in _QUEUES:
        path = os.path.join(instance.parameters.get("queue_directory", ""), name)
        readable = os.access(path, os.R_OK | os.X_OK)
        result[name] = sum(len(files) for _path, _directories, files in os.walk(path)) if readable else -1
    return result


def routes_report(instance: Instance, asked: Iterable[Mapping[str, Any]]) -> List[Dict[str, Any]]:
    """The routes that are asked for."""
    asked = list(asked)
    if not asked:
        return []
    router = tables.router_of(instance)
    return [
        {
            **route_report(router, route["recipient"], "" if route["sender"] == "<>" else route["sender"]),
            "sender": route["sender"],
        }
        for route in asked
    ]


def weakest(levels: Sequence[str]) -> str:
    """The weakest level; invalid or empty ones count only if there is no other."""
    counted = [level for level in levels if level in tls_levels.STRENGTH]
    return min(counted, key=lambda level: tls_levels.STRENGTH[level]) if counted else next(iter(levels), "")


def route_report(router: Router, recipient: str, sender: Optional[str] = None) -> Dict[str, Any]:
    """The routes of a recipient."""
    result: Dict[str, Any] = {
        "recipient": recipient,
        "sender": sender,
        "next_hops": [],
        "weakest_level": "",
        "problem": "",
    }
    try:
        for route in router.routes(recipient, sender):
            for hop in router.hops(route):
                result["next_hops"].append(_described(hop, effective_policy(router, hop)))
    except Unknown as error:
        result["problem"] = str(error)
        return result
    result["weakest_level"] = weakest([hop["level"] for hop in result["next_hops"]])
    return result


def _described(hop: Hop, effective: EffectivePolicy) -> Dict[str, Any]:
    policy = None
    if effective.table:
        policy = {"table": effective.table, "key": effective.key}
        if effective.policy is not None:
            policy.update(
                (name, value)
                for name, value in tls_policy.to_declaration(effective.policy).items()
                if name != "nexthop"
            )
    return {
        "transport": hop.transport,
        "nexthop": hop.nexthop,
        "source": hop.source,
        "fallback": hop.fallback,
        "level": effective.level,
        "match": list(effective.match),
        "policy": policy,
        "problem": effective.problem,
    }
