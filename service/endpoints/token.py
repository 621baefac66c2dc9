"""The token endpoint (RFC 6749 §3.2): a form in, tokens or an error out."""

from __future__ import annotations

import os
import time
from http import HTTPStatus
from typing import TYPE_CHECKING

from service.answers import as_oauth, open_to_all, preflight
from service.edge import Edge
from service.endpoints.registration import Registrar, RegistrationEndpoint
from service.issuance import Issuance, Signs
from service.keys import KeyUnavailable
from service.oauth import token_request
from service.oauth.token_request import CodeGrant
from service.storage import Store, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from service.answers import Response
    from service.oauth.clients import Clients
    from service.settings import Settings


def build(
    settings: Settings,
    store: Store,
    signer: Signs,
    *,
    clients: Clients | None = None,
    registrar: Registrar | None = None,
    clock: Callable[[], float] = time.time,
    entropy: Callable[[int], bytes] = os.urandom,
) -> Edge:
    """Return the function `token`.

    clients: who may ask; without it, the clients that are configured. registrar: who registers others; without it, nobody.
    """
    known = settings.clients if clients is None else clients
    edge = Edge(settings, clock=clock, unavailable=(StoreUnavailable, KeyUnavailable), tell=as_oauth)
    issuance = Issuance(settings.issuer, store, signer, entropy)

    @edge.app.post("/token")
    def token() -> Response:
        edge.observed.asks_for_grant = True
        form = edge.form()
        claimed = settings.clients.get(form.optional("client_id") or "")
        edge.observed.synthetic = claimed is not None and claimed.synthetic
        client = token_request.authenticated(form, edge.header("authorization"), known)
        grant = token_request.read(form)
        now = edge.now()
        if isinstance(grant, CodeGrant):
            issued = issuance.redeem(grant, client, now)
        else:
            issued = issuance.refresh(grant, client, now)
        edge.observed.grant = "issued"
        return open_to_all(HTTPStatus.OK, issued.body())

    @edge.app.route("/token", method="OPTIONS")
    def token_preflight() -> Response:
        return preflight("POST")

    edge.app.post("/register")(RegistrationEndpoint(edge, registrar, entropy).answer)

    return edge
