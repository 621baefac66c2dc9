"""What a client may do with a token of a grant beside using it: give it up (RFC 7009), and ask whether it lives (RFC 7662)."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from service.answers import json_answer, oauth_error, open_to_all, to_servers
from service.oauth import credentials, families, introspection, token_request
from service.oauth.credentials import Kind
from service.oauth.errors import OAuthError
from service.oauth.families import Cause
from service.oauth.tokens import TokenInvalid

if TYPE_CHECKING:
    from collections.abc import Callable

    from service.answers import Response
    from service.edge import Edge
    from service.oauth.clients import Client, Clients
    from service.oauth.credentials import Credential
    from service.oauth.families import Family
    from service.oauth.parameters import Parameters
    from service.revocations import RevokingStore
    from service.storage import Store
    from service.verification import Verification

    Authenticated = Callable[[Parameters], Client]
    """The client that sent a form; raises InvalidRequest, InvalidClient."""


@dataclass(frozen=True)
class Revocation:
    """Answers /revoke. Every token of a grant, of whatever generation and kind, ends the whole grant.

    An access token, too: RFC 7009 §2.1 leaves that to the server, and a client that logs a person out with the token it has at
    hand means the login. What is not there to be revoked, or is another client's, gets the same 200 as what was (§2.2): the
    client has what it wants, and learns nothing.
    """

    edge: Edge
    store: RevokingStore
    verification: Verification
    authenticated: Authenticated

    def answer(self) -> Response:
        """Revoke the token's grant. Raises InvalidRequest, InvalidClient, StoreUnavailable, KeyUnavailable."""
        form = self.edge.form()
        client = self.authenticated(form)
        family_id = self._family_of(token_request.shown_token(form), client)
        if family_id is not None:
            self._give_up(family_id, client)
        return open_to_all(HTTPStatus.OK, {})

    def _family_of(self, text: str, client: Client) -> str | None:
        """Return the id of the family that a token of this client's kind names; None for what can be no token of ours."""
        refresh = credentials.parse(text, Kind.REFRESH)
        if refresh is not None:
            return refresh.family if refresh.synthetic == client.synthetic else None
        try:
            token = self.verification.token(text, self.edge.now())
        except TokenInvalid:
            return None
        return token.family if token.client_id == client.client_id else None

    def _give_up(self, family_id: str, client: Client) -> None:
        now = self.edge.now()
        family, epoch = self.store.family_and_epoch(family_id, synthetic=client.synthetic)
        if family is None:
            self.store.disown(family_id, client.client_id, now, synthetic=client.synthetic)
            return
        if families.effect_of_giving_up(family, client.client_id, now, epoch) is families.Effect.REVOKE:
            self.store.revoke(family_id, Cause.REQUEST, now, synthetic=client.synthetic)


@dataclass(frozen=True)
class Introspection:
    """Answers /introspect. Asking changes nothing: an earlier refresh token is inactive, and its family lives on.

    clients: who knows whose token it is.
    """

    edge: Edge
    store: Store
    verification: Verification
    authenticated: Authenticated
    clients: Clients

    def answer(self) -> Response:
        """Tell of a token. Raises StoreUnavailable, KeyUnavailable."""
        try:
            form = self.edge.form()
            asker = self.authenticated(form)
            introspection.permit(asker)
            told = self._told(token_request.shown_token(form), asker)
        except OAuthError as error:
            return to_servers(oauth_error(error))
        return json_answer(HTTPStatus.OK, introspection.INACTIVE if told is None else told)

    def _told(self, text: str, asker: Client) -> dict[str, Any] | None:
        refresh = credentials.parse(text, Kind.REFRESH)
        if refresh is not None:
            family = self._current(refresh, asker)
            return None if family is None else introspection.of_refresh_token(family, self.edge.settings.issuer)
        try:
            return self._told_of_access_token(text, asker)
        except TokenInvalid:
            return None

    def _current(self, refresh: Credential, asker: Client) -> Family | None:
        """Return the family of a refresh token that the asker could use now."""
        if refresh.synthetic != asker.synthetic:
            return None
        family, epoch = self.store.family_and_epoch(refresh.family, synthetic=refresh.synthetic)
        if family is None:
            return None
        effect = families.effect(family, refresh.digest, asker.client_id, self.edge.now(), epoch)
        return family if effect is families.Effect.ROTATE else None

    def _told_of_access_token(self, text: str, asker: Client) -> dict[str, Any] | None:
        now = self.edge.now()
        token = self.verification.token(text, now)
        holder = self.clients.get(token.client_id) if introspection.may_know(asker, token) else None
        if holder is None:
            return None
        self.verification.grant(token, now, synthetic=holder.synthetic)
        return introspection.of_access_token(token)
