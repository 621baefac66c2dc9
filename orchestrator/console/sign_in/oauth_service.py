"""The OAuth service as the console's sign-in uses it: a public client with PKCE, and verified tokens."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import urlencode

from orchestrator.domain.analysis.observations import HttpRequest, HttpResponse
from orchestrator.domain.errors import Unreachable
from orchestrator.domain.printable import one_line
from orchestrator.domain.sign_in.jwt import Jwt
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


class Web(Protocol):
    """Sends requests. Raises Unreachable."""

    def send(self, base_url: str, request: HttpRequest) -> HttpResponse:
        """Send a request; redirects are not followed."""


class SignInRefused(Exception):
    """The service did not sign the person in, or its answer proves nothing. The message is for the person."""


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
        challenge = base64.urlsafe_b64encode(sha256(request.verifier.encode()).digest()).rstrip(b"=").decode()
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
        return self._grant(form, request.nonce, None)

    def refresh(self, grant: Grant) -> Grant:
        """Return the next tokens of a grant. Raises Unreachable and SignInRefused as `redeem` does."""
        form = {"grant_type": "refresh_token", "refresh_token": grant.refresh_token}
        return self._grant(form, None, grant.signed_in.subject)

    def revoke(self, grant: Grant) -> None:
        """End a grant at the service. Raises Unreachable."""
        form = {"token": grant.refresh_token, "client_id": self._settings.client_id}
        self._answer(HttpRequest("POST", self._path("revocation_endpoint"), form=form))

    def name_of(self, signed_in: SignedIn) -> str:
        """Return the person's name as the service knows it; empty if it knows none.

        Raises:
            Unreachable: the service does not answer.
            SignInRefused: its answer is about another person (OpenID Connect Core §5.3.2).
        """
        headers = {"Authorization": f"Bearer {signed_in.access_token}"}
        claims = self._document(HttpRequest("GET", self._path("userinfo_endpoint"), headers=headers))
        if claims.get("sub") != signed_in.subject:
            raise SignInRefused("the service answered with the data of another person")
        parts = (claims.get(name) for name in ("given_name", "family_name"))
        name = " ".join(one_line(part).strip() for part in parts if isinstance(part, str) and part.strip())
        return shortened(name, MOST_NAME_CHARACTERS)

    def _grant(self, form: Mapping[str, str], nonce: str | None, subject: str | None) -> Grant:
        complete = {**form, "client_id": self._settings.client_id}
        answer = self._document(HttpRequest("POST", self._path("token_endpoint"), form=complete))
        expected = Expected(self.issuer, self._settings.client_id, nonce, subject, self._now())
        access, refresh = answer.get("access_token"), answer.get("refresh_token")
        try:
            identity = self._verified(answer.get("id_token"), ID_TOKEN)
            verified = self._verified(access, ACCESS_TOKEN)
            signed_in = read_tokens(identity, verified, str(access), expected)
        except TokenRefused as error:
            raise SignInRefused(str(error)) from error
        return Grant(signed_in, refresh if isinstance(refresh, str) else "")

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
        response = self._answer(request)
        try:
            document = decode_untrusted(response.body)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise SignInRefused(f"{request.path} of the service answered without a JSON object")
        return document

    def _answer(self, request: HttpRequest) -> HttpResponse:
        response = self._web.send(self.issuer, request)
        if response.status == HTTPStatus.OK:
            return response
        if response.status in REFUSALS:
            raise SignInRefused(f"the service refused: {_error_of(response)}")
        raise Unreachable(f"{request.path} of the OAuth service answered {response.status}")


def _is_usable(key: Mapping[str, Any]) -> bool:
    right = key.get("kty") == "EC" and key.get("crv") == "P-256"
    return right and key.get("use", "sig") == "sig" and key.get("alg", ALGORITHM) == ALGORITHM


def _error_of(response: HttpResponse) -> str:
    """Return the error of an answer in a few words; it may quote nothing of the request."""
    try:
        document = decode_untrusted(response.body)
    except ValueError:
        document = None
    code = document.get("error") if isinstance(document, dict) else None
    return shortened(one_line(code), MOST_NAME_CHARACTERS) if isinstance(code, str) else f"status {response.status}"
