"""Every template stays clear of the quotas that would stop its deployment, with a fifth of each left to grow into."""

import dataclasses
import json
from datetime import date, time

import pytest
from aws_cdk import Aws, Fn, Stack

from infrastructure.lambda_variables import LAMBDA_LIMIT_BYTES, check_size, resolved_text
from orchestrator import environments
from orchestrator.domain.incidents.policy import LARGEST_POLICY_BYTES, IncidentPolicy, encode_policy
from orchestrator.domain.incidents.rota import Level, Rota
from orchestrator.environments import policies
from orchestrator.environments.evidence import SIGNING_KEYS
from tests.infrastructure.quotas import QUOTAS, UNKNOWN, Use, uses_of
from tests.infrastructure.templates import CONTEXT, Synthesised, resources, synthesise, with_everything


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


def on_call(levels: int, people: int) -> IncidentPolicy:
    """The rota of some levels with so many people each."""
    names = tuple(tuple(f"Person of level {level} {number:02}" for number in range(people)) for level in range(levels))
    rota = Rota("Europe/Berlin", "monday", time(9), date(2026, 1, 5), 15, tuple(Level(found, ()) for found in names))
    return IncidentPolicy(rota=rota)


def bytes_with(one: Synthesised, variable: str, value: str) -> dict[str, int]:
    """The bytes of the variables of every function that has a variable, with another value of it."""
    environment = environments.load(one.name)
    found = {}
    for logical_id, function in resources(one.orchestrator, "AWS::Lambda::Function").items():
        own = function["Environment"]["Variables"]
        if variable in own:
            texts = {name: resolved_text(environment, name, text) for name, text in own.items()}
            found[logical_id] = len(json.dumps({**texts, variable: value}, separators=(",", ":")))
    return found


def test_what_the_settings_accept_fits_into_the_variables_of_an_environment_with_a_short_name(prod):
    rotas = [encode_policy(on_call(levels, people)) for levels in range(1, 6) for people in range(1, 21)]
    longest = max((text for text in rotas if len(json.dumps(text)) - 2 <= LARGEST_POLICY_BYTES), key=len)
    limits = {
        "INCIDENTS": longest.ljust(LARGEST_POLICY_BYTES - longest.count('"')),
        # A longer one is compressed, and has no quotes.
        "DELIVERY_POLICY": "x" * policies.LARGEST_POLICY_BYTES,
        "EVIDENCE_KEYS": ",".join(["x" * 36] * SIGNING_KEYS[1]),
    }
    for variable, value in limits.items():
        used = bytes_with(prod, variable, value)
        assert used
        assert {name: number for name, number in used.items() if number > LAMBDA_LIMIT_BYTES} == {}, variable


def test_settings_that_no_function_could_have_are_refused_before_the_deployment(tmp_path):
    environment = dataclasses.replace(with_everything("prod"), incidents=on_call(3, 16))
    with pytest.raises(environments.EnvironmentRefused) as refused:
        synthesise(tmp_path, environment)
    assert refused.value.field == "prod.on_call"
    assert "bytes of variables for reconcile" in str(refused.value.value)
    assert str(LAMBDA_LIMIT_BYTES) in refused.value.remedy
    assert "give fewer or shorter names" in refused.value.remedy


@pytest.mark.parametrize(
    ("variable", "field"),
    [
        ("NOTIFICATIONS", "dev.notifications"),
        ("DELIVERY_POLICY", "dev.delivery"),
        ("RECOVERY_POLICY", "dev.recovery"),
        ("CLIENTS", "dev.service.clients"),
        ("OTHER", "dev.service (OTHER)"),
    ],
)
def test_the_refusal_names_the_largest_setting_and_not_what_no_setting_shortens(variable, field):
    variables = {"SERVICE": "x" * 2000, "INCIDENTS": "x" * 50, variable: "x" * 2100}
    if variable == "OTHER":
        del variables["INCIDENTS"]
    with pytest.raises(environments.EnvironmentRefused) as refused:
        check_size(Stack(), environments.load("dev"), "plan_deployment", variables)
    assert refused.value.field == field


def test_what_is_resolved_at_deployment_counts_with_its_usual_length():
    arn = f"arn:aws:states:us-west-1:{Aws.ACCOUNT_ID}:stateMachine:x"
    fits = {"ARN": arn, "EVIDENCE_KEYS": ",".join(Fn.ref(f"Key{number}") for number in range(20))}
    room = LAMBDA_LIMIT_BYTES - 12 - len("arn:aws:states:us-west-1::stateMachine:x") - (20 * 37 - 1)
    rest = room - len('{"ARN":"","EVIDENCE_KEYS":"","REST":""}')
    check_size(Stack(), environments.load("dev"), "reconcile", {**fits, "REST": "x" * rest})
    with pytest.raises(environments.EnvironmentRefused, match="4097 bytes"):
        check_size(Stack(), environments.load("dev"), "reconcile", {**fits, "REST": "x" * (rest + 1)})
