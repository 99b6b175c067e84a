# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError, GrammarError
from ansible_collections.mailops.postfix.plugins.module_utils._formats import master_cf, master_cf_edit, master_cf_spec

STOCK = b"""\
smtp      inet  n       -       y       -       -       smtpd
#smtp      inet  n       -       y       -       1       postscreen
#127.0.0.1:submission inet n -   y       -       -       smtpd
#submission inet n       -       y       -       -       smtpd
#  -o syslog_name=postfix/submission
#  -o smtpd_tls_security_level=encrypt
#     Instead of specifying complex smtpd_<xxx>_restrictions here,
#     specify -o nothing=at_all
#  -o smtpd_relay_restrictions=
#  -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject
#smtps     inet  n       -       y       -       -       smtpd
#  -o syslog_name=postfix/smtps
#  -o smtpd_tls_wrappermode=yes
#628       inet  n       -       y       -       -       qmqpd
cleanup   unix  n       -       y       -       0       cleanup
scalemail-backend unix -       n       n       -       2       pipe
  flags=R user=scalemail argv=/usr/lib/scalemail/bin/scalemail-store ${nexthop} ${user} ${extension}
"""


def edit(text, *services):
    declarations = [master_cf_spec.service_spec(service) for service in services]
    after = master_cf_edit.edit_master_cf(text, declarations)
    assert master_cf_edit.edit_master_cf(after, declarations) == after, "the second run changes something"
    return after


def test_commented_out_entry_is_activated_in_place():
    after = edit(
        STOCK,
        {
            "service": "submission/inet",
            "command": "smtpd",
            "options": {
                "smtpd_tls_security_level": "encrypt",
                "smtpd_relay_restrictions": ["permit_sasl_authenticated", "reject"],
            },
        },
    )
    expected = STOCK.replace(b"#submission inet", b"submission inet")
    expected = expected.replace(b"#  -o smtpd_tls_security_level=encrypt", b"  -o smtpd_tls_security_level=encrypt")
    expected = expected.replace(
        b"#  -o smtpd_relay_restrictions=\n", b"  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject\n"
    )
    assert after == expected


def test_commented_out_entry_with_another_name_of_the_port():
    after = edit(STOCK, {"service": "submissions/inet", "command": "smtpd", "options": {"smtpd_tls_wrappermode": True}})
    expected = STOCK.replace(b"#smtps     inet  n", b"submissions inet  n").replace(
        b"#  -o smtpd_tls_wrappermode=yes", b"  -o smtpd_tls_wrappermode=yes"
    )
    assert after == expected


def test_commented_out_entry_with_another_command_is_kept():
    after = edit(STOCK, {"service": "628/inet", "command": "smtpd"})
    assert after == STOCK + b"628       inet  n       -       -       -       -       smtpd\n"


@pytest.mark.parametrize(
    "prose",
    [
        b"# 2525 inet n - n - - smtpd on the old box, removed 2009\n",
        b"#2525 inet n - n - - smtpd   # enable this for the old box\n#  -o syslog_name=s\n",
    ],
)
def test_comments_with_prose_are_kept(prose):
    after = edit(prose, {"service": "2525/inet", "command": "smtpd"})
    assert after == prose + b"2525      inet  n       -       -       -       -       smtpd\n"


def test_undeclared_options_of_a_commented_out_line_stay_comments():
    text = b"#smtps inet n - n - - smtpd -o smtpd_tls_wrappermode=yes -o { smtpd_banner = a b }\nsmtp unix - - n - - smtp\n"
    after = edit(text, {"service": "smtps/inet", "command": "smtpd", "options": {"smtpd_tls_wrappermode": True}})
    assert after == (
        b"smtps inet n - n - - smtpd -o smtpd_tls_wrappermode=yes\n#  -o { smtpd_banner = a b }\nsmtp unix - - n - - smtp\n"
    )
    back = edit(after, {"service": "smtps/inet", "options": {"smtpd_banner": "a b"}})
    assert b"-o { smtpd_banner = a b }" in back


SUBMISSION = (
    b"2587 inet n - y - - smtpd\n  -o smtpd_tls_security_level=encrypt\n"
    b"  -o { smtpd_client_restrictions = permit_sasl_authenticated, reject }\n"
)


@pytest.mark.parametrize(
    "text",
    [
        SUBMISSION,
        SUBMISSION + b"# prose\nsmtp inet n - y - - smtpd\n",
        SUBMISSION.replace(b"\n ", b""),
        b"2587 inet n - y - - smtpd\n  -o a=1\n# why\n  -o b=2\n",
    ],
)
def test_a_disabled_service_comes_back_as_it_was(text):
    disabled = edit(text, {"service": "2587/inet", "state": "disabled"})
    assert disabled != text
    assert edit(disabled, {"service": "2587/inet"}) == text


@pytest.mark.parametrize(
    "spec",
    [
        {"service": "submission/inet", "options": {"smtpd_sasl_auth_enable": None}},
        {"service": "submission/inet", "options": {"smtpd_sasl_auth_enable": True}},
        {"service": "submission/inet", "purge_options": True},
        {"service": "submission/inet", "chroot": False},
        {"service": "smtp/inet", "options": {"smtpd_sasl_auth_enable": False}},
    ],
)
def test_no_port_is_opened_by_what_concerns_an_active_service(spec):
    text = (
        b"#submission inet n - y - - smtpd\n#  -o smtpd_tls_security_level=encrypt\n"
        b"#smtp inet n - y - 1 postscreen\n192.0.2.1:smtp inet n - y - - smtpd\n"
    )
    with pytest.raises(DeclarationError, match=r"commented out in line [13].*no command is declared"):
        edit(text, spec)


def test_other_arguments_in_their_place():
    text = b"x unix - n n - - pipe\n  flags=DRhu user=vmail argv=/usr/bin/maildrop -d ${recipient}\n"
    after = edit(text, {"service": "x/unix", "command": "pipe flags=DRhu user=vmail argv=/usr/bin/new -d ${recipient}"})
    assert after == text.replace(b"maildrop", b"new")


def test_a_service_with_an_equals_sign_can_be_removed():
    assert edit(b"a=b unix - - y - - smtp\nc unix - - y - - smtp\n", {"service": "a=b/unix", "state": "absent"}) == (
        b"c unix - - y - - smtp\n"
    )
    with pytest.raises(DeclarationError, match="the name contains"):
        edit(b"", {"service": "a=b/unix", "command": "smtp"})


@pytest.mark.parametrize("command", [{}, {"command": "pipe"}])
@pytest.mark.parametrize(
    "arguments",
    [
        b"pipe\n  flags=R user=x argv=/y ${nexthop}\n",
        b"pipe flags=R user=x argv=/y\n",
        b"pipe\n  user=x\n  argv=/y\n  ${user}\n",
    ],
)
def test_disabled_service_is_enabled_with_its_arguments(command, arguments):
    text = b"smtp unix - - n - - smtp\nmaildrop unix - n n - - " + arguments + b"#\n# What follows is something else.\n"
    disabled = edit(text, {"service": "maildrop/unix", "state": "disabled"})
    assert disabled != text
    assert edit(disabled, {"service": "maildrop/unix", **command}) == text


def test_comments_inside_an_active_entry_are_kept():
    text = b"smtp inet n - y - - smtpd\n#submission inet n - y - - smtpd\n  -o a=b\n"
    assert edit(text, {"service": "submission/inet", "command": "smtpd"}).startswith(text)


def test_disable_and_enable():
    declared = {"service": "submission/inet", "command": "smtpd", "options": {"smtpd_tls_security_level": "encrypt"}}
    live = edit(STOCK, declared)
    assert edit(live, {"service": "submission/inet", "state": "disabled"}) == STOCK
    assert edit(STOCK, {"service": "submission/inet", "state": "disabled"}) == STOCK


SMTP = b"smtp      inet  n       -       y       -       -       smtpd\n"

EDITS = [
    ("a column keeps the others aligned", SMTP, {"service": "smtp/inet", "chroot": False}, SMTP.replace(b"y ", b"n ")),
    ("null is a dash", SMTP, {"service": "smtp/inet", "chroot": None}, SMTP.replace(b"y ", b"- ")),
    (
        "a longer column uses the blanks after it",
        SMTP,
        {"service": "smtp/inet", "process_limit": 100},
        SMTP.replace(b"-       smtpd", b"100     smtpd"),
    ),
    ("columns that are left out are kept", SMTP, {"service": "smtp/inet", "command": "smtpd"}, SMTP),
    (
        "an option is added on a line of its own",
        SMTP,
        {"service": "smtp/inet", "options": {"a": 1}},
        SMTP + b"  -o a=1\n",
    ),
    (
        "a missing newline at the end is kept",
        SMTP[:-1],
        {"service": "smtp/inet", "options": {"a": 1}},
        SMTP + b"  -o a=1",
    ),
    (
        "carriage returns",
        SMTP[:-1] + b"\r\n",
        {"service": "smtp/inet", "options": {"a": 1}},
        SMTP[:-1] + b"\r\n  -o a=1\r\n",
    ),
    (
        "after the last option, with its indentation",
        SMTP + b"\t-o a=1\n#x\n",
        {"service": "smtp/inet", "options": {"b": 2}},
        SMTP + b"\t-o a=1\n\t-o b=2\n#x\n",
    ),
    (
        "an option is changed in place",
        SMTP + b"  -o a=1 -o b=2\n  -o c=3\n",
        {"service": "smtp/inet", "options": {"b": 9}},
        SMTP + b"  -o a=1 -o b=9\n  -o c=3\n",
    ),
    (
        "an option is removed with its line",
        SMTP + b"  -o a=1\n  -o b=2\n",
        {"service": "smtp/inet", "options": {"a": None}},
        SMTP + b"  -o b=2\n",
    ),
    (
        "an option is removed from a shared line",
        SMTP + b"  -o a=1 -o b=2\n",
        {"service": "smtp/inet", "options": {"a": None}},
        SMTP + b"   -o b=2\n",
    ),
    (
        "the last option of a shared line",
        SMTP + b"  -o a=1 -o b=2\n",
        {"service": "smtp/inet", "options": {"b": None}},
        SMTP + b"  -o a=1\n",
    ),
    ("white space needs braces", SMTP, {"service": "smtp/inet", "options": {"a": "b c"}}, SMTP + b"  -o { a = b c }\n"),
    (
        "the same value in braces is unchanged",
        SMTP + b"  -o { a = b }\n",
        {"service": "smtp/inet", "options": {"a": "b"}},
        SMTP + b"  -o { a = b }\n",
    ),
    (
        "braces over a line end",
        SMTP + b"  -o { a =\n  b }\n  -o c=1\n",
        {"service": "smtp/inet", "options": {"a": "d"}},
        SMTP + b"  -o a=d\n  -o c=1\n",
    ),
    ("attached", SMTP + b"  -oa=1\n", {"service": "smtp/inet", "options": {"a": "2"}}, SMTP + b"  -o a=2\n"),
    ("combined with a flag", SMTP + b"  -vo a=1\n", {"service": "smtp/inet", "options": {"a": None}}, SMTP + b"  -v\n"),
    (
        "the last of repeated options is used",
        SMTP + b"  -o a=1\n  -o a=2\n",
        {"service": "smtp/inet", "options": {"a": "3"}},
        SMTP + b"  -o a=3\n",
    ),
    (
        "purge",
        SMTP + b"  -o a=1\n  -o b=2\n",
        {"service": "smtp/inet", "options": {"b": 2}, "purge_options": True},
        SMTP + b"  -o b=2\n",
    ),
    (
        "a list is joined by commas",
        SMTP,
        {"service": "smtp/inet", "options": {"a": ["b", "c"]}},
        SMTP + b"  -o a=b,c\n",
    ),
    (
        "absent",
        SMTP + b"  -o a=1\n# about b\nb unix - - - - - b\n",
        {"service": "smtp/inet", "state": "absent"},
        b"# about b\nb unix - - - - - b\n",
    ),
    (
        "a new service",
        b"",
        {"service": "x/unix", "command": "pipe flags=R argv=/bin/x -o y", "process_limit": 1},
        b"x         unix  -       -       -       -       1       pipe flags=R argv=/bin/x -o y\n",
    ),
    (
        "arguments are kept when the command has none",
        b"x unix - n n - - pipe flags=R argv=y\n",
        {"service": "x/unix", "command": "pipe"},
        b"x unix - n n - - pipe flags=R argv=y\n",
    ),
    (
        "arguments are replaced",
        b"x unix - n n - - pipe flags=R argv=y\n",
        {"service": "x/unix", "command": "pipe argv=z"},
        b"x unix - n n - - pipe argv=z\n",
    ),
    (
        "an option before arguments",
        b"x unix - n n - - pipe flags=R argv=y\n",
        {"service": "x/unix", "options": {"a": 1}},
        b"x unix - n n - - pipe -o a=1 flags=R argv=y\n",
    ),
    (
        "an option after the first argument is an argument",
        b"x unix - n n - - pipe argv=y -o a=1\n",
        {"service": "x/unix", "options": {"a": 2}},
        b"x unix - n n - - pipe -o a=2 argv=y -o a=1\n",
    ),
    (
        "the last of two entries for one port is used",
        SMTP + b"25 inet n - n - - smtpd\n",
        {"service": "smtp/inet", "chroot": True},
        b"smtp inet n - y - - smtpd\n",
    ),
    (
        "duplicates of an entry that is as declared are removed",
        SMTP + b"# second\n" + SMTP,
        {"service": "smtp/inet"},
        b"# second\n" + SMTP,
    ),
    (
        "a private and a public socket of one name are two services",
        b"x unix n - - - - a\nx unix - - - - - b\n",
        {"service": "x/unix", "private": False, "chroot": True},
        b"x unix n - y - - a\nx unix - - - - - b\n",
    ),
    (
        "undeclared repeated options are kept",
        SMTP + b"  -o a=1\n  -o a=2\n",
        {"service": "smtp/inet", "options": {"b": 3}},
        SMTP + b"  -o a=1\n  -o a=2\n  -o b=3\n",
    ),
    (
        "a new command with new options",
        b"x unix - n n - - pipe-  }\n",
        {"service": "x/unix", "command": "pipe", "options": {"a": 1}},
        b"x unix - n n - - pipe -o a=1\n",
    ),
    (
        "arguments on a line of their own",
        b"x unix - n n - - pipe\n  argv=y\n",
        {"service": "x/unix", "command": "pipe argv=z"},
        b"x unix - n n - - pipe\n  argv=z\n",
    ),
    (
        "arguments replace flags that are combined with -o",
        b"x unix - n n - - pipe -vo a=1\n",
        {"service": "x/unix", "command": "pipe -D"},
        b"x unix - n n - - pipe -o a=1 -D\n",
    ),
    (
        "arguments after a rewritten option in braces over a line end",
        b"x unix - n n - - y -o {\n a = b }\n# next\n",
        {"service": "x/unix", "command": "pipe argv=y", "options": {"a": "c"}},
        b"x unix - n n - - pipe -o a=c argv=y\n# next\n",
    ),
    (
        "an option after a rewritten option in braces over a line end",
        b"x unix - n n - - y -o {\n a = b }\n# next\n",
        {"service": "x/unix", "options": {"a": "c", "d": "e"}},
        b"x unix - n n - - y -o a=c\n  -o d=e\n# next\n",
    ),
    (
        "arguments in place of a flag that is combined with an option in braces over a line end",
        b"x unix - n n - - y -voa={b\n c}\n# next\n",
        {"service": "x/unix", "command": "y -D"},
        b"x unix - n n - - y -o { a = {b c} } -D\n# next\n",
    ),
    (
        "options end at -- and at -",
        b"x unix - n n - - y -- -o a=1\n",
        {"service": "x/unix", "options": {"a": 2}},
        b"x unix - n n - - y -o a=2 -- -o a=1\n",
    ),
    (
        "arguments in braces",
        b"",
        {"service": "x/unix", "command": "pipe {{a}} { b c }"},
        b"x         unix  -       -       -       -       -       pipe { {a} } { b c }\n",
    ),
    (
        "an unbalanced brace that is text",
        SMTP,
        {"service": "smtp/inet", "options": {"a": "b}c"}},
        SMTP + b"  -o a=b}c\n",
    ),
    (
        "a mistake in another entry is ignored",
        b"x unix - - - - - y -o a = b\n" + SMTP,
        {"service": "smtp/inet", "chroot": False},
        b"x unix - - - - - y -o a = b\n" + SMTP.replace(b"y ", b"n "),
    ),
    (
        "an entry with a mistake can be removed",
        b"x unix - - - - - y -o a = b\n" + SMTP,
        {"service": "x/unix", "state": "absent"},
        SMTP,
    ),
    (
        "VT is not a blank",
        SMTP + b"  -o a=1 \x0b\n",
        {"service": "smtp/inet", "options": {"a": None}},
        SMTP + b"   \x0b\n",
    ),
    (
        "a new service in a file whose lines end with CR LF",
        b"# x\r\n",
        {"service": "a/pass", "command": "b"},
        b"# x\r\na         pass  -       -       -       -       -       b\r\n",
    ),
    (
        "several options on one commented line, not all declared",
        b"#25 inet n - y - - smtpd\n#  -o a=1 -o b=2\n",
        {"service": "25/inet", "command": "smtpd", "options": {"a": 1}},
        b"25 inet n - y - - smtpd\n  -o a=1\n#  -o a=1 -o b=2\n",
    ),
    (
        "an option in braces is activated",
        b"#25 inet n - y - - smtpd\n#  -o { a = 1 }\n",
        {"service": "25/inet", "command": "smtpd", "options": {"a": 1}},
        b"25 inet n - y - - smtpd\n  -o { a = 1 }\n",
    ),
    (
        "a comment before indented text at the top is not activated",
        b"#25 inet n - y - - smtpd\n  -o a=1\n",
        {"service": "25/inet", "command": "smtpd"},
        b"#25 inet n - y - - smtpd\n  -o a=1\n25        inet  n       -       -       -       -       smtpd\n",
    ),
    (
        "addresses",
        b"[::1]:25 inet n - y - - smtpd\n" + SMTP,
        {"service": "[::1]:25/inet", "chroot": False},
        b"[::1]:25 inet n - n - - smtpd\n" + SMTP,
    ),
]


@pytest.mark.parametrize(("text", "service", "after"), [case[1:] for case in EDITS], ids=[case[0] for case in EDITS])
def test_edit(text, service, after):
    assert edit(text, service) == after


REFUSED = [
    ({"service": "submission"}, "it is not NAME/TYPE"),
    ({"service": "submission/tcp"}, "it is not NAME/TYPE"),
    ({"service": "a b/inet"}, "white space"),
    ({"service": "smtp/inet", "chrot": True}, "unknown column chrot"),
    ({"service": "smtp/inet", "chroot": "maybe"}, "chroot is 'maybe'"),
    ({"service": "smtp/inet", "private": True}, "an inet service cannot be private"),
    ({"service": "smtp/inet", "private": None}, "an inet service cannot be private"),
    ({"service": "pickup/unix", "wakeup": "-?"}, "wakeup is '-?'"),
    ({"service": "pickup/unix", "process_limit": "many"}, "process_limit is 'many'"),
    ({"service": "smtp/inet", "state": "gone"}, "unknown state 'gone'"),
    ({"service": "smtp/inet", "options": {"a": "{b"}}, "unbalanced brace in option a"),
    ({"service": "smtp/inet", "command": "smtpd -o a = b"}, "-o 'a' is not name=value"),
    ({"service": "smtp/inet", "command": "smtpd -o { a = b"}, "missing '}'"),
    ({"service": "smtp/inet", "options": {"a": "} {"}}, "unbalanced brace in option a"),
    ({"service": "pickup/unix", "process_limit": "\u0663"}, "process_limit is"),
    ({"service": "a\0b/unix"}, "a NUL byte"),
    ({"service": "smtp/inet", "command": "smtpd\rx"}, "has several lines"),
]


@pytest.mark.parametrize(("service", "message"), REFUSED)
def test_declarations_that_master_cf_cannot_hold(service, message):
    with pytest.raises((DeclarationError, GrammarError)) as error:
        master_cf_spec.service_spec(service)
    assert message in str(error.value)


def test_a_new_service_needs_a_command():
    with pytest.raises(DeclarationError, match="no command is declared for it"):
        edit(SMTP, {"service": "submission/inet"})


def test_two_names_of_one_service_are_refused():
    services = [
        master_cf_spec.service_spec({"service": f"{name}/inet", "command": "smtpd"})
        for name in ("smtps", "submissions")
    ]
    with pytest.raises(DeclarationError, match="same service as smtps/inet"):
        master_cf_spec.merged_specs(services)


def test_merged_specs():
    merged = master_cf_spec.merged_specs(
        [
            master_cf_spec.service_spec(
                {"service": "a/unix", "command": "x", "chroot": True, "options": {"p": 1, "q": 2}}
            ),
            master_cf_spec.service_spec({"service": "a/unix", "chroot": False, "options": {"q": None}}),
        ]
    )
    assert [(item.columns, item.options) for item in merged] == [
        ({"chroot": "n", "command": "x"}, {"p": "1", "q": None})
    ]


@pytest.mark.parametrize(
    ("later", "arguments"),
    [({"command": "smtp"}, None), ({"command": "pipe"}, ("argv=/x",)), ({"chroot": True}, ("argv=/x",))],
)
def test_arguments_of_another_program_are_removed(later, arguments):
    services = [{"service": "a/unix", "command": "pipe argv=/x"}, {"service": "a/unix", **later}]
    merged = master_cf_spec.merged_specs([master_cf_spec.service_spec(service) for service in services])
    assert [item.arguments for item in merged] == [arguments]


def test_null_in_the_list_of_an_option():
    with pytest.raises(DeclarationError, match="mynetworks"):
        master_cf_spec.service_spec(
            {"service": "a/unix", "command": "smtp", "options": {"mynetworks": [None, "127.0.0.1"]}}
        )


GRAMMAR_ERRORS = [
    (b"smtp inet n - y - smtpd\n", "master.cf:1: an entry has 8 columns, but this one has 7"),
    (b"#\n\nsmtp tcp n - y - - smtpd\n", "master.cf:3: unknown service type 'tcp'"),
    (b"smtp inet n - x - - smtpd\n", "chroot is 'x'"),
    (SMTP + b"  -o { a = b\n", "missing '}'"),
    (SMTP + b"  -o {a=b}c\n", "text after '}'"),
    (b"#\nsmtp inet n - y often - smtpd\n", "master.cf:2: column wakeup is 'often'"),
    (b"smtp inet n - y - many smtpd\n", "column process_limit is 'many'"),
]


@pytest.mark.parametrize(("text", "message"), GRAMMAR_ERRORS)
def test_entries_at_which_master_stops_are_reported(text, message):
    with pytest.raises(GrammarError) as error:
        master_cf.master_entries(text)
    assert message in str(error.value)


MISTAKES = [
    (SMTP + b"  -o a = b\n  -o c=d\n", "f:1: smtp/inet: -o 'a' is not name=value: the daemon stops at it"),
    (b"#\n" + SMTP + b"  -o\n", "f:2: smtp/inet: -o without name=value: the daemon stops at it"),
    (
        SMTP + b"  -o a=b \0 -o c=d\n",
        "f:1: smtp/inet: it contains a NUL byte, and Postfix ignores the rest of the entry",
    ),
    (SMTP + b" -v{o a=b}\n", "f:1: smtp/inet: '-v{o a=b}' is not a valid option: the daemon stops at it"),
    (
        SMTP + b"# x\n\x0b -o a=b\n",
        "f:1: smtp/inet: one of its lines starts with VT or FF, so that Postfix joins it with the last word of the line before",
    ),
]


@pytest.mark.parametrize(("text", "message"), MISTAKES)
def test_mistakes(text, message):
    """Only an edit of the entry itself is refused."""
    found = [f"f:{entry.line.number}: {entry.key}: {entry.mistake}" for entry in master_cf.master_entries(text, "f")]
    assert message in found
    with pytest.raises(GrammarError, match="editing f:"):
        master_cf_edit.edit_master_cf(
            text, [master_cf_spec.service_spec({"service": "smtp/inet", "chroot": False})], "f"
        )


ENDPOINTS = [
    ("smtp", "25"),
    ("smtps", "submissions"),
    ("465", "submissions"),
    ("submission", "587"),
    (":25", "25"),
    ("025", "25"),
    ("[127.0.0.1]:25", "127.0.0.1:smtp"),
    ("[::1]:25", "[ipv6:::1]:smtp"),
    ("[::1]:25", "[0:0:0:0:0:0:0:1]:25"),
    ("qmqp", "628"),
    ("Localhost:24", "localhost:lmtp"),
]


@pytest.mark.parametrize(("one", "other"), ENDPOINTS)
def test_names_of_one_endpoint(one, other):
    assert master_cf.endpoint(one, "inet") == master_cf.endpoint(other, "inet")
    assert master_cf.endpoint(one, "unix") != master_cf.endpoint(other, "unix")


SOCKETS = b"a unix n - n - - smtp\na unix y - n - - smtp\n"


@pytest.mark.parametrize(
    ("service", "after"),
    [
        ({"service": "a/unix", "state": "absent"}, b""),
        ({"service": "a/unix", "state": "absent", "private": True}, b"a unix n - n - - smtp\n"),
        (
            {"service": "a/unix", "state": "disabled", "private": False},
            b"#a unix n - n - - smtp\na unix y - n - - smtp\n",
        ),
        ({"service": "a/unix", "chroot": True}, b"a unix n - n - - smtp\na unix y - y - - smtp\n"),
    ],
)
def test_a_private_and_a_public_socket_are_two_services(service, after):
    assert edit(SOCKETS, service) == after


def test_removal_of_a_missing_service_keeps_others():
    text = b"a unix n - n - - smtp\n"
    assert edit(text, {"service": "a/unix", "private": True, "state": "absent"}) == text


@pytest.mark.parametrize("commented", [False, True])
def test_an_edit_reads_the_lines_of_other_services_once(monkeypatch, commented):
    read = []
    split_words = master_cf.split_words
    monkeypatch.setattr(master_cf, "split_words", lambda *arguments: read.append(1) or split_words(*arguments))
    services = [f"service{number} unix - - n - - smtp\n" for number in range(60)]
    text = "".join("#" * (commented and index % 2) + line for index, line in enumerate(services)).encode()
    specs = [
        master_cf_spec.service_spec({"service": f"service{number}/unix", "command": "smtp -v", "chroot": True})
        for number in range(80)
    ]
    after = master_cf_edit.edit_master_cf(text, specs)
    assert after.count(b"smtp -v") == 80
    # Each before and after its change, and as a comment.
    assert len(read) <= 5 * len(specs)


def test_services_are_found_without_reading_others():
    text = b"".join(b"service%d unix - - n - - smtp\n" % number for number in range(60))
    with pytest.MonkeyPatch.context() as patch:
        identified = []
        endpoint = master_cf.endpoint
        patch.setattr(master_cf, "endpoint", lambda *words: identified.append(words) or endpoint(*words))
        for number in range(60):
            assert master_cf.find_entry(text, f"service{number}", "unix")
    assert len(identified) <= 120
