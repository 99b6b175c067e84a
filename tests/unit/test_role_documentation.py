# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The roles' argument specs, README.md and meta/main.yml.

A misspelt key must be refused by Ansible with its name. So each dictionary and each list of dictionaries has sub-options, which are those
of the modules, and the cases of the tests come from the argument specs.
"""

from __future__ import annotations

import copy
import functools
import re
from pathlib import Path
from typing import Any, Iterator, Mapping, NamedTuple

import pytest
import role_documentation
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.mailops.postfix.plugins.module_utils._model import finding
from ansible_collections.mailops.postfix.plugins.module_utils._plan.configuration import CONFIGURATION
from ansible_collections.mailops.postfix.plugins.module_utils._verify.verify import VERIFY

ROOT = Path(__file__).resolve().parents[2]
ROLES = role_documentation.ROLES

FREE = {
    "main_cf": "parameters of Postfix",
    "lookup_tables[].entries": "keys of the table",
    "master_cf[].options": "parameters of Postfix",
}
"""Dictionaries whose keys are not fixed, by their path without the name of the role."""


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@functools.cache
def options_of(role: str) -> dict[str, Any]:
    """The variables of a role, as its argument specs describe them."""
    options: dict[str, Any] = load(ROOT / f"roles/{role}/meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    return options


class Place(NamedTuple):
    """A dictionary, or a list of dictionaries, among the variables of a role."""

    role: str
    steps: tuple[str, ...]
    option: Mapping[str, Any]

    @property
    def path(self) -> str:
        """Its path without the name of the role, such as ``tls_policies[].pins``."""
        return "[].".join([self.steps[0].removeprefix(f"{self.role}_"), *self.steps[1:]])


def places(role: str, options: Mapping[str, Any], steps: tuple[str, ...] = ()) -> Iterator[Place]:
    """All dictionaries and lists of dictionaries, nested ones included."""
    for name, option in options.items():
        if "dict" in (option["type"], option.get("elements")):
            yield Place(role, (*steps, name), option)
            yield from places(role, option.get("options", {}), (*steps, name))


PLACES = [place for role in ROLES for place in places(role, options_of(role))]
FIXED = [place for place in PLACES if "options" in place.option]


def place_name(place: Place) -> str:
    return f"{place.role}.{place.path}"


def sample(option: Mapping[str, Any]) -> Any:
    """A value that an option accepts."""
    if "choices" in option:
        return option["choices"][0]
    return {"int": 1, "float": 1.0, "bool": True, "dict": {}, "list": []}.get(option["type"], "x")


def smallest(option: Mapping[str, Any]) -> dict[str, Any]:
    """The smallest dictionary that the sub-options accept."""
    options = option["options"]
    needed = {name for name, suboption in options.items() if suboption.get("required")}
    needed |= {names[0] for names in option.get("required_one_of", [])}
    for name, value, others in option.get("required_if", []):
        if options[name].get("default") == value:
            needed |= set(others)
    return {name: sample(options[name]) for name in needed}


def within(place: Place, value: dict[str, Any]) -> dict[str, Any]:
    """The variables of the role, with a dictionary at a place, and the least that the other options require."""
    options = options_of(place.role)
    variables = {
        name: [smallest(option)] if option["type"] == "list" else sample(option)
        for name, option in options.items()
        if option.get("required")
    }
    target: dict[str, Any] = variables
    for step in place.steps:
        option = options[step]
        inner = value if step == place.steps[-1] else smallest(option)
        target[step] = [inner] if option["type"] == "list" else inner
        target, options = inner, option.get("options", {})
    return variables


def errors(role: str, variables: Mapping[str, Any]) -> list[str]:
    """What Ansible reports about the variables of a role."""
    # A copy, because the validator adds the keys of sub-options to a default of {} in the specification itself.
    validator = ArgumentSpecValidator(copy.deepcopy(options_of(role)))
    messages: list[str] = validator.validate(dict(variables)).error_messages
    return messages


def misspelt(name: str) -> Iterator[str]:
    """A letter too many, one too few, two exchanged, a hyphen; what is a name again, such as ``path``, is left to the caller."""
    yield f"{name}s"
    yield name[:-1]
    yield name[1] + name[0] + name[2:]
    yield name.replace("_", "-") if "_" in name else name.capitalize()


def wrong_keys(place: Place) -> Iterator[str]:
    """Misspelt keys of a dictionary."""
    known = set(place.option["options"])
    return (wrong for name in sorted(known) for wrong in misspelt(name) if wrong not in known)


@pytest.mark.parametrize("role", ROLES)
def test_files_are_as_written_by_make_roles(role):
    for path, text in role_documentation.documents([role]):
        assert path.read_text(encoding="utf-8") == text, f"run: make roles  ({path.relative_to(ROOT)})"


@pytest.mark.parametrize("place", PLACES, ids=place_name)
def test_keys_of_dictionaries_are_specified(place):
    assert ("options" in place.option) != (place.path in FREE)


def test_free_dictionaries_exist():
    assert {place.path for place in PLACES} >= set(FREE)


@pytest.mark.parametrize("place", FIXED, ids=place_name)
def test_a_misspelt_key_is_refused_with_its_name(place):
    assert errors(place.role, within(place, smallest(place.option))) == []
    keys = list(wrong_keys(place))
    assert len(keys) >= len(place.option["options"])
    for key in keys:
        messages = errors(place.role, within(place, {**smallest(place.option), key: "x"}))
        assert len(messages) == 1
        assert re.search(rf"\b{re.escape(key)}\b", messages[0].split("Supported")[0]), messages
        assert place.steps[0] in messages[0]


PARTS = CONFIGURATION["parts"]
OF_MODULES = {
    "certificates": PARTS["certificates"]["argument_spec"],
    "ca_bundle": PARTS["ca_bundle"]["argument_spec"],
    "lookup_tables": PARTS["lookup_tables"]["argument_spec"],
    "tls_policies": PARTS["tls_policy"]["argument_spec"]["policies"]["options"],
    "tls_policy": PARTS["tls_policy"]["argument_spec"],
    "files": PARTS["files"]["argument_spec"],
    "master_cf": PARTS["master_cf"]["argument_spec"],
    "checks": {name: {"type": "str"} for name in finding.CHECKS},
    "verify": {name: option for name, option in VERIFY.items() if name not in role_documentation.SET_BY_ROLES},
}
KEYS = ("type", "elements", "choices", "default", "required", *role_documentation.CONSTRAINTS)
OF_MODULE_OPTIONS = [
    place for place in FIXED if len(place.steps) == 1 and place.path in OF_MODULES and place.role != "letsencrypt"
]


def differences(ours: Mapping[str, Any], theirs: Mapping[str, Any], path: str) -> Iterator[str]:
    """Where the sub-options of a role differ from the options of a module."""
    if set(ours) != set(theirs):
        yield f"{path}: {sorted(set(ours) ^ set(theirs))}"
    for name in set(ours) & set(theirs):
        for key in KEYS:
            if ours[name].get(key) != theirs[name].get(key) and (path, name, key) not in EXCEPT:
                yield f"{path}.{name}: {key} {ours[name].get(key)!r}, module: {theirs[name].get(key)!r}"
        yield from differences(ours[name].get("options", {}), theirs[name].get("options", {}), f"{path}.{name}")


EXCEPT = {("tls_policy", "policies", "required")} | {("checks", name, "choices") for name in finding.CHECKS}
"""An empty tls_policy means that the table is not managed; the module takes the severities of checks from its own list."""


@pytest.mark.parametrize("place", OF_MODULE_OPTIONS, ids=place_name)
def test_suboptions_are_those_of_the_modules(place):
    assert list(differences(place.option["options"], OF_MODULES[place.path], place.path)) == []


@pytest.mark.parametrize("name", sorted(OF_MODULES))
def test_each_part_of_a_configuration_is_in_a_role(name):
    assert name in [place.path for place in OF_MODULE_OPTIONS]


@pytest.mark.parametrize("role", ["mta_relay", "smarthost", "roadwarrior", "postfix_instance"])
def test_severities_of_checks(role):
    checks = options_of(role)[f"{role}_checks"]["options"]
    for name, option in checks.items():
        assert option["choices"] == (["error"] if name in finding.FATAL else list(finding.SEVERITIES))


@pytest.mark.parametrize("role", ROLES)
def test_ansible_doc_shows_each_key(role, run_ansible, tmp_path):
    done = run_ansible("doc", "-t", "role", f"mailops.postfix.{role}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for place in [place for place in FIXED if place.role == role]:
        for name in (place.steps[-1], *place.option["options"]):
            assert re.search(rf"^ *([-=] )?[*]?{name}\b", done.stdout, re.MULTILINE), f"{place.path}: {name}"


@pytest.mark.parametrize("role", ROLES)
def test_a_play_with_a_misspelt_key_fails_before_it_connects(role, run_ansible, tmp_path):
    place = next(place for place in FIXED if place.role == role and len(place.steps) == 1)
    wrong = next(wrong_keys(place))
    play = {
        "hosts": "mx.example.org",
        "gather_facts": False,
        "roles": [{"role": f"mailops.postfix.{role}", "vars": within(place, {**smallest(place.option), wrong: "x"})}],
    }
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    # No SSH server listens there: a run that is not refused is unreachable.
    (tmp_path / "hosts").write_text("mx.example.org ansible_host=127.0.0.1 ansible_port=1\n")
    done = run_ansible("playbook", "-i", "hosts", "play.yml", cwd=tmp_path)
    assert done.returncode == 2, done.stdout + done.stderr
    assert f"{place.steps[0]}.{wrong}" in done.stdout + done.stderr
    assert "unreachable=0" in done.stdout and "failed=1" in done.stdout


def example(role: str) -> str:
    """The playbook in a role's README.md."""
    found = re.search(r"^```yaml\n(.*?)^```$", (ROOT / f"roles/{role}/README.md").read_text("utf-8"), re.M | re.S)
    assert found
    return found[1]


@pytest.mark.parametrize("role", ROLES)
def test_example_in_the_readme_is_valid(role):
    plays = yaml.safe_load(example(role))
    uses = [use for play in plays for use in play["roles"]]
    assert f"mailops.postfix.{role}" in [use["role"] for use in uses]
    for use in uses:
        name = use["role"].removeprefix("mailops.postfix.")
        variables = use.get("vars", {})
        assert set(variables) <= set(options_of(name))
        assert errors(name, variables) == []


def test_examples_in_the_readmes_pass_the_syntax_check(run_ansible, tmp_path):
    for role in ROLES:
        (tmp_path / f"{role}.yml").write_text(example(role))
    done = run_ansible("playbook", "--syntax-check", *(f"{role}.yml" for role in ROLES), cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("role", ROLES)
def test_readme(role):
    text = (ROOT / f"roles/{role}/README.md").read_text(encoding="utf-8")
    assert text.startswith(f"# mailops.postfix.{role}\n")
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert "../../README.md" in links
    assert [link for link in links if not (ROOT / f"roles/{role}" / link).exists()] == []
    rows = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    assert rows == list(options_of(role))


@pytest.mark.parametrize("role", ROLES)
def test_metadata(role):
    meta = load(ROOT / f"roles/{role}/meta/main.yml")
    assert meta["dependencies"] == []
    info = meta["galaxy_info"]
    assert set(info) >= {"author", "description", "license", "min_ansible_version", "platforms"}
    assert all(info.values())
    galaxy = load(ROOT / "galaxy.yml")
    assert [info["license"]] == galaxy["license"] and [info["author"]] == galaxy["authors"]
    assert f">={info['min_ansible_version']}.0" == load(ROOT / "meta/runtime.yml")["requires_ansible"]


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("V(none) or C(x)", "`none` or `x`"),
        ("O(a[].b=c)", "`a[].b=c`"),
        ("O(mailops.postfix.tls_policy#module:policies)", "`policies` of the module `tls_policy`"),
        ("RV(mailops.postfix.verify#module:problems)", "`problems` of the module `verify`"),
        ("as M(mailops.postfix.verify)", "as the module `verify`"),
        ("as P(mailops.postfix.mta_relay#role) does", "as the role `mta_relay` does"),
        ("a | b", "a \\| b"),
    ],
)
def test_markdown(text, markdown):
    assert role_documentation.markdown(text) == markdown


@pytest.mark.parametrize(
    ("text", "rewritten"),
    [
        ("For O(policies[].level=may)", "For O(hub_policies[].level=may)"),
        ("O(other)", "O(hub_policies[].other)"),
        ("O(mailops.postfix.verify#module:requires)", "O(mailops.postfix.verify#module:requires)"),
        ("RV(map)", "RV(mailops.postfix.tls_policy#module:map)"),
    ],
)
def test_rewritten(text, rewritten):
    source = role_documentation.Source({}, {}, "tls_policy", "policies[].")
    assert role_documentation.rewritten(text, source, "hub_policies[].") == rewritten


@pytest.mark.parametrize(
    ("description", "summary"),
    [
        ("Short. Second. Third.", "Short. Second."),
        (["A first sentence that says enough for those who only read this one, e.g. here. B.", "C."], None),
        (["Only one."], "Only one."),
    ],
)
def test_summary(description, summary):
    expected = summary or description[0].removesuffix(" B.")
    assert role_documentation.summary(description) == expected
