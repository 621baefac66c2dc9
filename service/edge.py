"""Where requests come in and answers go out: the same for all three functions.

Every answer carries the version that gave it and the security headers. Whatever goes wrong becomes an answer: nothing is raised
to Lambda for a request, because to Lambda that would be a failed invocation and to the client an answer without a reason.
"""

from __future__ import annotations

import json
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError

from service import log, metrics
from service.metrics import Observed
from service.oauth.bearer import Challenge
from service.oauth.errors import OAuthError
from service.oauth.parameters import Parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from service.settings import Settings

VERSION_HEADER: Final = "x-ib-oauth-version"
RETRY_AFTER_SECONDS: Final = 1

_ALWAYS: Final = {
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
_CORS: Final = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "WWW-Authenticate"}
_ERROR_TYPES: Final = "application/problem+json"


class Edge:
    """The entry point of one function.

    `app` takes the routes; `observed` is what the current request is noted for (Lambda gives a process one request at a time).
    unavailable: what the routes may raise when something they need does not answer.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.time,
        unavailable: tuple[type[Exception], ...] = (),
    ) -> None:
        self.settings = settings
        self.app = APIGatewayRestResolver()
        self.observed = Observed()
        self._request_id = ""
        self._clock = clock
        self._unavailable = unavailable
        self.app.exception_handler(Exception)(self._answer_to)

    def __call__(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        """Answer an API Gateway proxy event (REST, payload version 1)."""
        started = time.perf_counter()
        self.observed = Observed(probe=_is_probe(event))
        self._request_id = str(getattr(context, "aws_request_id", ""))
        try:
            answer = self.app.resolve(event, context)
        except Exception as error:  # noqa: BLE001 - the last resort: an event that the router itself cannot read
            answer = _event(self._answer_to(error))
        headers: dict[str, list[str]] = answer.setdefault("multiValueHeaders", {})
        for name, value in _ALWAYS.items():
            headers.setdefault(name, [value])
        headers[VERSION_HEADER] = [self.settings.version]
        log.write(
            metrics.record(
                self.settings,
                self.observed,
                route=f"{event.get('httpMethod')} {event.get('resource')}",
                status=answer["statusCode"],
                latency_ms=(time.perf_counter() - started) * 1000,
                request_id=self._request_id,
                at_ms=int(self._clock() * 1000),
            )
        )
        return answer

    def now(self) -> int:
        """Return the time in epoch seconds."""
        return int(self._clock())

    def form(self) -> Parameters:
        """Return the form in the request's body. Raises InvalidRequest."""
        event = self.app.current_event
        content_type = header(event.headers, "content-type") or ""
        if content_type.partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
            return Parameters(())  # then what is required is missing, and told by name
        return Parameters.from_form(event.decoded_body or "")

    def query(self) -> Parameters:
        """Return the query's parameters. Raises InvalidRequest."""
        event = self.app.current_event.raw_event
        lists = event.get("multiValueQueryStringParameters")
        if lists is None:  # a caller that invokes the function directly may give the simple form only
            lists = {name: [value] for name, value in (event.get("queryStringParameters") or {}).items()}
        return Parameters.from_lists(lists)

    def header(self, name: str) -> str | None:
        """Return a request header, or None."""
        return header(self.app.current_event.headers, name)

    def _answer_to(self, error: Exception) -> Response[str]:
        """Return the answer that a failure gets."""
        if isinstance(error, OAuthError):
            self.observed.grant = error.code if self.settings.function == "token" else None
            return oauth_error(error)
        if isinstance(error, Challenge):
            return challenge(error)
        if isinstance(error, NotFoundError):
            return problem(HTTPStatus.NOT_FOUND, "There is nothing at this address.")
        # What is unavailable says why in AWS's words or ours alone; any other message may quote what a client sent.
        unavailable = isinstance(error, self._unavailable)
        reason = str(error) if unavailable else None
        log.write(log.failure(self.settings, error, request_id=self._request_id, reason=reason))
        if self.settings.function == "token":
            self.observed.grant = "server_error"
        if unavailable:
            return temporarily_unavailable()
        return json_answer(HTTPStatus.INTERNAL_SERVER_ERROR, {"error": "server_error"}, _CORS)


def header(headers: Mapping[str, str], name: str) -> str | None:
    """Return a header's value whatever the case of its name."""
    return next((value for key, value in headers.items() if key.lower() == name), None)


def json_answer(status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response[str]:
    """Return a JSON answer."""
    return Response(
        status_code=int(status),
        content_type="application/json",
        body=json.dumps(body, separators=(",", ":")),
        headers=dict(headers or {}),
    )


def open_to_all(status: int, body: Mapping[str, Any], *, max_age_seconds: int = 0) -> Response[str]:
    """Return a JSON answer that any origin may read, cached for a while where that is said."""
    cache = {"Cache-Control": f"public, max-age={max_age_seconds}"} if max_age_seconds else {}
    return json_answer(status, body, {**_CORS, **cache})


def oauth_error(error: OAuthError) -> Response[str]:
    """Return an error as RFC 6749 §5.2 has it."""
    headers = dict(_CORS)
    if error.http_status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Basic realm="ib-oauth"'
    return json_answer(error.http_status, {"error": error.code, "error_description": error.description}, headers)


def challenge(refusal: Challenge) -> Response[str]:
    """Return a refusal as RFC 6750 §3 has it."""
    body = {} if refusal.code is None else {"error": refusal.code, "error_description": refusal.description}
    return json_answer(refusal.http_status, body, {**_CORS, "WWW-Authenticate": refusal.www_authenticate})


def problem(status: HTTPStatus, detail: str) -> Response[str]:
    """Return a problem as RFC 9457 has it."""
    body = json.dumps({"title": status.phrase, "status": int(status), "detail": detail}, separators=(",", ":"))
    return Response(status_code=int(status), content_type=_ERROR_TYPES, body=body)


def temporarily_unavailable() -> Response[str]:
    """Return 503: nothing was decided, and the client may try again."""
    return json_answer(
        HTTPStatus.SERVICE_UNAVAILABLE,
        {"error": "temporarily_unavailable"},
        {**_CORS, "Retry-After": str(RETRY_AFTER_SECONDS)},
    )


def preflight(methods: str) -> Response[str]:
    """Return the answer to a CORS preflight: any origin, no credentials."""
    headers = {
        **_CORS,
        "Access-Control-Allow-Methods": methods,
        "Access-Control-Allow-Headers": "authorization, content-type",
        "Access-Control-Max-Age": "86400",
    }
    return Response(status_code=int(HTTPStatus.NO_CONTENT), content_type=None, body="", headers=dict(headers))


def _is_probe(event: Mapping[str, Any]) -> bool:
    """Whether the orchestrator's verification sent the event: API Gateway writes the request's context itself."""
    context = event.get("requestContext")
    return isinstance(context, dict) and context.get("synthetic") is True


def _event(response: Response[str]) -> dict[str, Any]:
    headers = {name: value if isinstance(value, list) else [value] for name, value in response.headers.items()}
    return {
        "statusCode": response.status_code,
        "body": response.body or "",
        "isBase64Encoded": False,
        "multiValueHeaders": headers,
    }
