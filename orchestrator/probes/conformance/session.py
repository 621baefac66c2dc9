"""One run of the conformance checks: it sends the requests, slowly, and keeps what several checks look at.

Every login, code and token is the synthetic identity's, whose requests count in no business metric. Requests that name
no client or an unknown one carry nothing that the service could find, so they count as no refused grant. At most five
requests are sent a second, one after the other; a response 429 is waited for as long as it says.

Secrets stay in this process: no reason of a check quotes a code, a token, a cookie or a MAC.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from http import HTTPStatus
from typing import Any

from orchestrator.domain.analysis.observations import VERSION_HEADER, HttpRequest, HttpResponse
from orchestrator.domain.compliance.result import NotChecked
from orchestrator.domain.errors import Throttled
from orchestrator.probes import synthetic_client
from orchestrator.probes.checks import CLIENT_ID, REDIRECT_URI
from orchestrator.probes.conformance.messages import Authorized, Granted
from orchestrator.probes.ports import HttpClient, Pace
from orchestrator.probes.synthetic_client import (
    Code,
    FlowFailed,
    SyntheticIdentity,
    Tokens,
    json_object,
    refuse_unexpected,
)

SPACING_SECONDS = 0.2
ATTEMPTS = 4
MOST_FAILED_FLOWS = 2
"""After so many, no further flow is begun: the checks that need one are not checked."""
LONGEST_WAIT_SECONDS = 10
TRANSIENT = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE})
STATE = "a b+c&d=e/\u00e9~%41"
"""A state whose characters need encoding, so that a change of any byte is seen."""
NONCE = "n-0S6_WzA2Mj"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
"""The challenge of RFC 7636, Appendix B, for requests that lead to no code."""
AUTHORIZE: Mapping[str, str] = {
    "response_type": "code",
    "client_id": CLIENT_ID,
    "redirect_uri": REDIRECT_URI,
    "scope": "profile",
    "state": STATE,
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


class Session:
    """The requests of one run, and the responses that several checks look at.

    Args:
        http: the API as clients reach it.
        issuer: the environment's issuer; requests go to its address.
        identity: authenticates the synthetic user.
        pace: the clock between requests.
        has_domain: whether the issuer is a host of the environment's own.
    """

    def __init__(
        self, http: HttpClient, issuer: str, identity: SyntheticIdentity, pace: Pace, *, has_domain: bool = True
    ) -> None:
        self.http, self.issuer, self.has_domain = http, issuer, has_domain
        self._identity, self._pace = identity, pace
        self._next_at = pace.now()
        self._documents: dict[str, HttpResponse] = {}
        self._flow_problems: list[FlowFailed | NotChecked] = []
        self.requests = 0

    # --- requests ----------------------------------------------------------------------------------------

    def send(self, request: HttpRequest, *, may_be_unrouted: bool = False) -> HttpResponse:
        """Send a request; a response that passes by itself is waited for.

        Args:
            request: its path is appended to the issuer.
            may_be_unrouted: whether API Gateway may refuse it because it has no such route.

        Raises:
            Throttled: the service was busy or unavailable throughout.
            NotChecked: something in front of the service refused the request.
            Unreachable: there was no response.
        """
        response = self._send_once(request)
        for attempt in range(1, ATTEMPTS):
            if response.status not in TRANSIENT:
                break
            wait = response.header("retry-after")
            self._pace.sleep(min(int(wait) if wait.isdigit() else attempt, LONGEST_WAIT_SECONDS))
            response = self._send_once(request)
        if response.status in TRANSIENT:
            raise Throttled(f"{request.method} {_path(request)} returned {response.status} {ATTEMPTS} times")
        from_service = response.version or response.header(VERSION_HEADER)
        if response.status == HTTPStatus.FORBIDDEN and not from_service and not may_be_unrouted:
            raise NotChecked(
                f"{request.method} {_path(request)} was refused before it reached the service",
                "allow the address of this machine in the web ACL, or run the command from another one",
            )
        return response

    def _send_once(self, request: HttpRequest) -> HttpResponse:
        wait = self._next_at - self._pace.now()
        if wait > 0:
            self._pace.sleep(wait)
        self._next_at = self._pace.now() + SPACING_SECONDS
        self.requests += 1
        return self.http.send(self.issuer, request)

    def get(self, path: str, **headers: str) -> HttpResponse:
        """Return the response to GET of a path. It is requested once for a path and headers."""
        key = f"{path} {sorted(headers.items())}"
        if key not in self._documents:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            self._documents[key] = self.send(HttpRequest("GET", path, headers=named), may_be_unrouted=True)
        return self._documents[key]

    def authorize(self, **changes: str | None) -> HttpResponse:
        """Return the response to an authorization request with other parameters; None leaves one out."""
        query = {name: value for name, value in {**AUTHORIZE, **changes}.items() if value is not None}
        return self.send(HttpRequest("GET", "/authorize", query=query))

    def post(self, path: str, form: Mapping[str, str], **headers: str) -> HttpResponse:
        """Return the response to a form."""
        return self.send(HttpRequest("POST", path, headers=headers, form=form))

    def token(self, **form: str) -> HttpResponse:
        """Return the response of the token endpoint to a form of the synthetic client."""
        return self.post("/token", {"client_id": CLIENT_ID, **form})

    def userinfo(self, token: str) -> HttpResponse:
        """Return the response of userinfo to a token."""
        return self.send(HttpRequest("GET", "/userinfo", headers={"Authorization": f"Bearer {token}"}))

    # --- documents ---------------------------------------------------------------------------------------

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The authorization server metadata. Raises NotChecked if it is not served."""
        return self._document("/.well-known/oauth-authorization-server", "oauth-metadata-served")

    @property
    def openid_metadata(self) -> Mapping[str, Any]:
        """The OpenID Provider configuration. Raises NotChecked if it is not served."""
        return self._document("/.well-known/openid-configuration", "oauth-openid-metadata-served")

    def _document(self, path: str, control: str) -> Mapping[str, Any]:
        response = self.get(path)
        document = json_object(response) if response.status == HTTPStatus.OK else {}
        if not document:
            raise NotChecked(f"{path} is not served", f"solve {control} first")
        return document

    @property
    def keys(self) -> list[Mapping[str, Any]]:
        """The keys of the key set; none if it is not served."""
        keys = json_object(self.get("/.well-known/jwks.json")).get("keys")
        return [key for key in keys if isinstance(key, dict)] if isinstance(keys, list) else []

    @cached_property
    def page(self) -> HttpResponse:
        """The response to a valid authorization request."""
        return self.authorize()

    @property
    def login_page(self) -> HttpResponse:
        """The page of a valid authorization request. Raises NotChecked if there is none.

        Without it, an error proves nothing: the endpoint may refuse every request.
        """
        if self.page.status != HTTPStatus.OK or "transaction" not in self.page.body:
            raise NotChecked("a valid request gets no login page", "solve oauth-authorize-get first")
        return self.page

    @cached_property
    def refusal(self) -> HttpResponse:
        """The response to a request that is refused at its redirect URI: its scope is unknown."""
        return self.authorize(scope="no-such-scope")

    # --- flows -------------------------------------------------------------------------------------------

    def log_in(self, scope: str = "profile", **extra: str) -> Authorized:
        """Complete a login of the synthetic identity.

        Raises:
            FlowFailed: a response did not allow the login to continue.
        """
        if len(self._flow_problems) >= MOST_FAILED_FLOWS:
            raise self._flow_problems[-1]
        try:
            return self._log_in(scope, extra)
        except (FlowFailed, NotChecked) as error:
            self._flow_problems.append(error)
            raise

    def _log_in(self, scope: str, extra: Mapping[str, str]) -> Authorized:
        newest: list[HttpResponse] = []

        def send(_step: str, _function: str, request: HttpRequest, expected: int) -> HttpResponse:
            newest.append(refuse_unexpected(self.send(request), expected))
            return newest[-1]

        login = synthetic_client.begin_login(send, {"scope": scope, "state": STATE, **extra})
        code = synthetic_client.complete_login(send, login, self._identity)
        return Authorized(login, code, newest[-1])

    def grant(self, scope: str = "profile", **extra: str) -> Granted:
        """Complete a login and redeem its code.

        Raises:
            FlowFailed: a response did not allow the flow to continue.
        """
        authorized = self.log_in(scope, **extra)
        response = self.send(synthetic_client.redeem_request(authorized.code))
        try:
            return Granted(authorized, refuse_unexpected(response, HTTPStatus.OK))
        except FlowFailed as error:
            self._flow_problems.append(error)
            raise

    @cached_property
    def openid_grant(self) -> Granted:
        """A grant of an OpenID request, which no check ends."""
        return self.grant("openid profile", nonce=NONCE)

    @cached_property
    def plain_grant(self) -> Granted:
        """A grant of a request without openid, which no check ends."""
        return self.grant()

    @cached_property
    def pending_code(self) -> Authorized:
        """A code that is presented wrongly again and again, and never redeemed."""
        return self.log_in()

    def redeem(self, code: Code, **changes: str | None) -> HttpResponse:
        """Return the response to the redemption of a code, with other parameters; None leaves one out."""
        form = {**(synthetic_client.redeem_request(code).form or {}), **changes}
        return self.post("/token", {name: value for name, value in form.items() if value is not None})

    def refresh(self, token: str, **extra: str) -> HttpResponse:
        """Return the response to a refresh."""
        form = {**(synthetic_client.refresh_request(token).form or {}), **extra}
        return self.post("/token", form)

    @cached_property
    def replayed(self) -> tuple[Granted, HttpResponse]:
        """A grant whose code was redeemed again, and the response to that."""
        granted = self.grant()
        return granted, self.redeem(granted.authorized.code)

    @cached_property
    def refreshed(self) -> tuple[Granted, Tokens, Tokens]:
        """A grant that was refreshed twice, and the tokens of both refreshes."""
        granted = self.grant()
        first = self._tokens(self.refresh(granted.refresh))
        return granted, first, self._tokens(self.refresh(first.refresh))

    @cached_property
    def reused(self) -> HttpResponse:
        """The response to the first refresh token of `refreshed`, when the third is the newest."""
        granted, _, _ = self.refreshed
        return self.refresh(granted.refresh)

    @cached_property
    def revoked(self) -> tuple[Granted, HttpResponse]:
        """A grant whose refresh token was revoked, and the response to that."""
        granted = self.grant()
        return granted, self.post("/revoke", {"client_id": CLIENT_ID, "token": granted.refresh})

    @staticmethod
    def _tokens(response: HttpResponse) -> Tokens:
        document = json_object(refuse_unexpected(response, HTTPStatus.OK))
        access, refresh = document.get("access_token"), document.get("refresh_token")
        if not isinstance(access, str) or not isinstance(refresh, str):
            raise FlowFailed("the refresh returned 200 without both tokens")
        return Tokens(access, refresh)

    def close(self) -> None:
        """Revoke the grants that are still alive: nothing of the run stays valid."""
        kept = {"openid_grant", "plain_grant"} & self.__dict__.keys()
        for name in sorted(kept):
            document = self.__dict__[name].document
            if isinstance(token := document.get("refresh_token"), str):
                self.post("/revoke", {"client_id": CLIENT_ID, "token": token})


def _path(request: HttpRequest) -> str:
    return request.path.partition("?")[0]
