"""The upstream platform's login, as seen from here.

    POST {platform}/v1/auth/app/token              → {"sid", "content", "logintimeoutperiod": hours, 1 to 120}
    {platform}/auth/?login=0&token={content}       the person's browser logs in there
    GET  {platform}/v1/auth/app/info?token=…       404 until the person has logged in, then session and profile

A platform may be slow, broken or hostile: every call is bounded (see fetching.py).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from service.fetching import FetchFailed, Limits, fetch

if TYPE_CHECKING:
    from service.addresses import Platform

DEADLINE_SECONDS = 5.0
MAX_BYTES = 64 * 1024
MIN_SESSION_HOURS, MAX_SESSION_HOURS = 1, 120
_MAX_CHARACTERS = 512
"""Of each text we keep: session and profile together must fit into one KMS encryption (4096 bytes)."""


class UpstreamUnavailable(Exception):
    """The platform did not answer in time, or not with what its protocol says."""


@dataclass(frozen=True)
class UpstreamLogin:
    """A login that the platform has opened for us. content is what its login page is told."""

    sid: str = field(repr=False)
    content: str = field(repr=False)
    session_hours: int


@dataclass(frozen=True)
class Profile:
    """The person who logged in. subject is the platform's id for them."""

    subject: str
    given_name: str = field(repr=False)
    family_name: str = field(repr=False)
    email: str = field(repr=False)
    api_url: str = field(repr=False)


def open_login(platform: Platform) -> UpstreamLogin:
    """Have the platform open a login. Raises UpstreamUnavailable."""
    status, answer = _call(platform, "POST", "/v1/auth/app/token")
    if status != HTTPStatus.OK:
        raise UpstreamUnavailable(f"answered {status}")
    hours = answer.get("logintimeoutperiod")
    if not isinstance(hours, int) or not MIN_SESSION_HOURS <= hours <= MAX_SESSION_HOURS:
        raise UpstreamUnavailable("logintimeoutperiod is not within 1 to 120 hours")
    return UpstreamLogin(sid=_text(answer, "sid"), content=_text(answer, "content"), session_hours=hours)


def login_url(platform: Platform, content: str) -> str:
    """Return the address at which the person logs in."""
    return f"{platform.url}/auth/?login=0&token={quote(content, safe='')}&display=iframe"


def profile(platform: Platform, content: str) -> Profile | None:
    """Return who logged in, or None while nobody has. Raises UpstreamUnavailable."""
    status, answer = _call(platform, "GET", f"/v1/auth/app/info?token={quote(content, safe='')}")
    if status == HTTPStatus.NOT_FOUND:
        return None
    if status != HTTPStatus.OK:
        raise UpstreamUnavailable(f"answered {status}")
    session, info = answer.get("session"), answer.get("info")
    if not isinstance(session, dict) or not isinstance(info, dict):
        raise UpstreamUnavailable("the session or the profile is missing")
    return Profile(
        subject=_text(session, "userUuid"),
        given_name=_text(info, "firstname", ""),
        family_name=_text(info, "lastname", ""),
        email=_text(info, "email", ""),
        api_url=_text(info, "apiV3url", ""),
    )


def _text(answer: dict[str, Any], name: str, default: str | None = None) -> str:
    value = answer.get(name, default)
    if not isinstance(value, str) or len(value) > _MAX_CHARACTERS or (default is None and not value):
        raise UpstreamUnavailable(f"{name} is missing, too long, or not a text")
    return value


def _call(platform: Platform, method: str, path: str) -> tuple[int, dict[str, Any]]:
    """Return the status, and the object in a 200's body. Raises UpstreamUnavailable."""
    try:
        answer = fetch(platform.server, method, path, Limits(DEADLINE_SECONDS, MAX_BYTES))
    except FetchFailed as error:
        raise UpstreamUnavailable(str(error)) from error
    return answer.status, _object(answer.body) if answer.status == HTTPStatus.OK else {}


def _object(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UpstreamUnavailable("answered no JSON") from error
    if not isinstance(answer, dict):
        raise UpstreamUnavailable("answered no JSON object")
    return answer
