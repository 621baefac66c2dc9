"""A DynamoDB client without botocore's cost per attribute, for whole tables and long streams.

With botocore, at least nine tenths of the CPU time of reading a table go into converting each attribute of each item to
Python values. A comparison of tables does not need these values, so this client returns the response's bytes. It keeps
one connection, signs every request, checks every response's CRC32, and retries transient errors.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from random import Random
from time import sleep
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit
from zlib import crc32

import msgspec
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from orchestrator.aws.clients import client, session, transient_error
from orchestrator.domain.errors import OrchestratorError, Throttled, Unreachable

T = TypeVar("T")

TIMEOUT_SECONDS = 10.0
ATTEMPTS = 8
LONGEST_PAUSE_SECONDS = 5.0
_OK = 200

TABLES = "DynamoDB_20120810"
STREAMS = "DynamoDBStreams_20120810"
"""The names of the APIs in requests. Requests to both are signed for the service `dynamodb`."""


class DynamoDBError(OrchestratorError):
    """DynamoDB rejected a request.

    Args:
        code: DynamoDB's error code, such as ``ResourceNotFoundException``.
    """

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


@dataclass(frozen=True)
class Account:
    """Endpoint and caller of an API. credentials: botocore's, which refresh themselves."""

    endpoint_url: str
    region: str
    credentials: Any


class RawClient(Protocol):
    """A connection to one API, for one thread at a time."""

    def call(self, operation: str, params: Mapping[str, Any], decode: Callable[[bytes], T]) -> T:
        """Call an operation with retries, and return the decoded response."""

    def close(self) -> None:
        """Close the connection."""


class RawDynamoDBClient:
    """One connection to one API, for one thread at a time.

    Args:
        account: endpoint and caller.
        api: `TABLES` or `STREAMS`.
        sleep: waits for some seconds before a retry.
        random: chooses how long.
    """

    def __init__(
        self, account: Account, api: str, *, sleep: Callable[[float], None] = sleep, random: Random | None = None
    ) -> None:
        self._account, self._api, self._sleep = account, api, sleep
        self._random = random or Random()  # noqa: S311 - a pause needs no secure randomness
        self._address = urlsplit(account.endpoint_url)
        self._connection: HTTPConnection | None = None

    def call(self, operation: str, params: Mapping[str, Any], decode: Callable[[bytes], T]) -> T:
        """Call an operation, retry transient errors with back-off, and return the decoded response.

        Args:
            operation: such as ``Scan``.
            params: its parameters, in DynamoDB's notation.
            decode: decodes the response's body; a DecodeError counts as a damaged response.

        Raises:
            Throttled: the capacity does not suffice even for a slow reader.
            Unreachable: DynamoDB did not answer, or its response was damaged.
            DynamoDBError: DynamoDB rejected the request; a retry cannot help.
        """
        body = msgspec.json.encode(params)
        failure: OrchestratorError = Unreachable(self._account.endpoint_url)
        for attempt in range(ATTEMPTS):
            if attempt:
                self._sleep(self._random.uniform(0, min(LONGEST_PAUSE_SECONDS, 0.05 * 2**attempt)))
            try:
                return decode(self._exchange(operation, body))
            except (OSError, HTTPException) as error:
                self.close()
                failure = Unreachable(f"{self._account.endpoint_url}: {error or type(error).__name__}")
            except msgspec.DecodeError as error:
                failure = Unreachable(f"a response cannot be decoded: {error}")
            except (Throttled, Unreachable) as error:
                failure = error
        raise failure

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _exchange(self, operation: str, body: bytes) -> bytes:
        connection = self._open_connection()
        connection.request("POST", "/", body, self._signed_headers(operation, body))
        response = connection.getresponse()
        content = response.read()
        if response.status != _OK:
            raise _error_of(response.status, content)
        checksum = response.headers.get("x-amz-crc32")
        if checksum is not None and int(checksum) != crc32(content):
            raise Unreachable("a response was damaged in transit: its CRC32 differs")
        return content

    def _open_connection(self) -> HTTPConnection:
        if self._connection is None:
            connect = HTTPSConnection if self._address.scheme == "https" else HTTPConnection
            self._connection = connect(self._address.netloc, timeout=TIMEOUT_SECONDS)
        return self._connection

    def _signed_headers(self, operation: str, body: bytes) -> dict[str, str]:
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": f"{self._api}.{operation}",
            "Accept-Encoding": "identity",
        }
        request = AWSRequest("POST", f"{self._account.endpoint_url.rstrip('/')}/", headers=headers, data=body)
        credentials = self._account.credentials.get_frozen_credentials()
        SigV4Auth(credentials, "dynamodb", self._account.region).add_auth(request)
        return dict(request.headers.items())


def _error_of(status: int, content: bytes) -> OrchestratorError:
    try:
        code = str(json.loads(content).get("__type", "")).rpartition("#")[2]
    except (ValueError, AttributeError, RecursionError):  # a proxy's page, or anything else
        code = ""
    transient = transient_error(code, status)
    if transient:
        return transient(f"DynamoDB returned HTTP {status} {code}".rstrip())
    return DynamoDBError(code or str(status))


def raw_client(service: str) -> RawDynamoDBClient:
    """Open a connection to `dynamodb` or `dynamodbstreams`, at the endpoint of the process's own clients."""
    return raw_client_like(client(service), service, session().get_credentials())


def raw_client_like(client: Any, service: str, credentials: Any) -> RawDynamoDBClient:
    """Open a connection where a client is connected: at its endpoint, in its region.

    Args:
        client: botocore's client of the service.
        service: `dynamodb` or `dynamodbstreams`.
        credentials: botocore's, which refresh themselves.
    """
    account = Account(client.meta.endpoint_url, client.meta.region_name, credentials)
    return RawDynamoDBClient(account, {"dynamodb": TABLES, "dynamodbstreams": STREAMS}[service])
