# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that go with a configuration."""

from __future__ import annotations

import stat

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._plan import file as file_plan
from ansible_collections.mailops.postfix.plugins.module_utils._transaction.apply import apply


def file(directory, check_mode=False, **given):
    options = file_plan.FileOptions(**given)
    return apply(
        lambda instance: file_plan.file(instance, options), lambda: Instance(str(directory)), check_mode=check_mode
    )


def test_a_file_is_written_changed_and_removed(directory):
    path = directory / "units/flush.service"
    predicted = file(directory, True, path=str(path), content="[Unit]\n")
    assert predicted.changed and not path.exists()
    done = file(directory, path=str(path), content="[Unit]\n")
    assert done.diff == predicted.diff and done.requires == "none" and path.read_text() == "[Unit]\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert not file(directory, path=str(path), content="[Unit]\n").changed
    assert file(directory, path=str(path), content="[Service]\n").diff[0]["before"] == "[Unit]\n"
    assert file(directory, path=str(path), content="[Service]\n", mode="0755").changed
    assert stat.S_IMODE(path.stat().st_mode) == 0o755
    assert file(directory, path=str(path), state="absent").changed and not path.exists()
    assert not file(directory, path=str(path), state="absent").changed


def test_what_only_its_owner_may_read_is_not_shown(directory):
    assert "hush" not in repr(file(directory, path="secret", content="hush\n", mode="0600").diff)
    assert (directory / "secret").read_text() == "hush\n"


@pytest.mark.parametrize(
    ("given", "message"),
    [({"path": "a", "mode": "rw-r--r--"}, "is not a valid octal mode"), ({"path": "."}, "it is a directory")],
)
def test_what_is_refused(directory, given, message):
    with pytest.raises(DeclarationError, match=message):
        file(directory, content="", **given)
