# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tables of types that are gone. The installed Postfix makes the new ones; that it has no hash is only what postconf -m is made to say."""

from __future__ import annotations

import base64
import subprocess
from dataclasses import replace

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._host.runner import run_program
from ansible_collections.mailops.postfix.plugins.module_utils._plan import configuration, lost_tables, migrations
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import apply as apply_transaction
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.authority import issue, write

NEW = "cdb"


def run(argv, stdin=None):
    """The programs of the host, but for a Postfix that has neither hash nor lmdb."""
    if argv[0] == "postconf" and argv[-1] == "-m":
        done = run_program(["postconf", "-m"])
        types = [word for word in done.stdout.split() if word not in (b"hash", b"btree", b"lmdb")]
        return replace(done, stdout=b"\n".join([*types, NEW.encode()]) + b"\n")
    return run_program(argv, stdin)


@pytest.fixture
def migrate(directory):
    if NEW not in subprocess.run(["postconf", "-m"], capture_output=True, text=True, check=True).stdout.split():
        pytest.skip(f"this Postfix has no {NEW}")

    def apply(check_mode=False, **options):
        return apply_transaction.apply(
            lambda instance: configuration.configuration(instance, {"validate": False, "migrate": True, **options}),
            lambda: Instance(str(directory), run),
            check_mode=check_mode,
        )

    return apply


def test_a_configuration_without_lost_types_stays(directory):
    assert migrations.retyped_tables(Instance(str(directory)), {}, [], set()) == migrations.RetypedTables()


def add(directory, name, text):
    with (directory / name).open("ab") as file:
        file.write(text.encode())


def lookup(program, key, table):
    done = subprocess.run([program, "-q", key, table], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def test_tables_are_made_of_their_texts(directory, migrate):
    (directory / "old").write_text("example.com smtp:[a]\n")
    (directory / "names").write_text("root: alice\n")
    add(directory, "main.cf", f"transport_maps = proxy:hash:{directory}/old\nalias_maps = btree:{directory}/names\n")
    before = {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()}
    predicted = migrate(check_mode=True)
    assert {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()} == before
    done = migrate()
    assert predicted.diff == done.diff
    text = (directory / "main.cf").read_text()
    assert f"transport_maps = proxy:{NEW}:{directory}/old\n" in text
    assert f"alias_maps = {NEW}:{directory}/names\n" in text
    assert lookup("postmap", "example.com", f"{NEW}:{directory}/old") == "smtp:[a]"
    assert lookup("postalias", "root", f"{NEW}:{directory}/names") == "alice"
    assert not migrate().changed


@pytest.mark.parametrize(
    ("name", "kind", "reason"),
    [
        ("transport_maps", "hash", f"there is no PATH to make one of type {NEW} from"),
        # Postfix writes it itself.
        ("smtp_tls_session_cache_database", "btree", f"cannot write ones of type {NEW}; install postfix-lmdb"),
    ],
)
def test_what_cannot_be_made_stays_and_is_named(directory, migrate, name, kind, reason):
    add(directory, "main.cf", f"{name} = {kind}:{directory}/nowhere\n")
    before = (directory / "main.cf").read_bytes()
    done = migrate()
    assert (directory / "main.cf").read_bytes() == before
    reason = reason.replace("PATH", f"{directory}/nowhere")
    assert any(text.startswith(f"{name} = ") and reason in text for text in done.plan.warnings)


@pytest.mark.parametrize(
    "reference", ["$default_database_type", "${default_database_type}", "$(default_database_type)"]
)
def test_tables_that_are_named_by_the_default_type_follow_it(directory, migrate, reference):
    (directory / "old").write_text("example.com smtp:[a]\n")
    (directory / "other").write_text("example.com b@example.org\n")
    add(directory, "main.cf", "default_database_type = btree\n")
    add(directory, "main.cf", f"transport_maps = {reference}:{directory}/old\n")
    add(directory, "main.cf", f"canonical_maps = hash:{directory}/other, {reference}:{directory}/other\n")
    instance = Instance(str(directory), run)
    found = [(entry["parameter"], entry["table"]) for entry in lost_tables.lost_tables(instance)]
    assert ("transport_maps", f"btree:{directory}/old") in found
    predicted = migrate(check_mode=True)
    assert migrate().diff == predicted.diff
    text = (directory / "main.cf").read_text()
    assert f"default_database_type = {NEW}\n" in text
    assert f"transport_maps = {reference}:{directory}/old\n" in text
    assert f"canonical_maps = {NEW}:{directory}/other, {reference}:{directory}/other\n" in text
    assert lookup("postmap", "example.com", f"{NEW}:{directory}/old") == "smtp:[a]"
    assert lookup("postmap", "example.com", f"{NEW}:{directory}/other") == "b@example.org"
    assert not migrate().changed


def test_a_default_type_that_is_declared_is_not_migrated(directory, migrate):
    (directory / "old").write_text("example.com smtp:[a]\n")
    add(
        directory,
        "main.cf",
        f"default_database_type = btree\ntransport_maps = $default_database_type:{directory}/old\n",
    )
    migrate(main_cf={"default_database_type": "texthash"})
    assert "default_database_type = texthash\n" in (directory / "main.cf").read_text()
    assert not (directory / f"old.{NEW}").exists()


def test_what_is_declared_is_not_migrated(directory, migrate):
    (directory / "old").write_text("example.com smtp:[a]\n")
    add(directory, "main.cf", f"transport_maps = hash:{directory}/old\n")
    migrate(main_cf={"transport_maps": f"texthash:{directory}/old"})
    assert f"transport_maps = texthash:{directory}/old\n" in (directory / "main.cf").read_text()
    assert not (directory / f"old.{NEW}").exists()


def test_options_of_services(directory, migrate):
    (directory / "old").write_text("192.0.2.1 OK\n")
    option = f"smtpd_client_restrictions=check_client_access,hash:{directory}/old"
    add(directory, "master.cf", f"588 inet n - n - - smtpd\n  -o {option}\n")
    migrate()
    assert f"check_client_access,{NEW}:{directory}/old" in (directory / "master.cf").read_text()
    assert (directory / f"old.{NEW}").exists()


def test_they_are_reported(directory):
    add(directory, "main.cf", "transport_maps = texthash:/t, hash:/old\n")
    instance = Instance(str(directory), run)
    found = [entry for entry in lost_tables.lost_tables(instance) if entry["parameter"] == "transport_maps"]
    assert found == [{"service": "", "parameter": "transport_maps", "table": "hash:/old"}]


def test_the_database_of_aliases_has_a_text_too(directory, migrate):
    add(directory, "main.cf", f"alias_database = hash:{directory}/names\n")
    (directory / "names").write_text("root: alice\n")
    migrate()
    assert lookup("postalias", "root", f"{NEW}:{directory}/names") == "alice"


def test_keys_by_name_are_kept_in_the_new_table(directory, migrate):
    issued = issue("sni.example.org", names=["sni.example.org"])
    write(directory / "sni.pem", issued.key_pem + issued.pem)
    (directory / "sni").write_text(f"sni.example.org {directory}/sni.pem\n")
    add(directory, "main.cf", f"tls_server_sni_maps = hash:{directory}/sni\n")
    migrate()
    assert f"tls_server_sni_maps = {NEW}:{directory}/sni\n" in (directory / "main.cf").read_text()
    assert (directory / f"sni.{NEW}").stat().st_mode & 0o777 == 0o600
    held = lookup("postmap", "sni.example.org", f"{NEW}:{directory}/sni")
    assert base64.b64decode(held) == issued.key_pem + issued.pem
    assert not migrate().changed
