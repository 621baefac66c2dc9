"""The token endpoint (RFC 6749 §3.2), and the endpoints for revocation, introspection and registration."""

from __future__ import annotations

import os
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from service.clients import registry
from service.endpoints.grants import Introspection, Revocation
from service.endpoints.registration import Registrar, RegistrationEndpoint
from service.http.app import HttpFunction
from service.http.responses import public_json, render_as_oauth, without_cors
from service.keys.errors import KeyUnavailable
from service.keys.issuing_lease import NoLease
from service.oauth import credentials, token_request
from service.oauth.credentials import Kind
from service.oauth.errors import InvalidGrant
from service.oauth.token_request import CodeGrant
from service.request_metrics import UNCONFIGURED_CLIENT
from service.storage.conditional_writes import StoreUnavailable
from service.token_issuance import Issuance, TokenSigner
from service.token_verification import PublishedIssuer, SignatureVerifier, Verification

if TYPE_CHECKING:
    from collections.abc import Callable

    from service.http.responses import Failure, Response
    from service.keys.issuing_lease import Lease
    from service.oauth.clients import Client, Clients
    from service.oauth.parameters import Parameters
    from service.oauth.token_request import Grant
    from service.settings import Settings
    from service.storage.revocations import RevokingStore

_REVOKE: Final = "/revoke"
_INTROSPECT: Final = "/introspect"
_REGISTER: Final = "/register"


def build(
    settings: Settings,
    store: RevokingStore,
    signer: TokenSigner,
    keys: SignatureVerifier,
    *,
    clients: Clients | None = None,
    registrar: Registrar | None = None,
    published: PublishedIssuer | None = None,
    lease: Lease | None = None,
    clock: Callable[[], float] = time.time,
    entropy: Callable[[int], bytes] = os.urandom,
) -> HttpFunction:
    """Return the function `token`.

    keys: verifies the signer's signatures; published: another accepted issuer. clients: the known clients; by default
    the configured ones. registrar: registers clients; by default registration is disabled, and its
    address does not exist. lease: permits this region to sign tokens; by default no lease is needed.
    """
    known = settings.clients if clients is None else clients
    function = HttpFunction(
        settings,
        clock=clock,
        unavailable=(StoreUnavailable, KeyUnavailable),
        render_failure=render_as_oauth,
        render_failure_at=dict.fromkeys((_INTROSPECT, _REGISTER), _as_oauth_to_servers),
    )
    issuance = Issuance(
        settings.issuer, store, signer, entropy, settings.refresh_grace_seconds, lease=lease or NoLease()
    )
    verification = Verification(settings.issuer, store, keys, published)

    def authenticated(form: Parameters) -> Client:
        claimed = settings.clients.get(form.optional("client_id") or "")
        function.observed.synthetic = claimed is not None and claimed.synthetic
        authorization = function.header("authorization")
        client_id, secret = token_request.client_credentials(form, authorization)
        function.observed.claimed_client = registry.loggable_id(client_id, settings.clients)
        client = token_request.authenticate_client(form, authorization, known)
        function.observed.client = UNCONFIGURED_CLIENT if client.self_described else client.client_id
        function.observed.earlier_secret = client.used_earlier_secret(secret)
        return client

    @function.routes.post("/token")
    def token() -> Response:
        function.observed.asks_for_grant = True
        form = function.form()
        client = authenticated(form)
        grant = token_request.parse_grant(form)
        now = function.now()
        try:
            if isinstance(grant, CodeGrant):
                issued = issuance.redeem(grant, client, now)
            else:
                issued = issuance.refresh(grant, client, now)
        except InvalidGrant:
            function.observed.known_grant_refused = _is_first_refusal(store, grant, client, now) or None
            raise
        function.observed.grant, function.observed.known_grant_refused = "issued", False
        return public_json(HTTPStatus.OK, issued.body())

    function.routes.post(_REVOKE)(Revocation(function, store, verification, authenticated).respond)
    function.routes.post(_INTROSPECT)(Introspection(function, store, verification, authenticated, known).respond)

    if registrar is not None:
        function.routes.post(_REGISTER)(RegistrationEndpoint(function, registrar, entropy).respond)
    for path in ("/token", _REVOKE):
        function.routes.allow_scripts(path)

    return function


def _is_first_refusal(store: RevokingStore, grant: Grant, client: Client, now: int) -> bool:
    """Return whether a refused grant is one of this client's, and was never refused before.

    Only such a refusal may be the service's fault. What is garbage, another client's, or sent again and again is the
    sender's doing, and must not be able to roll a release back. The answer to the client does not depend on it.
    """
    text, kind = (grant.code, Kind.CODE) if isinstance(grant, CodeGrant) else (grant.token, Kind.REFRESH)
    credential = credentials.parse(text, kind)
    if credential is None or credential.synthetic != client.synthetic:
        return False
    try:
        return store.mark_refused(credential, client.client_id, now)
    except StoreUnavailable:
        return False


def _as_oauth_to_servers(failure: Failure) -> Response:
    return without_cors(render_as_oauth(failure))
