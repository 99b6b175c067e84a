# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""For any file and any edit, Postfix reads the declared values, postconf(1) writes the same ones, and nothing else changes.

A postconf(1) command takes 5 ms. Each generated file therefore consists of PARTS small files, one after the other, each with its own
names and its own edit. EXAMPLES counts these small files.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError, GrammarError
from ansible_collections.mailops.postfix.plugins.module_utils._formats import (
    main_cf,
    master_cf,
    master_cf_edit,
    master_cf_services,
    master_cf_spec,
)
from ansible_collections.mailops.postfix.plugins.module_utils._formats.lines import (
    is_skipped,
    physical_lines,
    to_bytes,
    to_text,
)
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._plan.plan import Change, Plan
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import apply
from hypothesis import event, given, settings
from hypothesis import strategies as st

CORPUS = Path(__file__).resolve().parents[2] / "corpus"
PARTS = 1 if os.environ.get("SHRINK") else 10
EXAMPLES = settings(
    settings.get_profile("editors"), max_examples=max(1, settings.get_profile("editors").max_examples // PARTS)
)


@pytest.fixture(scope="module")
def scratch():
    """A configuration directory in memory."""
    directory = tempfile.mkdtemp(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    yield Path(directory)
    shutil.rmtree(directory)


def check_transaction(directory, name, before, edit):
    """Check mode predicts what the real run does, and a second run changes nothing."""
    for file in ("main.cf", "master.cf"):
        (directory / file).write_bytes(before if file == name else b"")

    def build(instance):
        text = instance.read(name)
        return Plan([Change(instance.path(name), edit(text), text)])

    predicted, done, again = (
        apply.apply(build, lambda: Instance(str(directory)), check_mode=check_mode)
        for check_mode in (True, False, False)
    )
    assert (predicted.changed, predicted.diff) == (done.changed, done.diff)
    assert (directory / name).read_bytes() == edit(before)
    assert not again.changed


def without(text, owned):
    """The text without the lines of the edited settings, and without a newline at the end."""
    lines = physical_lines(text)
    for start, end in owned:
        for index in range(start, end):
            if not is_skipped(lines[index]):
                lines[index] = b""
    return re.sub(rb"\r?\n\Z", b"", b"".join(lines))


# main.cf

NAMES = ("mua_a", "mua_b", "mua_ab", "mua_c")
words = st.one_of(
    st.text(
        st.characters(codec="ascii", exclude_characters="\0\n\r\v\f$", categories=("L", "N", "P", "S", "Zs")),
        max_size=12,
    ),
    st.sampled_from(
        [
            "",
            "#x",
            "= y",
            "é",
            "\u00a0x\u00a0",
            "\x85",
            "a\vb",
            "x \f y",
            "$$",
            "$mail_name",
            "\udcff",
            "a  b\tc",
            "yes",
            "0",
        ]
    ),
)
blanks = st.sampled_from(["", " ", " ", "\t", "  ", " \v"])
breaks = st.sampled_from(["\n ", "\n\t", "\n# note\n  ", "\n\n   ", "\n  # note\n ", "\n \n# a\n#b = c\n\t", "\n\r\n "])


@st.composite
def settings_text(draw):
    """One setting, over any number of lines."""
    name, before, after = draw(st.sampled_from(NAMES)), draw(blanks), draw(blanks)
    if draw(st.integers(0, 15)) == 0:
        before = draw(breaks)
    value = draw(words)
    for _line in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        value += draw(breaks) + draw(
            words.filter(lambda text: text.strip(" \t\v\f") and not text.lstrip(" \t\v\f").startswith("#"))
        )
    return f"{name}{before}={after}{value}\n"


lines = st.one_of(
    settings_text(),
    settings_text(),
    st.sampled_from(["# comment\n", "\n", "  # indented comment\n", "#mua_a = 1\n", " \t\r\n"]),
)
values = st.one_of(st.none(), words, st.lists(words, min_size=2, max_size=3).map("\n".join))


@st.composite
def main_cf_parts(draw):
    """A text with names of its own, and declared values for some of them."""
    return "".join(draw(st.lists(lines, max_size=5))), draw(st.dictionaries(st.sampled_from(NAMES), values, max_size=3))


@st.composite
def main_cf_examples(draw):
    """A main.cf in bytes and a declaration."""
    names = [name.replace("_", f"{part}_") for part in range(PARTS) for name in NAMES]
    text = draw(st.sampled_from(["", "", "", "  indented = at the top\n# still\n  there\n", "\ufeff"]))
    text += f"mua_all = {' '.join(f'${name}' for name in names)}\nmyhostname = $mua_all\n"
    declaration = {}
    for part, (more, declared) in enumerate(draw(st.lists(main_cf_parts(), min_size=PARTS, max_size=PARTS))):
        text += more.replace("mua_", f"mua{part}_")
        declaration.update({name.replace("_", f"{part}_"): value for name, value in declared.items()})
    if draw(st.integers(0, 7)) == 0:
        text = text.replace("\n", "\r\n")
    if draw(st.integers(0, 3)) == 0:
        text = text.rstrip("\r\n")
    return to_bytes(text), declaration


@st.composite
def main_cf_corpus(draw):
    """A file of the corpus, and a declaration for parameters that it contains."""
    text = (CORPUS / "main.cf" / draw(st.sampled_from(sorted(os.listdir(CORPUS / "main.cf"))))).read_bytes()
    try:
        names = {entry.name for entry in main_cf.main_entries(text)} - {
            "compatibility_level",
            "inet_interfaces",
            "inet_protocols",
            "mynetworks_style",  # postconf evaluates these
            "mail_name",  # a value refers to it, and a parameter that refers to itself stops postconf
        }
    except GrammarError:
        names = set()
    names = sorted(name for name in names if re.fullmatch(r"[\w.-]+", name, re.ASCII)) + ["relayhost", "smtpd_banner"]
    return text, draw(st.dictionaries(st.sampled_from(names), values, max_size=12))


def parameters_of(command):
    """The parameters in the output of postconf -n."""
    pairs = (line.partition(" =") for line in to_text(command.output).split("\n")[:-1])
    return {name: value.strip(" ") for name, _equals, value in pairs if name != "config_directory"}


def damaged_by_postconf(text, appends, version):
    """Why postconf(1) cannot be the oracle for this edit; empty if it can."""
    if b"\0" in text:
        return "it loses the rest of a line after a NUL"
    if re.search(rb"(?m)^[^\s#=][^ \t\r\n=]*[\v\f]", text):
        return "it treats VT and FF as part of the name"
    if text.startswith(b"\xef\xbb\xbf") or text[:1] in (b" ", b"\t"):
        return "it reads another name in the first line"
    fixed = {(3, 7): 15, (3, 8): 10, (3, 9): 4, (3, 10): 2}.get(version[:2], 0 if version[:2] > (3, 10) else 1000)
    if appends and text and not text.endswith(b"\n") and version[2] < fixed:
        return "it appends the new line to a last line without newline"
    return ""


def check_main_cf(postfix, scratch, before, parameters):
    try:
        declared = main_cf.declared_parameters(parameters)
    except DeclarationError as error:
        assert "would be a comment" in str(error)
        return "refused"
    result = postfix.postconf(before, b"", ["-n"])
    try:
        after = main_cf.edit_main_cf(before, declared)
    except GrammarError:
        assert result.commands[0].status != 0, "the editor refuses what Postfix reads"
        return "refused"
    now = postfix.postconf(after, b"", ["-n"]).commands[0]
    assert (result.commands[0].status, now.status) == (0, 0), (result, now)

    expected = parameters_of(result.commands[0])
    seen = parameters_of(now)
    for name, value in declared.items():
        expected.pop(name, None)
        if value is not None and name in seen:
            expected[name] = main_cf.normalize_whitespace(value)
    # postconf prints a user-defined parameter only while a value refers to it.
    unused = set(re.findall(r"unused parameter: ([^=\s]+)=", to_text(now.errors)))
    assert seen == {name: value for name, value in expected.items() if name not in unused}
    assert not {name for name, value in declared.items() if value is None} & set(seen)
    assert all(value is None or name in {*seen, *unused} for name, value in declared.items() if name.startswith("mua"))

    def ranges(text):
        return [(entry.start, entry.end) for entry in main_cf.main_entries(text) if entry.name in declared]

    assert without(before, ranges(before)) == without(after, ranges(after))
    assert Counter(entry.name for entry in main_cf.main_entries(after) if entry.name in declared) == {
        name: 1 for name, value in declared.items() if value is not None
    }
    check_transaction(scratch, "main.cf", before, lambda text: main_cf.edit_main_cf(text, declared))

    present = {entry.name for entry in main_cf.main_entries(before)}
    excluded = damaged_by_postconf(
        before, any(value is not None and name not in present for name, value in declared.items()), postfix.version
    )
    commands = []
    if any(value is not None for value in declared.values()):
        commands.append(
            [
                "-e",
                *(
                    f"{name}={main_cf.normalize_whitespace(value)}"
                    for name, value in declared.items()
                    if value is not None
                ),
            ]
        )
    if None in declared.values():
        commands.append(["-X", *(name for name, value in declared.items() if value is None)])
    if not excluded and commands:
        results = postfix.postconf(before, b"", *commands, ["-n"]).commands
        assert [command.status for command in results] == [0] * len(results), results
        assert parameters_of(results[-1]) == seen
    return excluded or "compared with postconf -e"


MAIN_CF_EDITS = [
    {},
    {"relayhost": "[relay.example.test]:587"},
    {"relayhost": None},
    {"relayhost": "", "smtpd_banner": "two  blanks, = and # and Größe"},
    {"mydestination": ["$myhostname", "localhost"], "biff": False},
    {"mydestination": None, "biff": None, "smtpd_banner": None, "myhostname": None},
    {"mynetworks": "127.0.0.0/8,\n[::1]/128\n\n192.0.2.0/24\n", "mailbox_size_limit": 0},
    {
        "smtpd_recipient_restrictions": "reject",
        "smtpd_tls_session_cache_database": None,
        "postscreen_dnsbl_sites": "",
        "debugger_command": "x",
    },
]


@pytest.mark.parametrize("edit", MAIN_CF_EDITS, ids=[str(index) for index in range(len(MAIN_CF_EDITS))])
@pytest.mark.parametrize("file", sorted(os.listdir(CORPUS / "main.cf")))
def test_main_cf_corpus(postfix, scratch, file, edit):
    before = (CORPUS / "main.cf" / file).read_bytes()
    if file.startswith("hard-fatal"):
        with pytest.raises(GrammarError, match=r"/x/main.cf:\d+: missing"):
            main_cf.edit_main_cf(before, edit, "/x/main.cf")
    check_main_cf(postfix, scratch, before, edit)


@EXAMPLES
@given(example=main_cf_examples())
def test_main_cf(postfix, scratch, example):
    event(check_main_cf(postfix, scratch, *example))


@EXAMPLES
@given(example=main_cf_corpus())
def test_main_cf_of_the_corpus(postfix, scratch, example):
    event(check_main_cf(postfix, scratch, *example))


# master.cf

INET = ("smtp", "25", "465", "smtps", "submissions", "127.0.0.1:587", "127.0.0.1:submission", "[::1]:10026")
OTHER = ("a/unix", "b/unix", "a/fifo", "c/pass", "d/unix-dgram")
OPTIONS = ("myhostname", "smtpd_banner", "relayhost", "syslog_name")
gaps = st.sampled_from([" ", " ", " ", "   ", "\t", "\n  ", "\n# note\n\t", "\n\n ", " \r\n "])
option_values = st.one_of(
    st.text(
        st.characters(codec="ascii", exclude_characters="\0\n\r\v\f${}", categories=("L", "N", "P", "S", "Zs")),
        max_size=10,
    ),
    st.sampled_from(
        [
            "",
            "{a}",
            "a{b}c",
            "x {y z} w",
            "${mua?{a}:{b}}",
            "$mail_name",
            "é",
            "\u00a0",
            "a\vb",
            "a=b",
            "-o",
            "\udcff",
            "}",
            "a}b",
        ]
    ),
)
flag = st.sampled_from(["-", "-", "y", "n"])


@st.composite
def option_words(draw):
    """One -o in one of its notations."""
    name, value = draw(st.sampled_from(OPTIONS)), draw(option_values).strip(" ")
    notation = draw(st.sampled_from(["-o {}", "-o {}", "-o {}", "-o{}", "-vo {}", "-o{{}}", "-o {{ {} }}"]))
    if "{{" in notation or re.search(r"[ \t]", value) or value.startswith("}"):
        return f"-o{draw(gaps)}{{{draw(st.sampled_from(['', ' ', f' {chr(10)} ']))}{name} = {value if value.count('}') == value.count('{') else 'x'} }}"
    return notation.format(f"{name}={value}").replace(" ", draw(gaps), 1)


@st.composite
def entries_text(draw, services):
    """One service, in any layout."""
    name, _slash, kind = draw(st.sampled_from(services)).rpartition("/")
    gap = st.just(" ") if draw(st.integers(0, 3)) else gaps
    private = "n" if kind == "inet" else draw(flag)
    words = [
        name,
        kind,
        private,
        draw(flag),
        draw(flag),
        draw(st.sampled_from(["-", "60", "1000?"])),
        draw(st.sampled_from(["-", "0", "100"])),
    ]
    words += [draw(st.sampled_from(["smtpd", "pipe", "x"]))]
    text = words[0] + "".join(draw(gap) + word for word in words[1:])
    for word in draw(st.lists(st.one_of(option_words(), option_words(), st.just("-v")), max_size=4)):
        text += draw(gaps) + word
    for word in draw(
        st.sampled_from(
            [[], [], [], ["flags=R", "argv=/bin/x", "-o", "y"], ["{ a  b }"], ["--", "-oi"], ["-o", "a", "=", "b"]]
        )
    ):
        text += draw(gaps) + word
    return text + draw(st.sampled_from(["\n", "\n", " \n", "\r\n"]))


@st.composite
def master_cf_part(draw, services):
    """A text with some services, and a declaration for one of them."""
    entry = entries_text(services)
    commented = entry.map(lambda text: "".join(f"#{line}" for line in text.splitlines(True)))
    noise = st.sampled_from(
        [
            "# note\n",
            "\n",
            "  # indented\n",
            "#  -o relayhost=x\n",
            "#   specify -o relayhost=y here\n",
            "#  -o smtpd_banner=a -o syslog_name=b\n",
        ]
    )
    text = "".join(draw(st.lists(st.one_of(entry, entry, commented, noise), max_size=4)))
    service = {
        "service": draw(st.sampled_from(services)),
        "command": draw(st.sampled_from(["smtpd", "smtpd", "x -v", "pipe argv=y { a b }"])),
    }
    service["state"] = draw(st.sampled_from(["present"] * 8 + ["absent", "disabled"]))
    for column, choice in (
        ("chroot", [True, False, None]),
        ("wakeup", ["60?", 0, None]),
        ("process_limit", [1, 99999, None]),
    ):
        if draw(st.integers(0, 3)) == 0:
            service[column] = draw(st.sampled_from(choice))
    service["options"] = draw(
        st.dictionaries(st.sampled_from(OPTIONS), st.one_of(st.none(), option_values), max_size=2)
    )
    service["purge_options"] = draw(st.integers(0, 7)) == 0
    return text, service


def of_part(number):
    """The services of a part. No two parts have a service in common."""
    return [f"{name}{number}/{kind}" for name, kind in (key.split("/") for key in OTHER)] + (
        [f"{name}/inet" for name in INET]
        if number == 0
        else [f"127.0.0.{number + 1}:{port}/inet" for port in ("smtp", "25", "465", "smtps")]
    )


@st.composite
def master_cf_examples(draw):
    """A master.cf in bytes and a declaration for each of its parts."""
    parts = [draw(master_cf_part(of_part(number))) for number in range(PARTS)]
    text = draw(st.sampled_from(["", "", "", "  indented at the top\n# still\n  there\n"])) + "".join(
        text for text, _service in parts
    )
    if draw(st.integers(0, 7)) == 0:
        text = re.sub("\r?\n", "\r\n", text)
    if draw(st.integers(0, 3)) == 0:
        text = text.rstrip("\r\n")
    return to_bytes(text), [service for _text, service in parts]


@st.composite
def master_cf_corpus(draw):
    """A file of the corpus and declarations of some of its services."""
    text = (CORPUS / "master.cf" / draw(st.sampled_from(sorted(os.listdir(CORPUS / "master.cf"))))).read_bytes()
    try:
        keys = sorted({service.key for service in master_cf.master_entries(text)})
    except GrammarError:
        keys = []
    keys = [key for key in keys if re.fullmatch(r"[][\w.:-]+/[a-z-]+", key, re.ASCII)] + [
        "submission/inet",
        "smtps/inet",
        "new/unix",
    ]
    return text, draw(
        st.lists(
            st.sampled_from(keys).flatmap(lambda key: master_cf_part([key])).map(lambda part: part[1]),
            min_size=1,
            max_size=4,
        )
    )


def entries_of(command):
    """The services in the output of postconf -M by their identity for master(8); the last of duplicates."""
    result = {}
    for service in master_cf.master_entries(command.output):
        result[(*master_cf.endpoint(*service.key.rsplit("/", 1)), service.column("private") != "n")] = (
            master_cf_services.describe(service)
        )
    return result


def options_of(command, name):
    """The options of one service in the output of postconf -P."""
    lines = [line for line in to_text(command.output).split("\n") if line.startswith(f"{name}/")]
    return {
        option: value.strip(" ") for option, _equals, value in (line[len(name) + 1 :].partition(" =") for line in lines)
    }


def check_master_cf(postfix, scratch, before, services):
    try:
        declarations = master_cf_spec.merged_specs([master_cf_spec.service_spec(service) for service in services])
    except DeclarationError as error:
        assert "brace in option" in str(error) or "same service" in str(error), error
        return "refused"
    if not declarations:
        assert master_cf_edit.edit_master_cf(before, declarations) == before
        return "nothing declared"
    was = postfix.postconf(b"", before, ["-M"]).commands[0]
    try:
        after = master_cf_edit.edit_master_cf(before, declarations)
    except GrammarError as error:
        # If the editor refuses what postconf accepts, master(8) or the daemon of the edited service would stop at it.
        assert was.status or b"missing" in was.errors or b"}" in was.errors or str(error).startswith("editing"), (
            error,
            was,
        )
        return "refused"
    now, options = postfix.postconf(b"", after, ["-M"], ["-P"]).commands
    assert (was.status, now.status, options.status) == (0, 0, 0), (was, now, options)

    expected, seen = entries_of(was), entries_of(now)
    identities = {master_cf.endpoint(item.name, item.type) for item in declarations}
    assert {key: entry for key, entry in seen.items() if key[:2] not in identities} == {
        key: entry for key, entry in expected.items() if key[:2] not in identities
    }
    for declaration in declarations:
        found = master_cf.find_entry(after, declaration.name, declaration.type)
        if declaration.state != "present":
            assert f"{declaration.key} " not in to_text(now.output)
            continue
        assert found is not None and found.key == declaration.key
        if attached(found):
            continue
        described = seen[(*master_cf.endpoint(declaration.name, declaration.type), found.column("private") != "n")]
        assert printed(described) == printed(master_cf_services.describe(found)), (
            "postconf -M reads other words than the editor"
        )
        for column in declaration.columns.keys() - {"command"}:
            assert found.column(column) == declaration.columns[column]
        if sum(key[:2] == (declaration.name, declaration.type) for key in seen) > 1:
            continue  # postconf -P does not distinguish a private service from a public one
        values = options_of(options, declaration.key)
        wanted = {
            name: main_cf.normalize_whitespace(value)
            for name, value in declaration.options.items()
            if value is not None
        }
        assert {name: values.get(name) for name in wanted} == wanted
        assert not {name for name, value in declaration.options.items() if value is None} & set(values)
        assert not declaration.purge_options or values == wanted
    check_transaction(scratch, "master.cf", before, lambda text: master_cf_edit.edit_master_cf(text, declarations))

    def ranges(text):
        return [
            (item.line.start, item.line.end)
            for item in master_cf.master_entries(text)
            if master_cf.endpoint(*item.key.rsplit("/", 1)) in identities
        ]

    kept, left = without(before, ranges(before)), without(after, ranges(after))
    # Only comments may have become part of a service, or a service comments.
    live = [line for line in physical_lines(kept) if not is_skipped(line)]
    assert [line.rstrip(b"\r\n") for line in live] == [
        line.rstrip(b"\r\n") for line in physical_lines(left) if not is_skipped(line)
    ]
    if all(declaration.state == "absent" for declaration in declarations):
        assert kept == left
    return compare_with_postconf(postfix, before, declarations, seen)


def printed(service):
    """A service as postconf -M prints it: arguments without braces."""
    return {**service, "command": re.sub("[{} \t]+", " ", service["command"]).strip()} if service else None


def attached(service):
    """Whether postconf misreads the service: unlike getopt(3) in daemons, it splits -oname=value and -voname=value at every o."""
    return any(option.flag is option.assignment for option in service.options)


def ends_in_a_comment(text):
    """Whether the last line is a comment without a newline."""
    lines = physical_lines(text)
    return bool(lines) and lines[-1].lstrip().startswith(b"#") and not lines[-1].endswith(b"\n")


@pytest.mark.parametrize(
    ("before", "command", "status", "after"),
    [
        pytest.param(
            b"a unix - - n - - smtp\n# c",
            ["-F", "a/unix/chroot=y"],
            0,
            b"# ca          unix  -       -       y       -       -       smtp\n",
            id="-F appends a service to a comment without a newline",
        ),
        pytest.param(
            b"a unix - - n - - smtp\n# c",
            ["-P", "a/unix/x=y"],
            0,
            b"# ca          unix  -       -       n       -       -       smtp\n    -o x=y\n",
            id="-P appends a service to a comment without a newline",
        ),
        pytest.param(
            b"a unix - - n - - smtp\0x\n",
            ["-F", "a/unix/chroot=y"],
            0,
            b"a          unix  -       -       y       -       -       smtp\n",
            id="the rest of a line after a NUL is lost",
        ),
        pytest.param(
            b"a=b unix - - n - - smtp\n",
            ["-F", "a=b/unix/chroot=y"],
            1,
            b"a=b unix - - n - - smtp\n",
            id="a service with = in its name can't be edited",
        ),
        pytest.param(
            b"a\n unix - - n - - smtp\n",
            ["-F", "a/unix/chroot=y"],
            1,
            b"a\n unix - - n - - smtp\n",
            id="a service with its type on a continuation line can't be edited",
        ),
        pytest.param(
            b"a unix - - n - - smtp -osyslog_name=b\n",
            ["-P", "a/unix/x=y"],
            0,
            b"a          unix  -       -       n       -       -       smtp\n"
            b"    -o sysl\n    -o g_name=b\n    -o x=y\n",
            id="an option -oname=value is split at every o",
        ),
        pytest.param(
            b"a unix - - n - - smtp\n",
            ["-P", "a/unix/x=y z"],
            1,
            b"a unix - - n - - smtp\n",
            id="-P does not accept white space",
        ),
        pytest.param(
            b"a unix - - n - - smtp\na unix - - n - - lmtp\n",
            ["-F", "a/unix/chroot=y"],
            0,
            b"a          unix  -       -       y       -       -       smtp\n"
            b"a          unix  -       -       y       -       -       lmtp\n",
            id="-F edits all of several services with one name",
        ),
    ],
)
def test_defects_of_postconf(postfix, before, command, status, after):
    """What compare_with_postconf() leaves out, each of which Postfix's own tool does wrong or not at all."""
    result = postfix.postconf(b"", before, command)
    assert (result.commands[0].status, result.master_cf) == (status, after)


def test_a_service_before_a_comment_without_a_newline(postfix, scratch):
    """A property test found it when postconf(1) lost the service."""
    check_master_cf(
        postfix,
        scratch,
        b"a unix - - n - - smtp\n# c",
        [{"service": "a/unix", "command": "smtp", "chroot": True, "options": {"x": "y"}}],
    )


def compare_with_postconf(postfix, before, declarations, seen):
    """Make the same edit with postconf -F, -P, -PX, -MX and -M#, as far as postconf supports it."""
    entries = master_cf.master_entries(before)
    names = Counter((*master_cf.endpoint(*entry.key.rsplit("/", 1)),) for entry in entries)
    columns, options, removed, absent, disabled, compared = [], [], [], [], [], []
    if any(entry.line.text.split(b"\0")[0] != entry.line.text for entry in entries) or b"=" in b"".join(
        to_bytes(e.column("service")) for e in entries
    ):
        return "NUL, or = in a name"  # it loses the rest of a line after a NUL, and cannot edit a file with = in the name of a service
    if any(to_bytes(entry.column("type")) not in physical_lines(before)[entry.line.start] for entry in entries):
        return "type on another line"  # it cannot edit a file with a type on a continuation line
    if ends_in_a_comment(before):
        return "comment without a newline"  # it appends the edited service to the comment
    for declaration in declarations:
        identity = master_cf.endpoint(declaration.name, declaration.type)
        if names[identity] != 1 or "/" in declaration.name:
            continue  # a new service; or postconf edits all of several entries, or none if the entry has another name for the port
        entry = next(entry for entry in entries if master_cf.endpoint(*entry.key.rsplit("/", 1)) == identity)
        if entry.key != declaration.key or attached(entry):
            continue
        if declaration.state != "present":
            (absent if declaration.state == "absent" else disabled).append(declaration.key)
        elif declaration.arguments is not None or declaration.columns.get("command") != entry.column("command"):
            continue
        elif (
            any(re.search(r"[ \t]", value or "") for value in declaration.options.values()) or declaration.purge_options
        ):
            continue  # postconf -P does not accept white space
        else:
            columns += [
                f"{declaration.key}/{column}={value}"
                for column, value in declaration.columns.items()
                if column != "command"
            ]
            present = entry.effective_options
            options += [
                f"{declaration.key}/{name}={value}" for name, value in declaration.options.items() if value is not None
            ]
            removed += [
                f"{declaration.key}/{name}"
                for name, value in declaration.options.items()
                if value is None and name in present
            ]
        compared.append((*identity, entry.column("private") != "n"))
    commands = [
        [flag, *words]
        for flag, words in (("-F", columns), ("-P", options), ("-PX", removed), ("-MX", absent), ("-M#", disabled))
        if words
    ]
    if commands:
        results = postfix.postconf(b"", before, *commands, ["-M"]).commands
        assert [command.status for command in results] == [0] * len(results), (commands, results)
        theirs = entries_of(results[-1])
        for key in compared:
            assert printed(theirs.get(key)) == printed(seen.get(key)), commands
    return "compared with postconf -F, -P, -M" if commands else "postconf supports no part of the edit"


RELAY_ONLY = {"smtpd_relay_restrictions": ["permit_sasl_authenticated", "reject"], "smtpd_banner": "two words"}
MASTER_CF_EDITS = [
    [],
    [{"service": "smtp/inet", "command": "smtpd", "chroot": False}],
    [{"service": "smtp/inet", "state": "absent"}, {"service": "smtp/unix", "state": "disabled"}],
    [
        {
            "service": "submission/inet",
            "command": "smtpd",
            "options": {"smtpd_tls_security_level": "encrypt", **RELAY_ONLY},
        }
    ],
    [
        {
            "service": "submissions/inet",
            "command": "smtpd",
            "options": {"smtpd_tls_wrappermode": True},
            "purge_options": True,
        }
    ],
    [{"service": "submissions/inet", "state": "disabled"}, {"service": "submission/inet", "state": "absent"}],
    [
        {
            "service": "smtp/unix",
            "command": "smtp",
            "chroot": None,
            "process_limit": 20,
            "options": {"myhostname": "x", "syslog_name": None},
        }
    ],
    [
        {"service": "relay/unix", "command": "smtp", "wakeup": "60?", "options": {"syslog_name": ""}},
        {"service": "tlsproxy/unix", "command": "tlsproxy"},
    ],
    [
        {"service": "a/unix", "command": "pipe flags=R argv=/bin/x -oi { a b } -- ${recipient}"},
        {"service": "b/unix", "command": "pipe", "options": {"smtpd_banner": "c d"}},
    ],
    [
        {
            "service": "pickup/unix",
            "command": "pickup",
            "options": {"content_filter": "", "receive_override_options": None},
        }
    ],
    [
        {
            "service": "127.0.0.1:10025/inet",
            "command": "smtpd -v",
            "options": {"content_filter": None, "mynetworks": "127.0.0.0/8"},
        }
    ],
]


@pytest.mark.parametrize("edit", MASTER_CF_EDITS, ids=[str(index) for index in range(len(MASTER_CF_EDITS))])
@pytest.mark.parametrize("file", sorted(os.listdir(CORPUS / "master.cf")))
def test_master_cf_corpus(postfix, scratch, file, edit):
    before = (CORPUS / "master.cf" / file).read_bytes()
    if file.startswith("hard-fatal"):
        with pytest.raises(GrammarError, match=r"/x/master.cf:2: "):
            master_cf_edit.edit_master_cf(
                before, [master_cf_spec.service_spec({"service": "smtp/inet"})], "/x/master.cf"
            )
    check_master_cf(postfix, scratch, before, edit)


@EXAMPLES
@given(example=master_cf_examples())
def test_master_cf(postfix, scratch, example):
    event(check_master_cf(postfix, scratch, *example))


@EXAMPLES
@given(example=master_cf_corpus())
def test_master_cf_of_the_corpus(postfix, scratch, example):
    event(check_master_cf(postfix, scratch, *example))
