# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store of renewal specifications."""

from __future__ import annotations

from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._plan.plan import Renewal, RenewalKind
from ansible_collections.mailops.postfix.plugins.module_utils._program import renewals, specifications

OPTIONS = {
    "name": "mx1",
    "chain_file": "tls/mx1.pem",
    "backup": True,
    "lock_timeout": 5,
    "deploy_hook": True,
    "_program": {},
}
RENEWAL = Renewal(RenewalKind.CERTIFICATE, "tls/mx1.pem", OPTIONS, copied=True)


def test_a_stored_specification_can_be_read(directory, tmp_path):
    change = renewals.stored(Instance(str(directory)), RENEWAL)
    assert change.path == renewals.spec_path(Instance(str(directory)), RENEWAL)
    assert change.path.endswith(f"/certificates/{str(directory).strip('/').replace('/', '-')}--tls-mx1.pem.json")
    (tmp_path / "spec.json").write_bytes(change.after)
    spec = specifications.read_spec(str(tmp_path / "spec.json"))
    assert spec == specifications.RenewalSpec(str(directory), {"name": "mx1", "chain_file": "tls/mx1.pem"})
    assert change.attributes.mode == 0o600
