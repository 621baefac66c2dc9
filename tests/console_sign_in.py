"""A console with sign-in over the functions of the OAuth service, without a socket between them."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from starlette.testclient import TestClient

from orchestrator.console.app import Site
from orchestrator.console.guard import Guard
from orchestrator.console.live import Broadcast
from orchestrator.console.sign_in.entrance import Entrance
from orchestrator.console.sign_in.oauth_service import OAuthService
from orchestrator.domain.analysis.observations import HttpRequest, HttpResponse
from orchestrator.domain.errors import Unreachable
from orchestrator.domain.sign_in.settings import CLIENT_SCOPES, LOOPBACK_REDIRECT, SignInSettings
from orchestrator.environments.service import REFRESH_GRACE_SECONDS
from orchestrator.local.identity_provider import ACCOUNTS
from tests.served_console import KEY, PORT
from tests.unit.cli.actions.scenes import Scene

CLIENT_ID = "console"
CLIENT = {
    "client_id": CLIENT_ID,
    "name": "Console",
    "redirect_uris": [LOOPBACK_REDIRECT, "https://console.example/signed-in"],
    "scopes": list(CLIENT_SCOPES),
}
ADA, GRACE = (f"demo:{ACCOUNTS[name].user_uuid}" for name in ("ada", "grace"))
SETTINGS = SignInSettings(CLIENT_ID, viewers=(GRACE,), operators=(ADA,))
FUNCTION_OF = {"/authorize": "authorize", "/token": "token", "/revoke": "token", "/userinfo": "public"}
Change = Callable[[HttpRequest, HttpResponse], HttpResponse]


def with_console(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of the service's functions, with the console's client and the usual grace period."""
    clients = [*json.loads(variables["CLIENTS"]), CLIENT]
    grace = {"REFRESH_GRACE_SECONDS": str(REFRESH_GRACE_SECONDS)}
    return {**variables, **grace, "CLIENTS": json.dumps(clients, allow_nan=False)}


@dataclass
class FunctionsWeb:
    """Sends requests to the service's functions.

    Attributes:
        service: `tests.unit.service.conftest.Service`.
        down: whether there is no connection to the service.
        lost: the paths whose requests arrive, while their answers are lost.
        change: changes an answer, as a faulty or hostile service would.
        instead: answers in place of the service, as its gateway does; None passes a request on.
        requests: what was sent.
    """

    service: Any
    down: bool = False
    lost: Collection[str] = ()
    change: Change = lambda _request, response: response
    instead: Callable[[HttpRequest], HttpResponse | None] = lambda _request: None
    requests: list[HttpRequest] = field(default_factory=list)

    def send(self, base_url: str, request: HttpRequest) -> HttpResponse:
        """Send a request."""
        self.requests.append(request)
        if self.down:
            raise Unreachable(f"{base_url} does not answer", sent=False)
        replaced = self.instead(request)
        if replaced is not None:
            return replaced
        answer = self.service.call(
            FUNCTION_OF.get(request.path, "public"),
            request.method,
            request.path,
            form=request.form,
            headers=dict(request.headers),
        )
        if request.path in self.lost:
            raise Unreachable(f"{base_url} does not answer")
        headers = {name.lower(): tuple(values) for name, values in answer.headers.items()}
        return self.change(request, HttpResponse(answer.status, headers, answer.body, 1.0))


def changed_body(path: str, **changes: Any) -> Change:
    """Return what changes members of the JSON answers of a path; None removes a member."""

    def change(request: HttpRequest, response: HttpResponse) -> HttpResponse:
        if request.path != path:
            return response
        body = {key: value for key, value in {**json.loads(response.body), **changes}.items() if value is not None}
        return replace(response, body=json.dumps(body, allow_nan=False))

    return change


@dataclass
class SignInScene:
    """A console, its OAuth service and a browser.

    Attributes:
        scene: the environment.
        service: the service's functions.
        settings: who is permitted; it may be replaced while the console runs.
        address: of a proxy before the console; empty on loopback.
    """

    scene: Scene
    service: Any
    settings: SignInSettings = SETTINGS
    address: str = ""

    def __post_init__(self) -> None:
        """Compose the console."""
        self.web = FunctionsWeb(self.service)
        self.guard = Guard(KEY, PORT, self.address)
        oauth = OAuthService(self.web, self.service.settings.issuer, self.settings, lambda: self.service.now)
        grace_seconds = self.service.settings.refresh_grace_seconds
        self.entrance = Entrance(
            "local", self.guard, oauth, lambda: self.settings, lambda: self.service.now, grace_seconds
        )
        self.site = Site(self.scene.context, self.guard, Broadcast(0.01), self.entrance)
        self.browser = self.new_browser()

    def new_browser(self) -> TestClient:
        """Return a browser without cookies."""
        base = self.guard.address.rstrip("/")
        return TestClient(self.site.app(), base_url=base, follow_redirects=False)

    @property
    def origin(self) -> dict[str, str]:
        """The header of a request that acts."""
        return {"Origin": self.guard.address.rstrip("/")}

    def answer_of_service(
        self, account: str = "ada", start: str = "/sign-in", browser: TestClient | None = None
    ) -> str:
        """Begin a sign-in, log in at the service, and return the address that it sends the browser back to."""
        begun = (browser or self.browser).get(start)
        assert begun.status_code == 303, begun.text
        query = {name: values[0] for name, values in parse_qs(urlsplit(begun.headers["location"]).query).items()}
        arguments = {name: query[name] for name in ("state", "nonce", "scope", "code_challenge")}
        transaction = self.service.transaction(client=query["client_id"], redirect=query["redirect_uri"], **arguments)
        self.service.log_in_upstream(self.service.login_page(transaction), account)
        return str(self.service.poll(transaction).json["redirect"])

    def sign_in(self, account: str = "ada", start: str = "/sign-in", browser: TestClient | None = None) -> Any:
        """Sign a person in; return the console's answer to the browser that comes back."""
        back = urlsplit(self.answer_of_service(account, start, browser))
        return (browser or self.browser).get(f"{back.path}?{back.query}")
