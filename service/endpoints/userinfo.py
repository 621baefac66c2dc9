"""The userinfo endpoint: the claims of a token's user, as long as the token's grant is valid.

What the user agreed to can be read: `sub` with every token, and the claims of each scope with that scope.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from service.http.app import HttpFunction
from service.http.responses import public_json
from service.oauth import bearer, metadata
from service.oauth.bearer import Challenge
from service.oauth.resources import own
from service.oauth.resources.identifiers import normalize
from service.oauth.tokens import TokenInvalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from service.http.responses import Response
    from service.keys.kms import Vault
    from service.oauth.clients import Clients
    from service.oauth.families import Family
    from service.oauth.tokens import AccessToken
    from service.token_verification import Verification

_CLAIMS: Final[Mapping[str, tuple[str, ...]]] = {"profile": ("given_name", "family_name"), "email": ("email",)}
"""The claims of each scope (OpenID Connect Core §5.4), in addition to `sub`."""


@dataclass(frozen=True)
class UserInfo:
    """Handles /userinfo. A token is accepted while its family is live: revoking a grant also ends its access tokens."""

    function: HttpFunction
    verification: Verification
    vault: Vault
    clients: Clients

    def respond(self) -> Response:
        """Return the claims of the token's subject. Raises Challenge, StoreUnavailable, KeyUnavailable."""
        try:
            in_query = self.function.query().optional("access_token") is not None
            token, family = self._verify(bearer.extract_token(self.function.header("authorization"), in_query=in_query))
        except Challenge as refusal:
            raise refusal.with_resource_metadata(
                metadata.protected_resource_address(self.function.settings.issuer, own.USERINFO_PATH)
            ) from refusal
        return public_json(HTTPStatus.OK, self._claims(token, family))

    @cached_property
    def _audiences(self) -> frozenset[str]:
        """The accepted audiences, normalized. A token for an API is only for that API: it must not read these data."""
        settings = self.function.settings
        synthetic = (client.audience for client in settings.clients.values() if client.synthetic)
        return frozenset(map(normalize, (settings.issuer, *synthetic)))

    def _verify(self, text: str) -> tuple[AccessToken, Family]:
        """Return a token with an accepted audience, and its live family."""
        now = self.function.now()
        try:
            token = self.verification.verify_token(text, now)
            client = self.clients.get(token.client_id)
            if client is None or normalize(token.audience) not in self._audiences:
                raise bearer.invalid_token()
            self.function.observed.synthetic = client.synthetic
            return token, self.verification.live_family(token, now, synthetic=client.synthetic)
        except TokenInvalid as error:
            raise bearer.invalid_token() from error

    def _claims(self, token: AccessToken, family: Family) -> dict[str, str]:
        claims = {"sub": token.subject}
        names = [name for scope, names in _CLAIMS.items() if scope in token.scope for name in names]
        if names and family.session is not None:
            session = self.vault.decrypt(family.session, "session", family.subject)
            claims |= {name: session[name] for name in names if session[name]}
        return claims
