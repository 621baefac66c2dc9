"""Permanent resources of the isolated service of drills: a role limited to restored tables, keys, and a log group.

A drill creates and deletes functions only. It needs no permission to create roles or keys, and cannot leave any behind.
"""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms

from infrastructure.arns import keys_arn, table_arn
from infrastructure.iam import (
    allow_key_through_service,
    allow_restore_with_key,
    create_function_role,
    own_account_service,
)
from infrastructure.keys import create_key
from infrastructure.logs import create_log_group
from infrastructure.nag import suppress_wildcards
from infrastructure.naming import global_name, physical_name
from orchestrator.environments import Environment

_RESTORE_ACTIONS = (
    "BatchWriteItem", "DeleteItem", "DescribeTable", "GetItem", "PutItem", "Query", "RestoreTableFromAwsBackup",
    "RestoreTableFromBackup", "Scan", "UpdateItem",
)  # fmt: skip

TABLES_REASON = "tables are named by the drill that restores them"


@dataclass(frozen=True)
class DrillResources:
    """Permanent resources that drills use.

    Attributes:
        role: ARN of the functions' role.
        restore_role: ARN of the role with which AWS Backup restores recovery points.
        log_group: the name of the functions' log group.
        signing_key: ARN of the key that signs their access tokens. It is none of the service's own signing keys.
        seed_grants_key: ARN of the key that encrypts seeded grants.
    """

    role: str
    restore_role: str
    log_group: str
    signing_key: str
    seed_grants_key: str


def create_drill_resources(
    stack: Stack, environment: Environment, *, tables: str, synthetic_key: str, data_key: kms.IKey | None
) -> DrillResources:
    """Create the resources.

    Args:
        stack: the orchestrator's stack.
        environment: the environment.
        tables: ARN pattern of all tables that drills restore.
        synthetic_key: ARN of the key that authenticates the synthetic client.
        data_key: encrypts the service's tables and the tables restored from them; None if AWS's own key does.
    """
    signing_key = create_key(
        stack,
        environment,
        "signing-of-drills",
        f"Signs access tokens of the isolated service of drills ({environment.name})",
        spec=kms.KeySpec.ECC_NIST_P256,
    )
    seed_grants_key = create_key(
        stack,
        environment,
        "seed-grants",
        f"Encrypts the seeded grants of drills ({environment.name})",
        spec=kms.KeySpec.SYMMETRIC_DEFAULT,
    )
    # Outside the names that drills give, which the cleanup job may delete.
    name = physical_name("functions-of-drills", environment)
    group = create_log_group(stack, "DrillFunctionsLogs", f"/aws/lambda/{name}", environment)
    statements = [
        iam.PolicyStatement(
            sid="DrillTables",
            actions=[f"dynamodb:{action}" for action in ("GetItem", "BatchGetItem", "PutItem", "UpdateItem")],
            resources=[tables],
        ),
        iam.PolicyStatement(sid="OwnKey", actions=["kms:Sign", "kms:GetPublicKey"], resources=[signing_key.key_arn]),
        iam.PolicyStatement(sid="SyntheticKey", actions=["kms:VerifyMac"], resources=[synthetic_key]),
        *(
            [allow_key_through_service("dynamodb", data_key, sid="DataKey", writes=True, region=stack.region)]
            if data_key
            else []
        ),
    ]
    role = create_function_role(
        stack, "DrillFunctionsRole", global_name(name, environment), group, statements, {tables: TABLES_REASON}
    )
    restore_role = _restore_role(stack, environment, tables, data_key)
    return DrillResources(
        role.role_arn,
        restore_role.role_arn,
        group.log_group_name,
        signing_key.key_arn,
        seed_grants_key.key_arn,
    )


def _restore_role(stack: Stack, environment: Environment, tables: str, data_key: kms.IKey | None) -> iam.Role:
    """Create the role with which AWS Backup restores a recovery point into a table of a drill, and into no other.

    Its actions are those of DynamoDB in AWSBackupServiceRolePolicyForRestores.
    """
    backups = table_arn(stack, f"{physical_name('*', environment)}/backup/*")
    vault_keys = keys_arn(stack)
    keys = (
        [
            allow_key_through_service("dynamodb", data_key, sid="DataKey", writes=True, region=stack.region),
            allow_restore_with_key(data_key, stack.region),
            iam.PolicyStatement(
                sid="VaultKey",
                actions=["kms:Decrypt", "kms:DescribeKey"],
                resources=[vault_keys],
                # Keys have no names; their tag is the environment's.
                conditions={"StringEquals": {"aws:ResourceTag/environment": environment.name}},
            ),
        ]
        if data_key
        else []
    )
    role = iam.Role(
        stack,
        "DrillRestoreRole",
        role_name=global_name(physical_name("restores-of-drills", environment), environment),
        assumed_by=own_account_service(stack, "backup"),
        inline_policies={
            "access": iam.PolicyDocument(
                statements=[
                    iam.PolicyStatement(
                        sid="DrillTables",
                        actions=[f"dynamodb:{action}" for action in _RESTORE_ACTIONS],
                        resources=[tables],
                    ),
                    iam.PolicyStatement(
                        sid="Backups", actions=["dynamodb:RestoreTableFromBackup"], resources=[backups]
                    ),
                    *keys,
                ]
            )
        },
    )
    wildcards = {tables: TABLES_REASON, backups: "DynamoDB names backups"}
    suppress_wildcards(role, {**wildcards, **({vault_keys: "the vault's key is in another stack"} if data_key else {})})
    return role
