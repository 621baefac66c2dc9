"""The userinfo endpoint: who a bearer token stands for, for as long as its grant lives."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING

from service.answers import open_to_all
from service.edge import Edge
from service.oauth import bearer, metadata
from service.oauth.bearer import Challenge
from service.oauth.tokens import TokenInvalid

if TYPE_CHECKING:
    from service.answers import Response
    from service.keys import Vault
    from service.oauth.clients import Clients
    from service.oauth.families import Family
    from service.oauth.tokens import AccessToken
    from service.verification import Verification

_PROFILE, _EMAIL = "profile", "email"


@dataclass(frozen=True)
class UserInfo:
    """Answers /userinfo. A token counts while its family does: revoking a grant ends its access tokens, too."""

    edge: Edge
    verification: Verification
    vault: Vault
    clients: Clients

    def answer(self) -> Response:
        """Return the claims of the token's subject. Raises Challenge, StoreUnavailable, KeyUnavailable."""
        try:
            in_query = self.edge.query().optional("access_token") is not None
            token, family = self._accepted(bearer.token_of(self.edge.header("authorization"), in_query=in_query))
            if _PROFILE not in token.scope:
                raise bearer.insufficient_scope(_PROFILE)
        except Challenge as refusal:
            raise refusal.at(metadata.protected_resource_address(self.edge.settings.issuer)) from refusal
        return open_to_all(HTTPStatus.OK, self._claims(token, family))

    @cached_property
    def _audiences(self) -> frozenset[str]:
        """Whom tokens are for that count here. One that is for an API is that API's: it must not get at the person with it."""
        settings = self.edge.settings
        synthetic = (client.audience for client in settings.clients.values() if client.synthetic)
        return frozenset({settings.issuer, *synthetic})

    def _accepted(self, text: str) -> tuple[AccessToken, Family]:
        """Return a token that is for us, and its grant, which lives."""
        now = self.edge.now()
        try:
            token = self.verification.token(text, now)
            client = self.clients.get(token.client_id)
            if client is None or token.audience not in self._audiences:
                raise bearer.invalid_token()
            self.edge.observed.synthetic = client.synthetic
            return token, self.verification.grant(token, now, synthetic=client.synthetic)
        except TokenInvalid as error:
            raise bearer.invalid_token() from error

    def _claims(self, token: AccessToken, family: Family) -> dict[str, str]:
        claims = {"sub": token.subject}
        if family.session is not None:
            session = self.vault.unlock(family.session, "session", family.subject)
            wanted = ("given_name", "family_name", _EMAIL) if _EMAIL in token.scope else ("given_name", "family_name")
            claims |= {name: session[name] for name in wanted if session[name]}
        return claims
