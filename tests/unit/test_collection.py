# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules of this collection that no official tool checks.

Each rule is a function that returns the faults of a file or text. The first part of this file defines the rules, the second applies them
to the collection, and the third tests each rule with texts that break it.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path
from typing import Any, Iterable, Iterator, Mapping

import pytest
import yaml
from ansible.playbook.block import Block
from ansible.playbook.handler import Handler
from ansible.playbook.play import Play

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted((ROOT / "plugins/modules").glob("[!_]*.py"))
FILTERS = sorted((ROOT / "plugins/filter").glob("[!_]*.py"))
ACTIONS = sorted((ROOT / "plugins/action").glob("[!_]*.py"))
MODULE_UTILS = ROOT / "plugins/module_utils"
UTILS = sorted(MODULE_UTILS.rglob("*.py"))
PLUGIN_UTILS = sorted((ROOT / "plugins/plugin_utils").glob("*.py"))
ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())
UNIT_TESTS = sorted((ROOT / "tests/unit").rglob("test_*.py"))

# The layering rules: the packages that the files of each package of module_utils may import, besides their own package and _errors.
FORMATS, X509, MODEL, CHECKS, HOST = "_formats", "_x509", "_model", "_checks", "_host"
PLAN, TRANSACTION, SMTP, VERIFY, PROGRAM = "_plan", "_transaction", "_smtp", "_verify", "_program"
ERRORS, ANSIBLE = "_errors", "_ansible"
ALLOWED = {
    ERRORS: set(),
    FORMATS: set(),
    X509: {FORMATS},
    MODEL: {FORMATS},
    CHECKS: {FORMATS, MODEL, X509},
    HOST: {FORMATS, MODEL, X509},
    PLAN: {FORMATS, MODEL, X509, CHECKS, HOST},
    TRANSACTION: {FORMATS, HOST, "_plan.plan"},
    SMTP: {FORMATS, X509, "_host.runner", "_host.openssl"},
    VERIFY: {FORMATS, MODEL, X509, CHECKS, HOST, PLAN, TRANSACTION, SMTP},
    PROGRAM: {FORMATS, MODEL, X509, CHECKS, HOST, PLAN, TRANSACTION, SMTP, VERIFY},
    ANSIBLE: {FORMATS, MODEL, X509, CHECKS, HOST, PLAN, TRANSACTION, SMTP, VERIFY, PROGRAM},
}
PURE = {ERRORS, FORMATS, MODEL, CHECKS}
IMPURE_IMPORTS = {
    *("os", "socket", "subprocess", "glob", "pwd", "grp", "tempfile", "time"),
    *("fcntl", "io", "pathlib", "shutil", "signal", "threading", "urllib"),
}
MAY_RUN_PROGRAMS = {"_host.runner"}
MAY_CONNECT = {"_host.cleanup", "_smtp.connection", "_host.dns"}
# A plan may contain a function that creates a file with a program, at the temporary path that it is given.
# _host.postmap is what such functions call for a table. _host.probe_report removes what bounce(8) leaves of a probe.
MAY_CHANGE_FILES = {TRANSACTION, PLAN, "_host.postmap", "_host.probe_report"}

# Public names that several files define, with the reason why they mean one thing.
SHARED_NAMES = {
    "main": "of _program: the command line, and that of the verb deploy",
}

KEYWORDS = {*Handler.fattributes, *Block.fattributes, *Play.fattributes, "local_action"}
RUNS_PROGRAMS = re.compile(r"\b(subprocess|run_command|Popen|os\.(system|popen|exec\w*|spawn\w*|posix_spawn\w*))\b")
CHANGES_FILES = re.compile(r"\bos\.(rename|replace|remove|unlink|link|symlink|mkdir|makedirs|rmdir|chmod|chown)\b")
CONNECTS = re.compile(r"\b(create_connection|smtplib|SMTP_SSL|wrap_socket)\b|\.(connect|sendto)\(")
EDITS_LINES = re.compile(r"\b(lineinfile|blockinfile)\b|\bansible\.builtin\.replace\b|\bpostconf\b[^\n]*\s-\w*[eXMFP#]")


# The rules


def imported(source: str) -> set[str]:
    """The dotted names that a Python file imports, as in ``ansible.module_utils.basic.AnsibleModule``."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.update(f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)
    return names


def public_names(source: str) -> set[str]:
    """The public functions and classes of a Python file."""
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return {n.name for n in ast.parse(source).body if isinstance(n, definitions) and not n.name.startswith("_")}


def repeated_names(sources: Mapping[str, str]) -> set[str]:
    """The public names that more than one of the files, given by path, define."""
    counts = Counter(name for source in sources.values() for name in public_names(source))
    return {name for name, count in counts.items() if count > 1}


def documentation(source: str) -> dict[str, Any]:
    """DOCUMENTATION, EXAMPLES and RETURN of a plugin, parsed."""
    texts = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id in ("DOCUMENTATION", "EXAMPLES", "RETURN")
    }
    return {name: yaml.safe_load(text) for name, text in texts.items()}


def undocumented(source: str) -> list[str]:
    """The parts that the documentation of a plugin lacks."""
    found = documentation(source)
    missing = [name for name in ("DOCUMENTATION", "EXAMPLES", "RETURN") if not found.get(name)]
    described = found.get("DOCUMENTATION") or {}
    missing += [key for key in ("version_added", "short_description", "author") if key not in described]
    missing += [
        f"sample of {name}"
        for name, value in (found.get("RETURN") or {}).items()
        if "sample" not in value and "contains" not in value
    ]
    return missing


def actions(tasks: Iterable[Any]) -> Iterator[str]:
    """The names of the actions in a list of tasks, plays and blocks."""
    for task in tasks:
        for key, value in task.items():
            if key in ("tasks", "pre_tasks", "post_tasks", "handlers", "block", "rescue", "always"):
                yield from actions(value or [])
            elif key not in KEYWORDS and not key.startswith("with_"):
                yield key


def short_names(examples: Iterable[Any]) -> list[str]:
    """Actions without their full name."""
    return [action for action in actions(examples) if action.count(".") < 2]


def unprefixed_filters(text: str, filters: Iterable[str]) -> list[str]:
    """Filters of this collection that a text uses by their short names."""
    return [name for name in filters if re.search(rf"\|\s*{name}\b", text)]


def role_problems(role: str, specs: Any, defaults: Any) -> list[str]:
    """Differences between a role's argument specs and its defaults, and variables without the role's name as prefix."""
    entry_points = (specs or {}).get("argument_specs") or {}
    if "main" not in entry_points:
        return ["no argument_specs for main"]
    options = {name: option for entry in entry_points.values() for name, option in (entry.get("options") or {}).items()}
    defaults = defaults or {}
    problems = []
    for name in sorted({*options, *defaults}):
        if not name.startswith(f"{role}_"):
            problems.append(f"{name} does not start with {role}_")
        option = options.get(name)
        if option is None:
            problems.append(f"{name} has a default and no specification")
        elif option.get("required"):
            if name in defaults:
                problems.append(f"{name} is required and has a default")
        elif name not in defaults:
            problems.append(f"{name} is not among the defaults")
        elif option.get("default") != defaults[name]:
            problems.append(f"{name} has two defaults: {option.get('default')!r} and {defaults[name]!r}")
        if option is not None and not option.get("description"):
            problems.append(f"{name} has no description")
    return problems


def module_of(path: Path) -> str:
    """The dotted name of a file of module_utils, without its suffix: ``_formats.main_cf``."""
    return ".".join(path.relative_to(MODULE_UTILS).with_suffix("").parts)


def imported_utils(module: str, source: str) -> set[str]:
    """The dotted names of the files of module_utils that one of them imports, at any place of its source."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        base = module.split(".")[: -node.level]
        target = [*base, *(node.module.split(".") if node.module else [])]
        for alias in node.names:
            # "from . import x" and "from .._host import x" import a file, "from .x import y" a name of a file.
            full_name = [*target, alias.name]
            names_a_file = len(target) < 2 and full_name[0] not in (ERRORS, ANSIBLE)
            found.add(".".join(full_name if names_a_file else target[:2]))
    return found


def layering_faults(module: str, source: str) -> list[str]:
    """Why a file of module_utils breaks the layering rules.

    :param module: its dotted name.
    """
    package = module.split(".")[0]
    if package not in ALLOWED:
        return [f"{package} is not a package of the architecture"]
    if module.count(".") != (0 if package in (ERRORS, ANSIBLE) else 1):
        return [f"{module}: a file is in one of the packages, not deeper and not beside them"]
    faults = []
    for target in sorted(imported_utils(module, source)):
        other = target.split(".")[0]
        if other not in (package, ERRORS) and not {other, target} & ALLOWED[package]:
            faults.append(f"imports {target}: {package} may import {', '.join(sorted(ALLOWED[package])) or 'nothing'}")
    for name in sorted(imported(source)):
        top = name.split(".")[0]
        if top == "ansible" and package != ANSIBLE:
            faults.append(f"imports {name}: only {ANSIBLE} may import Ansible")
        if top == "ansible_collections":
            faults.append(f"imports {name}: imports inside the collection are relative")
        if package in PURE and top in IMPURE_IMPORTS:
            faults.append(f"imports {name}: {package} is pure")
        if name == "typing.TYPE_CHECKING":
            faults.append("hides an import behind TYPE_CHECKING")
    if module not in MAY_RUN_PROGRAMS and RUNS_PROGRAMS.search(source):
        faults.append(f"runs programs: only {', '.join(MAY_RUN_PROGRAMS)} may")
    if not {package, module} & MAY_CHANGE_FILES and CHANGES_FILES.search(source):
        faults.append(f"changes files: only {', '.join(sorted(MAY_CHANGE_FILES))} may")
    if module not in MAY_CONNECT and CONNECTS.search(source):
        faults.append(f"opens connections: only {', '.join(sorted(MAY_CONNECT))} may")
    return faults


def import_cycle(imports: Mapping[str, set[str]]) -> list[str]:
    """The files of an import cycle; empty if there is none.

    :param imports: for each file the files that it imports.
    """
    finished: set[str] = set()

    def search(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module not in finished:
            for other in sorted(imports.get(module, set())):
                cycle = search(other, [*path, module])
                if cycle:
                    return cycle
            finished.add(module)
        return []

    return next((cycle for cycle in (search(module, []) for module in sorted(imports)) if cycle), [])


def module_problems(source: str) -> list[str]:
    """Imports and calls of a module that only module_utils may have."""
    problems = [f"imports {name}" for name in sorted(imported(source)) if "plugins.modules" in name]
    if RUNS_PROGRAMS.search(source):
        problems.append("runs programs")
    return problems


def edits_lines(text: str) -> list[str]:
    """Lines of a role that edit Postfix's files without the modules of this collection."""
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if EDITS_LINES.search(line) and not line.startswith("#")]


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else None


# This collection


def names(paths: Iterable[Path]) -> list[str]:
    return [path.stem for path in paths]


def test_files_are_found():
    assert MODULES and FILTERS and UTILS and ROLES


def test_every_module_is_in_the_action_group():
    assert load(ROOT / "meta/runtime.yml")["action_groups"]["postfix"] == names(MODULES)


def test_every_action_belongs_to_a_module():
    assert set(names(ACTIONS)) <= set(names(MODULES))


@pytest.mark.parametrize("path", [*MODULES, *FILTERS], ids=names([*MODULES, *FILTERS]))
def test_plugin_is_documented(path):
    assert undocumented(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", [*MODULES, *FILTERS], ids=names([*MODULES, *FILTERS]))
def test_examples_use_full_names(path):
    source = path.read_text(encoding="utf-8")
    assert short_names(documentation(source)["EXAMPLES"]) == []
    assert unprefixed_filters(source, names(FILTERS)) == []


@pytest.mark.parametrize("path", MODULES, ids=names(MODULES))
def test_modules_only_call_module_utils(path):
    assert module_problems(path.read_text(encoding="utf-8")) == []


def test_packages_are_those_of_the_architecture():
    found = {path.name for path in MODULE_UTILS.iterdir() if path.name != "__pycache__"}
    assert {name.removesuffix(".py") for name in found} == set(ALLOWED)


@pytest.mark.parametrize("path", UTILS, ids=map(module_of, UTILS))
def test_layering(path):
    assert layering_faults(module_of(path), path.read_text(encoding="utf-8")) == []


def test_no_import_cycles():
    assert (
        import_cycle({module_of(p): imported_utils(module_of(p), p.read_text(encoding="utf-8")) for p in UTILS}) == []
    )


def test_public_names_are_unique():
    assert repeated_names({path.as_posix(): path.read_text(encoding="utf-8") for path in UTILS}) == set(SHARED_NAMES)


@pytest.mark.parametrize(
    "path", [*MODULES, *ACTIONS, *FILTERS, *PLUGIN_UTILS], ids=lambda path: f"{path.parent.name}.{path.stem}"
)
def test_imports_inside_the_collection_are_relative(path):
    assert [name for name in imported(path.read_text(encoding="utf-8")) if name.startswith("ansible_collections")] == []


@pytest.mark.parametrize("path", UTILS, ids=map(module_of, UTILS))
def test_module_utils_are_private(path):
    assert module_of(path).startswith("_") and path.stem != "__init__"
    assert "Private to mailops.postfix" in (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "")


@pytest.mark.parametrize(
    "path",
    [*MODULES, *ACTIONS, *FILTERS, *UTILS, *PLUGIN_UTILS],
    ids=lambda path: path.relative_to(ROOT / "plugins").with_suffix("").as_posix(),
)
def test_file_has_a_unit_test(path):
    wanted = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for test in UNIT_TESTS:
        if any(f"{name}.".find(f"{wanted}.") >= 0 for name in imported(test.read_text(encoding="utf-8"))):
            return
    pytest.fail(f"no file in tests/unit imports {wanted}")


@pytest.mark.parametrize("role", ROLES, ids=names(ROLES))
def test_role_is_specified(role):
    assert role_problems(role.name, load(role / "meta/argument_specs.yml"), load(role / "defaults/main.yml")) == []


@pytest.mark.parametrize("role", ROLES, ids=names(ROLES))
def test_roles_edit_with_modules(role):
    files = [path for path in role.rglob("*") if path.is_file()]
    assert [(path.name, line) for path in files for line in edits_lines(path.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize(
    "path",
    sorted([*(ROOT / "roles").rglob("*.yml"), *(ROOT / "playbooks").rglob("*.yml")]),
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_filters_have_full_names(path):
    assert unprefixed_filters(path.read_text(encoding="utf-8"), names(FILTERS)) == []


@pytest.mark.parametrize("path", sorted((ROOT / "plugins").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_python_file_has_its_header(path):
    source = path.read_text(encoding="utf-8")
    assert "Copyright: (c) 2026, mailops.postfix contributors\n# GNU General Public License v3.0+" in source
    assert "# SPDX-License-Identifier: GPL-3.0-or-later\n" in source
    assert "from __future__ import annotations\n" in source


@pytest.mark.parametrize("name", [*names(MODULES), *names(FILTERS), *names(ROLES)])
def test_readme_names_it(name):
    assert f"`{name}`" in (ROOT / "README.md").read_text(encoding="utf-8")


# Tests of the rules

DOCUMENTED = '''
DOCUMENTATION = """
version_added: 0.1.0
short_description: x
author: x
"""
EXAMPLES = "- mailops.postfix.main_cf: {}"
RETURN = "x: {sample: 1}"
'''


@pytest.mark.parametrize(
    ("before", "after", "missing"),
    [
        ("", "", []),
        ("RETURN", "OTHER", ["RETURN"]),
        ("EXAMPLES", "OTHER", ["EXAMPLES"]),
        ("version_added: 0.1.0", "", ["version_added"]),
        ("author: x", "", ["author"]),
        ("sample: 1", "type: str", ["sample of x"]),
    ],
)
def test_undocumented(before, after, missing):
    assert undocumented(DOCUMENTED.replace(before, after) if before else DOCUMENTED) == missing


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("- mailops.postfix.main_cf: {}\n  when: true\n  register: x\n  notify: y", []),
        ("- main_cf: {}", ["main_cf"]),
        ("- name: x\n  debug:\n    msg: x", ["debug"]),
        ("- block:\n    - copy: {}\n  rescue:\n    - ansible.builtin.copy: {}", ["copy"]),
        ("- hosts: all\n  roles: [x]\n  tasks:\n    - postfix.main_cf: {}", ["postfix.main_cf"]),
        ("- hosts: all\n  handlers:\n    - service: {}", ["service"]),
        ("- ansible.builtin.command: x\n  with_items: [1]\n  loop: []", []),
    ],
)
def test_short_names(text, found):
    assert short_names(yaml.safe_load(text)) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{{ x | mailops.postfix.from_main_cf }}", []),
        ("{{ x | from_main_cf }}", ["from_main_cf"]),
        ("{{ x |from_main_cf('y') }}", ["from_main_cf"]),
        ("from_main_cf", []),
    ],
)
def test_unprefixed_filters(text, found):
    assert unprefixed_filters(text, ["from_main_cf"]) == found


def spec(**options):
    return {"argument_specs": {"main": {"options": {n: {"description": "x", **o} for n, o in options.items()}}}}


@pytest.mark.parametrize(
    ("specs", "defaults", "problem"),
    [
        (spec(hub_a={"default": 1}, hub_b={"required": True}, hub_c={}), {"hub_a": 1, "hub_c": None}, None),
        (None, {"hub_a": 1}, "no argument_specs"),
        ({"argument_specs": {"other": {}}}, {}, "no argument_specs"),
        (spec(hub_a={"default": 1}), {"hub_a": 2}, "two defaults: 1 and 2"),
        (spec(hub_a={}), {"hub_a": 1}, "two defaults: None and 1"),
        (spec(hub_a={"default": 1}), {"hub_a": None}, "two defaults: 1 and None"),
        (spec(hub_a={}), {}, "not among the defaults"),
        (spec(), {"hub_a": 1}, "no specification"),
        (spec(tls={"default": 1}), {"tls": 1}, "does not start with hub_"),
        (spec(hub_a={"default": 1, "description": ""}), {"hub_a": 1}, "no description"),
        (spec(hub_a={"required": True}), {"hub_a": 1}, "is required and has a default"),
    ],
)
def test_role_problems(specs, defaults, problem):
    problems = role_problems("hub", specs, defaults)
    assert len(problems) == (0 if problem is None else 1)
    assert all(problem in text for text in problems)


@pytest.mark.parametrize(
    ("module", "source", "faults"),
    [
        ("_formats.main_cf", "import re\nfrom .._errors import GrammarError\nfrom .lines import to_text", 0),
        ("_formats.main_cf", "from . import lines", 0),
        ("_formats.main_cf", "from .._host.instance import Instance", 1),
        ("_formats.main_cf", "from .._host import instance", 1),
        ("_formats.main_cf", "def f():\n    from .._model import parameters", 1),
        ("_formats.main_cf", "from .. import _ansible", 1),
        ("_formats.main_cf", "import os", 1),
        ("_formats.main_cf", "from os import path", 1),
        ("_formats.main_cf", "import posixpath", 0),
        ("_checks.tls", "def f():\n    import socket", 1),
        ("_checks.tls", "from .._model.finding import Finding\nfrom .._x509 import pem", 0),
        ("_checks.tls", "from .._host.system import Host", 1),
        ("_model.finding", "from .._checks import tls", 1),
        ("_x509.pem", "import os", 0),
        ("_x509.pem", "from .._model import finding", 1),
        ("_host.instance", "from .._plan.plan import Plan", 1),
        ("_host.runner", "import subprocess", 0),
        ("_host.instance", "import subprocess\nsubprocess.run([])", 1),
        ("_plan.judge", "from typing import TYPE_CHECKING", 1),
        ("_plan.judge", "from .._transaction.apply import apply", 1),
        ("_plan.certificate", "from .._program import install", 1),
        ("_plan.lookup_table", "import os\nos.chmod('x', 0o600)", 0),
        ("_transaction.apply", "from .._plan.plan import Plan\nimport os\nos.rename('x', 'y')", 0),
        ("_transaction.apply", "from .._plan import plan", 0),
        ("_transaction.apply", "from .._plan import judge", 1),
        ("_transaction.apply", "from .._plan.judge import judge_values", 1),
        ("_smtp.probe", "from .._host.runner import Runner", 0),
        ("_smtp.probe", "from .._host import instance", 1),
        ("_smtp.connection", "import socket\nsocket.create_connection(('localhost', 25))", 0),
        ("_host.dns", "import socket\nsocket.create_connection(('localhost', 53))", 0),
        ("_verify.verify", "import socket\nsocket.create_connection(('localhost', 25))", 1),
        ("_verify.verify", "import os\nos.rename('x', 'y')", 1),
        ("_verify.verify", "from .._program import deploy", 1),
        ("_program.deploy", "from .._verify import verify", 0),
        ("_program.deploy", "from .._ansible import run", 1),
        ("_program.deploy", "from ansible.module_utils.basic import AnsibleModule", 1),
        ("_program.deploy", "import ansible", 1),
        ("_ansible", "from ansible.module_utils.basic import AnsibleModule\nfrom ._plan.plan import Plan", 0),
        ("_ansible", "from ansible_collections.mailops.postfix.plugins.modules.main_cf import main", 1),
        ("_formats.deeper.main_cf", "", 1),
        ("_formats", "", 1),
        ("main_cf", "", 1),
        ("_utils.main_cf", "", 1),
    ],
)
def test_layering_faults(module, source, faults):
    assert len(layering_faults(module, source)) == faults


def test_repeated_names():
    sources = {
        "a": "def one(): pass\nclass Two: pass\ndef _three(): pass",
        "b": "class one: pass\ndef _three(): pass",
        "c": "class Three:\n    def Two(self): pass",
    }
    assert repeated_names(sources) == {"one"}


@pytest.mark.parametrize(
    ("imports", "cycle"),
    [
        ({"a": {"b", "c"}, "b": {"c"}, "c": set()}, []),
        ({"a": {"b"}, "b": {"c"}, "c": {"a"}}, ["a", "b", "c", "a"]),
        ({"a": {"b"}, "b": {"b"}}, ["b", "b"]),
    ],
)
def test_import_cycle(imports, cycle):
    assert import_cycle(imports) == cycle


PRIVATE = "from ..module_utils"


@pytest.mark.parametrize(
    ("source", "problems"),
    [
        (f"{PRIVATE}._ansible import run", []),
        ("import subprocess", ["runs programs"]),
        ("module.run_command(['postconf'])", ["runs programs"]),
        (
            "from ansible_collections.mailops.postfix.plugins.modules.main_cf import main",
            ["imports ansible_collections.mailops.postfix.plugins.modules.main_cf.main"],
        ),
        (
            "from ansible_collections.mailops.postfix.plugins.modules import main_cf",
            ["imports ansible_collections.mailops.postfix.plugins.modules.main_cf"],
        ),
    ],
)
def test_module_problems(source, problems):
    assert module_problems(source) == problems


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("ansible.builtin.lineinfile:", True),
        ("  blockinfile:", True),
        ("ansible.builtin.replace:", True),
        ("ansible.builtin.command: postconf -e relayhost=x", True),
        ("cmd: /usr/sbin/postconf -c /etc/postfix -X relayhost", True),
        ("cmd: postconf -Me smtp/inet=x", True),
        ("cmd: postconf -P x", True),
        ("cmd: postconf -h mail_version", False),
        ("# never lineinfile", False),
        ("msg: \"{{ x | replace('a', 'b') }}\"", False),
    ],
)
def test_edits_lines(line, seen):
    assert bool(edits_lines(line)) is seen
