"""The authorization endpoint (RFC 6749 §3.1) and the login behind it: pages for a person, one JSON answer for their poll."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Final

from service import pages
from service.answers import Failure, Response, as_problem, json_answer, problem, too_soon
from service.edge import Edge
from service.keys import KeyUnavailable
from service.login_flow import Complete, LoginOver, TooSoon
from service.oauth import authorization, credentials
from service.oauth.errors import InvalidRequest, OAuthError, Refused
from service.storage import StoreUnavailable
from service.upstream import UpstreamUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from service.login_flow import LoginFlow
    from service.oauth.authorization import ReturnAddress
    from service.oauth.clients import Clients
    from service.oauth.logins import Login
    from service.settings import Settings

BROWSER_COOKIE: Final = "__Host-ib-oauth-browser"
_COOKIE_MAX_CHARACTERS: Final = 64
_BROWSER_BYTES: Final = 32
_NONCE_BYTES: Final = 16
_ALLOW, _DENY, _CONTINUE = "allow", "deny", "continue"


def build(
    settings: Settings,
    flow: LoginFlow,
    *,
    clients: Clients | None = None,
    clock: Callable[[], float] = time.time,
    entropy: Callable[[int], bytes] = os.urandom,
) -> Edge:
    """Return the function `authorize`. clients: who may begin a login; without it, the clients that the flow knows."""

    def as_page(failure: Failure) -> Response:
        """Tell a failure to a person."""
        nonce = credentials.base64url(entropy(_NONCE_BYTES))
        return _page(failure.status, pages.error(failure.detail, nonce), headers=failure.headers)

    edge = Edge(
        settings,
        clock=clock,
        unavailable=(StoreUnavailable, KeyUnavailable, UpstreamUnavailable),
        tell=as_page,
        tell_at=dict.fromkeys(("/login/poll", "/login/synthetic"), as_problem),
    )
    endpoint = _Authorize(edge, flow, flow.clients if clients is None else clients, entropy)
    edge.app.get("/authorize")(endpoint.authorize)
    edge.app.post("/login")(endpoint.login)
    edge.app.get("/login/poll")(endpoint.poll)
    edge.app.post("/login/synthetic")(endpoint.login_synthetic)
    edge.app.exception_handler(Refused)(endpoint.refused)
    return edge


@dataclass(frozen=True)
class _Authorize:
    edge: Edge
    flow: LoginFlow
    clients: Clients
    entropy: Callable[[int], bytes]

    def authorize(self) -> Response:
        """Begin a login: the page that says who asks, or the client's error at its redirect URI."""
        settings = self.edge.settings
        parameters = self.edge.query()
        back = authorization.return_address(parameters, self.clients)
        self.edge.observed.synthetic = back.client.synthetic
        try:
            request = authorization.read(parameters, back)
        except OAuthError as error:
            return _redirect(back.failure(error, settings.issuer))
        cookie = self._browser() or credentials.base64url(self.entropy(_BROWSER_BYTES))
        transaction = self.flow.begin(request, cookie, self.edge.now())
        shown = pages.choice(back, transaction.text, tuple(self.flow.platforms.values()), self._nonce())
        return _page(HTTPStatus.OK, shown, cookie=cookie)

    def login(self) -> Response:
        """Go on from the platform that the person chose to their consent, from there to the login, or back to the client.

        The three are one route: the release before this one knows no consent, and takes an answer to it for a choice.
        """
        form = self.edge.form()
        form.refuse_repetition()
        now = self.edge.now()
        transaction = form.required("transaction")
        login, back = self.flow.open(transaction, self._browser(), now)
        self.edge.observed.synthetic = login.synthetic
        decision = form.optional("decision")
        if decision == _DENY:
            return _redirect(self.flow.refuse(login, back, now))
        if decision == _CONTINUE:
            return self._go_on(login, back, transaction, now)
        if decision not in {None, _ALLOW}:
            raise InvalidRequest("decision must be allow, deny or continue")
        platform = self.flow.platforms.get(form.required("platform"))
        if platform is None:
            raise InvalidRequest("platform is unknown")
        if decision is None:
            self.flow.ask(login)
            return _page(HTTPStatus.OK, pages.consent(back, login.scope, transaction, platform, self._nonce()))
        address = self.flow.go_to(login, platform, now)
        return _page(HTTPStatus.OK, pages.waiting(back, transaction, platform, address, self._nonce()))

    def poll(self) -> Response:
        """Tell the waiting page whether the person has logged in and, once, where it goes then."""
        now = self.edge.now()
        try:
            login, back = self.flow.open(self.edge.query().required("transaction"), self._browser(), now)
            moved = self.flow.poll(login, back, now)
        except Refused as refusal:
            return problem(HTTPStatus.NOT_FOUND, str(refusal))
        if isinstance(moved, Complete):
            return json_answer(HTTPStatus.OK, {"phase": "complete", "redirect": moved.redirect})
        if isinstance(moved, TooSoon):
            return as_problem(too_soon(moved.retry_after_seconds))
        return json_answer(HTTPStatus.OK, {"phase": "waiting", "retry_after_seconds": moved.retry_after_seconds})

    def _go_on(self, login: Login, back: ReturnAddress, transaction: str, now: int) -> Response:
        """Answer whoever says that they are done, as a browser without scripts has to: back to the client, or wait on."""
        moved = self.flow.poll(login, back, now)
        if not isinstance(moved, Complete):
            platform, address = self.flow.place(login)
            return _page(HTTPStatus.OK, pages.waiting(back, transaction, platform, address, self._nonce()))
        if moved.redirect is None:
            raise LoginOver
        return _redirect(moved.redirect)

    def login_synthetic(self) -> Response:
        """Log the synthetic identity in, on proof that the orchestrator asks."""
        self.edge.observed.synthetic = True
        form = self.edge.form()
        form.refuse_repetition()
        now = self.edge.now()
        transaction = form.required("transaction")
        login, back = self.flow.open(transaction, self._browser(), now)
        completed = self.flow.prove_synthetic(login, transaction, back, form.required("mac"), now)
        if completed is None:
            return problem(HTTPStatus.FORBIDDEN, "The proof does not hold.")
        if completed.redirect is None:
            return problem(HTTPStatus.CONFLICT, "This login has ended already.")
        return _redirect(completed.redirect)

    def refused(self, refusal: Refused) -> Response:
        """Show a refusal as a page: here is a person, and no client that could be told."""
        return _page(HTTPStatus.BAD_REQUEST, pages.error(str(refusal), self._nonce()))

    def _browser(self) -> str:
        """Return the browser's cookie; empty where it has none, or one that is not of our making."""
        try:
            morsel = SimpleCookie(self.edge.header("cookie") or "").get(BROWSER_COOKIE)
        except CookieError:
            return ""
        return morsel.value if morsel is not None and len(morsel.value) <= _COOKIE_MAX_CHARACTERS else ""

    def _nonce(self) -> str:
        return credentials.base64url(self.entropy(_NONCE_BYTES))


def _page(
    status: HTTPStatus,
    shown: pages.Page,
    *,
    cookie: str | None = None,
    headers: Mapping[str, str | list[str]] | None = None,
) -> Response:
    sent = {**(headers or {}), "Content-Security-Policy": shown.policy, "X-Frame-Options": "DENY"}
    if cookie is not None:
        sent["Set-Cookie"] = f"{BROWSER_COOKIE}={cookie}; Path=/; Secure; HttpOnly; SameSite=Lax"
    return Response(int(status), "text/html; charset=utf-8", shown.html, sent)


def _redirect(location: str) -> Response:
    return Response(int(HTTPStatus.SEE_OTHER), None, "", {"Location": location})
