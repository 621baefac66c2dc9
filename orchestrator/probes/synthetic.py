"""The synthetic identity as a client of the service: each move of a flow is one request to a function, and what comes of it.

Where the requests go is whoever's business who gives `send`. Secrets are in what is returned and nowhere else: in no message, no
representation, no evidence.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol
from urllib.parse import parse_qs, urlsplit

from orchestrator.domain.errors import Unreachable
from orchestrator.domain.observation import Answer, Request
from orchestrator.probes.checks import CLIENT_ID, REDIRECT_URI
from orchestrator.probes.ports import MakesMacs

BROWSER_COOKIE = "__Host-ib-oauth-browser"
SUBJECT = "synthetic"

_TRANSACTION = re.compile(r'name="transaction" value="([^"]+)"')


class Broken(Exception):
    """An answer is not what the flow needs to go on. The message quotes nothing of it but status and error code."""


class Sends(Protocol):
    """Whatever takes requests to the functions. Raises Broken where another status comes back."""

    def __call__(self, step: str, function: str, request: Request, expected: int, /) -> Answer:
        """Send a request of a step to a function."""


@dataclass(frozen=True)
class Prover:
    """Proves the synthetic identity: a key that only the orchestrator may use, over this environment."""

    macs: MakesMacs
    key_id: str
    environment: str


@dataclass(frozen=True)
class Login:
    """A login that has begun: what its browser and its client keep."""

    transaction: str = field(repr=False)
    cookie: str = field(repr=False)
    verifier: str = field(repr=False)
    state: str = field(repr=False)


@dataclass(frozen=True)
class Code:
    """A code that was got, with what it takes to redeem it."""

    code: str = field(repr=False)
    verifier: str = field(repr=False)


@dataclass(frozen=True)
class Tokens:
    """What a redemption or a refresh gave."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)


def begin(send: Sends) -> Login:
    """Begin a login. Raises Broken."""
    verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    query = {
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": REDIRECT_URI,
        "scope": "profile",
        "state": state,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    answer = send("authorize", "authorize", Request("GET", "/authorize", query=query), HTTPStatus.OK)
    transaction = _TRANSACTION.search(answer.body)
    cookie = next((one.partition(";")[0] for one in answer.headers.get("set-cookie", ()) if BROWSER_COOKIE in one), "")
    if transaction is None or not cookie:
        raise Broken("gave a page without a transaction or a browser cookie")
    return Login(transaction.group(1), cookie, verifier, state)


def log_in(send: Sends, login: Login, prover: Prover) -> Code:
    """End a login with a code. Raises Broken."""
    message = f"ib-oauth/synthetic/{prover.environment}/{login.transaction}".encode()
    proof = base64.urlsafe_b64encode(prover.macs.mac(prover.key_id, message)).rstrip(b"=").decode()
    request = form("/login/synthetic", {"transaction": login.transaction, "mac": proof}, {"Cookie": login.cookie})
    answer = send("login", "authorize", request, HTTPStatus.SEE_OTHER)
    location = answer.header("location")
    given = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
    if not location.startswith(f"{REDIRECT_URI}?") or given.get("state") != login.state or "code" not in given:
        raise Broken(f"led elsewhere than back with a code {error_of(answer)}".rstrip())
    return Code(given["code"], login.verifier)


def redeem(send: Sends, code: Code) -> Tokens:
    """Redeem a code. Raises Broken."""
    return _tokens(send("redeem", "token", redeeming(code), HTTPStatus.OK))


def redeeming(code: Code) -> Request:
    """The request that redeems a code."""
    redeemed = {
        "grant_type": "authorization_code",
        "client_id": CLIENT_ID,
        "code": code.code,
        "redirect_uri": REDIRECT_URI,
        "code_verifier": code.verifier,
    }
    return form("/token", redeemed)


def refresh(send: Sends, token: str) -> Tokens:
    """Refresh. Raises Broken."""
    return _tokens(send("refresh", "token", refreshing(token), HTTPStatus.OK))


def refreshing(token: str) -> Request:
    """The request that refreshes."""
    fields = {"grant_type": "refresh_token", "client_id": CLIENT_ID, "refresh_token": token}
    return form("/token", fields)


def revoke(send: Sends, token: str) -> None:
    """Give a token up. Raises Broken."""
    send("revoke", "token", form("/revoke", {"client_id": CLIENT_ID, "token": token}), HTTPStatus.OK)


def identify(send: Sends, token: str, step: str = "userinfo") -> None:
    """Ask whose token it is. Raises Broken where it is not the synthetic identity's."""
    request = Request("GET", "/userinfo", headers={"Authorization": f"Bearer {token}"})
    answer = send(step, "public", request, HTTPStatus.OK)
    if document_of(answer).get("sub") != SUBJECT:
        raise Broken("named another subject")


def form(path: str, fields: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Request:
    """A form, posted."""
    return Request("POST", path, headers=headers or {}, form=fields)


def document_of(answer: Answer) -> Mapping[str, object]:
    """The JSON object of an answer; empty where there is none."""
    try:
        found = json.loads(answer.body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def error_of(answer: Answer) -> str:
    """The OAuth error code of an answer, in its body or its redirect; empty where there is none."""
    named = (
        document_of(answer).get("error") or parse_qs(urlsplit(answer.header("location")).query).get("error", [""])[0]
    )
    return named if isinstance(named, str) and re.fullmatch(r"[a-z_]{1,40}", named) else ""


def refuse_unexpected(answer: Answer, expected: int) -> Answer:
    """Return an answer that has the expected status.

    Raises:
        Broken: it has another.
        Unreachable: it has another, and the request was sent more than once. A step changes what the next one finds, so if a lost
            answer was to a step that was taken, the same step again is rightly refused, and that says nothing of the version.
    """
    if not answer.unhandled and answer.status == expected:
        return answer
    got = f"answered {answer.status} {error_of(answer)}".rstrip() + f" instead of {int(expected)}"
    broken = f"raised {answer.unhandled}" if answer.unhandled else got
    if answer.sent > 1:
        raise Unreachable(f"{broken}, but was sent {answer.sent} times: what became of the first is not known")
    raise Broken(broken)


def _tokens(answer: Answer) -> Tokens:
    document = document_of(answer)
    access, refreshing = document.get("access_token"), document.get("refresh_token")
    if not isinstance(access, str) or not isinstance(refreshing, str):
        raise Broken("answered 200 without both tokens")
    return Tokens(access, refreshing)
