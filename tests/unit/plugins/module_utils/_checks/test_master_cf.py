# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from functools import partial

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._checks import master_cf as master_cf_checks
from ansible_collections.mailops.postfix.plugins.module_utils._host.system import Socket
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.configurations import built

DEFAULTS = {"daemon_directory": "/d", "queue_directory": "/q", "default_process_limit": "100", "inet_interfaces": "all"}


class Host:
    """A host with the addresses 127.0.0.1 and 192.0.2.7, and something on port 587."""

    programs = ("smtpd", "smtp", "pipe", "qmgr", "bounce", "local", "postlogd", "pickup")

    def status(self, path):
        return 1 if path == "/d" or path.rpartition("/")[2] in self.programs else None

    def addresses(self, name):
        return {"here": ("192.0.2.7",), "localhost": ("127.0.0.1",)}.get(
            name, (name,) if name[0] in "0123456789:" else ()
        )

    def has_address(self, address):
        return address in ("127.0.0.1", "192.0.2.7")

    def has_user(self, name):
        return name == "daemon"

    def has_group(self, name):
        return name in ("daemon", "mail")

    def port(self, name):
        return {"smtp": 25, "submission": 587, "odd": 1234, "9p": 564}.get(name)

    def listeners(self):
        return (Socket("127.0.0.1", 587, "7"), Socket("::", 8025, "8"), Socket("0.0.0.0", 25, "9"))

    def holder(self, inode):
        return {"7": "other (process 7)", "8": "other (process 8)", "9": "master (process 9)"}[inode]

    def master(self, queue_directory):
        return frozenset({"9"})


configuration = partial(built, DEFAULTS)


def found(master_cf, main_cf="", **parameters):
    result = configuration(main_cf, master_cf, **parameters)
    return [(problem.check, problem.cause) for problem in master_cf_checks.master_cf_findings(result, Host())]


@pytest.mark.parametrize(
    ("master_cf", "check", "words"),
    [
        ("smtp inet - - y - - smtpd", "wrong_listener", "private is '-'"),
        ("smtp inet y - y - - smtpd", "wrong_listener", "private is 'y'"),
        ("submisson inet n - y - - smtpd", "wrong_listener", "'submisson' is not a valid TCP port"),
        ("25x inet n - y - - smtpd", "wrong_listener", "'25x' is not a valid TCP port"),
        ("9p inet n - y - - smtpd", "wrong_listener", "'9p' is not a valid TCP port"),
        ("70000 inet n - y - - smtpd", "wrong_listener", "'70000' is not a valid TCP port"),
        ("there:25 inet n - y - - smtpd", "unresolvable_host", "there can't be resolved"),
        ("192.0.2.1:25 inet n - y - - smtpd", "missing_address", "192.0.2.1"),
        ("smtp inet n - y - - smptd", "unknown_command", "/d/smptd"),
        ("smtp inet n - y - - smtpd -o a = b", "option_syntax", "is not name=value"),
        ("x unix - n n - - pipe user=vmail argv=/bin/x", "missing_account", "no user vmail"),
        ("x unix - n n - - pipe user=daemon:vmail argv=/bin/x", "missing_account", "no group vmail"),
        ("x unix - n n - - pipe user=mail:mail argv=/bin/x", "missing_account", "no user mail"),
        ("x unix - - n - - pipe user=daemon argv=/bin/x", "wrong_column", "privileges"),
        ("x unix - n y - - pipe user=daemon argv=/bin/x", "wrong_column", "chroot"),
        ("qmgr unix n - n 300 - qmgr", "wrong_column", "process limit is 1"),
        ("pickup unix - - y - 5 pickup", "wrong_column", "process limit is 1"),
        ("pickup unix n - y ? 1 pickup", "wrong_listener", "no number"),
        ("smtp inet n - y - - smtpd\n25 inet n - y - - smtpd", "duplicate_service", "smtp/inet in line 1"),
    ],
)
def test_services_that_can_not_be(master_cf, check, words):
    [(name, cause)] = found(master_cf + "\n")
    assert name == check and words in cause


@pytest.mark.parametrize(
    "master_cf",
    [
        "smtp inet n - y - - smtpd",
        "here:odd inet n - n - - smtpd",
        "submissions inet n - y - - smtpd",
        "[127.0.0.1]:10025 inet n - y - - smtpd",
        "qmgr unix n - n 300 1 qmgr",
        "pickup unix n - y 60? 1 pickup",
        "x unix - n n - - pipe user=${user} argv=/bin/x",
        "x unix - n n - - pipe user=daemon:mail argv=/bin/x",
        "smtp inet n - y - - smtpd -o { smtpd_banner = a b }",
        "smtp inet n - y - - smtpd\nsmtp unix - - y - - smtp",
    ],
)
def test_services_that_can_be(master_cf):
    assert found(master_cf + "\n") == []


def test_names_of_ports_that_only_newer_versions_know():
    parameters = {"known_tcp_ports": "lmtp=24, odder=4321"}
    assert found("odder inet n - y - - smtpd\n", **parameters) == []
    result = configuration("", "odder inet n - y - - smtpd\n", version=(3, 5, 25), **parameters)
    assert [problem.check for problem in master_cf_checks.master_cf_findings(result, Host())] == ["wrong_listener"]


@pytest.mark.parametrize(
    ("interfaces", "checks"),
    [
        ("all", []),
        ("loopback-only", []),
        ("127.0.0.1, here", []),
        ("192.0.2.1", ["missing_address"]),
        ("there", ["unresolvable_host"]),
    ],
)
def test_interfaces(interfaces, checks):
    result = found("", f"inet_interfaces = {interfaces}\n", inet_interfaces=interfaces)
    assert [check for check, _cause in result] == checks


@pytest.mark.parametrize(
    ("main_cf", "parameters", "checks"),
    [
        ("default_transport = nosuch:", {"default_transport": "nosuch:"}, ["missing_service"]),
        ("default_transport = smtp:[hub]", {"default_transport": "smtp:[hub]"}, []),
        ("maillog_file = /l", {"maillog_file": "/l"}, ["missing_service"]),
    ],
)
def test_services_that_parameters_need(main_cf, parameters, checks):
    result = found("smtp unix - - y - - smtp\n", f"{main_cf}\n", **parameters)
    assert [check for check, _cause in result] == checks


@pytest.mark.parametrize(
    ("service", "interfaces", "in_use"),
    [
        ("submission", "all", True),
        ("127.0.0.1:587", "all", True),
        ("192.0.2.7:587", "all", False),
        ("submission", "192.0.2.7", False),
        ("submission", "loopback-only", True),
        ("127.0.0.1:8025", "all", True),
        ("127.0.0.1:25", "all", False),
        ("2525", "all", False),
    ],
)
def test_ports_that_others_hold(service, interfaces, in_use):
    parameters = {"inet_interfaces": interfaces}
    before = configuration("", "smtp inet n - y - - smtpd\n", **parameters)
    after = configuration("", f"smtp inet n - y - - smtpd\n{service} inet n - y - - smtpd\n", **parameters)
    assert bool(list(master_cf_checks.port_findings(after, Host(), before))) is in_use
    assert list(master_cf_checks.port_findings(after, Host(), after)) == []


@pytest.mark.parametrize(
    ("first", "second", "parameters", "conflict"),
    [
        ("submission", "0.0.0.0:587", {}, True),
        ("0.0.0.0:587", "192.0.2.7:submission", {}, True),
        ("smtp", "127.0.0.1:25", {}, True),
        ("smtp", "here:smtp", {"inet_interfaces": "192.0.2.7"}, True),
        ("smtp", "localhost:25", {"inet_interfaces": "loopback-only"}, True),
        ("1234", "odd", {}, True),
        # different addresses, ports or families
        ("smtp", "127.0.0.1:25", {"inet_interfaces": "192.0.2.7"}, False),
        ("127.0.0.1:25", "192.0.2.7:25", {}, False),
        ("smtp", "127.0.0.1:10025", {}, False),
        ("127.0.0.1:587", "[::1]:587", {}, False),
        ("smtp", "[::]:25", {"inet_protocols": "ipv4"}, False),
        ("smtp", "[::]:25", {"inet_protocols": "all"}, True),
        ("submission", "submissions", {}, False),
    ],
)
def test_two_services_at_one_address(first, second, parameters, conflict):
    text = f"{first} inet n - n - - smtpd\n{second} inet n - n - - smtpd\n"
    causes = [cause for check, cause in found(text, **parameters) if "port" in cause and check == "wrong_listener"]
    assert bool(causes) is conflict, causes
    assert all(f"as {first}/inet in line 1 does" in cause for cause in causes)


def test_a_port_that_is_switched_off_is_free():
    text = "submission inet n - n - - smtpd\n0.0.0.0:587 inet n - n - - smtpd\n"
    causes = [cause for _check, cause in found(text, master_service_disable="submission/inet")]
    assert not any("listens on" in cause for cause in causes)
