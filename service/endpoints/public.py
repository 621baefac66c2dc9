"""What anybody may ask: metadata, keys, userinfo, health, version."""

from __future__ import annotations

import json
import time
from functools import cache, partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from service import item_layouts
from service.answers import json_answer, open_to_all, preflight
from service.edge import Edge
from service.endpoints.userinfo import UserInfo
from service.keys import KeyUnavailable, PublicKeys, Vault
from service.oauth import client_metadata, metadata
from service.storage import Store, StoreUnavailable
from service.verification import Published, Verification

if TYPE_CHECKING:
    from collections.abc import Callable

    from service.answers import Response
    from service.oauth.clients import Clients
    from service.settings import Settings

_CACHED_SECONDS: Final = 300
"""How long metadata and keys may be kept by their readers: a new key is published for longer than this before it signs."""
HEALTH_DEADLINE_SECONDS: Final = 2.5

_KEYS_PATH: Final = "/.well-known/jwks.json"
_OPENAPI_PATH: Final = "/openapi.json"


def build(
    settings: Settings,
    store: Store,
    keys: PublicKeys,
    vault: Vault,
    *,
    clients: Clients | None = None,
    published: Published | None = None,
    clock: Callable[[], float] = time.time,
) -> Edge:
    """Return the function `public`.

    clients: whose tokens count; without it, the clients that are configured. published: another issuer whose tokens are known.
    """
    known = settings.clients if clients is None else clients
    edge = Edge(settings, clock=clock, unavailable=(StoreUnavailable, KeyUnavailable))
    app = edge.app
    described = settings.self_described
    scopes = frozenset(scope for client in settings.clients.values() for scope in client.scopes)
    if described.documents or described.registration:
        scopes |= frozenset(described.scopes)
    # Whoever has a client in several environments is told which one this is (RFC 8414 section 2 lets metadata have more).
    also = {"environment": settings.environment} | client_metadata.advertised(
        settings.issuer, documents=described.documents, registration=described.registration
    )

    documents = {
        "/.well-known/oauth-authorization-server": {
            **metadata.authorization_server(settings.issuer, scopes),
            **also,
        },
        "/.well-known/openid-configuration": {**metadata.openid_configuration(settings.issuer, scopes), **also},
        metadata.PROTECTED_RESOURCE_PATH: metadata.protected_resource(settings.issuer, scopes),
    }
    for path, document in documents.items():
        app.get(path)(partial(open_to_all, HTTPStatus.OK, document, max_age_seconds=_CACHED_SECONDS))

    @app.get(_KEYS_PATH)
    def jwks() -> Response:
        document = {"keys": [jwk.published() for jwk in keys.jwks]}
        return open_to_all(HTTPStatus.OK, document, max_age_seconds=_CACHED_SECONDS)

    @app.get(_OPENAPI_PATH)
    def openapi() -> Response:
        document = {**_openapi(), "servers": [{"url": settings.issuer}]}
        return open_to_all(HTTPStatus.OK, document, max_age_seconds=_CACHED_SECONDS)

    verification = Verification(settings.issuer, store, keys, published)
    app.route("/userinfo", method=["GET", "POST"])(UserInfo(edge, verification, vault, known).answer)

    def _preflight() -> Response:
        return preflight("GET, POST")

    for path in (*documents, _KEYS_PATH, _OPENAPI_PATH, "/userinfo"):
        app.route(path, method="OPTIONS")(_preflight)

    @app.get("/health")
    def health() -> Response:
        edge.observed.synthetic = True  # monitoring is no business
        return json_answer(HTTPStatus.OK, {"healthy": True, "version": settings.version})

    @app.get("/health/deep")
    def health_deep() -> Response:
        edge.observed.synthetic = True  # monitoring is no business
        deadline = time.monotonic() + HEALTH_DEADLINE_SECONDS
        probes = {"state_table": store.probe_state, "tokens_table_epoch": store.epoch, "signing_key": keys.probe}
        checks = {name: _checked(probe, deadline) for name, probe in probes.items()}
        healthy = all(check["healthy"] for check in checks.values())
        status = HTTPStatus.OK if healthy else HTTPStatus.SERVICE_UNAVAILABLE
        return json_answer(status, {"healthy": healthy, "version": settings.version, "checks": checks})

    @app.get("/version")
    def version() -> Response:
        edge.observed.synthetic = True  # monitoring is no business
        release = settings.release
        return json_answer(
            HTTPStatus.OK,
            {
                "function": settings.function,
                "version": settings.version,
                "commit": release.commit,
                "build": release.build,
                "configuration": release.configuration,
                "items": {"writes": item_layouts.WRITES, "reads": list(item_layouts.READS)},
            },
        )

    return edge


@cache
def _openapi() -> dict[str, Any]:
    """Return what `python -m service.openapi` wrote, without the server that serves it. Read when it is first asked for."""
    written: dict[str, Any] = json.loads((Path(__file__).parents[1] / "openapi.json").read_bytes())
    return written


def _checked(probe: Callable[[], object], deadline: float) -> dict[str, Any]:
    """Run one check and time it; what comes after the deadline is not begun and counts as failed."""
    started = time.monotonic()
    if started >= deadline:
        return {"healthy": False, "error": "deadline"}
    try:
        probe()
    except (StoreUnavailable, KeyUnavailable) as error:
        return {"healthy": False, "ms": _milliseconds(started), "error": str(error)}
    return {"healthy": True, "ms": _milliseconds(started)}


def _milliseconds(started: float) -> float:
    return round((time.monotonic() - started) * 1000, 1)
