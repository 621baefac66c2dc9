"""What the functions of a drill are made with: a role that reaches nothing but copies, a key of their own, and a place to log.

Functions come and go with drills; these stay. So nobody who drills makes a role or a key, and there is none to be forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms

from environments import Environment
from stack_parts import kept, lambda_role, log_group, may_use_through, name_of, worldwide

COPIES_REASON = "copies are named by drills"


@dataclass(frozen=True)
class DrillParts:
    """What serves drills.

    Attributes:
        role: ARN of the functions' role.
        log_group: the name of the group they log to.
        signing_key: ARN of the key that signs what they issue. Production publishes another.
        witness_key: ARN of the key that seals witnesses.
    """

    role: str
    log_group: str
    signing_key: str
    witness_key: str


def drill_parts(
    stack: Stack, environment: Environment, *, copies: str, synthetic_key: str, data_key: kms.IKey | None
) -> DrillParts:
    """Make them.

    Args:
        stack: the orchestrator's.
        environment: where.
        copies: the ARN of all restored copies, with a wildcard for the drill.
        synthetic_key: ARN of the key that proves the synthetic identity.
        data_key: encrypts the service's tables and so their copies; None where AWS's own key does.
    """
    signing_key = _key(stack, environment, "signing-of-drills", "Signs what a drill issues", kms.KeySpec.ECC_NIST_P256)
    witness_key = _key(stack, environment, "witness", "Seals the witnesses of drills", kms.KeySpec.SYMMETRIC_DEFAULT)
    # Not of the names that drills give, which whoever cleans up may remove.
    name = name_of("functions-of-drills", environment)
    group = log_group(stack, "DrillFunctionsLogs", f"/aws/lambda/{name}", environment)
    statements = [
        iam.PolicyStatement(
            sid="Copies",
            actions=[f"dynamodb:{action}" for action in ("GetItem", "BatchGetItem", "PutItem", "UpdateItem")],
            resources=[copies],
        ),
        iam.PolicyStatement(sid="OwnKey", actions=["kms:Sign", "kms:GetPublicKey"], resources=[signing_key.key_arn]),
        iam.PolicyStatement(sid="SyntheticKey", actions=["kms:VerifyMac"], resources=[synthetic_key]),
        *([may_use_through("dynamodb", data_key, sid="DataKey", writes=True, region=stack.region)] if data_key else []),
    ]
    role = lambda_role(
        stack, "DrillFunctionsRole", worldwide(name, environment), group, statements, {copies: COPIES_REASON}
    )
    return DrillParts(role.role_arn, group.log_group_name, signing_key.key_arn, witness_key.key_arn)


def _key(stack: Stack, environment: Environment, what: str, description: str, spec: kms.KeySpec) -> kms.Key:
    signs = spec is kms.KeySpec.ECC_NIST_P256
    return kms.Key(
        stack,
        f"{what.title().replace('-', '')}Key",
        alias=f"alias/{name_of(what, environment)}",
        description=f"{description} ({environment.name})",
        key_spec=spec,
        key_usage=kms.KeyUsage.SIGN_VERIFY if signs else kms.KeyUsage.ENCRYPT_DECRYPT,
        enable_key_rotation=None if signs else True,
        removal_policy=kept(environment),
    )
