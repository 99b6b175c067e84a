# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Check mode writes nothing and predicts exactly the changes of the run, or its error.

Only a certificate that openssl has not generated yet can't be predicted: its serial number, dates and fingerprints are not compared. All
other results of a run are.
"""

from __future__ import annotations

import copy
import os
import re
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

CORPUS = Path(__file__).resolve().parents[1] / "corpus"
FOREIGN_DIRECTORIES = re.compile(rb"^(shlib|meta|daemon|command)_directory\s*=.*\n", re.MULTILINE)
"""Directories of programs on other systems, which do not exist on this one."""

EXAMPLES = int(os.environ.get("EXAMPLES", "100" if os.environ.get("FULL") else "25"))

PIN = ":".join(["AB"] * 32)
MODES = ["0644", "0600", "0640"]

GOOD = {
    "parameters": {
        "biff": [True, False, None],
        "smtpd_banner": ["$myhostname ESMTP", "é $mail_name", "", None],
        "myhostname": ["mx.example.test", None],
        "mynetworks": [["127.0.0.0/8", "[::1]/128"], "127.0.0.0/8 [::1]/128"],
        "smtp_tls_security_level": ["may", "encrypt", "none", None],
        "smtpd_tls_security_level": ["may", "none", None],
        "smtpd_tls_loglevel": [0, 1, "1", None],
        "smtpd_tls_protocols": [">=TLSv1.2", "!SSLv2, !SSLv3", None],
        "smtpd_relay_restrictions": [["permit_mynetworks", "reject_unauth_destination"]],
        "inet_interfaces": ["loopback-only", "all", None],
        "maximal_queue_lifetime": ["1d", None],
        "smtp_tls_fingerprint_digest": ["sha256"],
    },
    "services": {
        "smtp/inet": [
            {"command": "smtpd"},
            {"command": "smtpd", "options": {"smtpd_client_connection_count_limit": 5}},
            {"command": "smtpd", "chroot": False},
            {"command": "smtpd", "purge_options": True},
        ],
        "submission/inet": [
            {"command": "smtpd"},
            {
                "command": "smtpd",
                "options": {"smtpd_tls_security_level": "encrypt", "syslog_name": "postfix/submission"},
            },
            {"state": "disabled"},
            {"state": "absent"},
        ],
        "submissions/inet": [
            {"command": "smtpd", "options": {"smtpd_tls_wrappermode": True}},
            {"state": "absent"},
        ],
        "tlsproxy/unix": [{"command": "tlsproxy", "process_limit": 0}],
        "policy/unix": [
            {"command": "spawn user=nobody argv=/bin/true", "unprivileged": False},
            {"state": "absent"},
        ],
    },
    "types": ["auto", "hash", "btree", "cdb", "lmdb", "texthash"],
    "keys": ["example.test", ".example.test", "mx.example.test", "Example.Org", "user@example.test"],
    "values": ["smtp:[hub.test]", "smtp:", "OK", "é", None],
    "modes": MODES,
    "owners": ["root", "nobody"],
    "nexthops": ["example.test", "[hub.test]:587", ".example.test", "[other.test]"],
    "domains": [],
    "levels": [{"level": "none"}, {"level": "may"}, {"level": "encrypt"}, {"level": "fingerprint", "match": [PIN]}],
    "pairs": ["aa", "bb"],
    "hostnames": [["own.test"], ["own.test", "more.test"]],
    "days": [30, 90],
    "extra": [["one.pem"], ["one.pem", "two.pem"]],
    "system": [True],
}
"""The values of valid declarations."""

BAD = {
    **GOOD,
    "parameters": {
        **GOOD["parameters"],
        "biff": ["maybe"],
        "smtpd_banner": ["${broken"],
        "smtp_tls_security_level": ["bogus", "dane"],
        "smtp_tls_received_header": [True],
        "smtpd_tls_cert_file": ["/nowhere/cert.pem", None],
        "mua_restrictions": ["permit"],
    },
    "services": {
        **GOOD["services"],
        "smtp/inet": [{}, {"command": "smtpd", "options": {"smtp_tls_received_header": True}}],
        "submissions/inet": [{"command": "smtpd", "options": {"smtpd_tls_wrappermode": "on"}}, {}],
    },
    "types": ["hash", "cdb", "lmdb", "regexp", "cidr", "dbm"],
    "keys": ["example.test", "Example.Test", "#x", "two words", "", "/^a$/", "10.0.0.0/8"],
    "values": ["OK", "two words", "", "# no comment", ["a", "b"], None],
    "modes": ["0644", "0600", "644", "rw"],
    "owners": ["root", "nosuchuser"],
    "nexthops": ["example.test", "[hub.test", "example.test:smtp"],
    "domains": ["example.test"],
    "levels": [{"level": "secure"}, {"level": "dane"}, {"level": "fingerprint"}, {"level": "verify", "match": []}],
    "pairs": ["aa", "ab"],
    "hostnames": [["own.test"], ["no name"]],
    "days": [0, 30],
    "extra": [["one.pem"], ["gone"], []],
    "system": [True, False],
}
"""The values of declarations that the collection or Postfix rejects."""


def optional(**strategies):
    """Any subset of the options."""
    return st.fixed_dictionaries({}, optional=strategies)


def some(choices, count):
    """Some of the names, each with one of its values."""
    return st.lists(st.sampled_from(sorted(choices)), min_size=1, max_size=count, unique=True).flatmap(
        lambda names: st.fixed_dictionaries({name: st.sampled_from(choices[name]) for name in names})
    )


def declarations(issued, of):
    """Any options of ``configuration``."""
    pick = {name: st.sampled_from(values) for name, values in of.items() if isinstance(values, list) and values}
    table = st.fixed_dictionaries(
        {
            "path": st.sampled_from(["transport", "access", "maps/deep/table"]),
            "type": pick["types"],
            "entries": st.dictionaries(pick["keys"], pick["values"], max_size=3),
        },
        optional={
            "mode": pick["modes"],
            "owner": pick["owners"],
            "exclusive": st.booleans(),
            "parameter": st.sampled_from(["transport_maps", "relay_domains"]),
        },
    )
    gone = st.fixed_dictionaries(
        {"path": st.sampled_from(["transport", "access"]), "state": st.just("absent")},
        optional={"type": st.sampled_from(["hash", "cdb"])},
    )
    policy = st.one_of(
        st.builds(lambda nexthop, level: {"nexthop": nexthop, **level}, pick["nexthops"], pick["levels"]),
        st.fixed_dictionaries({"nexthop": pick["nexthops"], "state": st.just("absent")}),
        *[st.just({"domain": name, "level": "encrypt", "route": "direct"}) for name in of["domains"]],
    )
    files = st.builds(
        lambda pair, more: {
            "name": "mx",
            "provider": "files",
            "certificate": issued.path(f"{pair[0]}.pem"),
            "private_key": issued.path(f"{pair[1]}.key"),
            **more,
        },
        pick["pairs"],
        optional(chain_file=st.sampled_from(["tls/mx.pem", "mx.pem"])),
    )
    own = st.fixed_dictionaries(
        {"name": st.sampled_from(["own", "other"]), "provider": st.just("self_signed")},
        optional={
            "hostnames": pick["hostnames"],
            "key_bits": st.sampled_from([256, 384]),
            "side": st.sampled_from(["server", "client", "both"]),
            "days": pick["days"],
        },
    )
    bundle = optional(
        extra=pick["extra"].map(lambda names: [issued.path(name) for name in names]),
        system=pick["system"],
        path=st.just("cas.pem"),
    )
    return optional(
        main_cf=some(of["parameters"], 4),
        master_cf=some(of["services"], 2).map(
            lambda found: [{"service": name, **rest} for name, rest in found.items()]
        ),
        lookup_tables=st.lists(
            st.one_of(table, table, gone), min_size=1, max_size=2, unique_by=lambda item: item["path"]
        ),
        tls_policy=st.fixed_dictionaries(
            {
                "policies": st.lists(
                    policy, max_size=2, unique_by=lambda item: item.get("nexthop") or item.get("domain")
                )
            },
            optional={
                "exclusive": st.booleans(),
                "type": st.sampled_from(["hash", "cdb", "lmdb"]),
                "mode": pick["modes"],
            },
        ),
        certificates=st.lists(st.one_of(files, own), min_size=1, max_size=2, unique_by=lambda item: item["name"]),
        ca_bundle=bundle,
        backup=st.booleans(),
        confirm_within=st.sampled_from([0, 600]),
    ).filter(lambda declared: set(declared) - {"backup", "confirm_within"})


def comparable(result):
    """The result of a run without values that can't be predicted."""
    output = copy.deepcopy(dict(result.output))
    output.pop("invocation", None)
    for name in ("backup_files", "transaction", "verify"):
        output.pop(name, None)
    generated = {
        entry["before_header"] for entry in output.get("diff", []) if entry["after"] == "(generated by its program)\n"
    }
    for item in output.get("certificates", []):
        if item["files"]["certificate"] is None and item["files"]["chain_file"] in generated:
            item["certificate"] = {
                name: value
                for name, value in item["certificate"].items()
                if name in ("subject", "names", "key_type", "key_bits")
            }
    return result.status, output


def everything(path):
    """All files and directories with their attributes, except the access time."""
    result = {}
    for found, directories, names in os.walk(path):
        for name in [".", *directories, *names]:
            file = os.path.join(found, name)
            status = os.lstat(file)
            result[file] = (
                (status.st_mode, status.st_ino, status.st_nlink, status.st_uid, status.st_gid, status.st_size),
                (status.st_mtime_ns, status.st_ctime_ns),
                Path(file).read_bytes() if os.path.isfile(file) else b"",
            )
    return result


def test_check_mode_predicts_the_run(modules, scratch, certificates, look):
    seen, reasons = Counter(), Counter()
    corpus_files = st.tuples(
        *(
            st.sampled_from(sorted(path.name for path in (CORPUS / name).iterdir() if "-fatal-" not in path.name))
            for name in ("main.cf", "master.cf")
        )
    )

    @settings(
        max_examples=EXAMPLES,
        suppress_health_check=list(HealthCheck),
        phases=set(Phase) - {Phase.shrink, Phase.explain},
    )
    @given(
        files=corpus_files,
        first=declarations(certificates, GOOD),
        second=st.one_of(declarations(certificates, GOOD), declarations(certificates, BAD)),
    )
    def check(files, first, second):
        directory = Path(tempfile.mkdtemp(dir=scratch))
        try:
            for name, source in zip(("main.cf", "master.cf"), files):
                (directory / name).write_bytes(FOREIGN_DIRECTORIES.sub(b"", (CORPUS / name / source).read_bytes()))
                os.utime(directory / name, (1, 1))
            for declared in (first, second):
                compare(directory, {"config_directory": str(directory), **declared})
        finally:
            shutil.rmtree(directory)

    def compare(directory, declared):
        before, contents = everything(directory), look(directory).contents
        predicted = modules(declared, check_mode=True)
        assert everything(directory) == before, "check mode wrote something"
        assert not predicted.errors, predicted.errors
        done = modules(declared)
        assert comparable(done) == comparable(predicted)
        if done.status:
            assert look(directory).contents == contents, "a run that failed changed something"
            seen["refused"] += 1
            reasons[done.message.partition(":")[0].partition(str(directory))[0]] += 1
            return
        changed = look(directory).contents != contents
        assert done.output["changed"] or not changed, "the run changed files without reporting it"
        seen["changed" if done.output["changed"] else "unchanged"] += 1
        if declared.get("confirm_within"):
            # As if the host had confirmed it: the next run would wait for its end.
            for transactions in (modules.scratch / "state").glob("*/transactions"):
                shutil.rmtree(transactions)
        else:
            again = modules(declared).succeeded()
            assert (again["changed"], again["diff"], again["requires"]) == (False, [], "none")

    check()
    print(dict(seen), dict(reasons))
    assert seen["changed"] > EXAMPLES / 4 and seen["refused"] > EXAMPLES / 10, seen


TWICE = {
    "tables": {
        "lookup_tables": [
            {"path": "access", "type": "hash", "entries": {"example.test": "OK"}},
            {"path": "access", "type": "hash", "entries": {"example.test": "REJECT"}},
        ]
    },
    "certificates": {"certificates": [{"name": "own", "provider": "self_signed"}] * 2},
    "a table and the policy": {
        "lookup_tables": [{"path": "tls_policy", "type": "hash", "entries": {"example.test": "may"}}],
        "tls_policy": {"policies": [{"nexthop": "example.test", "level": "encrypt"}], "type": "hash"},
    },
}


@pytest.mark.parametrize("what", TWICE)
def test_the_same_file_twice(what, modules, directory, state):
    """Check mode predicts whether two declarations of a file are rejected or merged."""
    declared = {"config_directory": str(directory), **TWICE[what]}
    predicted = modules(declared, check_mode=True)
    before = state()
    done = modules(declared)
    assert comparable(done) == comparable(predicted)
    if done.status:
        assert state() == before
    else:
        assert not modules(declared).succeeded()["changed"]


@pytest.mark.parametrize("types", [("hash", "lmdb"), ("lmdb", "cdb"), ("hash", "btree")])
def test_another_type_is_one_change(types, modules, directory):
    """The compiled file of the old type is removed in the same run."""
    for kind in types:
        declared = {
            "config_directory": str(directory),
            "tls_policy": {"policies": [{"nexthop": "[hub.test]", "level": "encrypt"}], "type": kind},
            "lookup_tables": [
                {"path": "access", "type": kind, "entries": {"example.test": "OK"}, "parameter": "relay_domains"}
            ],
        }
        predicted = modules(declared, check_mode=True)
        assert comparable(modules(declared)) == comparable(predicted)
        again = modules(declared).succeeded()
        assert (again["changed"], again["diff"]) == (False, [])
