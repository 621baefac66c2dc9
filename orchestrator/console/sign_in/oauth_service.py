"""The OAuth service as the console's sign-in uses it: a public client with PKCE, and verified tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import urlencode

from orchestrator.domain.analysis.observations import HttpRequest, HttpResponse
from orchestrator.domain.errors import Unreachable
from orchestrator.domain.printable import one_line
from orchestrator.domain.sign_in.jwt import Jwt
from orchestrator.domain.sign_in.pkce import code_challenge
from orchestrator.domain.sign_in.settings import BASE_SCOPES, Role, SignInSettings
from orchestrator.domain.sign_in.tokens import (
    ACCESS_TOKEN,
    ALGORITHM,
    ID_TOKEN,
    Expected,
    SignedIn,
    TokenRefused,
    parse_token,
    read_tokens,
)
from orchestrator.domain.texts import shortened
from orchestrator.domain.untrusted_json import decode_untrusted
from orchestrator.probes.conformance.signatures import verifies_es256

CONFIGURATION_PATH = "/.well-known/openid-configuration"
MOST_NAME_CHARACTERS = 80
REFUSALS = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
INVALID_GRANT = "invalid_grant"
CLOSED_AFTERWARDS = {"Connection": "close"}
"""Until the next renewal the service would have closed an open connection, and a request that is lost on it looks like one
whose answer is lost."""


class Web(Protocol):
    """Sends requests. Raises Unreachable."""

    def send(self, base_url: str, request: HttpRequest) -> HttpResponse:
        """Send a request; redirects are not followed."""


class SignInRefused(Exception):
    """The service did not sign the person in, or its answer proves nothing. The message is for the person."""


class GrantEnded(SignInRefused):
    """The service does not know the grant any more: it was revoked, or has expired (RFC 6749 §5.2, `invalid_grant`)."""


class NotRenewed(Exception):
    """The service gave no proper answer to a renewal, which says nothing of the grant.

    Attributes:
        in_doubt: whether the service may have exchanged the refresh token, and the answer with the next one is lost.
    """

    def __init__(self, words: str, *, in_doubt: bool) -> None:
        super().__init__(words)
        self.in_doubt = in_doubt


@dataclass(frozen=True)
class Grant:
    """What a sign-in was granted. refresh_token: for the next tokens; empty if there are none."""

    signed_in: SignedIn
    refresh_token: str = field(repr=False)


@dataclass(frozen=True)
class SignInRequest:
    """One authorization request, of one browser.

    Attributes:
        role: the requested one, which is the scope.
        verifier: of PKCE (RFC 7636); its digest is in the request.
    """

    redirect_uri: str
    role: Role
    state: str
    nonce: str
    verifier: str = field(repr=False)


class OAuthService:
    """The environment's own OAuth service.

    Args:
        web: sends requests.
        issuer: the service's address, from the settings or the ledger and never from an answer.
        settings: the console's client.
        now: epoch seconds.
    """

    def __init__(self, web: Web, issuer: str, settings: SignInSettings, now: Callable[[], float]) -> None:
        self.issuer = issuer.rstrip("/")
        self._web, self._settings, self._now = web, settings, now
        self._found: Mapping[str, Any] | None = None
        self._keys: Mapping[str, Mapping[str, Any]] = {}

    def authorization_address(self, request: SignInRequest) -> str:
        """Return where a browser goes to sign in.

        Raises:
            Unreachable: the service does not answer.
            SignInRefused: its metadata are not those of the issuer.
        """
        challenge = code_challenge(request.verifier)
        scopes = (*BASE_SCOPES, Role.VIEWER.scope, *((Role.OPERATOR.scope,) if request.role is Role.OPERATOR else ()))
        query = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": request.redirect_uri,
            "scope": " ".join(scopes),
            "state": request.state,
            "nonce": request.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"{self.issuer}{self._path('authorization_endpoint')}?{urlencode(query)}"

    def redeem(self, code: str, request: SignInRequest) -> Grant:
        """Redeem a code.

        Raises:
            Unreachable: the service does not answer.
            SignInRefused: it refuses the code, or a token of its answer is not valid.
        """
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": request.redirect_uri,
            "code_verifier": request.verifier,
        }
        answer = self._document(self._token_request(form))
        try:
            return self._grant_of(answer, request.nonce, None)
        except (Unreachable, SignInRefused):
            self.try_to_revoke(_refresh_token_of(answer))
            raise

    def refresh(self, grant: Grant) -> Grant:
        """Return the next tokens of a grant.

        Raises:
            GrantEnded: the service answered `400 invalid_grant`, or the grant has no refresh token.
            NotRenewed: any other answer, or none.
        """
        if not grant.refresh_token:
            raise GrantEnded("the grant has no refresh token")
        try:
            request = self._token_request({"grant_type": "refresh_token", "refresh_token": grant.refresh_token})
        except (Unreachable, SignInRefused) as error:
            raise NotRenewed(str(error), in_doubt=False) from error
        try:
            response = self._web.send(self.issuer, request)
        except Unreachable as error:
            raise NotRenewed(str(error), in_doubt=error.sent) from error
        if response.status == HTTPStatus.BAD_REQUEST and _code_of(response) == INVALID_GRANT:
            raise GrantEnded(f"the service refused: {INVALID_GRANT}")
        try:
            answer = _document_of(_checked(response, request.path), request.path)
            renewed = self._grant_of(answer, None, grant.signed_in.subject)
        except (Unreachable, SignInRefused) as error:
            # What answers 3xx or 4xx did not exchange the token: the service itself, its gateway or its firewall.
            refused = HTTPStatus.MULTIPLE_CHOICES <= response.status < HTTPStatus.INTERNAL_SERVER_ERROR
            raise NotRenewed(str(error), in_doubt=not refused) from error
        # Without a next refresh token the present one stays valid (RFC 6749 §6).
        return replace(renewed, refresh_token=renewed.refresh_token or grant.refresh_token)

    def try_to_revoke(self, refresh_token: str) -> bool:
        """End a grant at the service if it answers; return whether it has confirmed it."""
        form = {"token": refresh_token, "client_id": self._settings.client_id}
        try:
            self._answer(HttpRequest("POST", self._path("revocation_endpoint"), form=form))
        except (Unreachable, SignInRefused):
            return False
        return True

    def name_of(self, signed_in: SignedIn) -> str:
        """Return the person's name as the service knows it; empty if it knows none, or does not answer properly.

        Raises:
            SignInRefused: its answer is about another person (OpenID Connect Core §5.3.2).
        """
        headers = {"Authorization": f"Bearer {signed_in.access_token}"}
        try:
            claims = self._document(HttpRequest("GET", self._path("userinfo_endpoint"), headers=headers))
        except (Unreachable, SignInRefused):
            return ""
        subject = claims.get("sub")
        if subject is None:
            return ""
        if subject != signed_in.subject:
            raise SignInRefused("the service answered with the data of another person")
        parts = (claims.get(name) for name in ("given_name", "family_name"))
        name = " ".join(one_line(part).strip() for part in parts if isinstance(part, str) and part.strip())
        return shortened(name, MOST_NAME_CHARACTERS)

    def _token_request(self, form: Mapping[str, str]) -> HttpRequest:
        complete = {**form, "client_id": self._settings.client_id}
        return HttpRequest("POST", self._path("token_endpoint"), form=complete, headers=CLOSED_AFTERWARDS)

    def _grant_of(self, answer: Mapping[str, Any], nonce: str | None, subject: str | None) -> Grant:
        """Return what an answer of the token endpoint grants, once its tokens are verified."""
        expected = Expected(self.issuer, self._settings.client_id, nonce, subject, self._now())
        access = answer.get("access_token")
        try:
            identity = self._verified(answer.get("id_token"), ID_TOKEN)
            verified = self._verified(access, ACCESS_TOKEN)
            signed_in = read_tokens(identity, verified, str(access), expected)
        except TokenRefused as error:
            raise SignInRefused(str(error)) from error
        return Grant(signed_in, _refresh_token_of(answer))

    def _verified(self, text: object, kind: str) -> Jwt:
        token = parse_token(text, kind)
        key = self._key(token.header["kid"])
        if key is None or not verifies_es256(key, token):
            raise TokenRefused("a token was not signed with a published key of the service")
        return token

    def _key(self, kid: str) -> Mapping[str, Any] | None:
        """Return a published key. The set is read again for a new one: keys are rotated."""
        if kid not in self._keys:
            keys = self._document(HttpRequest("GET", self._path("jwks_uri"))).get("keys")
            listed = [key for key in keys if isinstance(key, dict)] if isinstance(keys, list) else []
            self._keys = {str(key.get("kid")): key for key in listed if _is_usable(key)}
        return self._keys.get(kid)

    def _path(self, name: str) -> str:
        """Return the path of an endpoint, below the issuer."""
        if self._found is None:
            found = self._document(HttpRequest("GET", CONFIGURATION_PATH))
            if found.get("issuer") != self.issuer:
                raise SignInRefused(f"the metadata at {self.issuer} name another issuer")
            self._found = found
        address = self._found.get(name)
        # Our own service has all of its endpoints below its issuer: no answer sends a code or a token elsewhere.
        if not isinstance(address, str) or not address.startswith(f"{self.issuer}/"):
            raise SignInRefused(f"the metadata at {self.issuer} have no {name} below it")
        return address.removeprefix(self.issuer)

    def _document(self, request: HttpRequest) -> Mapping[str, Any]:
        return _document_of(self._answer(request), request.path)

    def _answer(self, request: HttpRequest) -> HttpResponse:
        return _checked(self._web.send(self.issuer, request), request.path)


def _checked(response: HttpResponse, path: str) -> HttpResponse:
    """Return a response whose status is 200. Raises SignInRefused for a refusal, Unreachable for any other status."""
    if response.status == HTTPStatus.OK:
        return response
    if response.status in REFUSALS:
        code = _code_of(response) or f"status {response.status}"
        raise SignInRefused(f"the service refused: {code}")
    raise Unreachable(f"{path} of the OAuth service answered {response.status}")


def _document_of(response: HttpResponse, path: str) -> Mapping[str, Any]:
    try:
        document = decode_untrusted(response.body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise SignInRefused(f"{path} of the service answered without a JSON object")
    return document


def _refresh_token_of(answer: Mapping[str, Any]) -> str:
    token = answer.get("refresh_token")
    return token if isinstance(token, str) else ""


def _is_usable(key: Mapping[str, Any]) -> bool:
    right = key.get("kty") == "EC" and key.get("crv") == "P-256"
    return right and key.get("use", "sig") == "sig" and key.get("alg", ALGORITHM) == ALGORITHM


def _code_of(response: HttpResponse) -> str:
    """Return the error of an answer in a few words, which quote nothing of the request; empty if it has none."""
    try:
        document = decode_untrusted(response.body)
    except ValueError:
        document = None
    code = document.get("error") if isinstance(document, dict) else None
    return shortened(one_line(code), MOST_NAME_CHARACTERS) if isinstance(code, str) else ""
