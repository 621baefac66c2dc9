"""The userinfo endpoint: who a bearer token stands for, for as long as its grant lives."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING

from service.answers import open_to_all
from service.edge import Edge
from service.oauth import bearer, families, tokens

if TYPE_CHECKING:
    from service.answers import Response
    from service.keys import PublicKeys, Vault
    from service.oauth.clients import Clients
    from service.oauth.families import Family
    from service.oauth.tokens import AccessToken
    from service.storage import Store

_PROFILE, _EMAIL = "profile", "email"


@dataclass(frozen=True)
class UserInfo:
    """Answers /userinfo. A token counts while its family does: revoking a grant ends its access tokens, too."""

    edge: Edge
    store: Store
    keys: PublicKeys
    vault: Vault
    clients: Clients

    def answer(self) -> Response:
        """Return the claims of the token's subject. Raises Challenge, StoreUnavailable, KeyUnavailable."""
        in_query = self.edge.query().optional("access_token") is not None
        token = self._verified(bearer.token_of(self.edge.header("authorization"), in_query=in_query))
        family = self._living_family(token)
        if _PROFILE not in token.scope:
            raise bearer.insufficient_scope(_PROFILE)
        return open_to_all(HTTPStatus.OK, self._claims(token, family))

    @cached_property
    def _audiences(self) -> frozenset[str]:
        settings = self.edge.settings
        # The issuer's is the audience of clients that describe themselves, and of those configured without another.
        return frozenset({settings.issuer, *(client.audience for client in settings.clients.values())})

    def _verified(self, text: str) -> AccessToken:
        """Return a token that one of our keys signed for us and that has not expired."""
        try:
            signed = tokens.take_apart(text)
            if not self.keys.verifies(signed):
                raise bearer.invalid_token()
            return tokens.read(signed.claims, self.edge.settings.issuer, self._audiences, self.edge.now())
        except tokens.TokenInvalid as error:
            raise bearer.invalid_token() from error

    def _living_family(self, token: AccessToken) -> Family:
        client = self.clients.get(token.client_id)
        if client is None:
            raise bearer.invalid_token()
        self.edge.observed.synthetic = client.synthetic
        family, epoch = self.store.family_and_epoch(token.family, synthetic=client.synthetic)
        if family is None or token.epoch < epoch:
            raise bearer.invalid_token()
        if families.phase(family, self.edge.now(), epoch) is not families.Phase.LIVE:
            raise bearer.invalid_token()
        return family

    def _claims(self, token: AccessToken, family: Family) -> dict[str, str]:
        claims = {"sub": token.subject}
        if family.session is not None:
            session = self.vault.unlock(family.session, "session", family.subject)
            wanted = ("given_name", "family_name", _EMAIL) if _EMAIL in token.scope else ("given_name", "family_name")
            claims |= {name: session[name] for name in wanted if session[name]}
        return claims
