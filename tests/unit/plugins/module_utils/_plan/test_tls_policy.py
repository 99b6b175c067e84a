# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans for TLS policies, installed in a configuration of their own, with the installed postmap(1) as judge."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError, GrammarError
from ansible_collections.mailops.postfix.plugins.module_utils._host import dns_message
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._host.system import Host
from ansible_collections.mailops.postfix.plugins.module_utils._plan import lookup_table, tls_policy
from ansible_collections.mailops.postfix.plugins.module_utils._plan.policy_keys import Surroundings
from ansible_collections.mailops.postfix.plugins.module_utils._plan.policy_options import PolicyTableOptions
from ansible_collections.mailops.postfix.plugins.module_utils._plan.tls_policy_standalone import standalone_tls_policy
from ansible_collections.mailops.postfix.plugins.module_utils._x509.pem import fingerprint, to_pem
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.authority import LEAF, MIDDLE
from cryptography.hazmat.primitives.serialization import Encoding

PIN = ":".join(["AB"] * 32)


@pytest.fixture(name="directory")
def fixture_directory(tables):
    return tables


def planned(instance, staged, *policies, texts=None):
    options = PolicyTableOptions.from_declaration({"policies": list(policies)})
    return tls_policy.planned_policies(options, Surroundings(instance, staged, texts or {}))


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


def test_policies_that_are_not_declared_are_found_without_comparing_all_with_all(directory, monkeypatch):
    compared = []

    class Nexthop(str):
        """Counts its comparisons."""

        __hash__ = str.__hash__

        def lower(self):
            return Nexthop(super().lower())

        def __eq__(self, other):
            compared.append(other)
            return super().__eq__(other)

    read = tls_policy._policies
    monkeypatch.setattr(
        tls_policy,
        "_policies",
        lambda *arguments: [replace(policy, nexthop=Nexthop(policy.nexthop)) for policy in read(*arguments)],
    )
    declared = [{"nexthop": f"[h{number}]", "level": "encrypt"} for number in range(30)]
    directory.write("tls_policy", "[old] encrypt\n")
    instance = Instance(str(directory.path))
    assert len(planned(instance, instance, *declared).policies) == 31
    assert 0 < len(compared) <= 2 * 30


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
        ({}, {"level": "dane"}, "without smtp_dns_support_level = dnssec Postfix treats level dane as may"),
        ({}, {"level": "verify", "tafile": ["/nowhere.pem"]}, "tafile /nowhere.pem: there is no such file"),
        ({}, {"level": "verify", "tafile": ["main.cf"]}, "tafile main.cf: it holds nothing in PEM form"),
        ({}, {"level": "encrypt", "match": ["nexthop"]}, "does not support match"),
        ({}, {"level": "encrypt", "enable_rpk": True}, "enable_rpk requires Postfix 3.9; this is 3.7.11"),
    ],
)
def test_policies_that_this_host_would_not_enforce(directory, monkeypatch, main_cf, policy, message):
    monkeypatch.setattr(Instance, "version", (3, 7, 11))
    directory.main_cf(**main_cf)
    with pytest.raises(DeclarationError, match=message):
        directory.apply(standalone_tls_policy, policies=[{"nexthop": "[hub]:587", **policy}])
    assert directory.names() == []


def test_dane_needs_a_resolver_that_validates(directory, nameservers):
    directory.main_cf(smtp_dns_support_level="dnssec")
    nameservers["."] = dns_message.Answer("NOERROR", validated=False, truncated=False)
    for level in ("dane", "dane-only"):
        with pytest.raises(
            DeclarationError, match=r"the nameserver 127\.0\.0\.1 in .* does not validate DNSSEC.*Run a resolver"
        ):
            directory.apply(standalone_tls_policy, policies=[{"nexthop": "a", "level": level}])
    assert directory.names() == []
    directory.policy({"nexthop": "a", "level": "encrypt"})


def test_policies_that_main_cf_makes_possible(directory):
    directory.main_cf(smtp_dns_support_level="dnssec", smtp_tls_fingerprint_cert_match=PIN)
    directory.policy({"nexthop": "a", "level": "dane"}, {"nexthop": "b", "level": "fingerprint"})


def test_connections_are_shared_by_a_service_that_must_be_there(directory):
    policies = [{"nexthop": "a", "level": "encrypt", "connection_reuse": True}]
    (directory.path / "master.cf").write_text("#tlsproxy unix - - y - 0 tlsproxy\n")
    with pytest.raises(DeclarationError, match="connection_reuse needs the service tlsproxy/unix"):
        directory.apply(standalone_tls_policy, policies=policies)
    directory.policy({**policies[0], "connection_reuse": False})
    (directory.path / "master.cf").write_text("tlsproxy unix - - y - 0 tlsproxy\n")
    directory.policy(*policies)


@pytest.mark.parametrize("where", ["queue/site/ca.pem", "site/ca.pem"])
def test_trust_anchors_are_read_inside_the_chroot(directory, monkeypatch, where):
    monkeypatch.setattr(Host, "readable_by", lambda *_arguments: True)  # pytest's own directories are root's alone
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
        directory.apply(standalone_tls_policy, policies=policies)
        assert directory.text("tls_policy") == f"a verify tafile={path}\n"
    else:
        with pytest.raises(
            DeclarationError, match=f"smtp.8. is chrooted and reads {queue}{path}: there is no such file"
        ):
            directory.apply(standalone_tls_policy, policies=policies)


def test_values_of_main_cf_that_are_on_their_way(directory):
    instance = Instance(str(directory.path))
    policy = {"nexthop": "a", "level": "fingerprint", "match": [PIN.replace("AB:", "", 16)]}
    with pytest.raises(DeclarationError):
        planned(instance, instance, policy)
    main_cf = instance.main_cf + b"smtp_tls_fingerprint_digest = md5\n"
    with instance.staged(main_cf, instance.master_cf) as staged:
        policies = planned(instance, staged, policy)
    assert policies.plan.changes and policies.keys == ["a"]


def test_an_entry_that_postfix_takes_for_wrong_is_refused(directory):
    directory.write("tls_policy", "# c\na encrypt # why\n")
    with pytest.raises(GrammarError, match="tls_policy:2: '#' is not a valid attribute"):
        directory.apply(standalone_tls_policy, policies=[{"nexthop": "b", "level": "may"}])
    directory.policy({"nexthop": "a", "level": "encrypt"})
    assert directory.text("tls_policy") == "# c\na encrypt\n"


def test_an_entry_of_others_that_is_not_enforced_is_told(directory):
    directory.write("tls_policy", f"a fingerprint match={PIN}:AA\n")
    done = directory.apply(standalone_tls_policy, policies=[{"nexthop": "b", "level": "may", "protocols": ["TLSv1.2"]}])
    assert len(done.plan.warnings) == 2
    assert "TLSv1.3 is disabled" in done.plan.warnings[0] and "has 33 bytes" in done.plan.warnings[1]


@pytest.mark.parametrize("twice", [{"nexthop": "A.example", "level": "may"}, {"domain": "a.example", "level": "may"}])
def test_a_policy_that_is_declared_twice(directory, twice):
    with pytest.raises(DeclarationError, match="it is declared twice"):
        directory.apply(standalone_tls_policy, policies=[{"nexthop": "a.example", "level": "encrypt"}, twice])


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
        directory.apply(standalone_tls_policy, policies=[{"domain": "example.com", "level": "encrypt"}])
    directory.policy({"domain": "example.org", "state": "absent"})
    assert directory.text("tls_policy") == ""


def test_a_direct_route(directory):
    policy = {"domain": "example.com", "level": "encrypt", "route": "direct"}
    directory.main_cf(relayhost="[hub]:587")
    with pytest.raises(
        DeclarationError, match="transport_maps has no table whose text is on this host.*lookup_table .*/transport"
    ):
        directory.apply(standalone_tls_policy, policies=[policy])
    directory.write("transport", "# routes\n* smtp:[other]\n")
    directory.main_cf(relayhost="[hub]:587", transport_maps="hash:$config_directory/transport")
    directory.policy(policy)
    assert directory.text("tls_policy") == "example.com encrypt\n"
    assert directory.text("transport") == "# routes\n* smtp:[other]\nexample.com smtp:\n"
    assert directory.query("example.com", "hash:transport") == "smtp:"
    with pytest.raises(DeclarationError, match="declared in the same configuration, without that route"):
        instance = Instance(str(directory.path))
        planned(instance, instance, policy, texts={f"{directory.path}/transport": b"* smtp:[other]\n"})


def test_direct_routes_are_added_in_one_edit(directory, monkeypatch):
    edits = []
    edited_table = lookup_table.edited_table
    monkeypatch.setattr(
        lookup_table, "edited_table", lambda *arguments: edits.append(arguments[0]) or edited_table(*arguments)
    )
    directory.write("transport", "* smtp:[other]\n")
    directory.main_cf(relayhost="[hub]:587", transport_maps="hash:$config_directory/transport")
    domains = [f"d{number}.test" for number in range(20)]
    instance = Instance(str(directory.path))
    planned(instance, instance, *({"domain": domain, "level": "encrypt", "route": "direct"} for domain in domains))
    # The transport table for its routes and for its plan, and the table of policies.
    assert len(edits) == 3


def test_a_policy_beside_the_relayhost(directory):
    directory.main_cf(relayhost="[hub]:587")
    policy = {"nexthop": "[hub]", "level": "encrypt"}
    with pytest.raises(
        DeclarationError, match=r'at level none, while the policy for \[hub\] demands.*nexthop: "\[hub\]:587"'
    ):
        directory.apply(standalone_tls_policy, policies=[policy])
    done = directory.apply(standalone_tls_policy, policies=[policy], checks={"weaker_next_hop": "warning"})
    assert "[weaker_next_hop]" in done.plan.warnings[0]
    directory.policy({"nexthop": "[hub]:587", "level": "encrypt"})


def test_all_next_hops_of_a_host(directory):
    directory.write("transport", "a.test relay:hub.test\nb.test relay:[hub.test]:588\nc.test relay:[other.test]\n")
    directory.main_cf(
        relayhost="[other.test], [hub.test]:587",
        transport_maps="hash:$config_directory/transport",
        smtp_tls_security_level="encrypt",
    )
    (directory.path / "master.cf").write_text("smtp unix - - n - - smtp\nrelay unix - - n - - smtp\n")
    directory.policy({"host": "Hub.test", "level": "encrypt", "ciphers": "high"})
    assert directory.text("tls_policy").split("\n") == [
        "[hub.test]:587 encrypt ciphers=high",
        "hub.test encrypt ciphers=high",
        "[hub.test]:588 encrypt ciphers=high",
        "",
    ]
    directory.main_cf()
    directory.policy({"host": "hub.test", "state": "absent"})
    assert directory.text("tls_policy") == ""
    with pytest.raises(
        DeclarationError, match="hub.test: neither relayhost, nor a transport, .* has a next hop on this host"
    ):
        directory.apply(standalone_tls_policy, policies=[{"host": "hub.test", "level": "encrypt"}])


def test_pins(directory):
    certificate = directory.write("peer.pem", LEAF.pem + MIDDLE.pem)
    key = to_pem(MIDDLE.spki, "PUBLIC KEY").decode()
    pins = [
        {"pem": str(certificate)},
        {"pem": "peer.pem", "of": "certificate"},
        {"pem": key},
        {"fingerprint": PIN.lower().replace(":", "")},
        {"fingerprint": fingerprint(LEAF.spki)},
    ]
    directory.policy({"nexthop": "[hub]:587", "level": "fingerprint", "match": [PIN.replace("AB", "CD")], "pins": pins})
    wanted = [
        PIN.replace("AB", "CD"),
        fingerprint(LEAF.spki),
        fingerprint(LEAF.certificate.public_bytes(Encoding.DER)),
        fingerprint(MIDDLE.spki),
        PIN,
    ]
    assert directory.text("tls_policy") == f"[hub]:587 fingerprint {' '.join(f'match={pin}' for pin in wanted)}\n"
    directory.write("key.pem", key)
    directory.main_cf(smtp_tls_fingerprint_digest="sha512")
    directory.policy({"nexthop": "[hub]:587", "level": "fingerprint", "pins": [{"pem": "key.pem"}]})
    assert directory.text("tls_policy") == f"[hub]:587 fingerprint match={fingerprint(MIDDLE.spki, 'sha512')}\n"


def test_pins_count_at_level_fingerprint_alone(directory):
    with pytest.raises(DeclarationError, match="pins count at level fingerprint alone, this is secure"):
        directory.apply(
            standalone_tls_policy,
            policies=[{"nexthop": "a", "level": "secure", "pins": [{"fingerprint": PIN}]}],
        )


def test_a_trust_anchor_that_smtp_may_not_read(directory):
    anchor = directory.write("ca.pem", MIDDLE.pem, mode=0o600)
    with pytest.raises(DeclarationError, match="tafile /.*ca.pem: postfix, as whom smtp.8. reads /.*, may not"):
        directory.apply(standalone_tls_policy, policies=[{"nexthop": "a", "level": "verify", "tafile": [str(anchor)]}])


@pytest.mark.parametrize(
    ("main_cf", "message"),
    [
        ({"smtp_host_lookup": "native"}, "without dns in smtp_host_lookup Postfix treats level dane as may"),
        ({"ignore_mx_lookup_error": "yes"}, "with ignore_mx_lookup_error = yes Postfix treats level dane as may"),
    ],
)
def test_what_is_in_the_way_of_dane(directory, main_cf, message):
    directory.main_cf(smtp_dns_support_level="dnssec", **main_cf)
    with pytest.raises(DeclarationError, match=message):
        directory.apply(standalone_tls_policy, policies=[{"nexthop": "a", "level": "dane"}])


def test_an_entry_in_the_words_of_a_later_postfix(directory, monkeypatch):
    monkeypatch.setattr(Instance, "version", (3, 7, 11))
    directory.write("tls_policy", "a encrypt { ciphers = high }\n")
    with pytest.raises(GrammarError, match="tls_policy:1: braces require Postfix 3.10; this is 3.7.11"):
        directory.apply(standalone_tls_policy, policies=[{"nexthop": "b", "level": "may"}])
