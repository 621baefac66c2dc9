"""The customer managed key of this region that encrypts the restored tables, where the environment has one."""

from __future__ import annotations

from botocore.exceptions import ClientError

from orchestrator.application.cloud import Cloud
from orchestrator.aws.clients import error_code, translate_errors
from orchestrator.domain.errors import Refused
from orchestrator.domain.failover.readiness import ENABLED


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


def refuse_unusable_key(cloud: Cloud) -> None:
    """Refuse to restore tables under a key that cannot be used.

    Raises:
        Refused: the key is not there, or is not enabled.
    """
    state = key_state(cloud)
    if state not in {None, ENABLED}:
        remedy = "enable it or cancel its deletion, then resume the failover"
        raise Refused("data_key", f"{cloud.settings['DATA_KEY']} is {state or 'not there'}", remedy)
