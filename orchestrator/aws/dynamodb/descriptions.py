"""The description of a table that may not exist."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.aws.clients import error_code, translate_errors
from orchestrator.domain.recovery.table_settings import BOTH_IMAGES

ABSENT = frozenset({"ResourceNotFoundException", "TableNotFoundException"})
"""Error codes of DynamoDB for a table that does not exist."""


def describe_table(client: Any, table: str) -> Mapping[str, Any] | None:
    """Return DynamoDB's description of a table; None if it does not exist.

    Args:
        client: botocore's DynamoDB client.
        table: the table's name.

    Raises:
        ClientError: the caller may not describe it.
        Throttled, Unreachable: DynamoDB did not answer.
    """
    try:
        with translate_errors():
            description: Mapping[str, Any] = client.describe_table(TableName=table)["Table"]
    except ClientError as error:
        if error_code(error) not in ABSENT:
            raise
        return None
    return description


def stream_since(description: Mapping[str, Any] | None) -> datetime | None:
    """Return when the stream of a table began; None if it has none with both images.

    Args:
        description: DynamoDB's description of the table; None if it does not exist.
    """
    stream = (description or {}).get("StreamSpecification") or {}
    label = (description or {}).get("LatestStreamLabel", "")
    usable = stream.get("StreamEnabled") and stream.get("StreamViewType") == BOTH_IMAGES and label
    return datetime.fromisoformat(label.removesuffix("Z")).replace(tzinfo=UTC) if usable else None
