# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules of the house that no official tool checks.

Each rule is a function from a piece of the collection to a list of what is wrong with it. The first part of the file
defines them, the second asks them about this collection, the third shows each of them a piece that breaks it.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any, Iterable, Iterator

import pytest
import yaml
from ansible.playbook.block import Block
from ansible.playbook.handler import Handler
from ansible.playbook.play import Play

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted((ROOT / "plugins/modules").glob("[!_]*.py"))
FILTERS = sorted((ROOT / "plugins/filter").glob("[!_]*.py"))
ACTIONS = sorted((ROOT / "plugins/action").glob("[!_]*.py"))
UTILS = sorted((ROOT / "plugins/module_utils").glob("*.py"))
ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())
UNIT_TESTS = sorted((ROOT / "tests/unit").rglob("test_*.py"))

# What may touch the host, or Ansible; every other file in module_utils is pure.
READS_THE_HOST = "_instance"
WRITES_THE_HOST = ("_transaction", "_rollback", "_lock")
OPENS_CONNECTIONS = ("_smtp_connection", "_dns_session")
SPEAKS_SMTP = ("_smtp_session", "_smtp_question")
ASKS_OUTSIDE = "_outside"
READS_PEM_FILES = "_pem_files"
PROVES = ("_proof", "_service")
DEPLOYS = "_deployment"
KNOWS_ANSIBLE = "_module"
PLANS = re.compile(r"_plan_\w+")
IMPURE = (
    READS_THE_HOST,
    *WRITES_THE_HOST,
    *OPENS_CONNECTIONS,
    *SPEAKS_SMTP,
    ASKS_OUTSIDE,
    READS_PEM_FILES,
    *PROVES,
    DEPLOYS,
    KNOWS_ANSIBLE,
)

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
    """What the documentation of a plugin lacks."""
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
    """Actions that are not named in full."""
    return [action for action in actions(examples) if action.count(".") < 2]


def unprefixed_filters(text: str, filters: Iterable[str]) -> list[str]:
    """Filters of this collection that are used by their short name."""
    return [name for name in filters if re.search(rf"\|\s*{name}\b", text)]


def role_problems(role: str, specs: Any, defaults: Any) -> list[str]:
    """Differences between a role's argument specs and its defaults, and names that do not bear the role's name."""
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


def broken_walls(name: str, source: str) -> list[str]:
    """Imports by which a file of module_utils reaches through a wall."""
    walls = []
    for target in sorted(imported(source)):
        package = target.split(".")[0]
        parts = {part for part in target.split(".") if part.startswith("_")}
        if package == "ansible" and name != KNOWS_ANSIBLE:
            walls.append(f"{target}: only {KNOWS_ANSIBLE} knows Ansible")
        if "plugins.modules" in target:
            walls.append(f"{target}: nothing imports a module")
        if name in IMPURE or PLANS.fullmatch(name):
            continue
        if any(part in IMPURE or PLANS.fullmatch(part) for part in parts):
            walls.append(f"{target}: {name} is pure")
    if name != READS_THE_HOST and RUNS_PROGRAMS.search(source):
        walls.append(f"runs programs: only {READS_THE_HOST} does")
    # A plan may hold a function that makes a file with a program; it works at the temporary path that it is given.
    if name not in WRITES_THE_HOST and not PLANS.fullmatch(name) and CHANGES_FILES.search(source):
        walls.append(f"changes files: only {', '.join(WRITES_THE_HOST)} do")
    if name not in OPENS_CONNECTIONS and CONNECTS.search(source):
        walls.append(f"opens connections: only {', '.join(OPENS_CONNECTIONS)} do")
    return walls


def module_problems(source: str) -> list[str]:
    """What a module must leave to module_utils."""
    problems = [f"imports {name}" for name in sorted(imported(source)) if "plugins.modules" in name]
    if RUNS_PROGRAMS.search(source):
        problems.append("runs programs")
    return problems


def edits_lines(text: str) -> list[str]:
    """Lines of a role that edit Postfix's files behind the modules' back."""
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if EDITS_LINES.search(line) and not line.startswith("#")]


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else None


# This collection


def names(paths: Iterable[Path]) -> list[str]:
    return [path.stem for path in paths]


def test_there_is_something_to_look_at():
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
def test_module_leaves_the_work_to_module_utils(path):
    assert module_problems(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", UTILS, ids=names(UTILS))
def test_walls_stand(path):
    assert broken_walls(path.stem, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", UTILS, ids=names(UTILS))
def test_module_utils_are_private(path):
    assert path.stem.startswith("_")
    assert "Private to mailops.postfix" in (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "")


@pytest.mark.parametrize(
    "path", [*MODULES, *ACTIONS, *FILTERS, *UTILS], ids=lambda path: f"{path.parent.name}.{path.stem}"
)
def test_file_has_a_unit_test(path):
    wanted = f"plugins.{path.parent.name}.{path.stem}"
    for test in UNIT_TESTS:
        if any(f"{name}.".find(f"{wanted}.") >= 0 for name in imported(test.read_text(encoding="utf-8"))):
            return
    pytest.fail(f"no file in tests/unit imports {wanted}")


@pytest.mark.parametrize("role", ROLES, ids=names(ROLES))
def test_role_is_specified(role):
    assert role_problems(role.name, load(role / "meta/argument_specs.yml"), load(role / "defaults/main.yml")) == []


@pytest.mark.parametrize("role", ROLES, ids=names(ROLES))
def test_role_leaves_editing_to_the_modules(role):
    files = [path for path in role.rglob("*") if path.is_file()]
    assert [(path.name, line) for path in files for line in edits_lines(path.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize(
    "path",
    sorted([*(ROOT / "roles").rglob("*.yml"), *(ROOT / "playbooks").rglob("*.yml")]),
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_filters_bear_their_full_names(path):
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


# The rules themselves: each sees what it is for

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


PRIVATE = "from ansible_collections.mailops.postfix.plugins.module_utils"


@pytest.mark.parametrize(
    ("name", "source", "walls"),
    [
        ("_main_cf", f"import re\n{PRIVATE}._errors import GrammarError", 0),
        ("_main_cf", "from ansible.module_utils.basic import AnsibleModule", 1),
        ("_main_cf", "import ansible", 1),
        ("_main_cf", f"{PRIVATE}._instance import Instance", 1),
        ("_main_cf", f"{PRIVATE} import _instance", 1),
        ("_main_cf", f"{PRIVATE}._transaction import Plan", 1),
        ("_checks", f"{PRIVATE}._plan_lookup_table import lookup_table", 1),
        ("_main_cf", "import subprocess", 1),
        ("_main_cf", "import os\nos.system('postconf')", 1),
        ("_instance", "import subprocess", 0),
        ("_lookup_table", "import os\nos.chmod('x', 0o600)", 1),
        ("_plan_lookup_table", "import os\nos.chmod('x', 0o600)", 0),
        ("_transaction", "import os\nos.rename('x', 'y')", 0),
        ("_rollback", "import os\nos.rename('x', 'y')", 0),
        ("_proof", "import os\nos.rename('x', 'y')", 1),
        ("_main_cf", f"{PRIVATE} import _rollback", 1),
        ("_proof", "import socket\nsocket.create_connection(('localhost', 25))", 1),
        ("_smtp_connection", "import socket\nsocket.create_connection(('localhost', 25))", 0),
        ("_dns_session", "import socket\nsocket.create_connection(('localhost', 53))", 0),
        ("_checks_dane", f"{PRIVATE} import _dns_session", 1),
        ("_transaction", f"import subprocess\n{PRIVATE}._instance import Instance", 1),
        ("_plan_lookup_table", f"{PRIVATE}._instance import Instance\n{PRIVATE}._transaction import Plan", 0),
        ("_plan_lookup_table", "from ansible.module_utils.basic import AnsibleModule", 1),
        ("_module", "from ansible.module_utils.basic import AnsibleModule", 0),
        ("_module", "from ansible_collections.mailops.postfix.plugins.modules.main_cf import main", 1),
    ],
)
def test_broken_walls(name, source, walls):
    assert len(broken_walls(name, source)) == walls


@pytest.mark.parametrize(
    ("source", "problems"),
    [
        (f"{PRIVATE}._module import run", []),
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
