"""Botocore clients, created with their first use, and the translation of AWS errors into ours.

Botocore rather than boto3: the resource layer costs 45 ms of import and gives these adapters nothing.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any

import botocore
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from orchestrator.domain.errors import OrchestratorError, Throttled, Unreachable

# Standard mode retries throttles and transient faults with jitter. Five attempts at most keep one call
# within a task's minute; the state machine retries what still fails.
CONFIG = Config(
    connect_timeout=3,
    read_timeout=20,
    retries={"mode": "standard", "total_max_attempts": 5},
    max_pool_connections=25,
)

# For a region that may be lost: what it does not answer soon is missing, and something waits for that finding. A second
# attempt is for a throttle.
BRIEF = Config(
    connect_timeout=3, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 2}, max_pool_connections=25
)

THROTTLES = frozenset(
    {"BandwidthLimitExceeded", "EC2ThrottledException", "ExecutionLimitExceeded", "KMSThrottling",
     "KmsThrottled", "KmsThrottlingException", "LimitExceededException", "ProvisionedThroughputExceededException",
     "RequestLimitExceeded", "RequestThrottled", "RequestThrottledException", "SlowDown", "ThrottledException",
     "Throttling", "ThrottlingException", "TooManyRequestsException",
     # Another request changes the same item or resource at this moment.
     "ConcurrentAccess", "ConcurrentModification", "ConcurrentModificationException", "ConcurrentUpdateException",
     "OperationAborted", "ReplicatedWriteConflictException", "TransactionConflictException",
     "TransactionInProgressException"}
)  # fmt: skip
"""Error codes of requests that AWS did not carry out, and that are worth a retry. Every fenced write checks the
environment lock in a transaction, so a client that acquires the lock at the same time meets that transaction and gets
a conflict."""

FAULTS = frozenset(
    {"DependencyTimeoutException", "InternalError", "InternalFailure", "InternalServerError",
     "InternalServerException", "InternalServiceError", "InternalServiceErrorException", "InternalServiceException",
     "InternalServiceFault", "KMSInternalException", "KeyUnavailableException", "PriorRequestNotComplete",
     "RequestTimeout", "RequestTimeoutException", "ServiceException", "ServiceFailure", "ServiceUnavailable",
     "ServiceUnavailableException"}
)  # fmt: skip
"""Error codes of AWS's own failures, of which it may report one with another status than 5xx."""

BUSY: Mapping[str, type[OrchestratorError]] = dict.fromkeys(
    ("BackupInUseException", "ConflictException", "ContinuousBackupsUnavailableException", "DeleteConflict",
     "ExportConflictException", "OperationAbortedException", "ResourceConflictException", "ResourceInUseException",
     "SnapStartNotReadyException", "TableInUseException"),
    Throttled,
)  # fmt: skip
"""Error codes of operations that another operation on the same resource does not allow now, with the error that stands
for them. Some of them have another meaning, too ("exists already"), so adapters check for these codes first."""

_SERVER_ERROR, _TOO_MANY_REQUESTS = 500, 429

CONDITION_FAILED = "ConditionalCheckFailedException"

_creation = Lock()
"""A botocore session may not create clients in two threads at once; threads may share the clients themselves."""


@cache
def session() -> botocore.session.Session:
    """Return the process's session, whose credentials come from the environment."""
    return botocore.session.get_session()


def client(service: str) -> Any:
    """Return the process's client of an AWS service. Region, endpoint and credentials come from the environment."""
    with _creation:
        return _client(service)


@cache
def _client(service: str) -> Any:
    return session().create_client(service, config=CONFIG)


def client_in(service: str, region: str) -> Any:
    """Return a client as `client` does, for another region than the process's own."""
    with _creation:
        return session().create_client(service, region_name=region, config=CONFIG)


def brief_client_in(service: str, region: str) -> Any:
    """Return a client as `client_in` does, which does not wait long for a region that may be lost: two attempts of 8 s."""
    with _creation:
        return session().create_client(service, region_name=region, config=BRIEF)


def sdk_versions() -> Mapping[str, str]:
    """Return the versions of Python and botocore, which Lambda's runtime provides and updates without a release of ours.

    https://docs.aws.amazon.com/lambda/latest/dg/lambda-python.html#python-sdk-included
    """
    return {"python": platform.python_version(), "botocore": botocore.__version__}


def error_code(error: ClientError) -> str:
    """Return the AWS error code of a failed call, such as ``PreconditionFailedException``."""
    return str(error.response.get("Error", {}).get("Code", ""))


def transient_error(code: str, status: int) -> type[Throttled | Unreachable] | None:
    """Return the error of ours for a failure that a later attempt may not have; None for any other failure.

    Every failure of AWS itself has an HTTP status of 500 or more, whatever its code
    (https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html). docs/reference/aws-errors.md lists
    the errors of each operation in use.

    Args:
        code: the AWS error code.
        status: the HTTP status; 0 if there is none.
    """
    if code in THROTTLES or status == _TOO_MANY_REQUESTS:
        return Throttled
    return Unreachable if code in FAULTS or status >= _SERVER_ERROR else None


@contextmanager
def translate_errors(**known: type[OrchestratorError]) -> Iterator[None]:
    """Turn AWS errors into ours; a ClientError whose code is not known passes unchanged.

    Args:
        known: AWS error code to the error that is raised in its place.

    Raises:
        Throttled: the request limit was reached, or the resource was being changed, even after the client's own
            retries.
        Unreachable: the service did not answer, or failed itself, or there are no credentials.
    """
    try:
        yield
    except ClientError as error:
        code = error_code(error)
        if code in known:
            raise known[code](str(error)) from error
        transient = transient_error(code, int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)))
        if transient:
            raise transient(str(error)) from error
        raise
    except BotoCoreError as error:
        raise Unreachable(str(error)) from error


def read_pages(client: Any, operation: str, **params: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the pages of an operation that AWS answers in pages.

    Args:
        client: botocore's client.
        operation: a method of it with a paginator, such as ``list_tables``.
        params: its parameters.

    Raises:
        Throttled, Unreachable: as `translate_errors`.
    """
    with translate_errors():
        yield from client.get_paginator(operation).paginate(**params)


def conditional_write(write: Callable[..., Mapping[str, Any]], **params: Any) -> Mapping[str, Any] | None:
    """Make a conditional write of DynamoDB and return its response; None where the condition did not hold.

    Args:
        write: a client's ``put_item``, ``update_item`` or ``delete_item``.
        params: its parameters, with a ``ConditionExpression``.

    Raises:
        Throttled, Unreachable: as `translate_errors`.
    """
    try:
        with translate_errors():
            return write(**params)
    except ClientError as error:
        if error_code(error) != CONDITION_FAILED:
            raise
        return None
