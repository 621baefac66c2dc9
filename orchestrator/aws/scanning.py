"""Reading whole tables, fast: DynamoDB's Scan without what a client spends on every attribute.

Nine tenths and more of a scan by botocore is turning each attribute of each item into Python values. To compare tables nothing
of that is needed: items are handed on as the bytes that DynamoDB sent (msgspec finds where each begins and ends). One kept
connection, every page signed, its CRC32 compared, what is worth another try tried again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from random import Random
from time import sleep
from typing import Any
from urllib.parse import urlsplit
from zlib import crc32

import msgspec
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from orchestrator.aws.clients import THROTTLES
from orchestrator.domain.errors import OrchestratorError, Throttled, Unreachable

TIMEOUT_SECONDS = 10.0
ATTEMPTS = 8
LONGEST_PAUSE_SECONDS = 5.0
_OK, _SERVER_ERROR = 200, 500


class ScanRefused(OrchestratorError):
    """DynamoDB refused to let a table be read; the message has its code."""


class Page(msgspec.Struct, frozen=True):
    """One page of a scan: its items as they were sent, and where the next one begins."""

    Items: list[msgspec.Raw]
    LastEvaluatedKey: dict[str, Any] | None = None


_decode = msgspec.json.Decoder(Page).decode


@dataclass(frozen=True)
class Account:
    """Where DynamoDB is and who asks. credentials: botocore's, which renew themselves."""

    endpoint_url: str
    region: str
    credentials: Any


class Scanner:
    """Reads tables, one thread at a time.

    Args:
        account: where, and as whom.
        pause: waits for some seconds before another try.
        random: draws how long.
    """

    def __init__(
        self, account: Account, *, pause: Callable[[float], None] = sleep, random: Random | None = None
    ) -> None:
        self._account, self._pause = account, pause
        self._random = random or Random()  # noqa: S311 - a pause is no secret
        self._address = urlsplit(account.endpoint_url)
        self._kept: HTTPConnection | None = None

    def pages(self, table: str, *, segment: int = 0, segments: int = 1) -> Iterator[list[msgspec.Raw]]:
        """Read one segment of a table, consistently, page after page.

        Raises:
            Throttled: the table's capacity does not suffice even for a slow reader.
            Unreachable: DynamoDB does not answer, or not with what it sent.
            ScanRefused: there is no such table, or it may not be read.
        """
        asked: dict[str, Any] = {
            "TableName": table, "ConsistentRead": True, "Segment": segment, "TotalSegments": segments,
        }  # fmt: skip
        start: dict[str, Any] | None = None
        while True:
            page = self._page(asked if start is None else {**asked, "ExclusiveStartKey": start})
            yield page.Items
            start = page.LastEvaluatedKey
            if start is None:
                return

    def close(self) -> None:
        """Give the connection back."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def _page(self, asked: dict[str, Any]) -> Page:
        body = msgspec.json.encode(asked)
        failure: OrchestratorError = Unreachable(self._account.endpoint_url)
        for attempt in range(ATTEMPTS):
            if attempt:
                self._pause(self._random.uniform(0, min(LONGEST_PAUSE_SECONDS, 0.05 * 2**attempt)))
            try:
                return self._exchange(body)
            except (OSError, HTTPException) as error:
                self.close()
                failure = Unreachable(f"{self._account.endpoint_url}: {error or type(error).__name__}")
            except (Throttled, Unreachable) as error:
                failure = error
        raise failure

    def _exchange(self, body: bytes) -> Page:
        connection = self._connected()
        connection.request("POST", "/", body, self._signed(body))
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != _OK:
            raise _refusal(answer.status, content)
        sent = answer.headers.get("x-amz-crc32")
        if sent is not None and int(sent) != crc32(content):
            raise Unreachable("a page arrived otherwise than it was sent")
        try:
            return _decode(content)
        except msgspec.DecodeError as error:
            raise Unreachable(f"a page is none: {error}") from error

    def _connected(self) -> HTTPConnection:
        if self._kept is None:
            connect = HTTPSConnection if self._address.scheme == "https" else HTTPConnection
            self._kept = connect(self._address.netloc, timeout=TIMEOUT_SECONDS)
        return self._kept

    def _signed(self, body: bytes) -> dict[str, str]:
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": "DynamoDB_20120810.Scan",
            "Accept-Encoding": "identity",
        }
        request = AWSRequest("POST", f"{self._account.endpoint_url.rstrip('/')}/", headers=headers, data=body)
        SigV4Auth(self._account.credentials.get_frozen_credentials(), "dynamodb", self._account.region).add_auth(
            request
        )
        return dict(request.headers.items())


def _refusal(status: int, content: bytes) -> OrchestratorError:
    if status >= _SERVER_ERROR:
        return Unreachable(f"DynamoDB answered {status}")
    try:
        code = str(json.loads(content).get("__type", "")).rpartition("#")[2]
    except (ValueError, AttributeError):
        code = str(status)
    return Throttled(code) if code in THROTTLES else ScanRefused(code)
