"""The AWS clients, made when first needed and kept for the life of the function's process.

botocore is used directly: boto3's resources are not needed, and a cold start pays for every import.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, cast

import botocore.session
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kms import KMSClient

# A table or a key answers in milliseconds. One that does not is told to the caller as 503 while the function still has time.
_CONFIG = Config(
    connect_timeout=1,
    read_timeout=2,
    retries={"mode": "standard", "total_max_attempts": 3},
    tcp_keepalive=True,
)


@cache
def _session() -> botocore.session.Session:
    return botocore.session.get_session()


def _client(name: str) -> Any:
    return _session().create_client(name, config=_CONFIG)


@cache
def dynamodb() -> DynamoDBClient:
    """Return the DynamoDB client."""
    return cast("DynamoDBClient", _client("dynamodb"))


@cache
def kms() -> KMSClient:
    """Return the KMS client."""
    return cast("KMSClient", _client("kms"))
