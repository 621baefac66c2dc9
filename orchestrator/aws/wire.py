"""DynamoDB's protocol without what a client spends on every attribute: for whole tables and long streams.

Nine tenths and more of reading a table by botocore is turning each attribute of each item into Python values. Who compares
tables needs nothing of that, so an answer is handed on as the bytes that came. One kept connection, every request signed, every
answer's CRC32 compared, what is worth another try tried again.
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

from orchestrator.aws.clients import THROTTLES, client, session
from orchestrator.domain.errors import OrchestratorError, Throttled, Unreachable

T = TypeVar("T")

TIMEOUT_SECONDS = 10.0
ATTEMPTS = 8
LONGEST_PAUSE_SECONDS = 5.0
_OK, _SERVER_ERROR = 200, 500

TABLES = "DynamoDB_20120810"
STREAMS = "DynamoDBStreams_20120810"
"""The APIs, by the name that requests give them. Both are signed as `dynamodb`."""


class ReadRefused(OrchestratorError):
    """DynamoDB refused a read; `code` is its word for why.

    Args:
        code: such as ``ResourceNotFoundException``.
    """

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


@dataclass(frozen=True)
class Account:
    """Where an API is and who asks. credentials: botocore's, which renew themselves."""

    endpoint_url: str
    region: str
    credentials: Any


class Asks(Protocol):
    """A connection to one API, for one thread at a time."""

    def ask(self, operation: str, asked: Mapping[str, Any], decode: Callable[[bytes], T]) -> T:
        """Ask until it is answered, and return the decoded answer."""

    def close(self) -> None:
        """Give the connection back."""


class Wire:
    """One connection to one API, for one thread at a time.

    Args:
        account: where, and as whom.
        api: `TABLES` or `STREAMS`.
        pause: waits for some seconds before another try.
        random: draws how long.
    """

    def __init__(
        self, account: Account, api: str, *, pause: Callable[[float], None] = sleep, random: Random | None = None
    ) -> None:
        self._account, self._api, self._pause = account, api, pause
        self._random = random or Random()  # noqa: S311 - a pause is no secret
        self._address = urlsplit(account.endpoint_url)
        self._kept: HTTPConnection | None = None

    def ask(self, operation: str, asked: Mapping[str, Any], decode: Callable[[bytes], T]) -> T:
        """Ask once more and more slowly while that may help, and return the decoded answer.

        Raises:
            Throttled: the capacity does not suffice even for a slow reader.
            Unreachable: DynamoDB does not answer, or not with what it sent.
            ReadRefused: it does, with an error that another try cannot change.
        """
        body = msgspec.json.encode(asked)
        failure: OrchestratorError = Unreachable(self._account.endpoint_url)
        for attempt in range(ATTEMPTS):
            if attempt:
                self._pause(self._random.uniform(0, min(LONGEST_PAUSE_SECONDS, 0.05 * 2**attempt)))
            try:
                return decode(self._exchange(operation, body))
            except (OSError, HTTPException) as error:
                self.close()
                failure = Unreachable(f"{self._account.endpoint_url}: {error or type(error).__name__}")
            except msgspec.DecodeError as error:
                failure = Unreachable(f"an answer is none: {error}")
            except (Throttled, Unreachable) as error:
                failure = error
        raise failure

    def close(self) -> None:
        """Give the connection back."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def _exchange(self, operation: str, body: bytes) -> bytes:
        connection = self._connected()
        connection.request("POST", "/", body, self._signed(operation, body))
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != _OK:
            raise _refusal(answer.status, content)
        sent = answer.headers.get("x-amz-crc32")
        if sent is not None and int(sent) != crc32(content):
            raise Unreachable("an answer arrived otherwise than it was sent")
        return content

    def _connected(self) -> HTTPConnection:
        if self._kept is None:
            connect = HTTPSConnection if self._address.scheme == "https" else HTTPConnection
            self._kept = connect(self._address.netloc, timeout=TIMEOUT_SECONDS)
        return self._kept

    def _signed(self, operation: str, body: bytes) -> dict[str, str]:
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": f"{self._api}.{operation}",
            "Accept-Encoding": "identity",
        }
        request = AWSRequest("POST", f"{self._account.endpoint_url.rstrip('/')}/", headers=headers, data=body)
        credentials = self._account.credentials.get_frozen_credentials()
        SigV4Auth(credentials, "dynamodb", self._account.region).add_auth(request)
        return dict(request.headers.items())


def _refusal(status: int, content: bytes) -> OrchestratorError:
    if status >= _SERVER_ERROR:
        return Unreachable(f"DynamoDB answered {status}")
    try:
        code = str(json.loads(content).get("__type", "")).rpartition("#")[2]
    except (ValueError, AttributeError):
        code = str(status)
    return Throttled(code) if code in THROTTLES else ReadRefused(code)


def wire(service: str) -> Wire:
    """Open a connection to `dynamodb` or `dynamodbstreams`, where the process's own clients of these go."""
    meta = client(service).meta
    account = Account(meta.endpoint_url, meta.region_name, session().get_credentials())
    return Wire(account, {"dynamodb": TABLES, "dynamodbstreams": STREAMS}[service])
