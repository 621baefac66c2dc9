"""Responses: public JSON, OAuth errors, bearer challenges, and failures in the form that the caller expects."""

from __future__ import annotations

from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from service.oauth import bearer
from service.oauth.tokens import to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from service.oauth.bearer import Challenge
    from service.oauth.errors import OAuthError

RETRY_AFTER_SECONDS: Final = 1

_CORS: Final = {
    "Access-Control-Allow-Origin": "*",
    # A REST API renames the WWW-Authenticate header of its functions; scripts of pages may read the renamed header too.
    "Access-Control-Expose-Headers": "WWW-Authenticate, x-amzn-Remapped-WWW-Authenticate, Retry-After",
}
_PROBLEM: Final = "application/problem+json"


@dataclass(frozen=True)
class Response:
    """A response. content_type: None without a body; headers: a list for a header that occurs more than once."""

    status_code: int
    content_type: str | None
    body: str
    headers: Mapping[str, str | list[str]]

    def to_event(self) -> dict[str, Any]:
        """Return the response in API Gateway's form."""
        headers = {name: value if isinstance(value, list) else [value] for name, value in self.headers.items()}
        if self.content_type is not None:
            headers["Content-Type"] = [self.content_type]
        return {
            "statusCode": self.status_code,
            "body": self.body,
            "isBase64Encoded": False,
            "multiValueHeaders": headers,
        }


@dataclass(frozen=True)
class Failure:
    """A failure that prevents an endpoint's own response.

    code: RFC 6749's error code (§4.1.2.1); detail: for a person, without any content of the request.
    retry_after_seconds: when to try again; None if trying again does not help.
    allowed_methods: the methods of an address that does not have the request's.
    """

    status: HTTPStatus
    code: str
    detail: str
    retry_after_seconds: int | None = None
    allowed_methods: tuple[str, ...] = ()

    @property
    def headers(self) -> dict[str, str | list[str]]:
        """The headers Retry-After and Allow, where the failure has them."""
        headers: dict[str, str | list[str]] = {}
        if self.retry_after_seconds is not None:
            headers["Retry-After"] = str(self.retry_after_seconds)
        if self.allowed_methods:
            headers["Allow"] = ", ".join(self.allowed_methods)
        return headers


NOT_FOUND: Final = Failure(HTTPStatus.NOT_FOUND, "invalid_request", "This address does not exist.")
INTERNAL_ERROR: Final = Failure(
    HTTPStatus.INTERNAL_SERVER_ERROR, "server_error", "An internal error occurred. It has been logged."
)
UNAVAILABLE: Final = Failure(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "temporarily_unavailable",
    "A dependency of the service is unavailable. The request was not completed, or its result is not known. Send the same"
    " request again.",
    RETRY_AFTER_SECONDS,
)


def method_not_allowed(methods: tuple[str, ...]) -> Failure:
    """Return the failure of a method that an address does not have (RFC 9110 §15.5.6)."""
    detail = f"This address accepts only {', '.join(methods)}."
    return Failure(HTTPStatus.METHOD_NOT_ALLOWED, "invalid_request", detail, allowed_methods=methods)


def too_many_requests(retry_after_seconds: int) -> Failure:
    """Return the failure of a source that sends too many requests."""
    detail = "Too many requests from this address. Wait, then try again."
    return Failure(HTTPStatus.TOO_MANY_REQUESTS, "temporarily_unavailable", detail, retry_after_seconds)


def poll_too_early(retry_after_seconds: int) -> Failure:
    """Return the failure of a poll that did not wait for the interval."""
    detail = "This login was polled too early. Wait, then poll again."
    return Failure(HTTPStatus.TOO_MANY_REQUESTS, "slow_down", detail, retry_after_seconds)


def render_as_oauth(failure: Failure) -> Response:
    """Render a failure for a client, as in RFC 6749 §5.2."""
    body = {"error": failure.code, "error_description": failure.detail}
    return _json(failure.status, body, {**_CORS, **failure.headers})


def render_as_problem(failure: Failure) -> Response:
    """Render a failure for a program, as in RFC 9457."""
    return problem_response(failure.status, failure.detail, failure.headers)


def json_response(status: int, body: Mapping[str, Any]) -> Response:
    """Return a JSON response."""
    return _json(status, body, {})


def public_json(status: int, body: Mapping[str, Any], *, max_age_seconds: int = 0) -> Response:
    """Return a JSON response that any origin may read, cached for max_age_seconds."""
    cache = {"Cache-Control": f"public, max-age={max_age_seconds}"} if max_age_seconds else {}
    return _json(status, body, {**_CORS, **cache})


def without_cors(response: Response) -> Response:
    """Return a response that scripts of pages may not read.

    Its endpoint is for servers, whose secrets do not belong in a page.
    """
    return replace(response, headers={name: value for name, value in response.headers.items() if name not in _CORS})


def oauth_error_response(error: OAuthError) -> Response:
    """Return an error as in RFC 6749 §5.2."""
    headers: dict[str, str | list[str]] = {**_CORS}
    if error.http_status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Basic realm="ib-oauth"'
    return _json(error.http_status, {"error": error.code, "error_description": error.description}, headers)


def challenge_response(refusal: Challenge) -> Response:
    """Return a challenge as in RFC 6750 §3.

    Without a token in the request the header has no error (§3.1). The body always has one, because clients parse it as
    an OAuth error.
    """
    body = {"error": refusal.code or bearer.INVALID_TOKEN, "error_description": str(refusal)}
    return _json(refusal.http_status, body, {**_CORS, "WWW-Authenticate": refusal.www_authenticate})


def problem_response(status: HTTPStatus, detail: str, headers: Mapping[str, str | list[str]] | None = None) -> Response:
    """Return a problem as in RFC 9457. Its type is the default, about:blank, so its title is the status phrase."""
    body = {"title": status.phrase, "status": int(status), "detail": detail}
    return Response(int(status), _PROBLEM, to_json(body), {**(headers or {})})


def preflight_response(methods: tuple[str, ...]) -> Response:
    """Return the response to a CORS preflight: any origin, no credentials, and any header.

    Without credentials a header gives a script nothing that any other program does not have, and clients send headers
    of their own, such as MCP-Protocol-Version or those of a trace. The wildcard does not include Authorization, and an
    old browser does not know it (Fetch standard, CORS protocol), so the usual headers are listed.
    """
    headers: dict[str, str | list[str]] = {
        **_CORS,
        "Access-Control-Allow-Methods": ", ".join(methods),
        "Access-Control-Allow-Headers": "authorization, content-type, mcp-protocol-version, *",
        "Access-Control-Max-Age": "86400",
    }
    return Response(status_code=int(HTTPStatus.NO_CONTENT), content_type=None, body="", headers=headers)


def _json(status: int, body: Mapping[str, Any], headers: Mapping[str, str | list[str]]) -> Response:
    return Response(int(status), "application/json", to_json(body), headers)


if TYPE_CHECKING:
    RenderFailure = Callable[[Failure], Response]
    """Renders a failure in the form that the caller expects."""
