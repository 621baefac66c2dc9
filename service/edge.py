"""Where requests come in and answers go out: the same for all three functions.

Every answer carries the version that gave it and the security headers. Whatever goes wrong becomes an answer: nothing is raised
to Lambda for a request, because to Lambda that would be a failed invocation and to the client an answer without a reason.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError

from service import answers, log, metrics
from service.metrics import Observed
from service.oauth.bearer import Challenge
from service.oauth.errors import OAuthError
from service.oauth.parameters import Parameters
from service.throttle import Throttle

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from service.answers import Failure, Tell
    from service.settings import Settings

VERSION_HEADER: Final = "x-ib-oauth-version"

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
        self.app = APIGatewayRestResolver()
        self.observed = Observed()
        self._request_id = ""
        self._clock = clock
        self._unavailable = unavailable
        self._tell, self._tell_at = tell, tell_at or {}
        self._throttle = Throttle(settings.source_requests_per_second, settings.source_burst_requests)
        self.app.exception_handler(Exception)(self._answer_to)

    def __call__(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        """Answer an API Gateway proxy event (REST, payload version 1)."""
        started = time.perf_counter()
        self.observed = Observed(probe=_is_probe(event))
        self._request_id = str(getattr(context, "aws_request_id", ""))
        answer = self._throttled(event) or self._routed(event, context)
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

    def _routed(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        try:
            return self.app.resolve(event, context)
        except Exception as error:  # noqa: BLE001 - the last resort: an event that the router itself cannot read
            return _event(self._answer_to(error, event))

    def _throttled(self, event: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the refusal of a source that asks too often. A function that is invoked past the API knows no source."""
        source = _source(event)
        wait_seconds = self._throttle.wait_seconds(source, self._clock()) if source else 0
        return _event(self._told(answers.too_many(wait_seconds), event)) if wait_seconds else None

    def _answer_to(self, error: Exception, event: Mapping[str, Any] | None = None) -> Response[str]:
        """Return the answer that a failure gets. event: the request, where the router did not get as far as reading it."""
        if isinstance(error, OAuthError):
            self.observed.refused(error.code)
            return answers.oauth_error(error)
        if isinstance(error, Challenge):
            return answers.challenge(error)
        event = self.app.current_event.raw_event if event is None else event
        if isinstance(error, NotFoundError):
            return self._told(answers.NOTHING_HERE, event)
        # What is unavailable says why in AWS's words or ours alone; any other message may quote what a client sent.
        unavailable = isinstance(error, self._unavailable)
        reason = str(error) if unavailable else None
        log.write(log.failure(self.settings, error, request_id=self._request_id, reason=reason))
        self.observed.refused("server_error")
        return self._told(answers.UNAVAILABLE if unavailable else answers.BROKEN, event)

    def _told(self, failure: Failure, event: Mapping[str, Any]) -> Response[str]:
        return self._tell_at.get(str(event.get("path")), self._tell)(failure)


def header(headers: Mapping[str, str], name: str) -> str | None:
    """Return a header's value whatever the case of its name."""
    return next((value for key, value in headers.items() if key.lower() == name), None)


def _is_probe(event: Mapping[str, Any]) -> bool:
    """Whether the orchestrator's verification sent the event: API Gateway writes the request's context itself."""
    context = event.get("requestContext")
    return isinstance(context, dict) and context.get("synthetic") is True


def _source(event: Mapping[str, Any]) -> str:
    """Return the address that API Gateway saw the request come from; empty where there is none."""
    context = event.get("requestContext")
    identity = context.get("identity") if isinstance(context, dict) else None
    return str(identity.get("sourceIp") or "") if isinstance(identity, dict) else ""


def _event(response: Response[str]) -> dict[str, Any]:
    headers = {name: value if isinstance(value, list) else [value] for name, value in response.headers.items()}
    return {
        "statusCode": response.status_code,
        "body": response.body or "",
        "isBase64Encoded": False,
        "multiValueHeaders": headers,
    }
