"""Every policy uses actions, resources and condition keys that AWS's Service Authorization Reference has."""

import pytest

from infrastructure.service.iam import SIGNING_KEY_TAG
from tests.infrastructure.permissions.deployed import DeployedEnvironment, listed
from tests.infrastructure.permissions.reference import Finding, findings_of, overlap
from tests.infrastructure.templates import ENVIRONMENTS, HOME_REGION, OTHER_REGION

KNOWN = {
    Finding("no key of the action", "kms:DescribeKey", "kms:EncryptionContext:aws:logs:arn"): (
        "the key policy that CloudWatch Logs documents has it so"
        " (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html)"
    ),
}
"""What AWS's own documentation has in a policy and its reference does not have, with the reason."""


@pytest.fixture(params=[*ENVIRONMENTS, "everything on", "prod elsewhere"])
def environment(request, synthesised, everything_on, elsewhere):
    name, _, moved = request.param.partition(" ")
    if moved == "elsewhere":
        return DeployedEnvironment(name, elsewhere(name).files, OTHER_REGION)
    one = everything_on if moved else synthesised(name)
    return DeployedEnvironment(one.name, one.files, HOME_REGION)


def documents(environment):
    """Every policy, and where it is."""
    yield from ((role.name, {"Statement": list(role.statements)}) for role in environment.roles.values())
    for policies in (environment.boundaries, environment.resource_policies, environment.endpoint_policies):
        yield from policies.items()


def test_every_action_exists_and_has_the_resources_and_keys_of_its_statement(environment):
    statements = [
        (where, statement) for where, document in documents(environment) for statement in listed(document["Statement"])
    ]
    found = {(where, finding) for where, statement in statements for finding in findings_of(statement)}

    assert len(statements) > 300
    assert {(where, finding) for where, finding in found if finding not in KNOWN} == set()


def test_every_tag_that_a_condition_names_is_on_a_key_of_the_environment(environment):
    """A key's ARN is drawn, so policies name keys by tags: a tag that no key has is a right that no role has."""
    tags = {(name, value) for key in environment.keys.values() for name, value in key.tags.items()}
    named = {
        (key.partition("/")[2], value)
        for _, document in documents(environment)
        for statement in listed(document["Statement"])
        for pairs in statement.get("Condition", {}).values()
        for key, value in pairs.items()
        if key.lower().startswith("aws:resourcetag/")
    }

    assert {name for name, _ in named} == {"environment", SIGNING_KEY_TAG}
    assert named - tags == set()


@pytest.mark.parametrize(
    ("statement", "finding"),
    [
        ({"Action": "dynamodb:GetItems"}, Finding("no action", "dynamodb:GetItems", "")),
        ({"Action": "dynamo:GetItem"}, Finding("no action", "dynamo:GetItem", "")),
        (
            {"Action": "lambda:ListFunctions", "Resource": "arn:aws:lambda:us-west-1:111122223333:function:a"},
            Finding(
                "no resource of the action", "lambda:ListFunctions", "arn:aws:lambda:us-west-1:111122223333:function:a"
            ),
        ),
        (
            {"Action": ["kms:Sign", "s3:GetObject"], "Resource": ["arn:aws:kms:*:*:key/a", "arn:aws:s3:::bucket"]},
            Finding("no action for the resource", "", "arn:aws:s3:::bucket"),
        ),
        (
            {"Action": "dynamodb:DescribeTable", "Condition": {"StringLike": {"dynamodb:LeadingKeys": "a"}}},
            Finding("no key of the action", "dynamodb:DescribeTable", "dynamodb:LeadingKeys"),
        ),
        (
            {"Action": "lambda:InvokeFunction", "Condition": {"StringEquals": {"aws:RequestTag/a": "b"}}},
            Finding("no key of the action", "lambda:InvokeFunction", "aws:RequestTag/a"),
        ),
    ],
)
def test_what_the_reference_does_not_know_is_found(statement, finding):
    assert finding in set(findings_of(statement))


@pytest.mark.parametrize(
    ("one", "other", "overlapping"),
    [
        ("table/a", "table/*", True),
        ("table/*-prod", "table/ib-*", True),
        ("table/a", "table/*/index/*", False),
        ("table/*", "table/*/index/*", True),
        ("*", "", True),
        ("a*b", "ab", True),
        ("a*b", "ac", False),
        ("", "a", False),
    ],
)
def test_two_patterns_overlap_if_a_text_matches_both(one, other, overlapping):
    assert overlap(one, other) is overlapping
    assert overlap(other, one) is overlapping
