# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lookup role_values with real templates."""

from __future__ import annotations

import json
import os
import subprocess
import sysconfig
from pathlib import Path

import pytest
import yaml
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.mailops.postfix.plugins.lookup import role_values
from ansible_collections.mailops.postfix.plugins.plugin_utils import _owners

ROLES = Path(__file__).resolve().parents[4] / "roles"


def lookup(role, **variables):
    templar = Templar(loader=DataLoader(), variables=variables)
    [result] = role_values.LookupModule(loader=DataLoader(), templar=templar).run([role], variables)
    return result


def test_the_defaults_of_a_role():
    result = lookup("smarthost", inventory_hostname="hub")
    assert result["faults"] == []
    assert (result["validated"]["sasl_type"], result["validated"]["hostname"]) == ("none", None)


def test_the_faults_of_a_role():
    result = lookup("mta_relay", mta_relay_certificate=[{"name": "a"}])
    assert any("missing required arguments: mta_relay_certificates" in fault for fault in result["faults"])
    assert any("Did you mean mta_relay_certificates?" in fault for fault in result["faults"])


def test_preconditions_are_checked():
    result = lookup(
        "mta_relay", mta_relay_certificates=[{"name": "a"}], mta_relay_dane="yes", mta_relay_tls_security_level="verify"
    )
    assert ["mta_relay_dane requires" in fault for fault in result["faults"]] == [True]


try:
    from ansible.template import trust_as_template
except ImportError:  # before ansible-core 2.19 each string is a template

    def trust_as_template(text):
        return text


TYPES = {"str": str, "path": str, "bool": bool, "int": int, "list": list, "dict": dict, "raw": object}
VALUES = {
    "a string": "word",
    "a string with commas": "one,two",
    "false": "false",
    "no": "no",
    "zero": 0,
    "integer": 7,
    "null": None,
    "empty": "",
    "omit": trust_as_template("{{ nope | default(omit) }}"),
    "list": [],
    "dictionary": {},
}
NOT_GIVEN = ("null", "empty", "omit")
REQUIRED = {
    "letsencrypt": {"letsencrypt_certificates": [{"name": "mx1"}]},
    "mta_relay": {"mta_relay_certificates": [{"name": "mx1"}]},
    "roadwarrior": {"roadwarrior_smarthost": "hub.example.org"},
}


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("role", ["letsencrypt", "mta_relay", "postfix_instance", "roadwarrior", "smarthost"])
def test_each_variable_with_values_of_each_kind(role, kind):
    """As if not given, converted to the type in the spec, or refused with the variable's name."""
    for name, option in role_values.options_of(role).items():
        given = {**REQUIRED.get(role, {}), name: VALUES[kind]}
        result = lookup(
            role, omit="__omit_place_holder__1", inventory_hostname="host", groups={"all": ["host"]}, **given
        )
        value = result["validated"].get(name[len(role) + 1 :])
        if kind in NOT_GIVEN and not option.get("required"):
            assert (value, result["faults"]) == (option.get("default"), []), name
        elif kind in NOT_GIVEN:
            assert result["faults"] == [f"missing required arguments: {name}"]
        elif result["faults"]:
            assert all(name in fault for fault in result["faults"]), name
        else:
            assert isinstance(value, TYPES[option["type"]]), name
            if option["type"] == "list" and isinstance(VALUES[kind], str):
                assert value == VALUES[kind].split(","), name
            if option["type"] == "bool":
                assert value is False, name


def test_no_such_role():
    with pytest.raises(AnsibleError, match="nowhere is not a role of this collection"):
        lookup("nowhere")


@pytest.mark.parametrize("role", ["letsencrypt", "mta_relay", "postfix_instance", "roadwarrior", "smarthost"])
def test_each_default_is_that_of_the_spec(role):
    """A variable that is null has the default of the spec; so a default that is a template would be lost."""
    defaults = yaml.safe_load((ROLES / role / "defaults/main.yml").read_text(encoding="utf-8"))
    assert [name for name, value in defaults.items() if "{{" in str(value)] == []


@pytest.mark.parametrize("role", [*_owners.ROLES, "letsencrypt", "postfix_instance"])
def test_no_programs_in_roles(role):
    for path in (ROLES / role).rglob("*.yml"):
        assert "{%" not in path.read_text(encoding="utf-8"), path


def test_variables_of_other_roles_are_not_evaluated():
    others = {"letsencrypt_command": trust_as_template("{{ nowhere }}"), "letsencrypt_http_auth": "webroot"}
    assert lookup("letsencrypt", letsencrypt_certificates=[{"name": "a"}], **others)["faults"] == []


@pytest.mark.parametrize("role", _owners.ROLES)
def test_a_misspelt_variable_for_the_role_that_another_role_applies(role):
    result = lookup(role, inventory_hostname="host", **REQUIRED.get(role, {}), postfix_instance_config_dir="/etc/x")
    [fault] = result["faults"]
    assert fault.startswith("postfix_instance_config_dir: ")
    assert "Did you mean postfix_instance_config_directory?" in fault
    variables = {
        "postfix_instance_main_cf": {},
        "postfix_instance_own": 1,
        "postfix_instance_ignored_variables": "postfix_instance_own",
    }
    assert lookup(role, inventory_hostname="host", **REQUIRED.get(role, {}), **variables)["faults"] == []


# What an inventory for systemli.letsencrypt and thefinn93.letsencrypt has, with the defaults of these roles.
OTHER_ROLES = """
letsencrypt_setup: true
letsencrypt_account: ""
letsencrypt_account_email: postmaster@example.org
letsencrypt_cert: {name: sub3, domains: [sub3.example.org], challenge: http, http_auth: standalone, reuse_key: true}
letsencrypt_http_auth: webroot
letsencrypt_webroot_path: /var/www
letsencrypt_webserver_groupname: web
letsencrypt_dns_challenge: true
letsencrypt_ddns_server: ns.example.org
letsencrypt_ddns_zone: _le.example.org
letsencrypt_ddns_key: name
letsencrypt_ddns_privkey: secret
letsencrypt_group: true
letsencrypt_reuse_key: false
letsencrypt_subset_names: true
letsencrypt_opts_extra: ""
letsencrypt_directory: /etc/letsencrypt
letsencrypt_test: true
letsencrypt_src_directory: /usr/local/share/letsencrypt
letsencrypt_venv: "{{ letsencrypt_src_directory }}/env"
letsencrypt_cert_domains: ["{{ ansible_fqdn }}"]
letsencrypt_authenticator: webroot
letsencrypt_email: webmaster@example.org
letsencrypt_command: "{{ letsencrypt_venv }}/bin/letsencrypt --text -d {{ letsencrypt_cert_domains | join(',') }}"
letsencrypt_rsa_key_size: 4096
letsencrypt_renewal_frequency: {day: "*", hour: 0, minute: 0}
letsencrypt_renewal_command_args: --renew-hook "systemctl restart nginx"
letsencrypt_server: https://acme-staging.api.letsencrypt.org/directory
letsencrypt_install_directory: /opt/letsencrypt
"""


@pytest.mark.parametrize("wrong", [None, "letsencrypt_certificats", "letsencrypt_stagging"])
def test_a_playbook_with_variables_of_other_roles(wrong, run_ansible, tmp_path):
    variables = (
        yaml.safe_load(OTHER_ROLES) | {"letsencrypt_certificates": [{"name": "mx1"}]} | ({wrong: 1} if wrong else {})
    )
    role = {"ansible.builtin.import_role": {"name": "mailops.postfix.letsencrypt", "tasks_from": "assert"}}
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "vars": variables, "tasks": [role]}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    done = run_ansible("playbook", "-i", "localhost,", "play.yml", cwd=tmp_path)
    assert done.returncode == (2 if wrong else 0), done.stdout + done.stderr
    assert not wrong or f"{wrong}: the role letsencrypt does not have this variable" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"mta_relay_verify": 7}, "mta_relay_verify: 7 is not valid. Set it to a dictionary"),
        ({"mta_relay_tls_policies": [7]}, "mta_relay_tls_policies: 7 is not valid. Set it to a list of dictionaries"),
        (
            {"mta_relay_tls_policies": [["S3cret"]]},
            "mta_relay_tls_policies: a list is not valid. Set it to a list of dictionaries",
        ),
        ({"mta_relay_checks": True}, "mta_relay_checks: True is not valid. Set it to a dictionary"),
        ({"mta_relay_certificate": []}, "Did you mean mta_relay_certificates?"),
        ({"mta_relay_verify": None, "mta_relay_checks": "", "mta_relay_loglevel": "high"}, "mta_relay_loglevel"),
    ],
)
def test_the_site_playbook_names_the_variable(variables, message, run_ansible, tmp_path):
    """Ansible's own validation, which the playbook switches off, names none of the first four."""
    given = variables if "mta_relay_certificate" in variables else {**REQUIRED["mta_relay"], **variables}
    # No SSH server listens there: a run that is not refused is unreachable.
    (tmp_path / "hosts").write_text("[mta_relays]\nmx.example.org ansible_host=127.0.0.1 ansible_port=1\n")
    done = run_ansible(
        "playbook", "-i", "hosts", "-e", json.dumps(given), str(ROLES.parent / "playbooks/site.yml"), cwd=tmp_path
    )
    output = done.stdout + done.stderr
    assert done.returncode == 2 and "unreachable=0" in output and "failed=1" in output, output
    assert message in output
    assert "Traceback" not in output and "not iterable" not in output


OLDEST = """
import sys
sys.path.insert(0, sys.argv[1])
sys.path.append(sys.argv[2])
import pytest
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "-k", "not playbook and not oldest", sys.argv[3], sys.argv[4]]))
"""


@pytest.mark.skipif("ANSIBLE_OLDEST" in os.environ, reason="this is the run")
def test_all_of_this_with_the_oldest_ansible_core():
    root = ROLES.parent
    python = root / ".venv/oldest/bin/python"
    assert python.exists(), "run: make setup"
    tests = [__file__, str(root / "tests/unit/plugins/plugin_utils")]
    done = subprocess.run(
        [str(python), "-c", OLDEST, str(root / ".ansible/collections"), sysconfig.get_path("purelib"), *tests],
        cwd=root,
        env={**os.environ, "ANSIBLE_OLDEST": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
