# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options as values: what a declaration leaves out has its default, and the argument spec says the same."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from typing import Sequence

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.mailops.postfix.plugins.module_utils._plan.ca_bundle_options import CaBundleOptions
from ansible_collections.mailops.postfix.plugins.module_utils._plan.certificate_options import CertificateOptions
from ansible_collections.mailops.postfix.plugins.module_utils._plan.configuration import ConfigurationOptions
from ansible_collections.mailops.postfix.plugins.module_utils._plan.file import FileOptions
from ansible_collections.mailops.postfix.plugins.module_utils._plan.lookup_table import ParameterTableOptions
from ansible_collections.mailops.postfix.plugins.module_utils._plan.options import Options, option
from ansible_collections.mailops.postfix.plugins.module_utils._plan.policy_options import (
    PolicyOptions,
    PolicyTableOptions,
)

CLASSES = [
    CaBundleOptions,
    CertificateOptions,
    ConfigurationOptions,
    FileOptions,
    ParameterTableOptions,
    PolicyOptions,
    PolicyTableOptions,
]


@dataclass(frozen=True)
class Pet(Options):
    name: str = option(required=True)
    legs: int = option("int", default=4)


@dataclass(frozen=True)
class Owner(Options):
    pets: Sequence[Pet] = option("list", Pet, elements="dict", default=[])
    favourite: Pet | None = option("dict", Pet)


def test_a_declaration_becomes_values():
    declared = {"pets": [{"name": "a"}, {"name": "b", "legs": 2, "unknown": 1}], "favourite": {"name": "c"}}
    owner = Owner.from_declaration(declared)
    assert owner == Owner(pets=[Pet("a"), Pet("b", 2)], favourite=Pet("c"))


def test_none_means_the_default():
    assert Pet.from_declaration({"name": "a", "legs": None}) == Pet("a", 4)
    assert Pet.from_declaration({"name": "a", "legs": 0}).legs == 0
    assert Owner.from_declaration({"pets": None}) == Owner([], None)


def test_values_share_no_default():
    Owner.from_declaration({}).pets.append(Pet("a"))
    assert Owner.from_declaration({}).pets == []


def test_what_is_required():
    with pytest.raises(TypeError, match="name"):
        Pet.from_declaration({})


def test_the_argument_spec():
    assert Pet.suboptions()["options"] == {
        "name": {"type": "str", "required": True},
        "legs": {"type": "int", "default": 4},
    }


@pytest.mark.parametrize("options", CLASSES)
def test_ansible_and_the_values_have_the_same_defaults(options):
    specification = options.suboptions()["options"]
    required = {
        name: {"list": [], "str": name, "path": f"/{name}"}[spec["type"]]
        for name, spec in specification.items()
        if spec.get("required")
    }
    validated = ArgumentSpecValidator(specification).validate(required)
    assert not validated.error_messages
    of_ansible = options.from_declaration(validated.validated_parameters)
    assert of_ansible == options(**required)
    assert all(item.default is MISSING or name not in required for item, name in zip(fields(options), specification))
