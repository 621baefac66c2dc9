"""The public endpoints: metadata, keys, userinfo, health and version."""

from __future__ import annotations

import json
import time
from functools import cache, partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from service.endpoints.health import DeepHealth
from service.endpoints.userinfo import UserInfo
from service.http.app import HttpFunction
from service.http.responses import json_response, public_json
from service.keys.errors import KeyUnavailable
from service.keys.kms import PublicKeys, Vault
from service.oauth import client_metadata, metadata
from service.oauth.resources import own
from service.storage import item_schema
from service.storage.conditional_writes import StoreUnavailable
from service.storage.grants import Store
from service.token_verification import PublishedIssuer, Verification

if TYPE_CHECKING:
    from collections.abc import Callable

    from service.http.responses import Response
    from service.oauth.clients import Clients
    from service.settings import Settings

_CACHED_SECONDS: Final = 300
"""How long clients may cache metadata and keys: a new key is published for longer than this before it signs."""

_KEYS_PATH: Final = "/.well-known/jwks.json"
_OPENAPI_PATH: Final = "/openapi.json"


def build(
    settings: Settings,
    store: Store,
    keys: PublicKeys,
    vault: Vault,
    *,
    clients: Clients | None = None,
    published: PublishedIssuer | None = None,
    clock: Callable[[], float] = time.time,
) -> HttpFunction:
    """Return the function `public`.

    clients: whose tokens are accepted; by default the configured clients. published: another accepted issuer.
    """
    known = settings.clients if clients is None else clients
    function = HttpFunction(settings, clock=clock, unavailable=(StoreUnavailable, KeyUnavailable))
    app = function.routes
    described = settings.self_described
    scopes = frozenset(scope for client in settings.clients.values() for scope in client.scopes)
    if described.documents or described.registration:
        scopes |= frozenset(described.scopes)
    # Clients that use several environments can distinguish them (RFC 8414 section 2 allows additional metadata).
    also = {"environment": settings.environment} | client_metadata.metadata_fields(
        settings.issuer, documents=described.documents, registration=described.registration
    )

    documents: dict[str, dict[str, Any]] = {
        "/.well-known/oauth-authorization-server": {
            **metadata.authorization_server(settings.issuer, scopes),
            **also,
        },
        "/.well-known/openid-configuration": {**metadata.openid_configuration(settings.issuer, scopes), **also},
        **{
            f"{metadata.PROTECTED_RESOURCE_PATH}{path}": metadata.protected_resource(settings.issuer, scopes, path)
            for path in own.PATHS
        },
    }
    for path, document in documents.items():
        app.get(path)(partial(public_json, HTTPStatus.OK, document, max_age_seconds=_CACHED_SECONDS))

    @app.get(_KEYS_PATH)
    def jwks() -> Response:
        document = {"keys": [jwk.to_json_object() for jwk in keys.jwks]}
        return public_json(HTTPStatus.OK, document, max_age_seconds=_CACHED_SECONDS)

    @app.get(_OPENAPI_PATH)
    def openapi() -> Response:
        document = {**_openapi(), "servers": [{"url": settings.issuer}]}
        return public_json(HTTPStatus.OK, document, max_age_seconds=_CACHED_SECONDS)

    verification = Verification(settings.issuer, store, keys, published)
    app.route(own.USERINFO_PATH, method=["GET", "POST"])(UserInfo(function, verification, vault, known).respond)
    for path in (*documents, _KEYS_PATH, _OPENAPI_PATH, own.USERINFO_PATH):
        app.allow_scripts(path)

    @app.get("/health")
    def health() -> Response:
        function.observed.synthetic = True  # monitoring requests are not business requests
        return json_response(HTTPStatus.OK, {"healthy": True, "version": settings.version})

    app.get("/health/deep")(DeepHealth(function, store, keys).respond)

    @app.get("/version")
    def version() -> Response:
        function.observed.synthetic = True  # monitoring requests are not business requests
        release = settings.release
        return json_response(
            HTTPStatus.OK,
            {
                "function": settings.function,
                "version": settings.version,
                "commit": release.commit,
                "build": release.build,
                "configuration": release.configuration,
                "items": {"writes": item_schema.WRITES, "reads": list(item_schema.READS)},
            },
        )

    return function


@cache
def _openapi() -> dict[str, Any]:
    """Return the document that `python -m service.openapi` wrote, without a server. It is read at the first request."""
    written: dict[str, Any] = json.loads((Path(__file__).parents[1] / "openapi.json").read_bytes())
    return written
