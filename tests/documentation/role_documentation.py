# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes what the documentation of the roles repeats: sub-options of their argument specs, and the tables of variables of their READMEs.

Some variables of a role have the options of a module, such as ``mta_relay_certificates`` those of the module ``certificate``. Their
sub-options in ``meta/argument_specs.yml`` come from the module: names, types, defaults and choices from its argument_spec, and of its
documentation the first sentence of each option. All else in ``argument_specs.yml`` is written by hand.

The section "Variables" of a role's README.md comes from ``argument_specs.yml``.

``make roles`` runs this file; ``tests/unit/test_role_documentation.py`` fails if a file differs from what it would write.
"""

from __future__ import annotations

import ast
import functools
import re
import sys
import textwrap
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Iterable, Iterator, Mapping

import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / ".ansible/collections"))

from ansible_collections.mailops.postfix.plugins.module_utils._model import finding  # noqa: E402
from ansible_collections.mailops.postfix.plugins.module_utils._plan.configuration import CONFIGURATION  # noqa: E402
from ansible_collections.mailops.postfix.plugins.module_utils._verify.verify import VERIFY  # noqa: E402

ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())
CONSTRAINTS = ("mutually_exclusive", "required_together", "required_one_of", "required_if", "required_by")
WIDTH = 140
SHORT = 60
"""Sentences with fewer characters say little more than the name of the option."""

SET_BY_ROLES = {"requires", "transaction", "state"}
"""Options of the module verify that the roles set themselves."""


@dataclass(frozen=True)
class Source:
    """Where the sub-options of a variable come from."""

    specification: Mapping[str, Any]
    """Names, types, defaults, choices and constraints, as arguments of AnsibleModule."""
    documentation: Mapping[str, Any] = field(default_factory=dict)
    """The documented options of the module."""
    module: str = ""
    """The name of the module."""
    documented_as: str = ""
    """How the documentation of the module refers to the sub-options: ``policies[].``."""


def module_documentation(name: str) -> dict[str, Any]:
    """The documented options of a module, without those of its fragments."""
    tree = ast.parse((ROOT / f"plugins/modules/{name}.py").read_text(encoding="utf-8"))
    assignments = [node for node in tree.body if isinstance(node, ast.Assign)]
    texts = [node.value for node in assignments if ast.unparse(node.targets[0]) == "DOCUMENTATION"]
    options: dict[str, Any] = yaml.safe_load(ast.literal_eval(texts[0]))["options"]
    return options


@functools.cache
def sources() -> dict[str, Source]:
    """The sources of sub-options, by the name of the variable without the name of the role."""
    parts = CONFIGURATION["parts"]
    policy = parts["tls_policy"]["argument_spec"]["policies"]
    policies = {"argument_spec": policy["options"], **{key: policy[key] for key in CONSTRAINTS if key in policy}}
    tls_policy = module_documentation("tls_policy")
    # Without policies the table is not managed.
    optional_policies = {**parts["tls_policy"]["argument_spec"], "policies": {**policy, "required": False}}
    table = {
        **module_documentation("lookup_table"),
        "parameter": {"description": "The parameter of main.cf that the role sets to refer to the table."},
    }
    checks = {
        name: {"type": "str", "choices": ["error"] if name in finding.FATAL else list(finding.SEVERITIES)}
        for name in finding.CHECKS
    }
    found = {name: {"description": f"{text[:1].upper()}{text[1:]}."} for name, text in finding.CHECKS.items()}
    files = module_documentation("configuration")["files"]
    services = module_documentation("master_cf")["services"]
    verify = {name: option for name, option in VERIFY.items() if name not in SET_BY_ROLES}
    return {
        "certificates": Source(parts["certificates"], module_documentation("certificate"), "certificate"),
        "ca_bundle": Source(parts["ca_bundle"], module_documentation("ca_bundle"), "ca_bundle"),
        "lookup_tables": Source(parts["lookup_tables"], table, "lookup_table"),
        "tls_policies": Source(policies, tls_policy["policies"]["suboptions"], "tls_policy", "policies[]."),
        "tls_policy": Source({"argument_spec": optional_policies}, tls_policy, "tls_policy"),
        "files": Source(parts["files"], files["suboptions"], "configuration", "files[]."),
        "master_cf": Source(parts["master_cf"], services["suboptions"], "master_cf", "services[]."),
        "checks": Source({"argument_spec": checks}, found),
        "verify": Source({"argument_spec": verify}, module_documentation("verify"), "verify"),
    }


OWN = {"letsencrypt_certificates"}
"""Variables with the name of one of the sources, but sub-options of their own."""

FREE = {"main_cf"}
"""Variables, without the name of the role, whose keys are those of Postfix."""


# Argument specs


def summary(description: str | list[str]) -> str:
    """The first sentence of a description, or the first two if the first one is short."""
    text = description if isinstance(description, str) else description[0]
    first, *others = re.split(r"(?<=[.])\s+(?=[A-Z])", text.strip())
    return " ".join([first, *others[:1]]) if len(first) < SHORT else first


def rewritten(text: str, source: Source, variable: str) -> str:
    """A text of a module in which references to its options are references to sub-options of a variable."""

    def reference(match: re.Match[str]) -> str:
        return f"O({variable}{match[1].removeprefix(source.documented_as)}"

    text = re.sub(r"\bO\(((?![\w.]+#)[^)=]+)", reference, text)
    return re.sub(r"\bRV\((?![\w.]+#)", f"RV(mailops.postfix.{source.module}#module:", text)


def suboptions(source: Source, variable: str) -> dict[str, Any]:
    """The keys ``options``, ``required_if`` and the like of a variable.

    :param variable: how the documentation refers to one of its sub-options, without its name: ``mta_relay_certificates[].``.
    """
    options = {}
    for name, specification in source.specification["argument_spec"].items():
        documented = source.documentation[name]
        text = rewritten(summary(documented["description"]), source, variable)
        option = {"description": text, "type": specification.get("type", "str")}
        option.update((key, specification[key]) for key in ("elements", "choices", "default") if key in specification)
        if specification.get("required"):
            option["required"] = True
        if specification.get("no_log"):
            option["no_log"] = True
        if "options" in specification:
            nested = {"argument_spec": specification["options"], **specification}
            option.update(
                suboptions(replace(source, specification=nested, documentation=documented["suboptions"]), variable)
            )
        options[name] = option
    return {
        **{key: source.specification[key] for key in CONSTRAINTS if key in source.specification},
        "options": options,
    }


def block(value: Mapping[str, Any], indent: int) -> Iterator[str]:
    """Lines of YAML in the style of the argument specs."""
    for key, item in value.items():
        if key == "options" or (isinstance(item, dict) and "description" in item):
            yield f"{' ' * indent}{key}:"
            yield from block(item, indent + 2)
        elif key == "description":
            # Not folded by yaml, which breaks lines only after their width.
            text = yaml.safe_dump({key: item}, width=10_000, allow_unicode=True).strip()
            yield from textwrap.wrap(
                text,
                WIDTH,
                initial_indent=" " * indent,
                subsequent_indent=" " * (indent + 2),
                break_long_words=False,
                break_on_hyphens=False,
            )
        else:
            text = yaml.safe_dump({key: item}, default_flow_style=True, width=10_000, allow_unicode=True).strip()
            yield " " * indent + text[1:-1].replace("'", '"')


def source_of(role: str, variable: str, every: Mapping[str, Source]) -> Source | None:
    """The source of a variable's sub-options; None if it has none, or sub-options of its own."""
    return None if variable in OWN else every.get(variable.removeprefix(f"{role}_"))


def argument_specs(role: str, text: str) -> str:
    """The text of a role's argument_specs.yml with the sub-options of its sources."""
    options = yaml.safe_load(text)["argument_specs"]["main"]["options"]
    every = sources()
    lines: list[str] = []
    variable, skips = "", False

    def end() -> None:
        source = source_of(role, variable, every)
        if source is not None:
            prefix = f"{variable}[]." if options[variable]["type"] == "list" else f"{variable}."
            lines.extend(block(suboptions(source, prefix), 8))

    for line in text.splitlines():
        start = re.fullmatch(r" {6}(\w+):", line)
        if start:
            end()
            variable, skips = start[1], False
        elif re.match(r" {8}\S", line):
            key = line.strip().split(":")[0]
            skips = source_of(role, variable, every) is not None and key in ("options", *CONSTRAINTS)
        if not skips:
            lines.append(line)
    end()
    return "\n".join(lines) + "\n"


# READMEs


def markdown(text: str) -> str:
    """A description with semantic markup as Markdown."""

    def plugin(match: re.Match[str]) -> str:
        kind, full_name = match[1], match[2]
        name, _hash, of = full_name.partition("#")
        return f"the {'module' if kind == 'M' else of} `{name.removeprefix('mailops.postfix.')}`"

    def option(match: re.Match[str]) -> str:
        plugin_name, colon, name = match[1].rpartition(":")
        if "#" not in plugin_name:
            return f"`{match[1]}`"
        name_of_plugin, _hash, kind = plugin_name.partition("#")
        return f"`{name}` of the {kind} `{name_of_plugin.removeprefix('mailops.postfix.')}`"

    text = re.sub(r"\b(?:O|RV)\(([^)]*)\)", option, text)
    text = re.sub(r"\b(?:C|V)\(([^)]*)\)", r"`\1`", text)
    text = re.sub(r"\b(M|P)\(([^)]*)\)", plugin, text)
    return text.replace("|", "\\|")


def type_name(option: Mapping[str, Any]) -> str:
    """The type of a variable in words."""
    words = {"str": "string", "dict": "dictionary", "bool": "boolean", "int": "integer", "raw": "any"}
    name = words.get(option["type"], option["type"])
    if option["type"] != "list":
        return name
    plurals = {"dict": "dictionaries", "str": "strings", "path": "paths"}
    return f"list of {plurals[option['elements']]}"


def default_of(option: Mapping[str, Any]) -> str:
    """The default of a variable as Markdown; empty if it is not set by default."""
    if option.get("required"):
        return "required"
    if option.get("default") is None:
        return ""
    value = option["default"]
    text = (
        value if isinstance(value, str) else yaml.safe_dump(value, default_flow_style=True, width=1000).split("\n")[0]
    )
    return "`" + text.replace("'{{", '"{{').replace("}}'", '}}"').replace("|", "\\|") + "`"


def table(options: Mapping[str, Any]) -> Iterator[str]:
    """The lines of the table of variables."""
    yield "| Variable | Type | Default | Description |"
    yield "|---|---|---|---|"
    for name, option in options.items():
        description = option["description"]
        text = markdown(description if isinstance(description, str) else description[0])
        if "choices" in option:
            text += " Choices: " + ", ".join(f"`{choice}`" for choice in option["choices"]) + "."
        yield f"| `{name}` | {type_name(option)} | {default_of(option)} | {text} |"


def readme(role: str, text: str, specs: str) -> str:
    """The text of a role's README.md with the table of its variables.

    :param specs: the text of its argument_specs.yml.
    """
    options = yaml.safe_load(specs)["argument_specs"]["main"]["options"]
    section = [
        "## Variables",
        "",
        f"`ansible-doc -t role mailops.postfix.{role}` shows them with all details, and the keys of dictionaries.",
        "",
        *table(options),
        "",
    ]
    pattern = re.compile(r"^## Variables\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"the README of the role {role} has no section Variables")
    return pattern.sub(lambda _match: "\n".join([*section, ""]), text, count=1).rstrip("\n") + "\n"


def documents(roles: Iterable[str] = ROLES) -> Iterator[tuple[Path, str]]:
    """The files of the roles, each with the text that it must have."""
    for role in roles:
        path = ROOT / "roles" / role
        specs = argument_specs(role, (path / "meta/argument_specs.yml").read_text(encoding="utf-8"))
        yield path / "meta/argument_specs.yml", specs
        yield path / "README.md", readme(role, (path / "README.md").read_text(encoding="utf-8"), specs)


def main() -> None:
    """Write the files that differ."""
    for path, text in documents():
        if path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"roles: wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
