# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""tls_required_enable as the roles set it. The installed Postfix may be older than the parameter, so that it is added to what it knows."""

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._plan import configuration as configuration_plan
from ansible_collections.mailops.postfix.plugins.module_utils._plan.tls_required import PARAMETER as NAME

POLICY = {"policies": [{"nexthop": "a.test", "level": "encrypt"}], "type": "hash"}


@pytest.fixture(params=[True, False], ids=["known", "unknown"])
def known(request, monkeypatch):
    """Whether Postfix has the parameter."""
    original = Instance.parameters.func

    def parameters(instance):
        found = {name: value for name, value in original(instance).items() if name != NAME}
        return {NAME: instance.explicit.get(NAME, "yes"), **found} if request.param else found

    monkeypatch.setattr(Instance, "parameters", property(parameters))
    return request.param


def planned(directory, **options):
    """The text of main.cf; validation is the installed Postfix's."""
    options = {"validate": False, "fail_closed": True, **options}
    plan = configuration_plan.configuration(Instance(str(directory)), options)
    after = [change.after for change in plan.changes if change.path.endswith("main.cf")]
    return (after or [b""])[0].decode()


@pytest.mark.parametrize(
    "declared",
    [
        {"main_cf": {"smtp_tls_security_level": "encrypt"}},
        {"main_cf": {"smtp_tls_security_level": "may"}, "tls_policy": POLICY},
        {"main_cf": {"smtp_tls_security_level": "may"}, "mta_sts": "socketmap:inet:127.0.0.1:8461:postfix"},
        {"master_cf": [{"service": "smtp/unix", "options": {"smtp_tls_security_level": "secure"}}]},
    ],
    ids=["a level", "a policy", "MTA-STS", "an option"],
)
def test_where_something_is_demanded(directory, known, declared):
    assert (f"{NAME} = no" in planned(directory, **declared)) == known
    assert NAME not in planned(directory, **{**declared, "fail_closed": False})


def test_where_nothing_is_demanded(directory, known):
    policy = {"policies": [{"nexthop": "a.test", "level": "may"}], "type": "hash"}
    assert NAME not in planned(directory, main_cf={"smtp_tls_security_level": "may"}, tls_policy=policy)


def test_what_is_there_counts_too(directory, known):
    (directory / "policies").write_text("a.test encrypt\n")
    with open(directory / "main.cf", "a", encoding="utf-8") as file:
        file.write(f"smtp_tls_policy_maps = texthash:{directory}/policies\n")
    assert (f"{NAME} = no" in planned(directory, main_cf={"biff": False})) == known
    assert NAME not in planned(directory, main_cf={"smtp_tls_policy_maps": None})


def test_what_is_declared_has_precedence(directory, known):
    declared = {"smtp_tls_security_level": "encrypt", NAME: True}
    assert f"{NAME} = yes" in planned(directory, main_cf=declared)
