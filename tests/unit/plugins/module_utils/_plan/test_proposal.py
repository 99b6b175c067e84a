# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is declared of main.cf and master.cf, as one value."""

from __future__ import annotations

from ansible_collections.mailops.postfix.plugins.module_utils._formats.master_cf_spec import service_spec
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._plan.master_cf import planned_services
from ansible_collections.mailops.postfix.plugins.module_utils._plan.proposal import Proposal, Services

SUBMISSION = "submission inet n - n - - smtpd\n"


def proposal(directory, parameters, *services):
    instance = Instance(str(directory))
    return Proposal(instance, parameters, planned_services(instance, [service_spec(service) for service in services]))


def test_nothing_declared_stages_nothing(directory):
    planned = proposal(directory, {})
    with planned.staged() as staged:
        assert staged is planned.instance
    assert planned.main_cf == planned.instance.main_cf and not planned.settings


def test_parameters_are_as_this_postfix_knows_them(directory, monkeypatch):
    declared = {"smtp_tls_protocols": ">=TLSv1.2", "biff": False, "mynetworks": None}
    monkeypatch.setattr(Instance, "version", (3, 5, 0))
    found = Proposal(Instance(str(directory)), declared, Services(b"")).parameters
    assert found == {"smtp_tls_protocols": "!SSLv2, !SSLv3, !TLSv1, !TLSv1.1", "biff": "no", "mynetworks": None}


def test_what_is_declared_is_staged(directory):
    planned = proposal(directory, {"biff": "no", "mynetworks": None})
    assert b"biff = no\n" in planned.main_cf
    with planned.staged() as staged:
        assert staged.main_cf == planned.main_cf
        assert staged.parameters["biff"] == "no"
    assert planned.settings == {("main", "biff"), ("main", "mynetworks")}


def test_a_service_counts_under_the_name_that_it_has_in_the_file(directory):
    (directory / "master.cf").write_text(SUBMISSION)
    instance = Instance(str(directory))
    spec = service_spec({"service": "587/inet", "chroot": False, "options": {"a": "1"}})
    settings = Proposal(instance, {}, Services(SUBMISSION.encode(), [spec])).settings
    names = {"service", "chroot", "a"}
    assert settings == {(key, name) for key in ("587/inet", "submission/inet") for name in names}
