"""The KMS keys of every stack: an alias of the environment, rotation where KMS can, and the removal policy of data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from infrastructure.common import removal_policy_of
from infrastructure.naming import physical_name, title_of
from orchestrator.environments import Environment

_USAGES: Mapping[kms.KeySpec, kms.KeyUsage] = {
    kms.KeySpec.SYMMETRIC_DEFAULT: kms.KeyUsage.ENCRYPT_DECRYPT,
    kms.KeySpec.ECC_NIST_P256: kms.KeyUsage.SIGN_VERIFY,
    kms.KeySpec.HMAC_256: kms.KeyUsage.GENERATE_VERIFY_MAC,
}


def create_key(
    scope: Construct,
    environment: Environment,
    name: str,
    description: str,
    *,
    construct_id: str = "",
    alias: str = "",
    spec: kms.KeySpec | None = None,
) -> kms.Key:
    """Create a key.

    Args:
        scope: the stack.
        environment: the environment.
        name: the short name.
        description: the complete description.
        construct_id: by default from the name.
        alias: with its prefix `alias/`; by default from the name.
        spec: determines the usage, too. By default the template names neither, and the key encrypts.
    """
    return kms.Key(
        scope,
        construct_id or f"{title_of(name)}Key",
        alias=alias or f"alias/{physical_name(name, environment)}",
        description=description,
        key_spec=spec,
        key_usage=_USAGES[spec] if spec else None,
        # KMS rotates the material of symmetric keys that encrypt, and of no others.
        enable_key_rotation=True if spec in (None, kms.KeySpec.SYMMETRIC_DEFAULT) else None,
        removal_policy=removal_policy_of(environment),
    )


def deny_others(key: kms.IKey, sid: str, actions: Sequence[str], roles: Sequence[str]) -> None:
    """Deny actions with a key to every principal of the account except some roles, whatever else allows them.

    Args:
        key: the key.
        sid: the statement's id.
        actions: of KMS.
        roles: ARNs of the roles; none if no principal may.
    """
    key.add_to_resource_policy(
        iam.PolicyStatement(
            sid=sid,
            effect=iam.Effect.DENY,
            principals=[iam.AnyPrincipal()],
            actions=list(actions),
            resources=["*"],  # in a key policy "*" is the key itself
            conditions={"ArnNotEquals": {"aws:PrincipalArn": list(roles)}} if roles else None,
        )
    )
