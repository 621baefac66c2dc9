"""CloudTrail's events of all that our roles may do: more than any night has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.aws.ledger.seeded_grants import PURPOSE
from orchestrator.smoke.trail_events import Event, by_role, call
from tests.infrastructure.access import Templates, read

# The CDK allows the use of a key in all its variants.
_VARIANTS = {
    "kms:ReEncrypt*": ("ReEncrypt",),
    "kms:GenerateDataKey*": ("GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "GenerateDataKeyPair"),
}
_REFERENCE = re.compile(r"<(?P<stack>[\w-]+)/(?P<id>\w+)(\.Arn)?>")


def permitted(one) -> list[Event]:
    """One event for each call that a policy of the templates allows a role of ours: more than any night has."""
    templates = read(one.files)
    roles = {
        (stack, logical_id): templates.text(stack, role.get("RoleName", f"{stack}-{logical_id}-0123456789AB"))
        for stack, logical_id, role in templates.resources("AWS::IAM::Role")
    }
    events = []
    for role, stack, statement in _allowed(templates, roles):
        context = _encryption_context(templates, stack, statement, one.name)
        for action in _listed(statement["Action"]):
            service, _, name = action.partition(":")
            if service == "s3" and "*" in name:
                continue  # of objects, which the trail does not have
            assert action in _VARIANTS or "*" not in name, f"the role {role} may {action}: which calls are these?"
            events += [
                call(by_role(role), service, one, encryptionContext=context) for one in _VARIANTS.get(action, (name,))
            ]
    return events


def _allowed(templates: Templates, roles: Mapping[tuple[str, str], str]) -> Iterator[tuple[str, str, Any]]:
    for stack, logical_id, role in templates.resources("AWS::IAM::Role"):
        for policy in role.get("Policies", []):
            yield from _allows(roles[stack, logical_id], stack, policy["PolicyDocument"])
    for stack, _, policy in templates.resources("AWS::IAM::Policy"):
        for holder in policy["Roles"]:
            found = _REFERENCE.fullmatch(templates.text(stack, holder))
            assert found, holder
            yield from _allows(roles[found["stack"], found["id"]], stack, policy["PolicyDocument"])


def _allows(role: str, stack: str, document: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    for statement in document["Statement"]:
        if statement["Effect"] == "Allow":
            yield role, stack, statement


def _encryption_context(templates: Templates, stack: str, statement: Mapping[str, Any], environment: str) -> Event:
    """The encryption context of a call of KMS, as the statement's conditions say what the key is used for."""
    wanted = {key: value for pairs in statement.get("Condition", {}).values() for key, value in pairs.items()}
    if "kms:ViaService" in wanted:
        return {"aws:dynamodb:tableName": f"ib-oauth-tokens-{environment}"}
    if "kms:EncryptionContext:environment" in wanted:
        return {"environment": environment, "purpose": "session", "owner": "family#1"}
    if "kms:EncryptionContext:aws:lambda:FunctionArn" in wanted:
        function = templates.text(stack, _listed(wanted["kms:EncryptionContext:aws:lambda:FunctionArn"])[0])
        return {"aws:lambda:FunctionArn": function}
    return {"environment": environment, "recovery": "d1", "purpose": PURPOSE}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
