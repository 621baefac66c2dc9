"""What a creation that fails half-way leaves behind: nothing that stands in the way of the next one."""

import json

import pytest

from tests.infrastructure.templates import resources

KEPT_ALWAYS = {
    "AWS::Lambda::Version": "an execution under way uses it after a failed update, too; Lambda numbers versions",
    "AWS::ApiGateway::Account": "the account has one for all APIs, those of other environments among them",
    "AWS::IAM::Role": "the account's API Gateway logs with it; CloudFormation names it anew each time",
}
"""Types of resources with DeletionPolicy Retain, and why. Their names are never fixed."""
NAMES = ("AliasName", "BackupVaultName", "BucketName", "LogGroupName", "RoleName", "TableName")


def names_of(resource: dict) -> dict:
    return {key: resource.get("Properties", {}).get(key) for key in NAMES if key in resource.get("Properties", {})}


def kept(one, policy: str):
    return [
        (logical_id, resource)
        for template in one.all
        for logical_id, resource in template["Resources"].items()
        if policy in {resource.get("DeletionPolicy"), resource.get("UpdateReplacePolicy")}
    ]


def assert_repeatable(one):
    plain = [(name, own) for name, own in kept(one, "Retain") if own["DeletionPolicy"] == "Retain"]

    assert {own["Type"] for _, own in plain} <= KEPT_ALWAYS.keys()
    assert not [(name, names_of(own)) for name, own in plain if names_of(own)]
    assert all("CloudWatchRole" in name for name, own in plain if own["Type"] == "AWS::IAM::Role")
    # Whatever a failed creation deletes is still retained by a later update and by the deletion of the stack.
    assert {own["UpdateReplacePolicy"] for _, own in kept(one, "RetainExceptOnCreate")} <= {"Retain"}


def test_a_name_that_is_retained_is_free_again_after_a_failed_creation(every):
    assert_repeatable(every)


@pytest.mark.parametrize("where", ["home", "elsewhere"])
def test_with_everything_switched_on_it_is_too(everything_on, elsewhere, where):
    assert_repeatable(everything_on if where == "home" else elsewhere("staging"))


@pytest.mark.parametrize("name", ["staging", "prod"])
def test_data_is_retained_by_the_policy_that_spares_a_failed_creation(synthesised, name):
    types = {own["Type"] for _, own in kept(synthesised(name), "RetainExceptOnCreate")}

    assert types >= {"AWS::DynamoDB::Table", "AWS::KMS::Key", "AWS::Logs::LogGroup", "AWS::S3::Bucket"}


def test_the_trail_writes_only_when_nothing_else_can_fail_any_more(synthesised, everything_on):
    """CloudFormation deletes empty buckets only, and CloudTrail writes as soon as a trail exists."""
    for one in (synthesised("prod"), synthesised("dev"), everything_on):
        template = json.loads((one.folder / f"ib-oauth-security-{one.name}.template.json").read_bytes())
        (trail,) = resources(template, "AWS::CloudTrail::Trail")
        later = set(template["Resources"]) - needed_by(template, trail) - {trail}

        assert later <= {"CDKMetadata"}


def needed_by(template: dict, logical_id: str) -> set[str]:
    """All resources that CloudFormation creates before this one."""
    names = set(template["Resources"])
    found: set[str] = set()
    waiting = [logical_id]
    while waiting:
        direct = references(template["Resources"][waiting.pop()], names) - found
        found |= direct
        waiting += direct
    return found - {logical_id}


def references(value: object, names: set[str]) -> set[str]:
    match value:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), _]}:
            return {name} & names
        case dict():
            explicit = value.get("DependsOn", [])
            listed = {explicit} if isinstance(explicit, str) else set(explicit)
            return (listed & names).union(*(references(inner, names) for inner in value.values()))
        case list():
            return set().union(*(references(inner, names) for inner in value))
    return set()
