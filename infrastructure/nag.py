"""Suppressions of cdk-nag rules, next to the construct that they concern, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Acknowledgment, Stack, Validations
from constructs import IConstruct


def suppress_nag(scope: IConstruct, reason: str, *rules: str) -> None:
    """Suppress rules of AwsSolutions for a construct and its children, with the reason."""
    Validations.of(scope).acknowledge(
        *(Acknowledgment(id=f"AwsSolutions::AwsSolutions-{rule}", reason=reason) for rule in rules)
    )


def suppress_nist(scope: IConstruct, reason: str, *rules: str) -> None:
    """Suppress rules of NIST 800-53 for a construct that only some environments have; others: nag_suppressions.py."""
    Validations.of(scope).acknowledge(
        *(Acknowledgment(id=f"NIST.800.53.R5::NIST.800.53.R5-{rule}", reason=reason) for rule in rules)
    )


def suppress_wildcards(scope: IConstruct, reasons: Mapping[str, str]) -> None:
    """Suppress rule IAM5 for the wildcard resources of a role's policies. cdk-nag reports each resource separately.

    Args:
        scope: a role.
        reasons: resource, as the policy names it, to the reason.
    """
    for resource, reason in reasons.items():
        suppress_nag(scope, reason, f"IAM5[Resource::{_nag_resource_id(Stack.of(scope).resolve(resource))}]")


def _nag_resource_id(resolved: object) -> str:
    """Format a resolved resource as cdk-nag reports it: references stand in angle brackets."""
    match resolved:
        case str():
            return resolved
        case {"Fn::Join": ["", [*parts]]}:
            return "".join(_nag_resource_id(part) for part in parts)
        case {"Ref": str(name)}:
            return f"<{name}>"
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            return f"<{name}.{attribute}>"
    raise ValueError(f"a policy's resource is not expected to be {resolved!r}")
