"""The AWS clients, created when first needed and kept for the life of the function's process.

They use botocore directly: boto3's resources are not needed, and every import prolongs a cold start.
"""

from __future__ import annotations

import platform
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import botocore
import botocore.session
from botocore.config import Config

from service import log

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kms import KMSClient

# Tables and keys respond in milliseconds. If one does not, the caller gets 503 before the function times out.
_CONFIG = Config(
    connect_timeout=1,
    read_timeout=2,
    retries={"mode": "standard", "total_max_attempts": 3},
    tcp_keepalive=True,
)


@cache
def _session() -> botocore.session.Session:
    # Lambda's runtime provides both, and updates them without a release of ours.
    versions = {"python": platform.python_version(), "botocore": botocore.__version__}
    log.write({"level": "INFO", "message": "function started", **versions})
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
