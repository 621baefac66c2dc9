"""Answers: JSON that anybody may read, OAuth errors, bearer challenges, and failures in the form that suits who asked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from service.oauth.compact import to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from service.oauth.bearer import Challenge
    from service.oauth.errors import OAuthError

RETRY_AFTER_SECONDS: Final = 1

_CORS: Final = {
    "Access-Control-Allow-Origin": "*",
    # A REST API renames WWW-Authenticate of every function behind it: a page's script has to be allowed to read that name.
    "Access-Control-Expose-Headers": "WWW-Authenticate, x-amzn-Remapped-WWW-Authenticate, Retry-After",
}
_PROBLEM: Final = "application/problem+json"


@dataclass(frozen=True)
class Response:
    """An answer. content_type: None for one that has no body; headers: a list where a header stands more than once."""

    status_code: int
    content_type: str | None
    body: str
    headers: Mapping[str, str | list[str]]

    def event(self) -> dict[str, Any]:
        """Return the answer as API Gateway takes it."""
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
    """Why a request got no answer of its endpoint.

    code: RFC 6749's word for it (§4.1.2.1); detail: for a person, and without anything that the request said.
    retry_after_seconds: when to try again; None where trying again changes nothing.
    """

    status: HTTPStatus
    code: str
    detail: str
    retry_after_seconds: int | None = None

    @property
    def headers(self) -> dict[str, str | list[str]]:
        """The headers that tell when to try again."""
        return {} if self.retry_after_seconds is None else {"Retry-After": str(self.retry_after_seconds)}


NOTHING_HERE: Final = Failure(HTTPStatus.NOT_FOUND, "invalid_request", "There is nothing at this address.")
BROKEN: Final = Failure(
    HTTPStatus.INTERNAL_SERVER_ERROR, "server_error", "The service made a mistake. It has been noted."
)
UNAVAILABLE: Final = Failure(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "temporarily_unavailable",
    "Something that the service needs does not answer. Nothing was decided: try again.",
    RETRY_AFTER_SECONDS,
)


def too_many(retry_after_seconds: int) -> Failure:
    """Return the refusal of a source that asks too often."""
    detail = "Too many requests from this address. Wait, then try again."
    return Failure(HTTPStatus.TOO_MANY_REQUESTS, "temporarily_unavailable", detail, retry_after_seconds)


def too_soon(retry_after_seconds: int) -> Failure:
    """Return the refusal of a poll that did not wait as long as it was told to."""
    detail = "This login was asked about a moment ago. Wait, then ask again."
    return Failure(HTTPStatus.TOO_MANY_REQUESTS, "slow_down", detail, retry_after_seconds)


def as_oauth(failure: Failure) -> Response:
    """Tell a failure to a client, as RFC 6749 §5.2 has it."""
    body = {"error": failure.code, "error_description": failure.detail}
    return _json(failure.status, body, {**_CORS, **failure.headers})


def as_problem(failure: Failure) -> Response:
    """Tell a failure to a program, as RFC 9457 has it."""
    return problem(failure.status, failure.detail, failure.headers)


def json_answer(status: int, body: Mapping[str, Any]) -> Response:
    """Return a JSON answer."""
    return _json(status, body, {})


def open_to_all(status: int, body: Mapping[str, Any], *, max_age_seconds: int = 0) -> Response:
    """Return a JSON answer that any origin may read, cached for a while where that is said."""
    cache = {"Cache-Control": f"public, max-age={max_age_seconds}"} if max_age_seconds else {}
    return _json(status, body, {**_CORS, **cache})


def to_servers(answer: Response) -> Response:
    """Return an answer that no page's script may read: its endpoint is for servers, whose secrets have no place in a page."""
    return replace(answer, headers={name: value for name, value in answer.headers.items() if name not in _CORS})


def oauth_error(error: OAuthError) -> Response:
    """Return an error as RFC 6749 §5.2 has it."""
    headers: dict[str, str | list[str]] = {**_CORS}
    if error.http_status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Basic realm="ib-oauth"'
    return _json(error.http_status, {"error": error.code, "error_description": error.description}, headers)


def challenge(refusal: Challenge) -> Response:
    """Return a refusal as RFC 6750 §3 has it."""
    body = {} if refusal.code is None else {"error": refusal.code, "error_description": refusal.description}
    return _json(refusal.http_status, body, {**_CORS, "WWW-Authenticate": refusal.www_authenticate})


def problem(status: HTTPStatus, detail: str, headers: Mapping[str, str | list[str]] | None = None) -> Response:
    """Return a problem as RFC 9457 has it: its type is the default, about:blank, so its title is the status's."""
    body = {"title": status.phrase, "status": int(status), "detail": detail}
    return Response(int(status), _PROBLEM, to_json(body), {**(headers or {})})


def preflight(methods: str) -> Response:
    """Return the answer to a CORS preflight: any origin, no credentials."""
    headers: dict[str, str | list[str]] = {
        **_CORS,
        "Access-Control-Allow-Methods": methods,
        "Access-Control-Allow-Headers": "authorization, content-type",
        "Access-Control-Max-Age": "86400",
    }
    return Response(status_code=int(HTTPStatus.NO_CONTENT), content_type=None, body="", headers=headers)


def _json(status: int, body: Mapping[str, Any], headers: Mapping[str, str | list[str]]) -> Response:
    return Response(int(status), "application/json", to_json(body), headers)


if TYPE_CHECKING:
    Tell = Callable[[Failure], Response]
    """How a function tells a failure to whoever asked."""
