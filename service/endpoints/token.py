"""The token endpoint (RFC 6749 §3.2): a form in, tokens or an error out; and what else clients do with tokens of theirs."""

from __future__ import annotations

import os
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from service.answers import as_oauth, open_to_all, preflight, to_servers
from service.edge import Edge
from service.endpoints.grants import Introspection, Revocation
from service.endpoints.registration import Registrar, RegistrationEndpoint
from service.issuance import Issuance, Signs
from service.keys import KeyUnavailable
from service.metrics import SELF_DESCRIBED
from service.oauth import token_request
from service.oauth.token_request import CodeGrant
from service.storage import StoreUnavailable
from service.verification import Published, Verification, Verifies

if TYPE_CHECKING:
    from collections.abc import Callable

    from service.answers import Failure, Response
    from service.oauth.clients import Client, Clients
    from service.oauth.parameters import Parameters
    from service.revocations import RevokingStore
    from service.settings import Settings

_REVOKE: Final = "/revoke"
_INTROSPECT: Final = "/introspect"


def build(
    settings: Settings,
    store: RevokingStore,
    signer: Signs,
    keys: Verifies,
    *,
    clients: Clients | None = None,
    registrar: Registrar | None = None,
    published: Published | None = None,
    clock: Callable[[], float] = time.time,
    entropy: Callable[[int], bytes] = os.urandom,
) -> Edge:
    """Return the function `token`.

    keys: those that the signer signs with; published: another issuer whose tokens are known. clients: who may ask; without it, the
    clients that are configured. registrar: who registers others; without it, nobody.
    """
    known = settings.clients if clients is None else clients
    edge = Edge(
        settings,
        clock=clock,
        unavailable=(StoreUnavailable, KeyUnavailable),
        tell=as_oauth,
        tell_at={_INTROSPECT: _as_oauth_to_servers},
    )
    issuance = Issuance(settings.issuer, store, signer, entropy)
    verification = Verification(settings.issuer, store, keys, published)

    def authenticated(form: Parameters) -> Client:
        claimed = settings.clients.get(form.optional("client_id") or "")
        edge.observed.synthetic = claimed is not None and claimed.synthetic
        client = token_request.authenticated(form, edge.header("authorization"), known)
        edge.observed.client = client.client_id if client.client_id in settings.clients else SELF_DESCRIBED
        return client

    @edge.app.post("/token")
    def token() -> Response:
        edge.observed.asks_for_grant = True
        form = edge.form()
        client = authenticated(form)
        grant = token_request.read(form)
        now = edge.now()
        if isinstance(grant, CodeGrant):
            issued = issuance.redeem(grant, client, now)
        else:
            issued = issuance.refresh(grant, client, now)
        edge.observed.grant = "issued"
        return open_to_all(HTTPStatus.OK, issued.body())

    edge.app.post(_REVOKE)(Revocation(edge, store, verification, authenticated).answer)
    edge.app.post(_INTROSPECT)(Introspection(edge, store, verification, authenticated, known).answer)

    def _preflight() -> Response:
        return preflight("POST")

    for path in ("/token", _REVOKE):
        edge.app.route(path, method="OPTIONS")(_preflight)

    edge.app.post("/register")(RegistrationEndpoint(edge, registrar, entropy).answer)

    return edge


def _as_oauth_to_servers(failure: Failure) -> Response:
    return to_servers(as_oauth(failure))
