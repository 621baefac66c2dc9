"""Every request that the service gets, one step each, in an order in which each finds what it needs.

What is to hold for all endpoints is tested along this story: a step is reached afresh by taking those before it. A route that
takes nothing is a step without being written here; one that takes something has to be, and `missing` says so.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.unit.service.clients.test_metadata_documents import Site
from tests.unit.service.conftest import SECRET, VERIFIER, Answer, Aws, Service
from tests.unit.service.faults import Wire

NOT_THERE = f"ibr_{'h' * 22}.{'s' * 43}"
REDIRECT = "http://127.0.0.1:5000/callback"
SYNTHETIC_REDIRECT = "https://synthetic.invalid/callback"
REGISTRATION_TOKEN = "an-initial-access-token"
SELF_DESCRIBED = {
    "CLIENT_DOCUMENTS": "on", "REGISTRATION": "on", "SELF_DESCRIBED_CLIENT_SCOPES": "profile email",
    "REGISTRATION_TOKEN_SHA256": hashlib.sha256(REGISTRATION_TOKEN.encode()).hexdigest(),
}  # fmt: skip
"""What switches every kind of client on."""
WEB = {"client_id": "web", "client_secret": SECRET}

_TRANSACTION = re.compile(r'name="transaction" value="([^"]+)"')
_LOGIN_URL = re.compile(r'data-login-url="([^"]+)"')


@cache
def document_site() -> Site:
    """The host of the clients' documents, for as long as the tests run."""
    return Site()


@dataclass
class Story:
    """One telling. `service` answers; what later steps need of earlier ones is kept here."""

    service: Service
    transaction: str = ""
    mac: str = ""
    code: str = ""
    tokens: dict[str, Any] = field(default_factory=dict)

    def tell(self, name: str) -> Answer:
        """Take one step."""
        return STEPS[name].take(self) if name in STEPS else self.ask(name)

    def until(self, name: str) -> None:
        """Take every step that this one needs, in their order."""
        for needed in STEPS[name].needs if name in STEPS else ():
            answer = self.tell(needed)
            assert answer.status < 400, (needed, answer.status, answer.body)
            self.keep(needed, answer)

    def keep(self, name: str, answer: Answer) -> None:
        """Take what later steps need from an answer."""
        if found := _TRANSACTION.search(answer.body):
            self.transaction = found[1]
        if name == "allow":
            address = _LOGIN_URL.search(answer.body)[1].replace("&amp;", "&")
            self.service.log_in_upstream(parse_qs(urlsplit(address).query)["token"][0])
        if name == "poll":
            self.code = parse_qs(urlsplit(answer.json["redirect"]).query)["code"][0]
        if name == "log in as synthetic":
            self.code = answer.redirect["code"]
        if name == "authorize as synthetic":
            self.mac = self.proof()
        if name in {"redeem", "refresh"}:
            self.tokens = answer.json

    def ask(self, route: str) -> Answer:
        """Send a bare request to a route."""
        method, path = route.split()
        function = next(name for name, routes in routes_of(self.service).items() if (method, path) in routes)
        return self.service.call(function, method, path)

    def login(self, **form: str) -> Answer:
        cookie = {"cookie": self.service.cookie}
        return self.service.call(
            "authorize", "POST", "/login", form={"transaction": self.transaction, **form}, headers=cookie
        )

    def poll(self) -> Answer:
        self.service.now += 2  # as long as the page waits
        return self.service.poll(self.transaction)

    def proof(self) -> str:
        """What the orchestrator alone can have made: the MAC over a transaction."""
        message = f"ib-oauth/synthetic/local/{self.transaction}".encode()
        key = self.service.variables["SYNTHETIC_KEY_ID"]
        mac = self.service.aws.kms.generate_mac(KeyId=key, Message=message, MacAlgorithm="HMAC_SHA_256")["Mac"]
        return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()

    def redeem(self, **client: str) -> Answer:
        form = {"client_id": "native", "redirect_uri": REDIRECT, **client}
        return self.service.redeem(self.code, code_verifier=VERIFIER, **form)

    def authorize_by_document(self) -> Answer:
        return self.service.authorize(client=document_site().publish("/application"), redirect=REDIRECT)

    def authorize_by_form(self) -> Answer:
        """Start a login by a form, and follow where it leads."""
        form = {"client_id": "native", "redirect_uri": REDIRECT, "scope": "openid", "nonce": "n-1"}
        sent = self.service.call("authorize", "POST", "/authorize", form=form)
        return (
            self.service.authorize(scope=sent.redirect["scope"], nonce=sent.redirect["nonce"])
            if sent.status < 400
            else sent
        )

    def register(self) -> Answer:
        """Register a confidential client."""
        headers = {"content-type": "application/json", "authorization": f"Bearer {REGISTRATION_TOKEN}"}
        body = json.dumps({"client_name": "Registered", "redirect_uris": [REDIRECT]})
        return self.service.call("token", "POST", "/register", body=body, headers=headers)

    def with_token(self, path: str, **form: str) -> Answer:
        return self.service.call("token", "POST", path, form={"token": self.tokens["refresh_token"], **form})


@dataclass(frozen=True)
class Step:
    """One request: its route, the steps that it needs, and how it is made."""

    route: str
    needs: tuple[str, ...]
    take: Callable[[Story], Answer]


_TO_CODE = ("authorize", "choose", "allow", "poll")
_TO_TOKENS = (*_TO_CODE, "redeem")
STEPS = {
    "authorize": Step(
        "GET /authorize", (), lambda story: story.service.authorize(redirect=REDIRECT, scope="openid profile email", nonce="n-1")
    ),
    "authorize by form": Step("POST /authorize", (), Story.authorize_by_form),
    "choose": Step("POST /login", ("authorize",), lambda story: story.login(platform="demo")),
    "allow": Step("POST /login", ("authorize", "choose"), lambda story: story.login(platform="demo", decision="allow")),
    "deny": Step("POST /login", ("authorize",), lambda story: story.login(platform="demo", decision="deny")),
    "poll": Step("GET /login/poll", ("authorize", "choose", "allow"), Story.poll),
    "redeem": Step("POST /token", _TO_CODE, Story.redeem),
    "refresh": Step("POST /token", _TO_TOKENS, lambda story: story.service.refresh(story.tokens["refresh_token"])),
    "userinfo": Step("GET /userinfo", _TO_TOKENS, lambda story: story.service.userinfo(story.tokens["access_token"])),
    "userinfo by POST": Step(
        "POST /userinfo",
        _TO_TOKENS,
        lambda story: story.service.call(
            "public", "POST", "/userinfo", headers={"authorization": f"Bearer {story.tokens['access_token']}"}
        ),
    ),
    "register": Step("POST /register", (), Story.register),
    "authorize by document": Step("GET /authorize", (), Story.authorize_by_document),
    "choose by document": Step("POST /login", ("authorize by document",), lambda story: story.login(platform="demo")),
    "revoke": Step("POST /revoke", _TO_TOKENS, lambda story: story.with_token("/revoke", client_id="native")),
    "revoke what is not there": Step("POST /revoke", (), lambda story: story.service.call("token", "POST", "/revoke", form={"client_id": "native", "token": NOT_THERE})),
    "introspect": Step("POST /introspect", _TO_TOKENS, lambda story: story.with_token("/introspect", **WEB)),
    "authorize as synthetic": Step(
        "GET /authorize", (), lambda story: story.service.authorize(client="synthetic", redirect=SYNTHETIC_REDIRECT)
    ),
    "log in as synthetic": Step("POST /login/synthetic", ("authorize as synthetic",), lambda story: story.service.prove(story.transaction, story.mac)
    ),
    "redeem as synthetic": Step(
        "POST /token",
        ("authorize as synthetic", "log in as synthetic"),
        lambda story: story.redeem(client_id="synthetic", redirect_uri=SYNTHETIC_REDIRECT),
    ),
}  # fmt: skip


def routes_of(service: Service) -> dict[str, set[tuple[str, str]]]:
    """The routes of each function, without preflights, which answer out of nothing."""
    return {
        name: {route for route in function.routes.table if route[0] != "OPTIONS"}
        for name, function in service.functions.items()
    }


def steps_of(service: Service) -> list[str]:
    """Every step, and every route that takes nothing, by its own name."""
    routes = {f"{method} {path}" for found in routes_of(service).values() for method, path in found}
    covered = {step.route for step in STEPS.values()}
    return [*STEPS, *sorted(route for route in routes - covered if route.startswith("GET "))]


def missing(service: Service) -> set[str]:
    """Routes that take something and are no step."""
    routes = {f"{method} {path}" for found in routes_of(service).values() for method, path in found}
    return {route for route in routes if route.startswith("POST ")} - {one.route for one in STEPS.values()}


class Stage:
    """Runs the same story again and again, each time over new tables and with nothing cached."""

    def __init__(self, aws, variables):
        self.aws, self.variables, self.runs = aws, variables, 0

    def story(self):
        self.runs += 1
        tables = {name: f"{value}-{self.runs}" for name, value in self.variables.items() if name.endswith("_TABLE")}
        for table in tables.values():
            self.aws.new_table(table)
        wire = Wire()
        wired = Aws(wire.over("dynamodb", self.aws.dynamodb), wire.over("kms", self.aws.kms), self.aws.endpoint_url)
        return Story(Service(wired, {**self.variables, **SELF_DESCRIBED, **tables})), wire

    def at(self, step):
        """Return a story in which this step comes next, and what goes to AWS from here on."""
        story, wire = self.story()
        story.until(step)
        wire.clear()
        return story, wire

    def state(self, story):
        return self.aws.items(story.service.variables["STATE_TABLE"])
