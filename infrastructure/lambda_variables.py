"""Lambda's limit for the environment variables of a function: exceeding it is found before CloudFormation does."""

from __future__ import annotations

import json
from collections.abc import Mapping

from aws_cdk import Stack

from infrastructure.naming import bucket_name, physical_name
from orchestrator.environments import Environment, EnvironmentRefused

LAMBDA_LIMIT_BYTES = 4096
"""The limit for all variables of a function, measured as one JSON object.

Lambda's error message quotes such an object with escaped quotes. Any other encoding is shorter, so this is
conservative.
"""

_PSEUDO_PARAMETERS = {"AWS::AccountId": 12, "AWS::Partition": 3, "AWS::Region": 14, "AWS::URLSuffix": 13}
_ACCOUNT, _KEY_ID, _API_ID = "1" * 12, "x" * 36, "x" * 12
_OTHER_PART = 112
"""Bytes of what is resolved at deployment and not listed below: the ARN of a secret, which is the longest."""

_REMEDIES = {
    "CLIENTS": (
        "service.clients",
        "let clients use client ID metadata documents (client_metadata_documents = true), or configure fewer of them",
    ),
    "PLATFORMS": ("service.platforms", "configure fewer or shorter platforms"),
    "INCIDENTS": ("on_call", "give fewer or shorter names, and fewer severities other than the defaults"),
    "NOTIFICATIONS": ("notifications", "give fewer or shorter destinations"),
    "DELIVERY_POLICY": ("delivery", "give fewer checks, hooks or strategies"),
    "RECOVERY_POLICY": ("recovery", "give fewer scenarios and schedules of drills"),
    "STATUS_PAGE": ("status_page", "give fewer or shorter texts"),
    "FAILOVER_POLICY": ("failover", "give fewer approvers"),
}
"""The settings that variables are made from, and what makes them shorter."""


def check_size(stack: Stack, environment: Environment, function: str, variables: Mapping[str, str]) -> None:
    """Check that a function's variables are within Lambda's limit.

    Args:
        stack: of the function.
        environment: the environment.
        function: its short name.
        variables: its variables; they may have parts that are resolved at deployment.

    Raises:
        EnvironmentRefused: they are too large. The error names the largest setting among them.
    """
    texts = {
        name: resolved_text(environment, name, stack.resolve(value) if "${Token[" in value else value)
        for name, value in variables.items()
    }
    size_bytes = len(json.dumps(texts, separators=(",", ":"), allow_nan=False))
    if size_bytes <= LAMBDA_LIMIT_BYTES:
        return
    largest = max(texts, key=lambda name: (name in _REMEDIES, len(texts[name])))
    field, remedy = _REMEDIES.get(largest, (f"service ({largest})", "shorten it"))
    raise EnvironmentRefused(
        f"{environment.name}.{field}",
        f"{size_bytes} bytes of variables for {function}, {len(texts[largest])} of them its own",
        f"Lambda's limit is {LAMBDA_LIMIT_BYTES} bytes: {remedy}",
    )


def resolved_text(environment: Environment, variable: str, value: object) -> str:
    """Return a variable's value in a template, with as many characters in the place of what only AWS knows.

    Args:
        environment: the environment.
        variable: the variable's name.
        value: a text, a `Fn::Join`, or another intrinsic function.
    """
    match value:
        case str():
            return value
        case {"Fn::Join": [str(between), [*parts]]}:
            return between.join(resolved_text(environment, variable, part) for part in parts)
        case {"Ref": str(parameter)} if parameter in _PSEUDO_PARAMETERS:
            return "x" * _PSEUDO_PARAMETERS[parameter]
    return "x" * _known_parts(environment).get(variable, _OTHER_PART)


def _known_parts(environment: Environment) -> Mapping[str, int]:
    """Return the bytes of what AWS generates, by the variable that has it: it is no longer than the names make it."""
    place = f"{environment.region}:{_ACCOUNT}"
    buckets = {
        variable: len(bucket_name(name, environment, _ACCOUNT))
        for variable, name in (("EVIDENCE_BUCKET", "evidence"), ("EXPORTS_BUCKET", "exports"))
    }
    topics = {
        f"{audience.upper()}_TOPIC": len(f"arn:aws:sns:{place}:{physical_name(audience, environment)}")
        for audience in ("operators", "clients")
    }
    key_arn = len(f"arn:aws:kms:{place}:key/{_KEY_ID}")
    ids = {"EVIDENCE_KEYS": len(_KEY_ID), "ACKNOWLEDGEMENT_ADDRESS": len(_API_ID), "ISSUER": len(_API_ID)}
    return {**buckets, **topics, **ids, "SERVICE": key_arn, "SIGNING_KEY_ID": key_arn, "SEED_GRANTS_KEY": key_arn}
