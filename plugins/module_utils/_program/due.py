# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which renewed certificates Postfix does not use yet. Private to mailops.postfix.

The timer asks this each hour, mostly when nothing is due. The cost must not depend on the number of certificates by more than a few system
calls, so that no program is run and no port is probed for a certificate whose state is known:

* The files agree with those of the ACME client if they have a stamp (:mod:`_host.stamp`): an earlier run has installed or compared them, and
  none of them has changed since.
* smtpd(8) and tlsproxy(8) read certificates, and the table of server names, when they start. If the oldest of these processes has been started
  since the files and main.cf last changed, all of them serve these files. Otherwise a process may serve others, such as after files were
  restored without a reload, and each port is probed with the names of the certificate. The time of a change is that of the status (ctime),
  which no program can set back.
* Each port is probed once without a server name in any case. It tells if something else than this Postfix listens there.
"""

from __future__ import annotations

import os
import time
from functools import cached_property
from typing import Dict, Optional

from .._host.instance import Instance
from .._host.master import Master
from .._plan import certificate_standalone, sni
from .._transaction import stamps
from . import ports
from .ports import Probe
from .specifications import RenewalSpec

_READERS = ("smtpd", "tlsproxy")
"""The programs that serve certificates."""

_MARGIN_SECONDS = 1.0
"""A process that started so shortly after a change counts as older."""


class DueCertificates:
    """The certificates of all instances, each of which is read once."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self._views: Dict[str, _InstanceView] = {}

    def is_due(self, spec: RenewalSpec) -> bool:
        """Whether Postfix does not use the current certificate yet.

        :raises PostfixError: if the certificate can't be used.
        """
        if spec.config_directory not in self._views:
            self._views[spec.config_directory] = _InstanceView(spec.instance(), self._probe)
        view = self._views[spec.config_directory]
        return not view.agrees(spec) or view.serves_another(spec)


class _InstanceView:
    """What all certificates of an instance need to know."""

    def __init__(self, instance: Instance, probe: Probe) -> None:
        self._instance = instance
        self._probe = probe
        self._stamped_tables: Dict[str, bool] = {}

    def agrees(self, spec: RenewalSpec) -> bool:
        """Whether the files that Postfix uses are made from the current ones of the ACME client."""
        if certificate_standalone.certificate_has_stamp(self._instance, spec.options) and self._table_has_stamp(spec):
            return True
        begun = time.time()
        plan = certificate_standalone.renewed(self._instance, spec.options).plan
        if plan.changes_something():
            return False
        stamps.record(plan, begun)
        self._stamped_tables.clear()
        return True

    def serves_another(self, spec: RenewalSpec) -> bool:
        """Whether Postfix runs and a port serves another certificate than the files have."""
        if not self._is_running:
            return False
        if certificate_standalone.served_file(self._instance, spec.options) in self._wrongly_served:
            return True
        return (
            bool(spec.options.get("sni"))
            and self._may_be_outdated(spec)
            and ports.serves_another_certificate(self._probe, spec)
        )

    def _table_has_stamp(self, spec: RenewalSpec) -> bool:
        if not spec.options.get("sni"):
            return True
        path = certificate_standalone.table_of_names(self._instance, spec.options)
        if path not in self._stamped_tables:
            self._stamped_tables[path] = sni.sni_table_has_stamp(self._instance, path)
        return self._stamped_tables[path]

    def _may_be_outdated(self, spec: RenewalSpec) -> bool:
        """Whether a process runs that may have read other files than the current ones."""
        oldest = self._oldest_reader
        if oldest is None:
            return False
        instance = self._instance
        table = certificate_standalone.table_of_names(instance, spec.options)
        paths = [
            certificate_standalone.served_file(instance, spec.options),
            table,
            sni.compiled_path(instance, table),
            instance.path("main.cf"),
        ]
        changed = max(os.stat(path).st_ctime for path in paths if os.path.exists(path))
        return oldest < changed + _MARGIN_SECONDS

    @cached_property
    def _is_running(self) -> bool:
        return self._instance.running()

    @cached_property
    def _wrongly_served(self) -> set[str]:
        return ports.wrongly_served_files(self._instance, self._probe)

    @cached_property
    def _oldest_reader(self) -> Optional[float]:
        return Master(self._instance).oldest_start(_READERS)
