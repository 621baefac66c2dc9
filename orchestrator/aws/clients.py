"""Botocore clients, made when first asked for.

Botocore rather than boto3: the resource layer costs 45 ms of import and gives these adapters nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from orchestrator.domain.errors import OrchestratorError, Throttled, Unreachable

# Standard mode retries throttles and transient faults with jitter. Five attempts at most keep one call
# within a task's minute; what still fails is retried by the state machine.
CONFIG = Config(
    connect_timeout=3,
    read_timeout=20,
    retries={"mode": "standard", "total_max_attempts": 5},
    max_pool_connections=25,
)

THROTTLES = frozenset(
    {"Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded", "SlowDown",
     "ProvisionedThroughputExceededException", "LimitExceededException", "TransactionConflictException",
     "TransactionInProgressException"}
)  # fmt: skip
"""Every fenced write checks the claim in a transaction, so whoever takes the claim meanwhile meets that transaction."""


_making = Lock()
"""A botocore session may not make clients in two threads at once; the clients themselves may be shared."""


@cache
def session() -> botocore.session.Session:
    """The process's session, whose credentials come from the environment."""
    return botocore.session.get_session()


def client(service: str) -> Any:
    """The process's client of an AWS service, with region, endpoint and credentials from the environment."""
    with _making:
        return _client(service)


@cache
def _client(service: str) -> Any:
    return session().create_client(service, config=CONFIG)


def code_of(error: ClientError) -> str:
    """The AWS error code of a failed call, such as ``PreconditionFailedException``."""
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def narrowed(**known: type[OrchestratorError]) -> Iterator[None]:
    """Turn AWS errors into ours, and leave those that nobody named as they are.

    Args:
        known: AWS error code to the error that is raised in its place.

    Raises:
        Throttled: the request limit was met even after the client's own retries.
        Unreachable: the service did not answer, or there are no credentials.
    """
    try:
        yield
    except ClientError as error:
        code = code_of(error)
        if code in THROTTLES:
            raise Throttled(str(error)) from error
        if code in known:
            raise known[code](str(error)) from error
        raise
    except BotoCoreError as error:
        raise Unreachable(str(error)) from error
