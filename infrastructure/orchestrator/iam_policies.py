"""Builds the policy statements of a function from its permissions and the resources of an environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from aws_cdk import aws_iam as iam

from infrastructure.iam import allow_key_through_service, allow_restore_with_key, allow_update_with_key
from infrastructure.orchestrator.iam_arns import Resources
from infrastructure.orchestrator.iam_grants import ITEM_ACTIONS, WRITE_ITEM_ACTIONS, Ledger, Permissions
from infrastructure.orchestrator.iam_resources import NAMED_BY_SETTINGS, WILDCARD_REASONS, Resource

_SHOW_VARIABLES = frozenset({
    "lambda:GetFunction", "lambda:GetFunctionConfiguration", "lambda:ListVersionsByFunction", "lambda:PublishVersion",
})  # fmt: skip
"""Actions whose responses contain a function's variables, apart from ListFunctions."""


def policy_statements(permissions: Permissions, resources: Resources, region: str) -> list[iam.PolicyStatement]:
    """Return the policy statements for the permissions of one function.

    Raises:
        ValueError: a grant combines resources that have different conditions.
    """
    ledger_actions = [f"dynamodb:{action}" for action in permissions.ledger.value]
    statements = []
    if ledger_actions:
        statements.append(iam.PolicyStatement(sid="Ledger", actions=ledger_actions, resources=[resources.ledger]))
    if permissions.publishes_events:
        statements.append(
            iam.PolicyStatement(sid="PublishEvents", actions=["events:PutEvents"], resources=[resources.bus])
        )
    granted = []
    for grant in permissions.grants:
        arns = [arn for resource in grant.resources for arn in resources.arns[resource]]
        if not arns and NAMED_BY_SETTINGS.issuperset(grant.resources):
            continue
        granted.append(grant)
        conditions = [resources.conditions.get(resource) for resource in grant.resources]
        if any(condition != conditions[0] for condition in conditions):
            raise ValueError(
                f"the resources of {grant.actions} have different conditions: give each resource a grant of its own"
            )
        statements.append(iam.PolicyStatement(actions=list(grant.actions), resources=arns, conditions=conditions[0]))
    # A resource that this environment does not have needs no key either.
    return [*statements, *_key_statements(replace(permissions, grants=tuple(granted)), resources, region)]


def wildcard_reasons(permissions: Permissions, resources: Resources) -> Mapping[str, str]:
    """Return the wildcard ARNs in the permissions of one function, each with its reason."""
    granted = {resource for grant in permissions.grants for resource in grant.resources}
    return {
        arn: reason
        for resource, reason in WILDCARD_REASONS.items()
        if resource in granted
        for arn in resources.arns[resource]
        if "*" in arn
    }


def _key_statements(permissions: Permissions, resources: Resources, region: str) -> list[iam.PolicyStatement]:
    """Allow the function to use the customer managed keys of the resources that it may use.

    DynamoDB, S3, SNS and Lambda use such a key with the caller's permissions.
    """
    actions = {action for grant in permissions.grants for action in grant.actions}
    statements = _table_key_statements(permissions, actions, resources, region)
    # The functions of drills have no key of ours. Of those in the home region only the code is read.
    elsewhere = ({Resource.DRILL_FUNCTIONS}, {Resource.HOME_FUNCTIONS})
    of_service = [grant for grant in permissions.grants if set(grant.resources) not in elsewhere]
    on_functions = {action for grant in of_service for action in grant.actions}
    statements += _variables_key_statements(on_functions, resources, region)
    if resources.evidence_key and actions & {"s3:GetObject", "s3:PutObject"}:
        writes = "s3:PutObject" in actions
        statements.append(
            allow_key_through_service("s3", resources.evidence_key, sid="EvidenceKey", writes=writes, region=region)
        )
    if "sns:Publish" in actions:
        statements.append(
            allow_key_through_service("sns", resources.topics_key, sid="TopicsKey", writes=True, region=region)
        )
    return statements


def _table_key_statements(
    permissions: Permissions, actions: set[str], resources: Resources, region: str
) -> list[iam.PolicyStatement]:
    statements = []
    puts = _puts_with_ledger_key(permissions)
    if resources.ledger_key and (permissions.ledger is not Ledger.NONE or puts):
        writes = permissions.ledger is Ledger.WRITES or puts
        statements.append(
            allow_key_through_service("dynamodb", resources.ledger_key, sid="LedgerKey", writes=writes, region=region)
        )
    # The key ring's key also encrypts the service's other tables and the tables that are restored from them.
    of_service = [grant for grant in permissions.grants if grant.resources != (Resource.CLIENT_RECORDS,)]
    on_items = {action for grant in of_service for action in grant.actions}
    if resources.ring_key and on_items & set(ITEM_ACTIONS):
        writes = bool(on_items & set(WRITE_ITEM_ACTIONS))
        statements.append(
            allow_key_through_service("dynamodb", resources.ring_key, sid="RingKey", writes=writes, region=region)
        )
    if resources.ring_key and actions & {"dynamodb:RestoreTableToPointInTime", "dynamodb:RestoreTableFromBackup"}:
        statements.append(allow_restore_with_key(resources.ring_key, region))
    elif resources.ring_key and "dynamodb:UpdateTable" in actions:
        statements.append(allow_update_with_key(resources.ring_key, region))
    return statements


def _puts_with_ledger_key(permissions: Permissions) -> bool:
    """Return whether it writes some of the ledger's items, or acknowledged heartbeats, whose table has the same key."""
    encrypted = {Resource.HEARTBEATS_TABLE, Resource.CLIENT_RECORDS}
    return any(
        "dynamodb:PutItem" in grant.actions and encrypted.intersection(grant.resources) for grant in permissions.grants
    )


def _variables_key_statements(actions: set[str], resources: Resources, region: str) -> list[iam.PolicyStatement]:
    """Allow readers of a function's configuration to decrypt its variables, and writers to encrypt them.

    Lambda decrypts and encrypts variables under a customer managed key with the caller's permissions ("Securing
    Lambda environment variables"). Without this, the digest of a release would not cover its settings, and a
    configuration snapshot would have no variables of the orchestrator's own functions.
    """
    statements = []
    if resources.variables_key and actions & _SHOW_VARIABLES:
        writes = "lambda:UpdateFunctionConfiguration" in actions
        statement = allow_key_through_service(
            "lambda", resources.variables_key, sid="ServiceVariables", writes=writes, region=region
        )
        if writes:
            statement.add_actions("kms:CreateGrant")
        statements.append(statement)
    if resources.task_variables_key and "lambda:ListFunctions" in actions:
        statements.append(
            allow_key_through_service(
                "lambda", resources.task_variables_key, sid="TaskVariables", writes=False, region=region
            )
        )
    return statements
