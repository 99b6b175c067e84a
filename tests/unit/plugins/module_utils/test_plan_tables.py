# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans for tables, installed in a configuration of their own, with the installed postmap(1) as judge."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils import _plan_tables, _transaction
from ansible_collections.mailops.postfix.plugins.module_utils._errors import (
    DeclarationError,
    GrammarError,
    HostError,
    PostfixError,
)
from ansible_collections.mailops.postfix.plugins.module_utils._instance import Instance

PIN = ":".join(["AB"] * 32)
COMPILED = ["hash", "btree", "lmdb", "cdb"]
SUFFIX = {"hash": ".db", "btree": ".db", "lmdb": ".lmdb", "cdb": ".cdb"}


@pytest.fixture(name="directory")
def fixture_directory(tmp_path):
    def main_cf(**parameters):
        lines = {"compatibility_level": "3.6", "default_database_type": "hash", **parameters}
        (tmp_path / "main.cf").write_text("".join(f"{name} = {value}\n" for name, value in lines.items()))
        os.utime(tmp_path / "main.cf", (1, 1))

    main_cf()
    (tmp_path / "master.cf").write_text("")
    return _Directory(tmp_path, main_cf)


class _Directory:
    """A configuration directory and what is done with it."""

    def __init__(self, path, main_cf):
        self.path = path
        self.main_cf = main_cf

    def write(self, name, text, mode=0o644, age=100):
        path = self.path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        path.chmod(mode)
        moment = path.stat().st_mtime - age
        os.utime(path, (moment, moment))
        return path

    def text(self, name):
        return (self.path / name).read_text()

    def mode(self, name):
        return stat.S_IMODE((self.path / name).stat().st_mode)

    def names(self):
        return sorted(path.name for path in self.path.iterdir() if path.name not in ("main.cf", "master.cf"))

    def apply(self, build, check_mode=False, **options):
        return _transaction.apply(
            lambda instance: build(instance, options), lambda: Instance(str(self.path)), check_mode=check_mode
        )

    def table(self, path="t", check_mode=False, **options):
        """Plan and install a table; in check mode first, which must predict the same and write nothing."""
        before = {name: (self.path / name).read_bytes() for name in self.names()}
        predicted = self.apply(_plan_tables.lookup_table, True, path=path, **options)
        assert {name: (self.path / name).read_bytes() for name in self.names()} == before
        if check_mode:
            return predicted
        done = self.apply(_plan_tables.lookup_table, path=path, **options)
        assert (done.changed, done.diff, done.plan.requires) == (
            predicted.changed,
            predicted.diff,
            predicted.plan.requires,
        )
        again = self.apply(_plan_tables.lookup_table, path=path, **options)
        assert not again.changed, again.diff
        return done

    def policy(self, *policies, **options):
        done = self.apply(_plan_tables.tls_policy, policies=list(policies), **options)
        assert not self.apply(_plan_tables.tls_policy, policies=list(policies), **options).changed
        return done

    def query(self, key, name="hash:t"):
        map_type, _colon, path = name.partition(":")
        return subprocess.run(
            ["/usr/sbin/postmap", "-c", str(self.path), "-q", key, f"{map_type}:{self.path / path}"],
            capture_output=True,
            check=False,
            text=True,
        ).stdout.rstrip("\n")


@pytest.mark.parametrize("map_type", COMPILED)
def test_a_table_is_made_edited_and_removed(directory, map_type):
    done = directory.table(entries={"Example.com": "smtp:[a]", "b": 2}, type=map_type)
    assert done.changed and done.plan.requires == "none"
    assert done.plan.result == {"map": f"{map_type}:{directory.path}/t"}
    assert directory.names() == ["t", f"t{SUFFIX[map_type]}"]
    assert directory.query("example.com", f"{map_type}:t") == "smtp:[a]"
    assert directory.table(entries={"b": None, "c": "3"}, type=map_type).changed
    assert [directory.query(key, f"{map_type}:t") for key in ("example.com", "b", "c")] == ["smtp:[a]", "", "3"]
    assert not directory.table(entries={"EXAMPLE.COM": "smtp:[a]"}, type=map_type).changed
    assert directory.table(type=map_type, state="absent").changed
    assert directory.names() == []


@pytest.mark.parametrize("map_type", ["texthash", "regexp", "pcre", "cidr"])
def test_a_table_that_is_not_compiled(directory, map_type):
    key = {"texthash": "a", "cidr": "10.0.0.0/8"}.get(map_type, "/^a b$/")
    done = directory.table(entries={key: "OK"}, type=map_type)
    assert done.changed and done.plan.requires == "reload"
    assert directory.names() == ["t"]
    assert directory.query({"texthash": "a", "cidr": "10.1.2.3"}.get(map_type, "A b"), f"{map_type}:t") == "OK"


def test_the_text_keeps_what_is_not_owned(directory):
    directory.write("t", "# mine\na 1\n\nb  2\r\n# end")
    directory.table(entries={"c": "3", "a": "4"})
    assert (directory.path / "t").read_bytes() == b"# mine\na 4\n\nb  2\r\n# end\nc 3"


def touch_text(directory):
    os.utime(directory.path / "t")


def remove_compiled(directory):
    (directory.path / "t.db").unlink()


def empty_compiled(directory):
    directory.write("t.db", "", age=0)


def other_type(directory):
    (directory.path / "t.db").unlink()
    subprocess.run(["/usr/sbin/postmap", "-c", str(directory.path), f"btree:{directory.path}/t"], check=True)


def other_content(directory):
    text = directory.text("t")
    directory.write("t", "a other\n")
    subprocess.run(["/usr/sbin/postmap", "-c", str(directory.path), f"hash:{directory.path}/t"], check=True)
    directory.write("t", text)


def more_content(directory):
    text = directory.text("t")
    directory.write("t", text + "more 1\n")
    subprocess.run(["/usr/sbin/postmap", "-c", str(directory.path), f"hash:{directory.path}/t"], check=True)
    directory.write("t", text)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (remove_compiled, "missing"),
        (touch_text, "older than its text"),
        (empty_compiled, "of another type"),
        (other_type, "of another type"),
        (other_content, "other content"),
        (more_content, "other content"),
    ],
)
def test_the_compiled_file_is_made_anew(directory, damage, reason):
    directory.table(entries={"a": "1", "É": "x", '"b c"': "2"})
    damage(directory)
    predicted = directory.apply(_plan_tables.lookup_table, True, path="t", entries={"a": "1"})
    assert [change.stale for change in predicted.plan.changes if callable(change.after)] == [reason]
    done = directory.apply(_plan_tables.lookup_table, path="t", entries={"a": "1"})
    assert done.changed and done.diff == predicted.diff
    assert [directory.query(key) for key in ("a", "é", '"b c"', "more")] == ["1", "x", "2", ""]
    assert directory.names() == ["t", "t.db"]


def test_a_text_that_was_written_a_moment_ago(directory):
    directory.write("t", "a 1\n", age=0)
    assert directory.table().changed  # and, as always there, not once more


def test_other_content_of_a_cdb_file(directory):
    directory.table(entries={"a": "1"}, type="cdb")
    before = (directory.path / "t.cdb").read_bytes()
    directory.table(entries={"a": "2"}, type="cdb")
    directory.write("t.cdb", before, age=-1)
    assert directory.apply(_plan_tables.lookup_table, path="t", entries={}, type="cdb").changed
    assert directory.query("a", "cdb:t") == "2"


def test_nothing_is_left_behind_when_postmap_fails(directory, monkeypatch):
    directory.write("t", "a 1\n")
    run = Instance.run

    def broken(self, *argv, **options):
        if argv[0] == "postmap":
            argv = ("false",)
        return run(self, *argv, **options)

    monkeypatch.setattr(Instance, "run", broken)
    with pytest.raises(HostError, match=f"compiling hash:{directory.path}/t"):
        directory.apply(_plan_tables.lookup_table, path="t", entries={"b": "2"})
    assert directory.names() == ["t"] and directory.text("t") == "a 1\n"


def test_what_postmap_warns_about_is_an_error(directory, monkeypatch):
    # Whatever postmap finds that the grammar here does not know.
    monkeypatch.setattr(_plan_tables._lookup_table, "check", lambda *_arguments: None)
    directory.write("source", "a 1\na 2\n")
    with pytest.raises(HostError, match="duplicate entry"):
        directory.apply(_plan_tables.lookup_table, path="t", src="source", remote_src=True)
    with pytest.raises(HostError, match="not shown") as caught:
        directory.apply(_plan_tables.lookup_table, path="t", src="source", remote_src=True, mode="0600")
    assert '"a"' not in str(caught.value)
    assert directory.names() == ["source"]


@pytest.mark.parametrize(
    ("map_type", "text", "message"),
    [
        ("hash", "a 1\nb\n", "source:2: .*no value"),
        ("hash", "a 1\nA 2\n", "source:2: .*already on line 1"),
        ("regexp", "/a/ 1\n/b[/ 2\n", "source:2: Postfix warns"),
        ("pcre", "/a/ 1\n/b/q 2\n", "source:2: Postfix warns: unknown"),
        ("cidr", "10.0.0.1/8 x\n", "source:1: Postfix warns: non-null host address bits"),
    ],
)
def test_a_wrong_file_is_refused(directory, map_type, text, message):
    directory.write("source", text)
    with pytest.raises(GrammarError, match=message):
        directory.apply(_plan_tables.lookup_table, True, path="t", type=map_type, src="source", remote_src=True)


def test_a_whole_table_from_a_file(directory):
    directory.write("source", "# all\na 1\n")
    directory.write("t", "b 2\n")
    assert directory.table(src="source", remote_src=True).changed
    assert directory.text("t") == "# all\na 1\n" and directory.query("b") == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"src": "source"}, "a file of the controller can't be read from here"),
        ({"src": "none", "remote_src": True}, "no such file on the host"),
        ({"src": "main.cf", "remote_src": True, "checksum": "0" * 64}, "its SHA-256 is [0-9a-f]{64}, not 0{64}"),
        ({"exclusive": True}, "would empty it"),
        ({"entries": {"a": ""}}, "its value is empty"),
        ({"entries": {"a": "1"}, "mode": "u=rw"}, "is no octal mode"),
        ({"entries": {"a": "1"}, "mode": "99"}, "is no octal mode"),
        ({"entries": {"a": "1"}, "owner": "nobody-has-this-name"}, "there is no user"),
    ],
)
def test_wrong_declarations(directory, options, message):
    with pytest.raises(PostfixError, match=message):
        directory.apply(_plan_tables.lookup_table, path="t", **options)
    assert directory.names() == []


def without(*missing):
    """Instances that lack table types."""
    return property(lambda self: frozenset({"hash", "btree", "lmdb", "cdb", "texthash", "regexp"}) - set(missing))


@pytest.mark.parametrize(
    ("default", "missing", "chosen"),
    [
        ("hash", (), "hash"),
        ("cdb", (), "cdb"),
        ("hash", ("hash", "btree"), "lmdb"),
        ("hash", ("hash", "btree", "lmdb"), "cdb"),
        ("nonsense", ("lmdb", "cdb"), "hash"),
        ("regexp", (), "lmdb"),
        ("${{1} == {1} ? {cdb} : {hash}}", (), "cdb"),
    ],
)
def test_the_type_follows_the_host(directory, monkeypatch, default, missing, chosen):
    monkeypatch.setattr(Instance, "map_types", without(*missing))
    directory.main_cf(default_database_type=default)
    assert directory.table(entries={"a": "1"}).plan.result["map"] == f"{chosen}:{directory.path}/t"


def test_a_type_that_the_host_lacks(directory, monkeypatch):
    monkeypatch.setattr(Instance, "map_types", without("hash", "btree", "lmdb"))
    with pytest.raises(HostError, match=r"table type lmdb: .*it has cdb, texthash, regexp. .*postfix-lmdb"):
        directory.table(entries={"a": "1"}, type="lmdb")
    monkeypatch.setattr(Instance, "map_types", without("hash", "btree", "lmdb", "cdb"))
    with pytest.raises(HostError, match="any type that postmap compiles; it has texthash, regexp"):
        directory.table(entries={"a": "1"})


def test_modes(directory):
    done = directory.table(entries={"a": "secret"}, mode="0600")
    assert (directory.mode("t"), directory.mode("t.db")) == (0o600, 0o600)
    assert "secret" not in str(done.diff)
    assert "secret" not in str(directory.table(entries={"a": "other secret"}).diff)
    assert (directory.mode("t"), directory.mode("t.db")) == (0o600, 0o600)
    (directory.path / "t.db").chmod(0o644)
    assert directory.table(entries={"a": "other secret"}).changed
    assert directory.mode("t.db") == 0o600
    assert directory.table(entries={}, mode=0o640).changed
    assert (directory.mode("t"), directory.mode("t.db")) == (0o640, 0o640)
    (directory.path / "t.db").chmod(0o600)
    assert not directory.table(entries={}).changed
    directory.table("u", entries={"a": "1"})
    assert (directory.mode("u"), directory.mode("u.db")) == (0o644, 0o644)


def test_the_diff_shows_the_text(directory):
    directory.write("t", "a 1\n")
    text, compiled = directory.table(entries={"a": "2"}).diff
    assert (text["before"], text["after"]) == ("a 1\n", "a 2\n")
    assert compiled["before_header"].endswith("t.db")


def test_a_file_of_the_controller_is_asked_for(directory):
    plan = _plan_tables.lookup_table(Instance(str(directory.path)), {"path": "t", "src": "x", "checksum": "0" * 64})
    assert plan.result["_transfer"] and not plan.changes
    directory.write("t", "a 1\n")
    known = hashlib.sha256(b"a 1\n").hexdigest()
    assert directory.table(src="x", checksum=known).changed  # compiled
    assert directory.query("a") == "1"


# tls_policy


def test_policies(directory):
    directory.write("tls_policy", "# ours\nold.example  may\nkeep.example encrypt ciphers=high\n")
    done = directory.policy(
        {"nexthop": "[hub]:587", "level": "fingerprint", "match": [PIN.lower()]},
        {"nexthop": "old.example", "level": "encrypt", "protocols": [">=TLSv1.2"]},
    )
    assert done.plan.requires == "none"
    assert done.plan.result["map"] == f"hash:{directory.path}/tls_policy"
    assert done.plan.result["policies"] == [
        {"nexthop": "old.example", "level": "encrypt", "protocols": ">=TLSv1.2"},
        {"nexthop": "keep.example", "level": "encrypt", "ciphers": "high"},
        {"nexthop": "[hub]:587", "level": "fingerprint", "match": [PIN]},
    ]
    assert directory.text("tls_policy") == (
        "# ours\nold.example  encrypt protocols=>=TLSv1.2\nkeep.example encrypt ciphers=high\n"
        f"[hub]:587 fingerprint match={PIN}\n"
    )
    assert directory.query("[hub]:587", "hash:tls_policy") == f"fingerprint match={PIN}"
    done = directory.policy(
        {"nexthop": "[hub]:587", "state": "absent"}, {"nexthop": "x.example", "level": "may"}, exclusive=True
    )
    assert directory.text("tls_policy") == "# ours\nx.example may\n"


def test_the_same_policy_in_other_words_stays(directory):
    text = f"[hub]:587   FINGERPRINT\n  match={PIN.lower()}|{PIN.replace('AB', 'CD')}\n"
    directory.write("tls_policy", text)
    directory.policy({"nexthop": "[HUB]:587", "level": "fingerprint", "match": [PIN.replace("AB", "CD"), PIN]})
    assert directory.text("tls_policy") == text


@pytest.mark.parametrize(
    ("main_cf", "policy", "message"),
    [
        (
            {"smtp_tls_fingerprint_digest": "md5"},
            {"level": "fingerprint", "match": [PIN]},
            "digest is md5, whose fingerprints have 16",
        ),
        ({"compatibility_level": "2"}, {"level": "fingerprint", "match": [PIN]}, "digest is md5"),
        ({}, {"level": "fingerprint"}, "without a fingerprint"),
        ({}, {"level": "dane"}, "without smtp_dns_support_level = dnssec Postfix takes level dane for may"),
        ({}, {"level": "verify", "tafile": ["/nowhere.pem"]}, "tafile /nowhere.pem: there is no such file"),
        ({}, {"level": "verify", "tafile": ["main.cf"]}, "tafile main.cf: it holds nothing in PEM form"),
        ({}, {"level": "encrypt", "match": ["nexthop"]}, "no use for match"),
        ({}, {"level": "encrypt", "enable_rpk": True}, "enable_rpk needs Postfix 3.9, this is 3.7.11"),
    ],
)
def test_policies_that_this_host_would_not_enforce(directory, monkeypatch, main_cf, policy, message):
    monkeypatch.setattr(Instance, "version", (3, 7, 11))
    directory.main_cf(**main_cf)
    with pytest.raises(DeclarationError, match=message):
        directory.apply(_plan_tables.tls_policy, policies=[{"nexthop": "[hub]:587", **policy}])
    assert directory.names() == []


def test_policies_that_main_cf_makes_possible(directory):
    directory.main_cf(smtp_dns_support_level="dnssec", smtp_tls_fingerprint_cert_match=PIN)
    directory.policy({"nexthop": "a", "level": "dane"}, {"nexthop": "b", "level": "fingerprint"})


def test_connections_are_shared_by_a_service_that_must_be_there(directory):
    policies = [{"nexthop": "a", "level": "encrypt", "connection_reuse": True}]
    (directory.path / "master.cf").write_text("#tlsproxy unix - - y - 0 tlsproxy\n")
    with pytest.raises(DeclarationError, match="connection_reuse needs the service tlsproxy/unix"):
        directory.apply(_plan_tables.tls_policy, policies=policies)
    directory.policy({**policies[0], "connection_reuse": False})
    (directory.path / "master.cf").write_text("tlsproxy unix - - y - 0 tlsproxy\n")
    directory.policy(*policies)


@pytest.mark.parametrize("where", ["queue/site/ca.pem", "site/ca.pem"])
def test_trust_anchors_are_read_inside_the_chroot(directory, where):
    queue = directory.path / "queue"
    directory.main_cf(queue_directory=queue)
    (directory.path / "master.cf").write_text("smtp unix - - y - - smtp\n")
    anchor = directory.path / where
    anchor.parent.mkdir(parents=True)
    anchor.write_text("-----BEGIN CERTIFICATE-----\n")
    # In the chroot's own words; and a path that exists outside of it alone.
    path = "/site/ca.pem" if where.startswith("queue") else str(anchor)
    policies = [{"nexthop": "a", "level": "verify", "tafile": [path]}]
    if where.startswith("queue"):
        directory.apply(_plan_tables.tls_policy, policies=policies)
        assert directory.text("tls_policy") == f"a verify tafile={path}\n"
    else:
        with pytest.raises(
            DeclarationError, match=f"smtp.8. is chrooted and reads {queue}{path}: there is no such file"
        ):
            directory.apply(_plan_tables.tls_policy, policies=policies)


def test_values_of_main_cf_that_are_on_their_way(directory):
    instance = Instance(str(directory.path))
    options = {"policies": [{"nexthop": "a", "level": "fingerprint", "match": [PIN.replace("AB:", "", 16)]}]}
    with pytest.raises(DeclarationError):
        _plan_tables.tls_policy(instance, options)
    assert _plan_tables.tls_policy(
        instance, options, {**instance.parameters, "smtp_tls_fingerprint_digest": "md5"}
    ).changes


def test_an_entry_that_postfix_takes_for_wrong_is_refused(directory):
    directory.write("tls_policy", "# c\na encrypt # why\n")
    with pytest.raises(GrammarError, match="tls_policy:2: '#' is no attribute"):
        directory.apply(_plan_tables.tls_policy, policies=[{"nexthop": "b", "level": "may"}])
    directory.policy({"nexthop": "a", "level": "encrypt"})
    assert directory.text("tls_policy") == "# c\na encrypt\n"


def test_an_entry_of_others_that_is_not_enforced_is_told(directory):
    directory.write("tls_policy", f"a fingerprint match={PIN}:AA\n")
    done = directory.apply(
        _plan_tables.tls_policy, policies=[{"nexthop": "b", "level": "may", "protocols": ["TLSv1.2"]}]
    )
    assert len(done.plan.warnings) == 2
    assert "TLSv1.3 is off" in done.plan.warnings[0] and "has 33 bytes" in done.plan.warnings[1]


@pytest.mark.parametrize("twice", [{"nexthop": "A.example", "level": "may"}, {"domain": "a.example", "level": "may"}])
def test_a_policy_that_is_declared_twice(directory, twice):
    with pytest.raises(DeclarationError, match="it is declared twice"):
        directory.apply(_plan_tables.tls_policy, policies=[{"nexthop": "a.example", "level": "encrypt"}, twice])


def test_policies_for_domains(directory):
    directory.policy({"domain": "Example.com.", "level": "encrypt"})
    assert directory.text("tls_policy") == "example.com encrypt\n"
    directory.write("transport", "example.org smtp:[mx.example.org]:26\n")
    directory.main_cf(relayhost="[hub]:587", transport_maps="hash:$config_directory/transport")
    directory.policy({"domain": "example.org", "level": "encrypt"}, exclusive=True)
    assert directory.text("tls_policy") == "[mx.example.org]:26 encrypt\n"
    with pytest.raises(
        DeclarationError, match=r"the domain example.com: its mail leaves through \[hub\]:587 \(relayhost\)"
    ):
        directory.apply(_plan_tables.tls_policy, policies=[{"domain": "example.com", "level": "encrypt"}])
    directory.policy({"domain": "example.org", "state": "absent"})
    assert directory.text("tls_policy") == ""


def test_a_direct_route(directory):
    policy = {"domain": "example.com", "level": "encrypt", "route": "direct"}
    directory.main_cf(relayhost="[hub]:587")
    with pytest.raises(
        DeclarationError, match="transport_maps has no table whose text is on this host.*lookup_table .*/transport"
    ):
        directory.apply(_plan_tables.tls_policy, policies=[policy])
    directory.write("transport", "# routes\n* smtp:[other]\n")
    directory.main_cf(relayhost="[hub]:587", transport_maps="hash:$config_directory/transport")
    directory.policy(policy)
    assert directory.text("tls_policy") == "example.com encrypt\n"
    assert directory.text("transport") == "# routes\n* smtp:[other]\nexample.com smtp:\n"
    assert directory.query("example.com", "hash:transport") == "smtp:"
    with pytest.raises(DeclarationError, match="declared in the same configuration, without that route"):
        _plan_tables.tls_policy(
            Instance(str(directory.path)),
            {"policies": [policy]},
            None,
            {f"{directory.path}/transport": b"* smtp:[other]\n"},
        )


def test_a_policy_beside_the_relayhost_is_told(directory):
    directory.main_cf(relayhost="[hub]:587")
    done = directory.apply(_plan_tables.tls_policy, policies=[{"nexthop": "[hub]", "level": "encrypt"}])
    assert "Declare it for [hub]:587 too" in done.plan.warnings[0]
