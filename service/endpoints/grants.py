"""Token revocation (RFC 7009) and introspection (RFC 7662)."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from service.http.responses import json_response, oauth_error_response, public_json, without_cors
from service.oauth import credentials, families, introspection, token_request
from service.oauth.credentials import Kind
from service.oauth.errors import OAuthError
from service.oauth.families import Cause
from service.oauth.tokens import TokenInvalid

if TYPE_CHECKING:
    from collections.abc import Callable

    from service.http.app import HttpFunction
    from service.http.responses import Response
    from service.oauth.clients import Client, Clients
    from service.oauth.credentials import Credential
    from service.oauth.families import Family
    from service.oauth.parameters import Parameters
    from service.storage.grants import Store
    from service.storage.revocations import RevokingStore
    from service.token_verification import Verification

    Authenticated = Callable[[Parameters], Client]
    """Returns the client that sent a form; raises InvalidRequest, InvalidClient."""


@dataclass(frozen=True)
class Revocation:
    """Handles /revoke. Every token of a grant, of any generation and kind, ends the whole grant.

    This includes access tokens: RFC 7009 §2.1 leaves that to the server, and a client that logs a user out with the
    token it has means the login. A token that does not exist, or belongs to another client, gets the same 200 as a
    revoked one (§2.2): the client has what it wants, and learns nothing.
    """

    function: HttpFunction
    store: RevokingStore
    verification: Verification
    authenticated: Authenticated

    def respond(self) -> Response:
        """Revoke the token's grant. Raises InvalidRequest, InvalidClient, StoreUnavailable, KeyUnavailable."""
        form = self.function.form()
        client = self.authenticated(form)
        family_id = self._family_of(token_request.parse_token(form), client)
        if family_id is not None:
            self._give_up(family_id, client)
        return public_json(HTTPStatus.OK, {})

    def _family_of(self, text: str, client: Client) -> str | None:
        """Return the id of the family that the client's token names; None if the text cannot be such a token."""
        refresh = credentials.parse(text, Kind.REFRESH)
        if refresh is not None:
            return refresh.family if refresh.synthetic == client.synthetic else None
        try:
            token = self.verification.verify_token(text, self.function.now())
        except TokenInvalid:
            return None
        return token.family if token.client_id == client.client_id else None

    def _give_up(self, family_id: str, client: Client) -> None:
        now = self.function.now()
        family, epoch = self.store.read_family_and_epoch(family_id, synthetic=client.synthetic)
        if family is None:
            if not client.synthetic:  # its grants protect nothing, and its id is known to all
                self.store.record_disowned_token(family_id, client.client_id, now)
            return
        if families.effect_of_giving_up(family, client.client_id, now, epoch) is families.Effect.REVOKE:
            self.store.revoke(family_id, Cause.REQUEST, now, synthetic=client.synthetic)


@dataclass(frozen=True)
class Introspection:
    """Handles /introspect. It changes nothing: an earlier refresh token is inactive, and its family stays valid.

    clients: the clients that tokens may belong to.
    """

    function: HttpFunction
    store: Store
    verification: Verification
    authenticated: Authenticated
    clients: Clients

    def respond(self) -> Response:
        """Describe a token. Raises StoreUnavailable, KeyUnavailable."""
        try:
            form = self.function.form()
            client = self.authenticated(form)
            introspection.require_confidential_client(client)
            description = self._describe(token_request.parse_token(form), client)
        except OAuthError as error:
            return without_cors(oauth_error_response(error))
        return json_response(HTTPStatus.OK, introspection.INACTIVE if description is None else description)

    def _describe(self, text: str, client: Client) -> dict[str, Any] | None:
        refresh = credentials.parse(text, Kind.REFRESH)
        if refresh is not None:
            family = self._current(refresh, client)
            issuer = self.function.settings.issuer
            return None if family is None else introspection.describe_refresh_token(family, issuer)
        try:
            return self._describe_access_token(text, client)
        except TokenInvalid:
            return None

    def _current(self, refresh: Credential, client: Client) -> Family | None:
        """Return the family of a refresh token that the client could use now; None otherwise."""
        if refresh.synthetic != client.synthetic:
            return None
        family, epoch = self.store.read_family_and_epoch(refresh.family, synthetic=refresh.synthetic)
        if family is None:
            return None
        effect = families.effect(family, refresh.digest, client.client_id, self.function.now(), epoch)
        return family if effect is families.Effect.ROTATE else None

    def _describe_access_token(self, text: str, client: Client) -> dict[str, Any] | None:
        now = self.function.now()
        token = self.verification.verify_token(text, now)
        holder = self.clients.get(token.client_id) if introspection.may_introspect(client, token) else None
        if holder is None:
            return None
        self.verification.live_family(token, now, synthetic=holder.synthetic)
        return introspection.describe_access_token(token)
