# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can only be said of a policy on its host; the rest of it: test_tls_policy."""

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError
from ansible_collections.mailops.postfix.plugins.module_utils._formats.tls_policy import Policy
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._plan.policy_limits import PolicyLimits

REUSE = Policy("[hub.test]", "encrypt", connection_reuse=True)


def limits(directory):
    instance = Instance(str(directory.path))
    return PolicyLimits(instance, instance)


def test_connection_reuse_needs_tlsproxy(tables):
    with pytest.raises(DeclarationError, match="needs the service tlsproxy/unix"):
        limits(tables).refuse(REUSE)
    (tables.path / "master.cf").write_text("tlsproxy unix - - n - 0 tlsproxy\n")
    limits(tables).refuse(REUSE)
    tables.main_cf(tlsproxy_service_name="other")
    with pytest.raises(DeclarationError, match="needs the service other/unix"):
        limits(tables).refuse(REUSE)


def test_an_entry_that_is_not_declared_is_doubted(tables):
    (doubt,) = limits(tables).doubts(REUSE, "/t")
    assert doubt.startswith("/t, an entry that is not declared here: ")
