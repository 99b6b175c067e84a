# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError
from ansible_collections.mailops.postfix.plugins.module_utils._model import finding
from ansible_collections.mailops.postfix.plugins.module_utils._model.finding import Finding

TOUCHED = frozenset({("main", "relayhost")})


def problem(check="wrong_destination", **more):
    return Finding(check, "relayhost = x y", "it is wrong", "Write [x]", "main.cf:3", TOUCHED, **more)


@pytest.mark.parametrize(
    ("before", "found", "declared", "wanted", "standalone", "severity"),
    [
        ([], problem(), frozenset(), {}, False, "error"),
        ([problem()], problem(), frozenset(), {}, False, "warning"),
        ([problem()], problem(), TOUCHED, {}, False, "error"),
        ([problem()], problem(), frozenset(), {"wrong_destination": "error"}, False, "error"),
        ([], problem(), TOUCHED, {"wrong_destination": "warning"}, False, "warning"),
        ([], problem(), TOUCHED, {"wrong_destination": "ignore"}, False, "ignore"),
        ([], problem(severity="warning"), TOUCHED, {}, False, "warning"),
        ([], problem("no_certificate"), TOUCHED, {}, False, "error"),
        ([], problem("no_certificate"), TOUCHED, {}, True, "warning"),
        ([], problem(standalone=True), TOUCHED, {}, True, "warning"),
        ([], problem(standalone=True), TOUCHED, {}, False, "error"),
        ([], problem("duplicate_service"), TOUCHED, {}, False, "warning"),
        ([problem("missing_account")], problem("missing_account"), frozenset(), {}, False, "ignore"),
        ([], problem("missing_account"), frozenset(), {}, False, "error"),
    ],
)
def test_what_a_finding_is(before, found, declared, wanted, standalone, severity):
    errors, warnings = finding.classify(before, [found, found], declared, wanted, standalone)
    assert (len(errors), len(warnings)) == {"error": (1, 0), "warning": (0, 1), "ignore": (0, 0)}[severity]


def test_a_finding_that_moves_to_another_line_is_the_same():
    moved = Finding("wrong_destination", "relayhost = x y", "it is wrong", "", "main.cf:9")
    assert finding.classify([problem()], [moved], frozenset(), {}, False) == ([], [moved])


def test_all_errors_are_one():
    with pytest.raises(DeclarationError) as error:
        finding.raise_errors([problem(), problem("open_relay")])
    assert str(error.value) == (
        "setting relayhost = x y (main.cf:3): it is wrong. Write [x] [wrong_destination]\n"
        "Also:\n  relayhost = x y (main.cf:3): it is wrong. Write [x] [open_relay]"
    )
    finding.raise_errors([])


@pytest.mark.parametrize("name", sorted(finding.FATAL))
def test_what_stops_postfix_stays_an_error(name):
    assert finding.severities({name: "error"})
    with pytest.raises(DeclarationError, match="Postfix stops"):
        finding.severities({name: "warning"})


def test_all_sets_name_checks():
    named = {*finding.FATAL, *finding.STANDALONE_WARNINGS, *finding.UNUSED, *finding.ALWAYS_WARNINGS}
    assert named <= set(finding.CHECKS)
