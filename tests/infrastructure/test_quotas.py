"""Every template stays clear of the quotas that would stop its deployment, with a fifth of each left to grow into."""

import json

import pytest

from tests.infrastructure.quotas import QUOTAS, UNKNOWN, Use, uses_of
from tests.infrastructure.templates import CONTEXT, Synthesised


def excess(one: Synthesised) -> list[Use]:
    return [use for use in uses_of(one) if use.used > QUOTAS[use.quota].limit * QUOTAS[use.quota].share]


def test_an_environment_stays_clear_of_every_quota(every):
    assert excess(every) == []


@pytest.mark.parametrize("where", ["home", "elsewhere"])
def test_with_everything_switched_on_it_does_too(everything_on, elsewhere, where):
    assert excess(everything_on if where == "home" else elsewhere("staging")) == []


def test_every_quota_is_measured(everything_on, prod):
    assert {use.quota for one in (everything_on, prod) for use in uses_of(one)} == QUOTAS.keys()


def test_without_the_indentation_that_cdk_leaves_out_the_orchestrator_would_not_stay_clear(everything_on):
    assert CONTEXT["@aws-cdk/core:suppressTemplateIndentation"] is True
    quota = QUOTAS["bytes of a template"]
    indented = len(json.dumps(everything_on.orchestrator, indent=1).encode())
    assert indented > quota.limit * quota.share >= everything_on.orchestrator_file.stat().st_size


@pytest.mark.parametrize("template", ["role", "function", "key"])
def test_a_quota_counts_what_aws_counts(tmp_path, template):
    """IAM counts the inline policies of a role together and no whitespace; Lambda counts names and values as JSON."""
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": {"Fn::GetAtt": ["Bucket", "Arn"]}}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    text = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"ARN"}]}'
    characters = len(text.replace("ARN", UNKNOWN))
    made, expected = {
        "role": (
            {
                "Role": {
                    "Type": "AWS::IAM::Role",
                    "Properties": {
                        "AssumeRolePolicyDocument": document,
                        "Policies": [{"PolicyName": "one", "PolicyDocument": document}],
                    },
                },
                "Other": {
                    "Type": "AWS::IAM::Policy",
                    "Properties": {"PolicyDocument": document, "Roles": [{"Ref": "Role"}]},
                },
            },
            ("characters of a role's inline policies", 2 * characters),
        ),
        "function": (
            {
                "Code": {
                    "Type": "AWS::Lambda::Function",
                    "Properties": {"Environment": {"Variables": {"NAME": "välue"}}},
                }
            },
            ("bytes of a function's environment", len('{"NAME":"v\\u00e4lue"}')),
        ),
        "key": (
            {"Key": {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": document}}},
            ("bytes of a key policy", characters),
        ),
    }[template]
    for name in ("stack", "orchestrator"):
        (tmp_path / f"ib-oauth-{name}-dev.template.json").write_text(json.dumps({"Resources": made}))
    found = {(use.quota, use.used) for use in uses_of(Synthesised(tmp_path, "dev"))}
    assert expected in found
