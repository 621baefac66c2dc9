"""An environment that had to leave its region: what is one set in all regions has names of its own, and nothing else has."""

import dataclasses
import re

import environments
from tests.infrastructure.templates import synthesise

WORLDWIDE = ("RoleName", "BucketName")
HOME, OTHER = "us-west-1", "us-east-2"


def names(templates: list[dict]) -> dict[str, set[str]]:
    """Every name that is written in templates, by the property that gives it."""
    found: dict[str, set[str]] = {}
    for template in templates:
        for resource in template["Resources"].values():
            for key, value in resource.get("Properties", {}).items():
                if re.fullmatch(r"\w*Name", key) and "ib-oauth" in str(value):
                    found.setdefault(key, set()).add(str(value))
    return found


def test_roles_and_buckets_are_named_after_the_region_and_nothing_else_is(tmp_path, local):
    moved = dataclasses.replace(environments.load("local"), region=OTHER, lost_region=HOME)
    there, home = names(synthesise(tmp_path, moved).all), names(local.all)

    assert there.keys() == home.keys()
    for key in home:
        if key in WORLDWIDE:
            assert all(OTHER in name for name in there[key])
            assert not there[key] & home[key]
        else:
            assert {name.replace(OTHER, HOME) for name in there[key]} == home[key], key
