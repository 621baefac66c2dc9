"""Client of the upstream identity provider's login.

    POST {platform}/v1/auth/app/token              → {"sid", "content", "logintimeoutperiod": hours, 1 to 120}
    {platform}/auth/?login=0&token={content}       the user's browser logs in there
    GET  {platform}/v1/auth/app/info?token=…       404 until the user has logged in, then session and profile

A platform with the setting `shows_login_context` gets the form client_name=…&client_host=…&user_code=… with the POST. Its login
page shows them, so that a user notices a login that another person started (RFC 8628 §5.4).

An identity provider may be slow, broken or hostile, so every call has limits (see clients/fetch.py), and every text is
checked: a text that cannot be stored or sent on is a broken response, not an error of this service.
"""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from service.clients.fetch import FetchFailed, Limits, fetch

if TYPE_CHECKING:
    from service.clients.address_guard import Platform

DEADLINE_SECONDS = 5.0
MAX_BYTES = 64 * 1024
MIN_SESSION_HOURS, MAX_SESSION_HOURS = 1, 120
MAX_TEXT_BYTES: Final = 512
"""Maximum length of each stored text, in bytes of JSON: five texts must fit into one KMS encryption (4096 bytes)."""
MAX_SUBJECT_CHARACTERS: Final = 200
"""OpenID Connect Core §2 allows 255 for `sub`, which also has the platform's name."""
_SUBJECT = re.compile(rf"[\x21-\x7e]{{1,{MAX_SUBJECT_CHARACTERS}}}")
_REFUSED_CATEGORIES: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories of controls, surrogates, and line and paragraph separators. Names of any script have none."""


class UpstreamUnavailable(Exception):
    """The identity provider did not respond in time, or violated its protocol."""


@dataclass(frozen=True)
class LoginContext:
    """What a login page can show of a login: the client, the host that the user returns to, and a short code."""

    client_name: str
    client_host: str
    user_code: str


@dataclass(frozen=True)
class UpstreamLogin:
    """A login that the identity provider has opened. content is the token of its login page."""

    sid: str = field(repr=False)
    content: str = field(repr=False)
    session_hours: int


@dataclass(frozen=True)
class Profile:
    """The user who logged in. subject is the identity provider's id of the user."""

    subject: str
    given_name: str = field(repr=False)
    family_name: str = field(repr=False)
    email: str = field(repr=False)
    api_url: str = field(repr=False)


def open_login(platform: Platform, context: LoginContext | None = None) -> UpstreamLogin:
    """Open a login at the identity provider. context: for a login page that shows it. Raises UpstreamUnavailable."""
    form = urlencode(asdict(context)) if context is not None else ""
    status, response = _call(platform, "POST", "/v1/auth/app/token", form)
    if status != HTTPStatus.OK:
        raise UpstreamUnavailable(f"the response has the status {status}")
    hours = response.get("logintimeoutperiod")
    if isinstance(hours, bool) or not isinstance(hours, int) or not MIN_SESSION_HOURS <= hours <= MAX_SESSION_HOURS:
        raise UpstreamUnavailable("logintimeoutperiod is not between 1 and 120 hours")
    return UpstreamLogin(sid=_text(response, "sid"), content=_text(response, "content"), session_hours=hours)


def login_url(platform: Platform, content: str) -> str:
    """Return the URL at which the user logs in."""
    return f"{platform.url}/auth/?login=0&token={quote(content, safe='')}&display=iframe"


def profile(platform: Platform, content: str) -> Profile | None:
    """Return the user who logged in; None if no user has. Raises UpstreamUnavailable."""
    status, response = _call(platform, "GET", f"/v1/auth/app/info?token={quote(content, safe='')}")
    if status == HTTPStatus.NOT_FOUND:
        return None
    if status != HTTPStatus.OK:
        raise UpstreamUnavailable(f"the response has the status {status}")
    session, info = response.get("session"), response.get("info")
    if not isinstance(session, dict) or not isinstance(info, dict):
        raise UpstreamUnavailable("the session or the profile is missing")
    subject = _text(session, "userUuid")
    if not _SUBJECT.fullmatch(subject):
        raise UpstreamUnavailable("userUuid is too long, or has other characters than printable ASCII")
    return Profile(
        subject=subject,
        given_name=_text(info, "firstname", ""),
        family_name=_text(info, "lastname", ""),
        email=_text(info, "email", ""),
        api_url=_text(info, "apiV3url", ""),
    )


def _text(response: dict[str, Any], name: str, default: str | None = None) -> str:
    value = response.get(name, default)
    if not isinstance(value, str) or (default is None and not value):
        raise UpstreamUnavailable(f"{name} is missing, or not a string")
    if any(unicodedata.category(character) in _REFUSED_CATEGORIES for character in value):
        raise UpstreamUnavailable(f"{name} has control characters or surrogates")
    if len(json.dumps(value, ensure_ascii=False, allow_nan=False).encode()) - len('""') > MAX_TEXT_BYTES:
        raise UpstreamUnavailable(f"{name} is longer than {MAX_TEXT_BYTES} bytes")
    return value


def _call(platform: Platform, method: str, path: str, form: str = "") -> tuple[int, dict[str, Any]]:
    """Return the status, and the JSON object of a 200 response. Raises UpstreamUnavailable."""
    try:
        response = fetch(platform.server, method, path, Limits(DEADLINE_SECONDS, MAX_BYTES), form)
    except FetchFailed as error:
        raise UpstreamUnavailable(str(error)) from error
    return response.status, _object(response.body) if response.status == HTTPStatus.OK else {}


def _object(body: bytes) -> dict[str, Any]:
    try:
        response = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UpstreamUnavailable("the response is not JSON") from error
    if not isinstance(response, dict):
        raise UpstreamUnavailable("the response is not a JSON object")
    return response
