"""An environment that had to leave its region: what is one set in all regions has names of its own, and nothing else has."""

import json
import re
from collections.abc import Iterator

import pytest

from tests.infrastructure.templates import HOME_REGION, OTHER_REGION

WORLDWIDE = ("RoleName", "BucketName", "ManagedPolicyName", "BudgetName", "MonitorName")
"""Of these the names are one set in an account, or in the world."""


def named(properties: object, key: str = "") -> Iterator[tuple[str, str]]:
    """Every property that names something of ours, and the name."""
    if isinstance(properties, dict) and not any(one.startswith("Fn::") for one in properties):
        for inner, value in properties.items():
            yield from named(value, inner)
    elif isinstance(properties, list):
        for value in properties:
            yield from named(value, "")
    elif re.fullmatch(r"\w*Name", key) and "ib-oauth" in (text := json.dumps(properties)):
        yield key, text


def made(templates: list[dict]) -> dict[str, set[str]]:
    """The names that resources get, by the property that gives them; a property that only mentions another's name is the same there."""
    found: dict[str, set[str]] = {}
    # The status page is in a region of its own, and stays where it is with its names.
    for template in (one for one in templates if not one["Description"].startswith("Public status page")):
        for resource in template["Resources"].values():
            for key, name in named(resource.get("Properties", {})):
                found.setdefault(key, set()).add(name)
    return found


@pytest.mark.strategy("Scaling: Regional expansion")
def test_what_is_one_set_worldwide_is_named_after_the_region_and_nothing_else_is(everything_on, elsewhere):
    there, home = made(elsewhere("staging").all), made(everything_on.all)

    assert there.keys() == home.keys() >= {"RoleName", "BucketName", "BudgetName", "ManagedPolicyName"}
    for key in home:
        if key in WORLDWIDE:
            assert all(f"-{OTHER_REGION}" in name for name in there[key]), key
            assert not there[key] & home[key]
        else:
            assert {name.replace(OTHER_REGION, HOME_REGION) for name in there[key]} == home[key], key
