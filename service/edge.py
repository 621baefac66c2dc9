"""Where requests come in and answers go out: the same for all three functions.

Every answer carries the version that gave it and the security headers. Whatever goes wrong becomes an answer: nothing is raised
to Lambda for a request, because to Lambda that would be a failed invocation and to the client an answer without a reason.
"""

from __future__ import annotations

import time
from base64 import b64decode
from typing import TYPE_CHECKING, Any, Final

from service import answers, log, metrics
from service.metrics import Observed
from service.oauth.bearer import Challenge
from service.oauth.errors import InvalidRequest, OAuthError
from service.oauth.parameters import Parameters
from service.routes import NothingHere, Routes
from service.throttle import Throttle

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from service.answers import Failure, Response, Tell
    from service.settings import Settings

VERSION_HEADER: Final = "x-ib-oauth-version"
FORM: Final = "application/x-www-form-urlencoded"

_ALWAYS: Final = {
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


class Edge:
    """The entry point of one function.

    `app` takes the routes; `observed` is what the current request is noted for (Lambda gives a process one request at a time).
    unavailable: what the routes may raise when something they need does not answer.
    tell: how a failure is told to whoever asks this function; tell_at: the same for paths that are asked by somebody else.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.time,
        unavailable: tuple[type[Exception], ...] = (),
        tell: Tell = answers.as_problem,
        tell_at: Mapping[str, Tell] | None = None,
    ) -> None:
        self.settings = settings
        self.app = Routes()
        self._lines = metrics.Lines(settings)
        self._always = {name: [value] for name, value in {**_ALWAYS, VERSION_HEADER: settings.version}.items()}
        self.observed = Observed()
        self._event: Mapping[str, Any] = {}
        self._request_id = ""
        self._clock = clock
        self._unavailable = unavailable
        self._tell, self._tell_at = tell, tell_at or {}
        self._throttle = Throttle(settings.source_requests_per_second, settings.source_burst_requests)

    def __call__(self, event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        """Answer an API Gateway proxy event (REST, payload version 1)."""
        started = time.perf_counter()
        self._event = event
        self.observed = Observed(probe=_is_probe(event))
        self._request_id = str(getattr(context, "aws_request_id", ""))
        answer = (self._throttled() or self._answered()).event()
        answer["multiValueHeaders"] = {**self._always, **answer["multiValueHeaders"]}
        log.write_line(
            self._lines.line(
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
        """Return the form in the request's body; an empty one where there is no body. Raises InvalidRequest."""
        content_type = (self.header("content-type") or "").partition(";")[0].strip().lower()
        if content_type == FORM:
            return Parameters.from_form(self.body())
        if self.body():
            raise InvalidRequest(f"the body must be a form: Content-Type {FORM}")
        return Parameters(())  # then what is required is missing, and told by name

    def body(self) -> str:
        """Return the request's body. Raises InvalidRequest where it is no text."""
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
        if lists is None:  # a caller that invokes the function directly may give the simple form only
            lists = {name: [value] for name, value in (self._event.get("queryStringParameters") or {}).items()}
        return Parameters.from_lists(lists)

    def header(self, name: str) -> str | None:
        """Return a request header whatever the case of its name, or None; `name` is in lower case."""
        headers: Mapping[str, str] = self._event.get("headers") or {}
        return next((value for key, value in headers.items() if key.lower() == name), None)

    def _answered(self) -> Response:
        try:
            return self.app.answer(self._event)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong becomes an answer
            return self._answer_to(error)

    def _throttled(self) -> Response | None:
        """Return the refusal of a source that asks too often. A function that is invoked past the API knows no source."""
        source = _source(self._event)
        wait_seconds = self._throttle.wait_seconds(source, self._clock()) if source else 0
        return self._told(answers.too_many(wait_seconds)) if wait_seconds else None

    def _answer_to(self, error: Exception) -> Response:
        """Return the answer that a failure gets."""
        if isinstance(error, OAuthError):
            self.observed.refused(error.code)
            return answers.oauth_error(error)
        if isinstance(error, Challenge):
            return answers.challenge(error)
        if isinstance(error, NothingHere):
            return self._told(answers.NOTHING_HERE)
        # What is unavailable says why in AWS's words or ours alone; any other message may quote what a client sent.
        unavailable = isinstance(error, self._unavailable)
        reason = str(error) if unavailable else None
        log.write(log.failure(self.settings, error, request_id=self._request_id, reason=reason))
        self.observed.refused("server_error")
        return self._told(answers.UNAVAILABLE if unavailable else answers.BROKEN)

    def _told(self, failure: Failure) -> Response:
        return self._tell_at.get(str(self._event.get("path")), self._tell)(failure)


def _is_probe(event: Mapping[str, Any]) -> bool:
    """Whether the orchestrator's verification sent the event: API Gateway writes the request's context itself."""
    context = event.get("requestContext")
    return isinstance(context, dict) and context.get("synthetic") is True


def _source(event: Mapping[str, Any]) -> str:
    """Return the address that API Gateway saw the request come from; empty where there is none."""
    context = event.get("requestContext")
    identity = context.get("identity") if isinstance(context, dict) else None
    return str(identity.get("sourceIp") or "") if isinstance(identity, dict) else ""
