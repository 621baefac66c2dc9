"""An environment that had to leave its region: what is one set in all regions has names of its own, and nothing else has."""

import dataclasses
import json
import re
from collections.abc import Iterator

import pytest

from orchestrator.domain.failover.policy import read_failover
from orchestrator.domain.schema import SettingsReader
from tests.infrastructure.templates import HOME_REGION, OTHER_REGION, text_of, with_everything

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


LONGEST_NAME, LONGEST_REGION = "staging-of-sixte", "ap-southeast-2"
"""The longest name that the settings accept, and the longest region of the partition."""
LIMITS = {
    "RoleName": 64,
    "BucketName": 63,
    "FunctionName": 64,
    "ManagedPolicyName": 128,
    "BudgetName": 100,
    "MonitorName": 50,
    "StateMachineName": 80,
    "QueueName": 80,
    "BackupVaultName": 50,
    "BackupPlanName": 50,
    "Name": 64,  # of rules and schedules; that of an event bus may be longer
}
"""Characters of a name, by the property that gives it."""


def limited(properties: object) -> Iterator[tuple[str, object]]:
    """Every property of `LIMITS`, at any depth, that gives a name of ours."""
    for key, value in properties.items() if isinstance(properties, dict) else ():
        if key in LIMITS and "ib-oauth" in json.dumps(value) and (isinstance(value, str) or "Fn::Join" in value):
            yield key, value
        yield from limited(value)


@pytest.fixture(scope="module")
def farthest(assemblies):
    """An environment with everything, the longest name and the longest region, which hosts its failover."""
    policy = {"region": LONGEST_REGION, "lease_seconds": 900, "oldest_copy_hours": 26}
    approval = {"approvers": ["arn:aws:iam::123456789012:role/Oncall"], "quorum": 1, "deadline_seconds": 3600}
    everything = with_everything("prod")
    return assemblies.of(
        dataclasses.replace(
            everything,
            name=LONGEST_NAME,
            region=LONGEST_REGION,
            lost_region=HOME_REGION,
            failover=read_failover(SettingsReader("failover", {**policy, "approval": approval})),
        )
    )


def test_every_name_is_within_its_limit_also_of_the_longest_environment_in_the_longest_region(farthest):
    found = [
        (key, re.sub("<AWS::AccountId>", "1" * 12, text_of(value)))
        for template in farthest.all
        for resource in template["Resources"].values()
        for key, value in limited(resource.get("Properties", {}))
    ]
    assert {key for key, _ in found} >= {"RoleName", "BucketName", "FunctionName", "ManagedPolicyName", "BudgetName"}
    assert [(key, name, len(name)) for key, name in found if len(name) > LIMITS[key]] == []
    for key in ("RoleName", "BucketName"):
        names = [name for one, name in found if one == key]
        assert len(set(names)) == len(names) > 3


def test_the_boundary_and_the_rights_by_pattern_cover_every_role_and_bucket_there(farthest):
    """A name that is shortened keeps the environment and the region at its end, and its beginning."""
    end = f"-{LONGEST_NAME}-{LONGEST_REGION}"
    roles = [
        resource["Properties"]["RoleName"]
        for template in (farthest.service, farthest.orchestrator)
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::IAM::Role" and "RoleName" in resource["Properties"]
    ]
    assert [name for name in roles if not (name.startswith("ib-oauth-") and name.endswith(end))] == []
    machines = {name for name in roles if name.startswith("ib-oauth-machine-")}
    assert len(machines) >= 4
