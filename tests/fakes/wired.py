"""A connection as `orchestrator.aws.dynamodb.raw_client` opens one, to a client in this process."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from orchestrator.aws.clients import error_code
from orchestrator.aws.dynamodb.raw_client import DynamoDBError

T = TypeVar("T")


class Wired:
    """One connection.

    Args:
        client: what is asked, by operations named as botocore names them.
    """

    def __init__(self, client: Any) -> None:
        self._client, self._one = client, Lock()
        self.calls: list[tuple[str, Mapping[str, Any]]] = []
        """(operation, request) of everything that was asked, in order."""

    def __call__(self, service: str) -> Wired:
        """Open a connection: all of them are this."""
        assert service == "dynamodb"
        return self

    def call(self, operation: str, params: Mapping[str, Any], decode: Callable[[bytes], T]) -> T:
        """Ask once; what the client refuses is refused as DynamoDB's answer would be."""
        call = getattr(self._client, re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower())
        try:
            with self._one:
                self.calls.append((operation, params))
                answer = call(**params)
        except ClientError as error:
            raise DynamoDBError(error_code(error)) from error
        return decode(json.dumps(answer).encode())

    def close(self) -> None:
        """Nothing is open."""
