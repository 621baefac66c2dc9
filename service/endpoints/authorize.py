"""The authorization endpoint (RFC 6749 §3.1) and the login: pages for users, and JSON for the page's poll."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from service import pages
from service.clients import registry
from service.clients.fetch import seconds_waited
from service.http.app import HttpFunction
from service.http.cookies import find_cookie
from service.http.responses import Failure, Response, json_response, poll_too_early, problem_response, render_as_problem
from service.keys.errors import KeyUnavailable
from service.login.flow import Complete, LoginOver, PollTooEarly
from service.login.identity_provider import UpstreamUnavailable
from service.oauth import authorization, credentials, logins
from service.oauth.errors import InvalidRequest, OAuthError, RedirectMismatch, Refused, UnknownClient
from service.oauth.parameters import MAX_CHARACTERS
from service.request_metrics import UNCONFIGURED_CLIENT
from service.storage.conditional_writes import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from service.clients.address_guard import Platform
    from service.login.flow import BoundLogin, LoginFlow
    from service.oauth.authorization import ReturnAddress
    from service.oauth.clients import Clients
    from service.oauth.errors import UntrustedRequest
    from service.oauth.parameters import Parameters
    from service.settings import Settings

BROWSER_COOKIE: Final = "__Host-ib-oauth-browser"
_BROWSER_BYTES: Final = 32
_BROWSER: Final = re.compile(r"[A-Za-z0-9_-]{43}")
"""The form of the cookie's value: 32 bytes in base64url. A value of another form was not made here."""
_NONCE_BYTES: Final = 16
_ALLOW, _DENY, _CONTINUE = "allow", "deny", "continue"
_REFUSALS: Final[Mapping[type[UntrustedRequest], str]] = {
    UnknownClient: "unknown_client",
    RedirectMismatch: "redirect_mismatch",
}
"""Words in the log for requests that have no error code, because they get a page."""


def build(
    settings: Settings,
    flow: LoginFlow,
    *,
    clients: Clients | None = None,
    clock: Callable[[], float] = time.time,
    entropy: Callable[[int], bytes] = os.urandom,
) -> HttpFunction:
    """Return the function `authorize`. clients: who may begin a login; by default the clients that the flow knows."""

    def render_as_page(failure: Failure) -> Response:
        """Render a failure for a user."""
        nonce = credentials.base64url(entropy(_NONCE_BYTES))
        return _page(failure.status, pages.error(failure.detail, nonce), headers=failure.headers)

    function = HttpFunction(
        settings,
        clock=clock,
        unavailable=(StoreUnavailable, KeyUnavailable),
        upstream=(UpstreamUnavailable,),
        seconds_waited=seconds_waited,
        render_failure=render_as_page,
        render_failure_at=dict.fromkeys(("/login/poll", "/login/synthetic"), render_as_problem),
    )
    endpoint = _Authorize(function, flow, flow.clients if clients is None else clients, entropy)
    function.routes.get("/authorize")(endpoint.authorize)
    function.routes.post("/authorize")(endpoint.authorize_by_form)
    function.routes.post("/login")(endpoint.login)
    function.routes.get("/login/poll")(endpoint.poll)
    function.routes.post("/login/synthetic")(endpoint.login_synthetic)
    function.routes.exception_handler(Refused)(endpoint.refused)
    return function


@dataclass(frozen=True)
class _Authorize:
    function: HttpFunction
    flow: LoginFlow
    clients: Clients
    entropy: Callable[[int], bytes]

    def authorize(self) -> Response:
        """Begin a login: return the page that names the client, or report the error.

        A configured client gets the error at its redirect URI. For a self-described client it is a page: the service
        would otherwise redirect to any address that a stranger chose (RFC 9700 §4.11.2).
        """
        settings = self.function.settings
        parameters = self.function.query()
        back = self._return_address(parameters)
        self.function.observed.synthetic = back.client.synthetic
        self.function.observed.client = UNCONFIGURED_CLIENT if back.client.self_described else back.client.client_id
        try:
            request = authorization.parse_request(parameters, back)
        except OAuthError as error:
            self.function.observed.refusal = error.code
            if back.client.self_described:
                return _page(HTTPStatus.BAD_REQUEST, pages.client_error(back, error, self._nonce()))
            return _redirect(back.failure(error, settings.issuer))
        cookie = self._browser() or credentials.base64url(self.entropy(_BROWSER_BYTES))
        transaction = self.flow.begin_login(request, cookie, self.function.now())
        page = pages.choice(back, transaction.text, tuple(self.flow.platforms.values()), self._nonce())
        return _page(HTTPStatus.OK, page, cookie=cookie)

    def _return_address(self, parameters: Parameters) -> ReturnAddress:
        try:
            return authorization.parse_return_address(parameters, self.clients)
        except (UnknownClient, RedirectMismatch) as error:
            self.function.observed.refusal = _REFUSALS[type(error)]
            claimed = parameters.optional("client_id")
            self.function.observed.claimed_client = registry.loggable_id(claimed, self.function.settings.clients)
            raise

    def authorize_by_form(self) -> Response:
        """Send the browser on with the form's parameters in the URL (OpenID Connect Core §3.1.2.1 requires POST).

        A browser sends no `SameSite=Lax` cookie with a form of another site. A login that began here would replace the
        cookie, and end the browser's other logins.
        """
        query = self.function.form().format_query()
        if len(query) > MAX_CHARACTERS:  # as API Gateway and the web ACL limit a request line
            raise InvalidRequest("the parameters are too long for a URL: send them with GET, or shorten them")
        return _redirect(f"{self.function.settings.issuer}/authorize?{query}")

    def login(self) -> Response:
        """Continue from the choice of a provider to consent, from consent to the login, or back to the client.

        The three are one route: the previous release has no consent, and treats a consent as a choice.
        """
        form = self.function.form()
        form.reject_repeated()
        now = self.function.now()
        transaction = form.required("transaction")
        bound = self.flow.find_login(transaction, self._browser(), now)
        login, back = bound.login, bound.back
        self.function.observed.synthetic = login.synthetic
        decision = form.optional("decision")
        if decision == _DENY:
            return _page(HTTPStatus.OK, pages.denied(back, self.flow.deny_login(bound, now), self._nonce()))
        if decision == _CONTINUE:
            return self._continue(bound, now)
        if decision not in {None, _ALLOW}:
            raise InvalidRequest("decision must be allow, deny or continue")
        platform = self.flow.platforms.get(form.required("platform"))
        if platform is None:
            raise InvalidRequest("platform is unknown")
        if decision is None:
            self.flow.check_consent_possible(login)
            return _page(HTTPStatus.OK, pages.consent(back, login.scope, transaction, platform, self._nonce()))
        address = self.flow.start_upstream_login(bound, platform, now)
        return self._waiting(bound, platform, address)

    def poll(self) -> Response:
        """Report to the waiting page whether the user has logged in, and where the browser goes then."""
        now = self.function.now()
        try:
            bound = self.flow.find_login(self.function.query().required("transaction"), self._browser(), now)
            result = self.flow.poll_login(bound, now)
        except Refused as refusal:
            return problem_response(HTTPStatus.NOT_FOUND, str(refusal))
        if isinstance(result, Complete):
            return json_response(HTTPStatus.OK, {"phase": "complete", "redirect": result.redirect})
        if isinstance(result, PollTooEarly):
            return render_as_problem(poll_too_early(result.retry_after_seconds))
        return json_response(HTTPStatus.OK, {"phase": "waiting", "retry_after_seconds": result.retry_after_seconds})

    def _continue(self, bound: BoundLogin, now: int) -> Response:
        """Handle the Continue button of a browser without scripts: go back to the client, or wait on."""
        result = self.flow.poll_login(bound, now)
        if not isinstance(result, Complete):
            return self._waiting(bound, *self.flow.upstream_login(bound.login))
        if result.redirect is None:
            raise LoginOver
        return _page(HTTPStatus.OK, pages.logged_in(bound.back, result.redirect, self._nonce()))

    def _waiting(self, bound: BoundLogin, platform: Platform, address: str) -> Response:
        code = logins.user_code(bound.login.digest)
        page = pages.waiting(bound.back, bound.transaction, pages.UpstreamPage(platform, address, code), self._nonce())
        return _page(HTTPStatus.OK, page)

    def login_synthetic(self) -> Response:
        """Log the synthetic identity in, on proof that the orchestrator sent the request."""
        self.function.observed.synthetic = True
        form = self.function.form()
        form.reject_repeated()
        now = self.function.now()
        transaction = form.required("transaction")
        bound = self.flow.find_login(transaction, self._browser(), now)
        completed = self.flow.complete_synthetic_login(bound, form.required("mac"), now)
        if completed is None:
            return problem_response(HTTPStatus.FORBIDDEN, "The proof is not valid.")
        if completed.redirect is None:
            return problem_response(HTTPStatus.CONFLICT, "This login has already ended.")
        return _redirect(completed.redirect)

    def refused(self, refusal: Refused) -> Response:
        """Show a rejection as a page: there is no trusted client to redirect to."""
        return _page(HTTPStatus.BAD_REQUEST, pages.error(str(refusal), self._nonce()))

    def _browser(self) -> str:
        """Return the browser's cookie; empty if it has none, or one that this service did not set."""
        return find_cookie(self.function.header_values("cookie"), BROWSER_COOKIE, _BROWSER) or ""

    def _nonce(self) -> str:
        return credentials.base64url(self.entropy(_NONCE_BYTES))


def _page(
    status: HTTPStatus,
    page: pages.Page,
    *,
    cookie: str | None = None,
    headers: Mapping[str, str | list[str]] | None = None,
) -> Response:
    response_headers = {**(headers or {}), "Content-Security-Policy": page.policy, "X-Frame-Options": "DENY"}
    if cookie is not None:
        response_headers["Set-Cookie"] = f"{BROWSER_COOKIE}={cookie}; Path=/; Secure; HttpOnly; SameSite=Lax"
    return Response(int(status), "text/html; charset=utf-8", page.html, response_headers)


def _redirect(location: str) -> Response:
    return Response(int(HTTPStatus.SEE_OTHER), None, "", {"Location": location})
