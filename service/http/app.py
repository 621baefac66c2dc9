"""The entry point of all three functions: API Gateway events in, responses out.

Every response has the version header and the security headers. Every failure becomes a response and is never raised to
Lambda: Lambda would count it as a failed invocation, and the client would get a response without a reason.
"""

from __future__ import annotations

import time
from base64 import b64decode
from typing import TYPE_CHECKING, Any, Final

from service import log, request_metrics
from service.http import responses
from service.http.rate_limit import Throttle
from service.http.routes import MethodNotAllowed, RouteNotFound, Routes
from service.oauth.bearer import Challenge
from service.oauth.errors import InvalidRequest, OAuthError
from service.oauth.parameters import Parameters
from service.request_metrics import RequestObservation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from service.http.responses import Failure, RenderFailure, Response
    from service.settings import Settings

VERSION_HEADER: Final = "x-ib-oauth-version"
FORM: Final = "application/x-www-form-urlencoded"

_NO_STORE: Final = "no-store"
_COMMON_HEADERS: Final = {
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": _NO_STORE,
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


class HttpFunction:
    """The entry point of one function.

    `routes` holds the routes; `observed` is the observation of the current request (Lambda gives a process one at a
    time).
    unavailable: exceptions of the routes that mean that a dependency is unavailable; upstream: those that mean that a
    server which is not ours is. Neither its failures nor the time spent waiting for it are this release's.
    seconds_waited: returns how long this process has waited for such servers so far.
    render_failure: renders a failure for this function's callers; render_failure_at: the same for single paths.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.time,
        unavailable: tuple[type[Exception], ...] = (),
        upstream: tuple[type[Exception], ...] = (),
        seconds_waited: Callable[[], float] = float,
        render_failure: RenderFailure = responses.render_as_problem,
        render_failure_at: Mapping[str, RenderFailure] | None = None,
    ) -> None:
        self.settings = settings
        self.routes = Routes()
        self._lines = request_metrics.RequestLines(settings)
        self._common_headers = {
            name: [value] for name, value in {**_COMMON_HEADERS, VERSION_HEADER: settings.version}.items()
        }
        self.observed = RequestObservation()
        self._event: Mapping[str, Any] = {}
        self._request_id = ""
        self._clock = clock
        self._unavailable, self._upstream = unavailable, upstream
        self._seconds_waited = seconds_waited
        self._render_failure, self._render_failure_at = render_failure, render_failure_at or {}
        self._throttle = Throttle(settings.source_requests_per_second, settings.source_burst_requests)

    def __call__(self, event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        """Handle an API Gateway proxy event (REST, payload version 1)."""
        started, waited_before = time.perf_counter(), self._seconds_waited()
        self._event = event
        self.observed = RequestObservation(probe=_is_probe(event))
        self._request_id = str(getattr(context, "aws_request_id", ""))
        response = (self._throttled() or self._dispatch()).to_event()
        response["multiValueHeaders"] = headers = {**self._common_headers, **response["multiValueHeaders"]}
        if headers["Cache-Control"] == [_NO_STORE]:
            headers["Pragma"] = ["no-cache"]  # RFC 6749 §5.1
        if event.get("httpMethod") == "HEAD":
            _remove_body(response)
        log.write_line(
            self._lines.format(
                self.observed,
                route=f"{event.get('httpMethod')} {event.get('resource')}",
                status=response["statusCode"],
                latency_ms=(time.perf_counter() - started) * 1000,
                request_id=self._request_id,
                at_ms=int(self._clock() * 1000),
                waited_ms=(self._seconds_waited() - waited_before) * 1000,
            )
        )
        return response

    def now(self) -> int:
        """Return the time in epoch seconds."""
        return int(self._clock())

    def form(self) -> Parameters:
        """Return the form in the request's body; an empty one without a body. Raises InvalidRequest."""
        content_type = (self.header("content-type") or "").partition(";")[0].strip().lower()
        if content_type == FORM:
            return Parameters.from_form(self.body())
        if self.body():
            raise InvalidRequest(f"the body must be a form: Content-Type {FORM}")
        return Parameters(())  # a required parameter is then reported as missing, by name

    def body(self) -> str:
        """Return the request's body. Raises InvalidRequest if it is not text."""
        body: str = self._event.get("body") or ""
        if not self._event.get("isBase64Encoded"):
            return body
        try:
            return b64decode(body, validate=True).decode()
        except ValueError as error:
            raise InvalidRequest("the body is not text in UTF-8") from error

    def query(self) -> Parameters:
        """Return the query's parameters. Raises InvalidRequest."""
        lists = self._event.get("multiValueQueryStringParameters")
        if lists is None:  # a caller that invokes the function directly may send the simple form only
            lists = {name: [value] for name, value in (self._event.get("queryStringParameters") or {}).items()}
        return Parameters.from_lists(lists)

    def header(self, name: str) -> str | None:
        """Return a request header, or None; `name` is in lower case, and the header's case does not matter."""
        headers: Mapping[str, str] = self._event.get("headers") or {}
        return next((value for key, value in headers.items() if key.lower() == name), None)

    def header_values(self, name: str) -> list[str]:
        """Return all values of a request header that occurs several times; `name` is in lower case."""
        lists: Mapping[str, list[str]] = self._event.get("multiValueHeaders") or {}
        values = next((found for key, found in lists.items() if key.lower() == name), None)
        if values is None:  # a caller that invokes the function directly may send the simple form only
            value = self.header(name)
            return [] if value is None else [value]
        return values

    def _dispatch(self) -> Response:
        try:
            return self.routes.dispatch(self._event)
        except Exception as error:  # noqa: BLE001 - every failure becomes a response
            return self._failure_response(error)

    def _throttled(self) -> Response | None:
        """Return the response to a throttled source, or None. A function that is invoked directly has no source."""
        source = _source(self._event)
        wait_seconds = self._throttle.wait_seconds(source, self._clock()) if source else 0
        return self._render(responses.too_many_requests(wait_seconds)) if wait_seconds else None

    def _failure_response(self, error: Exception) -> Response:
        """Return the response to a failure."""
        if isinstance(error, OAuthError):
            self.observed.set_error(error.code)
            return responses.oauth_error_response(error)
        if isinstance(error, Challenge):
            return responses.challenge_response(error)
        if isinstance(error, RouteNotFound):
            return self._render(responses.NOT_FOUND)
        if isinstance(error, MethodNotAllowed):
            return self._render(responses.method_not_allowed(error.methods))
        # Messages of unavailable dependencies contain only AWS's or our own text; others may quote the request.
        self.observed.upstream_failed = isinstance(error, self._upstream)
        unavailable = self.observed.upstream_failed or isinstance(error, self._unavailable)
        reason = str(error) if unavailable else None
        # The canary analysis reads lines with ERROR: an identity provider must not be able to fail a release.
        level = "WARNING" if self.observed.upstream_failed else "ERROR"
        log.write(log.failure_record(self.settings, error, request_id=self._request_id, reason=reason, level=level))
        self.observed.set_error("server_error")
        return self._render(responses.UNAVAILABLE if unavailable else responses.INTERNAL_ERROR)

    def _render(self, failure: Failure) -> Response:
        return self._render_failure_at.get(str(self._event.get("path")), self._render_failure)(failure)


def _remove_body(response: dict[str, Any]) -> None:
    """Make a response one to HEAD: the headers of GET's, with its length, and no body (RFC 9110 §9.3.2)."""
    response["multiValueHeaders"]["Content-Length"] = [str(len(response["body"].encode()))]
    response["body"] = ""


def _is_probe(event: Mapping[str, Any]) -> bool:
    """Return whether the orchestrator sent the event. Only it and API Gateway can write the request context."""
    context = event.get("requestContext")
    return isinstance(context, dict) and context.get("synthetic") is True


def _source(event: Mapping[str, Any]) -> str:
    """Return the source address that API Gateway saw; empty if there is none."""
    context = event.get("requestContext")
    identity = context.get("identity") if isinstance(context, dict) else None
    return str(identity.get("sourceIp") or "") if isinstance(identity, dict) else ""
