"""Lambda functions called directly, in the form in which API Gateway's REST proxy calls them (payload version 1)."""

from __future__ import annotations

import base64
import json
from time import perf_counter
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from orchestrator.aws.clients import narrowed
from orchestrator.aws.versions import LATEST
from orchestrator.domain.observation import Answer, Request

FORM = "application/x-www-form-urlencoded"
VERSION_HEADER = "x-ib-oauth-version"
UNHANDLED_STATUS = 502
"""What API Gateway answers where a function raised."""


class Invocation:
    """Functions, called directly.

    Args:
        client: botocore's Lambda client.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def invoke(self, function_name: str, qualifier: str, request: Request) -> Answer:
        """Send a version or an alias a request.

        `$LATEST` is what Lambda takes where no qualifier is given: then the function itself is authorised, and with one only that version.

        Raises:
            Throttled: the function's concurrency or the request limit was met.
            Unreachable: Lambda did not answer.
        """
        started = perf_counter()
        qualified = {} if qualifier == LATEST else {"Qualifier": qualifier}
        with narrowed():
            called = self._client.invoke(
                FunctionName=function_name, Payload=json.dumps(proxy_event(request)), **qualified
            )
            payload = called["Payload"].read()
        elapsed_ms = (perf_counter() - started) * 1000
        sent = 1 + called.get("ResponseMetadata", {}).get("RetryAttempts", 0)
        version = called.get("ExecutedVersion", "")
        answer = json.loads(payload or b"null")
        if called.get("FunctionError") or not isinstance(answer, dict) or "statusCode" not in answer:
            kind = answer.get("errorType", "") if isinstance(answer, dict) else ""
            return Answer(UNHANDLED_STATUS, {}, "", elapsed_ms, version, kind or "not an answer", sent)
        return _answer(answer, elapsed_ms, version, sent)


def proxy_event(request: Request) -> dict[str, Any]:
    """The event as API Gateway would make it of a request.

    `requestContext` is API Gateway's alone: no client can write into it. So the mark in it tells the service that the request is
    the orchestrator's own and is to be left out of the business metrics.
    """
    headers = {**request.headers, **({"Content-Type": FORM} if request.form is not None else {})}
    return {
        "resource": request.path,
        "path": request.path,
        "httpMethod": request.method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": dict(request.query) or None,
        "multiValueQueryStringParameters": {name: [value] for name, value in request.query.items()} or None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {"stage": "live", "requestId": f"probe-{uuid4()}", "synthetic": True},
        "body": None if request.form is None else urlencode(request.form),
        "isBase64Encoded": False,
    }


def _answer(answer: dict[str, Any], elapsed_ms: float, version: str, sent: int) -> Answer:
    headers: dict[str, tuple[str, ...]] = {
        name.lower(): (str(value),) for name, value in (answer.get("headers") or {}).items()
    }
    for name, values in (answer.get("multiValueHeaders") or {}).items():
        headers[name.lower()] = tuple(str(value) for value in values)
    body = answer.get("body") or ""
    if answer.get("isBase64Encoded"):
        body = base64.b64decode(body).decode("utf-8", "replace")
    named = next(iter(headers.get(VERSION_HEADER, ())), "")
    return Answer(int(answer["statusCode"]), headers, body, elapsed_ms, version or named, sent=sent)
