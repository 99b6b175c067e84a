# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._model import listeners
from ansible_collections.mailops.postfix.plugins.module_utils._model.configuration import configuration_of
from ansible_collections.mailops.postfix.plugins.module_utils._verify import trust

FILES = {
    "all.cidr": "0.0.0.0/0 OK\n",
    "one.cidr": "192.0.2.1/32 OK\n",
    "one": "192.0.2.1 OK\n192.0 OK\n",
    "denied": "192.0.2.1 REJECT\n",
    "list": "198.51.100.0/24\n192.0.2.0/24\n",
}


@pytest.fixture(name="judge")
def fixture_judge(tmp_path):
    def judge(address, networks, restrictions="permit_mynetworks, reject_unauth_destination"):
        texts = {
            **FILES,
            "main.cf": f"mynetworks = {networks}\nsmtpd_relay_restrictions = {restrictions}\n".replace(
                "@", f"{tmp_path}/"
            ),
            "master.cf": "25 inet n - n - - smtpd\n",
        }
        for name, text in texts.items():
            (tmp_path / name).write_text(text)
            os.utime(tmp_path / name, (1, 1))
        instance = Instance(str(tmp_path))
        configuration = configuration_of(instance)
        return trust.may_relay(instance, configuration, listeners.listeners(configuration)[0], address)

    return judge


@pytest.mark.parametrize(
    ("address", "networks", "trusted"),
    [
        ("127.0.0.1", "127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128", True),
        ("192.0.2.1", "127.0.0.0/8, [::1]/128", False),
        ("::1", "127.0.0.0/8 [::1]/128", True),
        ("192.0.2.1", "!192.0.2.1, 192.0.2.0/24", False),
        ("192.0.2.2", "!192.0.2.1, 192.0.2.0/24", True),
        ("192.0.2.1", "", False),
        ("192.0.2.1", "192.0.2.1/24", True),
        ("192.0.2.1", "cidr:@all.cidr", True),
        ("192.0.2.1", "cidr:@one.cidr", True),
        ("192.0.2.2", "cidr:@one.cidr", False),
        ("192.0.2.1", "!cidr:@one.cidr 192.0.2.0/24", False),
        ("192.0.2.1", "texthash:@one", True),
        ("192.0.2.9", "texthash:@one", False),  # smtpd(8) does not look up networks here
        ("192.0.2.1", "@list", True),
        ("192.0.2.1", "!@list 0.0.0.0/0", False),
        ("203.0.113.1", "@list", False),
        ("192.0.2.1", "proxy:texthash:@one", True),
        ("192.0.2.1", "static:all", True),
        ("192.0.2.1", "cidr:@missing", None),
        ("192.0.2.1", "@missing", None),
        ("192.0.2.1", "laptop.example.org", None),
        ("192.0.2.1", "192.0.2.1 laptop.example.org", True),
    ],
)
def test_networks(judge, address, networks, trusted):
    assert judge(address, networks) is trusted


@pytest.mark.parametrize(
    ("restrictions", "trusted"),
    [
        ("permit_inet_interfaces, reject_unauth_destination", True),
        ("check_client_access texthash:@one, reject_unauth_destination", True),
        ("check_client_access texthash:@denied, reject_unauth_destination", False),
        ("check_client_access cidr:@missing, reject_unauth_destination", None),
        ("permit", False),
    ],
)
def test_restrictions(judge, restrictions, trusted):
    assert judge("192.0.2.1", "127.0.0.0/8", restrictions) is trusted


def test_networks_are_looked_up_in_tables_of_clients(judge):
    assert judge("192.0.7.7", "", "check_client_access texthash:@one, reject") is True
