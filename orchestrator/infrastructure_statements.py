"""Policy statements: what the rows of `infrastructure_access.py` become in the places of an environment."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import aws_iam as iam

from orchestrator.infrastructure_access import Ledger, Rights
from orchestrator.infrastructure_places import WILDCARDS, Place, Places
from stack_parts import may_restore_under, may_use_through

ITEMS = frozenset(
    {
        "dynamodb:BatchGetItem",
        "dynamodb:BatchWriteItem",
        "dynamodb:DeleteItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:Scan",
        "dynamodb:UpdateItem",
    }
)
"""Actions that read or write items: DynamoDB does that under a customer's key with the caller's rights."""


def statements_of(rights: Rights, places: Places, region: str) -> list[iam.PolicyStatement]:
    """Return the policy statements that a row becomes."""
    statements = [
        iam.PolicyStatement(
            sid="Ledger", actions=[f"dynamodb:{action}" for action in rights.ledger.value], resources=[places.ledger]
        )
    ]
    if places.ledger_key:
        writes = rights.ledger is Ledger.WRITES
        statements.append(may_use_through("dynamodb", places.ledger_key, sid="LedgerKey", writes=writes, region=region))
    if rights.announces:
        statements.append(iam.PolicyStatement(sid="Announce", actions=["events:PutEvents"], resources=[places.bus]))
    for grant in rights.grants:
        resources = [arn for place in grant.places for arn in places.arns[place]]
        conditions = {place: places.conditions.get(place) for place in grant.places}
        condition = conditions[grant.places[0]]
        if any(other != condition for other in conditions.values()):
            raise ValueError(f"{grant.actions} apply on different conditions: give each place a grant of its own")
        statements.append(iam.PolicyStatement(actions=list(grant.actions), resources=resources, conditions=condition))
    statements += _on_variables(rights, places, region)
    # The ring's key is that of all the service's tables, and of the copies that are restored from them.
    if places.ring_key and any(ITEMS & set(grant.actions) for grant in rights.grants):
        statements.append(may_use_through("dynamodb", places.ring_key, sid="RingKey", writes=True, region=region))
    if places.ring_key and any("dynamodb:RestoreTableToPointInTime" in one.actions for one in rights.grants):
        statements.append(may_restore_under(places.ring_key, region))
    if places.evidence_key and any({Place.ARCHIVED, Place.EXPORTED} & set(grant.places) for grant in rights.grants):
        statements.append(may_use_through("s3", places.evidence_key, sid="EvidenceKey", writes=True, region=region))
    if any("sns:Publish" in grant.actions for grant in rights.grants):
        statements.append(may_use_through("sns", places.topics_key, sid="TopicsKey", writes=True, region=region))
    return statements


def _on_variables(rights: Rights, places: Places, region: str) -> list[iam.PolicyStatement]:
    """Let whoever reads a function's configuration read its variables, too, and whoever changes them encrypt them.

    Lambda shows and takes variables under a customer's key with the caller's rights only ("Securing Lambda environment variables"):
    a release would be named without its settings.
    """
    key, actions = places.variables_key, {action for grant in rights.grants for action in grant.actions}
    if key is None or "lambda:GetFunctionConfiguration" not in actions:
        return []
    writes = "lambda:UpdateFunctionConfiguration" in actions
    through = may_use_through("lambda", key, sid="ServiceVariables", writes=writes, region=region)
    if writes:
        through.add_actions("kms:CreateGrant")
    return [through]


def wildcards_of(rights: Rights, places: Places) -> Mapping[str, str]:
    """Return the wildcard resources of a row, with the reasons for them."""
    named = {place for grant in rights.grants for place in grant.places}
    return {
        arn: reason for place, reason in WILDCARDS.items() if place in named for arn in places.arns[place] if "*" in arn
    }
