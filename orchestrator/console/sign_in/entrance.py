"""The entrance of a console with sign-in: who may pass, and the pages of signing in and out."""

from __future__ import annotations

import hmac
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Scope

from orchestrator.cli.rendering.reports.report import BAD, GOOD, OPEN
from orchestrator.console.forms import TOKEN, form_of
from orchestrator.console.guard import FORBIDDEN, SEE_OTHER, Guard, cookie_of
from orchestrator.console.sections import Form, Heading, Link, Links, Page, Section, note, present
from orchestrator.console.sign_in.oauth_service import OAuthService, SignInRefused, SignInRequest
from orchestrator.console.sign_in.permitted import Permitted
from orchestrator.console.sign_in.sessions import IDENTITY, Identity, Sessions, identity_of
from orchestrator.domain.base64url import decode_base64url, encode_base64url
from orchestrator.domain.errors import Unreachable
from orchestrator.domain.printable import one_line
from orchestrator.domain.sign_in.settings import CALLBACK_PATH, Role
from orchestrator.domain.sign_in.tokens import SignedIn
from orchestrator.domain.texts import shortened

SIGN_IN_PATH, SIGN_OUT_PATH = "/sign-in", "/sign-out"
OPEN_PATHS = (SIGN_IN_PATH, CALLBACK_PATH)
STATIC_PREFIX = "/static/"
SECONDS_TO_SIGN_IN = 900
"""The service's login ends after 10 minutes, and its code after 2 more."""
MOST_TARGET_CHARACTERS = 1000
SHOWN_CHARACTERS = 120

_TARGET = re.compile(r"/(?![/\\])[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*")

Show = Callable[[Request, Page, int], Response]


@dataclass(frozen=True)
class _Begun:
    """A sign-in that a browser has begun. `text`: what the browser's cookie has."""

    text: str
    role: Role
    target: str
    expires_at: int


class Entrance:
    """Lets people in who have signed in with the OAuth service.

    Args:
        environment: its name, on the pages.
        guard: derives the values that only this process can make.
        service: the OAuth service.
        sessions: who is signed in.
        permitted: returns the settings with the persons who are permitted now.
        now: epoch seconds.
        grace_seconds: for how long the service takes a refresh token again that it has exchanged.
    """

    def __init__(
        self,
        environment: str,
        guard: Guard,
        service: OAuthService,
        permitted: Permitted,
        now: Callable[[], float] = time.time,
        grace_seconds: float = 0,
    ) -> None:
        self._environment, self._guard, self._service, self._permitted = environment, guard, service, permitted
        self._now = now
        self.sessions = Sessions(service, permitted, now, grace_seconds)

    def routes(self, show: Show) -> list[BaseRoute]:
        """Return the addresses of signing in and out."""

        async def begin(request: Request) -> Response:
            return await run_in_threadpool(self._begin, request, show)

        async def finish(request: Request) -> Response:
            return await run_in_threadpool(self._finish, request, show)

        def ask(request: Request) -> Response:
            return show(request, self._sign_out_page(request), HTTPStatus.OK)

        async def sign_out(request: Request) -> Response:
            values = await form_of(request)
            return await run_in_threadpool(self._sign_out, request, values.get(TOKEN, ""), show)

        return [
            Route(SIGN_IN_PATH, begin, methods=["GET"]),
            Route(CALLBACK_PATH, finish, methods=["GET"]),
            Route(SIGN_OUT_PATH, ask, methods=["GET"]),
            Route(SIGN_OUT_PATH, sign_out, methods=["POST"]),
        ]

    async def admit(self, scope: Scope, headers: Headers) -> Page | None:
        """Note in a request who sent it. Return the page that it gets instead if that is not known."""
        path = scope["path"]
        if path in OPEN_PATHS or path.startswith(STATIC_PREFIX):
            return None
        secret = cookie_of(headers, self._guard.cookie)
        identity = await run_in_threadpool(self.sessions.find, secret) if secret else None
        if identity is None:
            target = path if scope["method"] == "GET" else "/"
            query = scope["query_string"].decode("latin-1")
            return self.signed_out_page(f"{target}?{query}" if query and target == path else target)
        scope[IDENTITY] = identity
        return None

    async def still_signed_in(self, request: Request) -> bool:
        """Return whether the person who sent a request is still signed in: a stream lasts longer than a request."""
        identity = identity_of(request)
        return identity is not None and await run_in_threadpool(self.sessions.lasts, identity)

    def signed_out_page(self, target: str, *before: Section | None) -> Page:
        """Return the page of a person who is not signed in. `target`: where they wanted to go."""
        words = (
            "This console is for people whom the settings list as viewers or operators.",
            "You sign in with the OAuth service of this environment. Every action is recorded with your name.",
        )
        path = quote(_safe_target(target), safe="")
        links = (
            Link("Sign in", f"{SIGN_IN_PATH}?to={path}"),
            Link("Sign in to read only", f"{SIGN_IN_PATH}?role={Role.VIEWER}&to={path}"),
        )
        heading = Heading("Sign in", self._environment, "SIGNED OUT", OPEN, words)
        return Page("Sign in", "", present(heading, *before, Links("Sign in", links)))

    def forbidden_page(self, identity: Identity) -> Page:
        """Return the page of a viewer who wants to act."""
        may = self._permitted().permitted_role(identity.subject) is Role.OPERATOR
        words = f"You are signed in as a {identity.role}, and only an operator may act. Nothing was changed."
        remedy = (
            "You signed in to read only: sign in again to act."
            if may
            else f"The settings list operators: {self._environment}.console.operators in environments.toml."
        )
        heading = Heading("Not permitted", self._environment, "REFUSED", BAD, (words, remedy))
        links = Links("Sign in", (Link("Sign in as operator", SIGN_IN_PATH),)) if may else None
        return Page("Not permitted", "", present(heading, links))

    def _sign_out(self, request: Request, token: str, show: Show) -> Response:
        """End the session of the person who sent a request, and remove the browser's cookie."""
        identity = identity_of(request)
        assert identity is not None  # `admit` lets no other request through
        if not self._guard.is_token(token, SIGN_OUT_PATH, "", identity.session):
            return show(request, self._sign_out_page(request), FORBIDDEN)
        confirmed = self.sessions.close(identity)
        del request.scope[IDENTITY]
        words = "This browser is signed out, and the OAuth service has revoked its tokens."
        if not confirmed:
            words = "This browser is signed out. The OAuth service did not answer: its tokens expire by themselves."
        heading = Heading("Signed out", self._environment, "SIGNED OUT", GOOD, (words,))
        page = Page("Signed out", "", (heading, Links("Sign in", (Link("Sign in", SIGN_IN_PATH),))))
        answer = show(request, page, HTTPStatus.OK)
        self._forget(answer, self._guard.cookie)
        return answer

    def _begin(self, request: Request, show: Show) -> Response:
        role = Role.VIEWER if request.query_params.get("role") == Role.VIEWER else Role.OPERATOR
        target = _safe_target(request.query_params.get("to", "/"))
        begun = self._new(role, target)
        try:
            address = self._service.authorization_address(self._request(begun))
        except (Unreachable, SignInRefused) as error:
            return show(request, self._failed_page(error), _status_of(error))
        answer = RedirectResponse(address, SEE_OTHER)
        self._set(answer, self._begun_cookie, begun.text, SECONDS_TO_SIGN_IN)
        return answer

    def _finish(self, request: Request, show: Show) -> Response:
        """Answer the browser that the service sent back."""
        try:
            answer = self._signed_in(request)
        except (Unreachable, SignInRefused) as error:
            answer = show(request, self._failed_page(error), _status_of(error))
        self._forget(answer, self._begun_cookie)
        return answer

    def _signed_in(self, request: Request) -> Response:
        query = request.query_params
        begun = self._read(cookie_of(Headers(scope=request.scope), self._begun_cookie))
        if begun is None:
            raise SignInRefused("this browser has begun no sign-in, or too long ago")
        wanted = self._request(begun)
        if not hmac.compare_digest(query.get("state", "").encode(), wanted.state.encode()):
            raise SignInRefused("the answer is not that of this browser's sign-in")
        # With another issuer's answer the code would go to the wrong service (RFC 9207).
        if query.get("iss") != self._service.issuer:
            raise SignInRefused("the answer is of another service")
        if "error" in query:
            raise SignInRefused(f"the service answered {_shown(query['error'])}")
        code = query.get("code", "")
        if not code:
            raise SignInRefused("the answer has no code")
        grant = self._service.redeem(code, wanted)
        try:
            role = self._role_of(grant.signed_in)
            name = self._service.name_of(grant.signed_in)
        except SignInRefused:
            self._service.try_to_revoke(grant.refresh_token)
            raise
        secret = self.sessions.open(grant, name, role)
        answer = RedirectResponse(begun.target, SEE_OTHER)
        self._set(answer, self._guard.cookie, secret, None)
        return answer

    def _role_of(self, signed_in: SignedIn) -> Role:
        """Return the role of a person who signs in. Raises SignInRefused for a person who is not permitted."""
        role = self._permitted().role_of(signed_in.subject, signed_in.scopes)
        if role is None:
            raise SignInRefused(
                f"the subject {_shown(signed_in.subject)} is not permitted. A person who may change the settings adds it "
                f"to {self._environment}.console.viewers or .operators in environments.toml"
            )
        return role

    def _failed_page(self, error: Exception) -> Page:
        words = ["You are not signed in."]
        if isinstance(error, Unreachable):
            words.append(
                "If a release has broken the service: roll it back on the command line, or start the console with "
                "`--no-sign-in` and your own credentials."
            )
        heading = Heading("Sign-in failed", self._environment, "REFUSED", BAD, tuple(words))
        links = Links("Sign in", (Link("Try again", SIGN_IN_PATH),))
        return Page("Sign-in failed", "", (heading, note(f"{_upper(str(error))}.", BAD), links))

    def _sign_out_page(self, request: Request) -> Page:
        identity = identity_of(request)
        assert identity is not None  # `admit` lets no other request through
        words = f"You are signed in as {identity.requested_by}, {identity.role}."
        token = self._guard.token(SIGN_OUT_PATH, "", identity.session)
        form = Form(SIGN_OUT_PATH, token, (), "Sign out", "/")
        return Page("Sign out", "", (Heading("Sign out?", self._environment, "CONFIRM", OPEN, (words,)), form))

    # A sign-in that was begun is kept by the browser alone: state, nonce and verifier are derived from what its cookie
    # has, with a key of this process. So no number of begun sign-ins fills the memory or ends another one.

    def _new(self, role: Role, target: str) -> _Begun:
        expires_at = int(self._now()) + SECONDS_TO_SIGN_IN
        packed = encode_base64url(target.encode())
        return _Begun(f"{secrets.token_urlsafe(32)}.{role}.{expires_at}.{packed}", role, target, expires_at)

    def _read(self, text: str) -> _Begun | None:
        """Return what a cookie has. Only `state` proves that this process made it."""
        try:
            _, role, expires_at, packed = text.split(".")
            begun = _Begun(text, Role(role), _safe_target(decode_base64url(packed).decode()), int(expires_at[:12]))
        except ValueError:
            return None
        return begun if self._now() < begun.expires_at else None

    def _request(self, begun: _Begun) -> SignInRequest:
        derive = self._guard.token
        return SignInRequest(
            redirect_uri=self._redirect_uri,
            role=begun.role,
            state=derive("sign-in state", begun.text),
            nonce=derive("sign-in nonce", begun.text),
            verifier=derive("sign-in verifier", begun.text),
        )

    @property
    def _redirect_uri(self) -> str:
        return f"{self._guard.address.rstrip('/')}{CALLBACK_PATH}"

    @property
    def _begun_cookie(self) -> str:
        return f"{self._guard.cookie}-begun"

    def _set(self, answer: Response, name: str, value: str, seconds: int | None) -> None:
        # Not "strict": the browser comes from the service's page, and from links in chats.
        answer.set_cookie(
            name, value, max_age=seconds, httponly=True, samesite="lax", path="/", secure=self._guard.secure
        )

    def _forget(self, answer: Response, name: str) -> None:
        answer.delete_cookie(name, httponly=True, samesite="lax", path="/", secure=self._guard.secure)


def _safe_target(target: str) -> str:
    """Return the path that a browser is led to after its sign-in; another host is none."""
    fits = len(target) <= MOST_TARGET_CHARACTERS and _TARGET.fullmatch(target) is not None
    return target if fits and not target.startswith(OPEN_PATHS) else "/"


def _status_of(error: Exception) -> int:
    return HTTPStatus.SERVICE_UNAVAILABLE if isinstance(error, Unreachable) else FORBIDDEN


def _shown(text: str) -> str:
    return shortened(one_line(text), SHOWN_CHARACTERS)


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
