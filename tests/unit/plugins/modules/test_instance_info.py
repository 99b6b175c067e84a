# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module instance_info as Ansible runs it."""

from __future__ import annotations

import os

from ansible_collections.mailops.postfix.plugins.module_utils._host import instance
from ansible_collections.mailops.postfix.plugins.modules import instance_info


def test_the_stock_configuration(run_module, directory):
    result = run_module(instance_info)
    assert (result["installed"], result["changed"], result["config_directory"]) == (True, False, str(directory))
    assert result["version"].startswith("3.")
    assert result["directories"]["queue_directory"] == "/var/spool/postfix"
    assert result["explicit_parameters"]["biff"] == "no"
    assert result["parameters"]["smtp_tls_loglevel"] == "0"
    assert "hash" in result["map_types"]
    assert result["unused_parameters"] == [] and result["deprecated_parameters"] == {}
    services = {service["service"]: service for service in result["services"]}
    assert services["smtp/inet"]["command"] == "smtpd" and services["smtp/inet"]["chrooted"] is True
    assert services["local/unix"]["chrooted"] is False


def test_old_and_misspelt_parameters(run_module, directory):
    with open(directory / "main.cf", "a", encoding="utf-8") as file:
        file.write("smtp_use_tls = yes\nsmtp_tls_received_header = yes\n")
    os.utime(directory / "main.cf", (1, 1))
    result = run_module(instance_info)
    assert result["deprecated_parameters"] == {"smtp_use_tls": {"since": "3.9", "instead": "smtp_tls_security_level"}}
    assert result["unused_parameters"] == ["smtp_tls_received_header"]


def test_a_host_without_postfix(run_module, monkeypatch):
    monkeypatch.setattr(runner.shutil, "which", lambda *_arguments, **_options: None)
    result = run_module(instance_info)
    assert result == {"installed": False, "changed": False, "invocation": result["invocation"]}


def test_routes(run_module):
    result = run_module(instance_info, routes=[{"recipient": "u@a.test"}])
    (route,) = result["routes"]
    assert (route["recipient"], route["sender"], route["weakest_level"], route["problem"]) == (
        "u@a.test",
        None,
        "none",
        "",
    )
    assert route["next_hops"][0]["nexthop"] == "a.test"
    assert run_module(instance_info)["routes"] == []
