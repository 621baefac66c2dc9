"""Requests that API Gateway passes to a function of ours, and its responses (Lambda proxy integration).

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

LARGEST_BODY = 256 * 1024
"""Bytes of a request's body. Larger ones are refused unread."""

MOST_FIELDS = 20
"""Fields of a form."""

FORM = "application/x-www-form-urlencoded"

PAGE_HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""What every response has. The address of a page may contain a token: it is not kept, and not passed on."""


@dataclass(frozen=True)
class HttpRequest:
    """A request. Its query and its body may contain a token, so it is never logged.

    Attributes:
        path: of the route, without the stage.
        query: the last value of each parameter.
        headers: by lower-case name.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)

    @property
    def form(self) -> Mapping[str, str]:
        """The fields of a form; empty if the body is none."""
        if self.headers.get("content-type", "").split(";")[0].strip().lower() != FORM:
            return {}
        try:
            return dict(parse_qsl(self.body.decode("ascii"), max_num_fields=MOST_FIELDS))
        except ValueError:
            return {}


@dataclass(frozen=True)
class HttpResponse:
    """A response with a text."""

    status: int
    body: str
    content_type: str = "text/html; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


class BodyRefused(ValueError):
    """The body is too large, or is not what its encoding says."""


def read_request(event: Mapping[str, Any]) -> HttpRequest:
    """Return the request of an event.

    Raises:
        BodyRefused: the body has more than `LARGEST_BODY` bytes, or is no base64 although the event says so.
    """
    text = event.get("body") or ""
    if len(text) > 2 * LARGEST_BODY:
        raise BodyRefused("the body is too large")
    try:
        body = base64.b64decode(text, validate=True) if event.get("isBase64Encoded") else text.encode()
    except (binascii.Error, ValueError) as error:
        raise BodyRefused("the body cannot be decoded") from error
    if len(body) > LARGEST_BODY:
        raise BodyRefused("the body is too large")
    return HttpRequest(
        method=str(event["httpMethod"]).upper(),
        path=str(event["path"]),
        query=event.get("queryStringParameters") or {},
        headers={str(name).lower(): str(value) for name, value in (event.get("headers") or {}).items()},
        body=body,
    )


def proxy_response(response: HttpResponse) -> dict[str, object]:
    """Return a response as API Gateway expects it."""
    return {
        "statusCode": response.status,
        "headers": {**PAGE_HEADERS, "Content-Type": response.content_type, **response.headers},
        "body": response.body,
        "isBase64Encoded": False,
    }
