"""The quotas that a template can meet, and how much of each the templates use.

A quota of the template itself makes CloudFormation refuse the stack; one of a service fails the creation or the update
half-way. Nothing else finds either before the deployment: `cdk synth` only warns, and of a few.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.infrastructure.templates import Synthesised

CLOUDFORMATION = "https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html"
IAM = "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"
LAMBDA = "https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"
STEP_FUNCTIONS = "https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html"
KMS = "https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html"
CLOUDWATCH = "https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html"
METRICS = "https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html"
LOGS = "https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutMetricFilter.html"
EVENTS = "https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html"
S3 = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-policies.html"


@dataclass(frozen=True)
class Quota:
    """A quota. `share` is how much of it may be used; more than four fifths needs its reason next to it."""

    limit: int
    page: str
    share: float = 0.8


QUOTAS = {
    "bytes of a template": Quota(1_000_000, CLOUDFORMATION),
    "resources of a template": Quota(500, CLOUDFORMATION),
    "outputs of a template": Quota(200, CLOUDFORMATION),
    "parameters of a template": Quota(200, CLOUDFORMATION),
    "mappings of a template": Quota(200, CLOUDFORMATION),
    "bytes of a template's description": Quota(1024, CLOUDFORMATION),
    "characters of a logical id": Quota(255, CLOUDFORMATION),
    "characters of a role's inline policies": Quota(10_240, IAM),
    "characters of a role's trust policy": Quota(2048, IAM),
    # The boundary lists what roles may do at all and has no second half: a policy cannot have two boundaries.
    # With everything switched on it has 5,903 characters in a standby region.
    "characters of a managed policy": Quota(6144, IAM, share=0.97),
    "managed policies of a role": Quota(10, IAM),
    # The settings bound what they put into variables. With everything switched on a function has 3,767 bytes.
    "bytes of a function's environment": Quota(4096, LAMBDA, share=0.95),
    "characters of a state machine": Quota(1_048_576, STEP_FUNCTIONS),
    "bytes of a key policy": Quota(32_768, KMS),
    "bytes of a bucket policy": Quota(20_480, S3),
    "characters of a composite alarm's rule": Quota(10_240, CLOUDWATCH),
    "metrics of an alarm": Quota(20, METRICS),
    # Each pattern is written by hand and says who is left out; it grows with a review, not with the templates.
    "characters of a metric filter's pattern": Quota(1024, LOGS, share=0.95),
    "characters of an event pattern": Quota(2048, EVENTS),
    "targets of a rule": Quota(5, EVENTS),
}

UNKNOWN = "x" * 70
"""Stands for what is only known when deployed. An ARN of ours is longer, but ARNs are joined from their parts."""


@dataclass(frozen=True)
class Use:
    """How much of a quota one thing uses."""

    quota: str
    thing: str
    used: int


def uses_of(one: Synthesised) -> Iterator[Use]:
    """Yield the uses of every quota by an environment's templates."""
    for file, template in zip(one.files, one.all, strict=True):
        stack = file.name.removesuffix(".template.json")
        yield Use("bytes of a template", stack, file.stat().st_size)
        for part in ("Resources", "Outputs", "Parameters", "Mappings"):
            yield Use(f"{part.lower()} of a template", stack, len(template.get(part, {})))
        yield Use("bytes of a template's description", stack, len(template.get("Description", "").encode()))
        policies = _inline_policies(template)
        for logical_id, resource in template["Resources"].items():
            yield Use("characters of a logical id", logical_id, len(logical_id))
            for quota, used in _of_resource(resource["Type"], resource.get("Properties", {})):
                yield Use(quota, f"{stack} {logical_id}", used)
        for role, documents in policies.items():
            used = sum(_policy_characters(document) for document in documents)
            yield Use("characters of a role's inline policies", f"{stack} {role}", used)


MEASURES: dict[str, dict[str, Callable[[dict], int]]] = {
    "AWS::IAM::Role": {
        "characters of a role's trust policy": lambda role: _policy_characters(role["AssumeRolePolicyDocument"]),
        "managed policies of a role": lambda role: len(role.get("ManagedPolicyArns", [])),
    },
    "AWS::IAM::ManagedPolicy": {
        "characters of a managed policy": lambda policy: _policy_characters(policy["PolicyDocument"]),
    },
    "AWS::Lambda::Function": {
        "bytes of a function's environment": lambda function: len(
            _text(function.get("Environment", {}).get("Variables", {})).encode()
        ),
    },
    "AWS::StepFunctions::StateMachine": {
        "characters of a state machine": lambda machine: len(_value(machine["DefinitionString"])),
    },
    "AWS::KMS::Key": {"bytes of a key policy": lambda key: len(_text(key["KeyPolicy"]).encode())},
    "AWS::S3::BucketPolicy": {"bytes of a bucket policy": lambda one: len(_text(one["PolicyDocument"]).encode())},
    "AWS::CloudWatch::CompositeAlarm": {
        "characters of a composite alarm's rule": lambda alarm: len(_value(alarm["AlarmRule"])),
    },
    "AWS::CloudWatch::Alarm": {"metrics of an alarm": lambda alarm: len(alarm.get("Metrics", []))},
    "AWS::Logs::MetricFilter": {
        "characters of a metric filter's pattern": lambda one: len(_value(one["FilterPattern"])),
    },
    "AWS::Events::Rule": {
        "characters of an event pattern": lambda rule: len(_text(rule.get("EventPattern", {}))),
        "targets of a rule": lambda rule: len(rule.get("Targets", [])),
    },
}
"""What a resource of a type uses of a quota, from its properties."""


def _of_resource(kind: str, properties: dict) -> Iterator[tuple[str, int]]:
    for quota, used in MEASURES.get(kind, {}).items():
        yield quota, used(properties)


def _inline_policies(template: dict) -> dict[str, list[dict]]:
    """The documents of every role's inline policies: IAM counts them together."""
    found: dict[str, list[dict]] = {}
    for logical_id, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::IAM::Role":
            found.setdefault(logical_id, []).extend(one["PolicyDocument"] for one in properties.get("Policies", []))
        if resource["Type"] in {"AWS::IAM::Policy", "AWS::IAM::RolePolicy"}:
            roles = properties.get("Roles", [properties.get("RoleName")])
            for role in roles:
                found.setdefault(role["Ref"] if isinstance(role, dict) else str(role), []).append(
                    properties["PolicyDocument"]
                )
    return found


def _policy_characters(document: dict) -> int:
    """IAM counts a policy's characters without whitespace."""
    return len("".join(_text(document).split()))


def _text(value: object) -> str:
    return json.dumps(_resolved(value), separators=(",", ":"))


def _value(value: object) -> str:
    resolved = _resolved(value)
    return resolved if isinstance(resolved, str) else json.dumps(resolved, separators=(",", ":"))


PSEUDO_PARAMETERS = {"AWS::Region": "us-west-1", "AWS::Partition": "aws", "AWS::AccountId": "123456789012"}


def _resolved(value: object) -> object:
    """A template's value with something of a usual length for all that is only known when deployed."""
    match value:
        case {"Fn::Join": [str(between), [*parts]]}:
            return between.join(str(_resolved(part)) for part in parts)
        case {"Ref": str(name)}:
            # That of a key is its id.
            unknown = UNKNOWN[:36] if name.startswith("EvidenceSigningKey") else UNKNOWN
            return PSEUDO_PARAMETERS.get(name, unknown)
        case {"Fn::GetAtt": _} | {"Fn::ImportValue": _} | {"Fn::Select": _} | {"Fn::Sub": _}:
            return UNKNOWN
        case dict():
            return {key: _resolved(inner) for key, inner in value.items()}
        case list():
            return [_resolved(inner) for inner in value]
    return value
