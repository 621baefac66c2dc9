"""Permanent resources of the isolated service of drills: a role limited to restored tables, keys, and a log group.

A drill creates and deletes functions only. It needs no permission to create roles or keys, and cannot leave any behind.
"""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms

from infrastructure.common import removal_policy_of
from infrastructure.iam import allow_key_through_service, create_function_role
from infrastructure.logs import create_log_group
from infrastructure.naming import global_name, physical_name
from orchestrator.environments import Environment

TABLES_REASON = "tables are named by the drill that restores them"


@dataclass(frozen=True)
class DrillResources:
    """Permanent resources that drills use.

    Attributes:
        role: ARN of the functions' role.
        log_group: the name of the functions' log group.
        signing_key: ARN of the key that signs their access tokens. It is none of the service's own signing keys.
        seed_grants_key: ARN of the key that encrypts seeded grants.
    """

    role: str
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
    signing_key = _key(
        stack,
        environment,
        "signing-of-drills",
        "Signs access tokens of the isolated service of drills",
        kms.KeySpec.ECC_NIST_P256,
    )
    seed_grants_key = _key(
        stack, environment, "seed-grants", "Encrypts the seeded grants of drills", kms.KeySpec.SYMMETRIC_DEFAULT
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
    return DrillResources(role.role_arn, group.log_group_name, signing_key.key_arn, seed_grants_key.key_arn)


def _key(stack: Stack, environment: Environment, name: str, description: str, spec: kms.KeySpec) -> kms.Key:
    signs = spec is kms.KeySpec.ECC_NIST_P256
    return kms.Key(
        stack,
        f"{name.title().replace('-', '')}Key",
        alias=f"alias/{physical_name(name, environment)}",
        description=f"{description} ({environment.name})",
        key_spec=spec,
        key_usage=kms.KeyUsage.SIGN_VERIFY if signs else kms.KeyUsage.ENCRYPT_DECRYPT,
        enable_key_rotation=None if signs else True,
        removal_policy=removal_policy_of(environment),
    )
