"""The upstream platform's login, as seen from here.

    POST {platform}/v1/auth/app/token              → {"sid", "content", "logintimeoutperiod": hours, 1 to 120}
    {platform}/auth/?login=0&token={content}       the person's browser logs in there
    GET  {platform}/v1/auth/app/info?token=…       404 until the person has logged in, then session and profile

A platform may be slow, broken or hostile: every call has one deadline over all of it, a size limit, no redirects, and goes to an
address that was checked (see addresses.py).
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from service.addresses import AddressRefused, resolve

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
        connection = _connect(platform)
    except (AddressRefused, OSError) as error:
        raise UpstreamUnavailable(type(error).__name__) from error
    # One deadline over everything: a socket's own timeout starts anew with every byte that trickles in.
    guard = threading.Timer(DEADLINE_SECONDS, _cut, (connection,))
    guard.daemon = True
    guard.start()
    try:
        if isinstance(connection.sock, ssl.SSLSocket):
            connection.sock.do_handshake()
        headers = {"Accept": "application/json", "User-Agent": "ib-oauth", "Connection": "close"}
        connection.request(method, path, body=b"" if method == "POST" else None, headers=headers)
        answer = connection.getresponse()
        body = answer.read(MAX_BYTES + 1)
        status = answer.status
    except (OSError, http.client.HTTPException) as error:
        raise UpstreamUnavailable(type(error).__name__) from error
    finally:
        guard.cancel()
        connection.close()
    if status != HTTPStatus.OK:
        return status, {}
    return status, _object(body)


def _object(body: bytes) -> dict[str, Any]:
    if len(body) > MAX_BYTES:
        raise UpstreamUnavailable(f"answered more than {MAX_BYTES} bytes")
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UpstreamUnavailable("answered no JSON") from error
    if not isinstance(answer, dict):
        raise UpstreamUnavailable("answered no JSON object")
    return answer


def _connect(platform: Platform) -> http.client.HTTPConnection:
    """Connect to the address that was checked, whatever the name says a moment later; TLS verifies the name all the same."""
    address = resolve(platform)
    plain = socket.create_connection((address, platform.port), timeout=DEADLINE_SECONDS)
    connection = http.client.HTTPConnection(platform.host, platform.port, timeout=DEADLINE_SECONDS)
    connection.sock = plain
    if platform.secure:
        connection.default_port = platform.port  # so that Host carries no port
        connection.sock = ssl.create_default_context().wrap_socket(
            plain, server_hostname=platform.host, do_handshake_on_connect=False
        )
    return connection


def _cut(connection: http.client.HTTPConnection) -> None:
    """End a call that takes too long: whoever reads from the socket gets an error or an end."""
    try:
        connection.sock.shutdown(socket.SHUT_RDWR)
    except (OSError, AttributeError):
        return  # it ended by itself in this very moment
