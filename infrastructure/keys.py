"""The KMS keys of every stack: an alias of the environment, rotation where KMS can, and the removal policy of data."""

from __future__ import annotations

from collections.abc import Mapping

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
