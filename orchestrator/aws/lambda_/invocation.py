"""Invoke Lambda functions directly, with the event of API Gateway's REST proxy integration (payload version 1)."""

from __future__ import annotations

import base64
import json
from time import perf_counter
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from orchestrator.aws.clients import BUSY, translate_errors
from orchestrator.aws.lambda_.versions import LATEST
from orchestrator.domain.analysis.observations import VERSION_HEADER, HttpRequest, HttpResponse
from orchestrator.domain.printable import one_line
from orchestrator.domain.texts import shortened
from orchestrator.domain.untrusted_json import decode_untrusted, text_of

FORM = "application/x-www-form-urlencoded"
UNHANDLED_STATUS = 502
"""What API Gateway returns if a function raised an exception."""


class Invocation:
    """Direct invocations of functions.

    Args:
        client: botocore's Lambda client.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def invoke(self, function_name: str, qualifier: str, request: HttpRequest) -> HttpResponse:
        """Send a request to a version or an alias.

        For `$LATEST` no qualifier is sent: then IAM authorizes the function itself, and otherwise only that version.

        Raises:
            Throttled: the function's concurrency or the request limit was reached, or the function is not ready yet.
            Unreachable: Lambda did not answer.
        """
        started = perf_counter()
        qualified = {} if qualifier == LATEST else {"Qualifier": qualifier}
        with translate_errors(**BUSY):  # a function that is being created or changed
            invocation = self._client.invoke(
                FunctionName=function_name, Payload=json.dumps(proxy_event(request), allow_nan=False), **qualified
            )
            payload = invocation["Payload"].read()
        elapsed_ms = (perf_counter() - started) * 1000
        attempts = 1 + invocation.get("ResponseMetadata", {}).get("RetryAttempts", 0)
        version = invocation.get("ExecutedVersion", "")
        result = _result(payload)
        if invocation.get("FunctionError") or not isinstance(result, dict) or "statusCode" not in result:
            error_type = shortened(_stored(result.get("errorType", ""))) if isinstance(result, dict) else ""
            return HttpResponse(UNHANDLED_STATUS, {}, "", elapsed_ms, version, error_type or "no response", attempts)
        return _response(result, elapsed_ms, version, attempts)


def proxy_event(request: HttpRequest) -> dict[str, Any]:
    """Return the event that API Gateway would create for a request.

    Clients cannot write into `requestContext`. So its field `synthetic` is a safe sign for the service that the request
    comes from the orchestrator, and does not count in the business metrics.
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
        "body": request.body if request.form is None else urlencode(request.form),
        "isBase64Encoded": False,
    }


def _result(payload: bytes) -> object:
    """Return the result of a function; None if it returned no JSON. A broken version is judged, whatever it returns."""
    try:
        return decode_untrusted(payload or b"null")
    except ValueError:
        return None


def _stored(value: object) -> str:
    """Return a value as a text that the reason of a verdict can quote: a record cannot store lone surrogates."""
    return one_line(text_of(value))


def _response(result: dict[str, Any], elapsed_ms: float, version: str, attempts: int) -> HttpResponse:
    headers: dict[str, tuple[str, ...]] = {
        name.lower(): (_stored(value),) for name, value in (result.get("headers") or {}).items()
    }
    for name, values in (result.get("multiValueHeaders") or {}).items():
        headers[name.lower()] = tuple(_stored(value) for value in values)
    body = result.get("body") or ""
    if result.get("isBase64Encoded"):
        body = base64.b64decode(body).decode("utf-8", "replace")
    stated_version = next(iter(headers.get(VERSION_HEADER, ())), "")
    return HttpResponse(
        int(result["statusCode"]), headers, body, elapsed_ms, version or stated_version, attempts=attempts
    )
