"""The customer managed key of this region that encrypts the restored tables, where the environment has one."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from botocore.exceptions import ClientError

from orchestrator.application.cloud import Cloud
from orchestrator.aws.clients import error_code, translate_errors
from orchestrator.domain.errors import OrchestratorError, Refused
from orchestrator.domain.failover.readiness import ENABLED

C = TypeVar("C", bound=Cloud)


def key_state(cloud: Cloud) -> str | None:
    """Return the state of the key, such as ``Enabled``; empty without such a key, None if AWS's own keys encrypt tables."""
    key = cloud.settings["DATA_KEY"]
    if not key:
        return None
    try:
        with translate_errors():
            return str(cloud.clients("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyState"])
    except ClientError as error:
        if error_code(error) != "NotFoundException":
            raise
        return ""


def with_key_arn(cloud: C) -> C:
    """Return the cloud with the ARN of its key, where its settings name an alias: a table names its key by the ARN.

    A key that cannot be described stays as it is named: the restore refuses it.
    """
    key = cloud.settings["DATA_KEY"]
    if not key:
        return cloud
    try:
        with translate_errors():
            arn = str(cloud.clients("kms").describe_key(KeyId=key)["KeyMetadata"]["Arn"])
    except (ClientError, OrchestratorError):
        return cloud
    return replace(cloud, settings={**cloud.settings, "DATA_KEY": arn})


def refuse_unusable_key(cloud: Cloud) -> None:
    """Refuse to restore tables under a key that cannot be used.

    Raises:
        Refused: the key is not there, or is not enabled.
    """
    state = key_state(cloud)
    if state not in {None, ENABLED}:
        remedy = "enable it or cancel its deletion, then resume the failover"
        raise Refused("data_key", f"{cloud.settings['DATA_KEY']} is {state or 'not there'}", remedy)
