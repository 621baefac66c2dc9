"""Whole flows over HTTP whose every request goes to one of two releases, which share their tables and keys.

authorize → choose → allow → poll → redeem → userinfo → refresh → userinfo → refresh, and then an end:
    replayed    the code comes a second time, and the family is dead
    reused      an earlier refresh token comes again, and the family is dead
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

from orchestrator.local.oauth_client import Connection

CURRENT, PREVIOUS = "current", "previous"
SIDES = (CURRENT, PREVIOUS)
ISSUES: Final = (
    "authorize", "choose", "allow", "poll", "redeem", "userinfo", "refresh", "userinfo again", "refresh again",
)  # fmt: skip
ENDS: Final = {
    "replayed": ("replay", "refresh after", "userinfo after"),
    "reused": ("reuse", "refresh after", "userinfo after"),
    "revoked": ("revoke", "refresh after", "userinfo after"),
}
ONLY_HERE: Final = frozenset({"revoke"})
"""Steps that the frozen release does not know."""
SYNTHETIC: Final = ("authorize", "prove", "redeem", "userinfo", "refresh", "userinfo again")


@dataclass(frozen=True)
class Client:
    """The client, and the subject of the tokens: the email that userinfo returns, None without one."""

    client_id: str
    redirect_uri: str
    scope: str
    email: str | None


NATIVE: Final = Client("native", "http://127.0.0.1:5000/callback", "profile email", "ada@example.com")
IDENTITY: Final = Client("synthetic", "https://synthetic.invalid/callback", "profile", None)

_TRANSACTION = re.compile(r'name="transaction" value="([^"]+)"')
_LOGIN_URL = re.compile(r'data-login-url="([^"]+)"')


class Incompatible(AssertionError):
    """A flow that two releases cannot serve together: says the step, whose it was, and what came back."""


@dataclass(frozen=True)
class Answer:
    """What came back for a step."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.text)


@dataclass
class Walk:
    """One flow. urls: where either release is; platform_url: where people log in; sides: whose each step is."""

    urls: Mapping[str, str]
    platform_url: str
    sides: Mapping[str, str]
    client: Client = NATIVE
    cookie: str = ""
    step: str = ""

    def go(self, end: str) -> None:
        """Walk to an end of ENDS. Raises Incompatible."""
        verifier = secrets.token_urlsafe(48)
        code = self.log_in(verifier)
        first, second = self.use(code, verifier)
        third = self.refresh("refresh again", second, 200)
        if end == "replayed":
            refused = self.send("replay", "POST", "/token", form=self.redemption(code, verifier), expected=400).json
            self.hold(refused["error"] == "invalid_grant", str(refused))
        elif end == "reused":
            self.refresh("reuse", first, 400)
        else:
            revocation = {"client_id": self.client.client_id, "token": third["refresh_token"]}
            self.send("revoke", "POST", "/revoke", form=revocation)
        self.refresh("refresh after", third, 400)
        self.identify("userinfo after", third, 401)

    def go_as_synthetic(self, proof: Callable[[str], str]) -> None:
        """Walk as the orchestrator does. proof: the MAC over a transaction. Raises Incompatible."""
        verifier = secrets.token_urlsafe(48)
        transaction, _ = self.begin(verifier)
        form = {"transaction": transaction, "mac": proof(transaction)}
        proven = self.send("prove", "POST", "/login/synthetic", form=form, expected=303)
        code = parse_qs(urlsplit(proven.headers["location"]).query)["code"][0]
        self.use(code, verifier)

    def use(self, code: str, verifier: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Redeem a code, refresh once, and ask userinfo with either token. Returns the first and the second tokens."""
        first = self.send("redeem", "POST", "/token", form=self.redemption(code, verifier)).json
        self.identify("userinfo", first, 200)
        second = self.refresh("refresh", first, 200)
        self.identify("userinfo again", second, 200)
        return first, second

    def begin(self, verifier: str) -> tuple[str, str]:
        """Begin a login. Returns its transaction, and the state that it was begun with."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        state = secrets.token_urlsafe(8)
        query = {
            "response_type": "code", "client_id": self.client.client_id, "redirect_uri": self.client.redirect_uri,
            "state": state, "scope": self.client.scope, "code_challenge": challenge, "code_challenge_method": "S256",
        }  # fmt: skip
        authorization = self.send("authorize", "GET", f"/authorize?{urlencode(query)}")
        self.cookie = authorization.headers["set-cookie"].partition(";")[0]
        return self.found(_TRANSACTION, authorization), state

    def log_in(self, verifier: str) -> str:
        """Return a code that a person got."""
        transaction, state = self.begin(verifier)
        chosen = {"transaction": transaction, "platform": "demo"}
        # A release that does not know the consent step takes the choice for the whole answer; allowing then opens another login.
        self.send("choose", "POST", "/login", form=chosen)
        opened = self.send("allow", "POST", "/login", form={**chosen, "decision": "allow"})
        self.at_platform(self.found(_LOGIN_URL, opened).replace("&amp;", "&"))
        polled = self.send("poll", "GET", f"/login/poll?{urlencode({'transaction': transaction})}").json
        self.hold(polled.get("phase") == "complete" and polled["redirect"] is not None, str(polled))
        callback = {name: values[0] for name, values in parse_qs(urlsplit(polled["redirect"]).query).items()}
        self.hold(callback["state"] == state, "another state came back")
        return callback["code"]

    def at_platform(self, address: str) -> None:
        """Log a person in where the page sends them."""
        token = parse_qs(urlsplit(address).query)["token"][0]
        body = urlencode({"token": token, "account": "ada"}).encode()
        with urllib.request.urlopen(f"{self.platform_url}/auth/login", body) as answer:
            self.hold(answer.status == 200, "the platform refused the person")

    def redemption(self, code: str, verifier: str) -> dict[str, str]:
        return {
            "grant_type": "authorization_code", "client_id": self.client.client_id, "code": code,
            "redirect_uri": self.client.redirect_uri, "code_verifier": verifier,
        }  # fmt: skip

    def refresh(self, step: str, tokens: Mapping[str, str], expected: int) -> dict[str, Any]:
        form = {
            "grant_type": "refresh_token", "client_id": self.client.client_id, "refresh_token": tokens["refresh_token"],
        }  # fmt: skip
        answer = self.send(step, "POST", "/token", form=form, expected=expected).json
        self.hold(expected == 200 or answer["error"] == "invalid_grant", str(answer))
        return answer

    def identify(self, step: str, tokens: Mapping[str, str], expected: int) -> None:
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        person = self.send(step, "GET", "/userinfo", headers=bearer, expected=expected)
        if expected == 200:
            self.hold(person.json.get("email") == self.client.email, "named another person")

    def send(
        self,
        step: str,
        method: str,
        address: str,
        *,
        form: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        expected: int = 200,
    ) -> Answer:
        self.step = step
        connection = Connection(self.urls[self.sides[step]])
        try:
            status, got, body = connection.send(
                method, address, form=form, headers={"Cookie": self.cookie, **(headers or {})}
            )
        finally:
            connection.close()
        answer = Answer(status, {name.lower(): value for name, value in got.items()}, body.decode())
        self.hold(status == expected, f"answered {status} instead of {expected}: {answer.text[:300]}")
        return answer

    def found(self, pattern: re.Pattern[str], answer: Answer) -> str:
        match = pattern.search(answer.text)
        self.hold(match is not None, f"a page without {pattern.pattern}")
        return match[1]

    def hold(self, true: bool, wrong: str) -> None:
        if not true:
            raise Incompatible(f"{self.step} by {self.sides[self.step]}: {wrong}; whose the steps were: {self.sides}")


def mixtures(steps: tuple[str, ...]) -> list[dict[str, str]]:
    """Every three steps in all eight combinations of releases, in 32 flows: an orthogonal array of strength three.

    A step's column is an odd-weight vector of five bits; three different ones are linearly independent, so that over all
    32 rows each combination of any three columns comes equally often (Rao 1947). There are sixteen such vectors.
    """
    columns = [vector for vector in range(32) if vector.bit_count() % 2]
    if len(steps) > len(columns):
        raise ValueError(f"{len(steps)} steps: this array has {len(columns)} columns, take a wider one")
    return [
        {step: SIDES[(row & column).bit_count() % 2] for step, column in zip(steps, columns, strict=False)}
        for row in range(32)
    ]


def all_mixtures(steps: tuple[str, ...]) -> list[dict[str, str]]:
    """Every combination there is."""
    return [dict(zip(steps, sides, strict=True)) for sides in product(SIDES, repeat=len(steps))]
