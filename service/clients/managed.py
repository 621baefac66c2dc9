"""Managed clients: operators add them with `orchestrator clients`, without a deployment (docs/adr/0063).

The service only reads them. The environment's configuration limits them: a managed client gets no scope and no
resource that no configured client has, is no resource server, and is never the synthetic identity.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from service.oauth.clients import Client
from service.oauth.resources import own

if TYPE_CHECKING:
    from collections.abc import Iterable

    from service.oauth.scopes import Scope

MAX_ID_CHARACTERS: Final = 64
_ID = re.compile(r"app(-[a-z0-9]+)+")


@dataclass(frozen=True)
class Managed:
    """A managed client, as it is stored. Times are epoch seconds.

    secret_sha256: hex SHA-256 of its secret; None for a public client.
    earlier_secret_sha256: of the secret before it, which is accepted until `earlier_secret_until`; None without one.
    disabled: an operator disabled it; it is then unknown to every endpoint.
    """

    client_id: str
    name: str
    redirect_uris: tuple[str, ...]
    scopes: Scope
    resources: tuple[str, ...] = ()
    secret_sha256: str | None = None
    earlier_secret_sha256: str | None = None
    earlier_secret_until: int = 0
    disabled: bool = False


@dataclass(frozen=True)
class Limits:
    """What managed clients may have: the scopes and resources of the configured clients. audience: the issuer."""

    scopes: frozenset[str]
    resources: frozenset[str]
    audience: str


def limits_of(configured: Iterable[Client], issuer: str) -> Limits:
    """Return what the configured clients, without the synthetic identity, leave to managed clients."""
    real = [client for client in configured if not client.synthetic]
    resources = {uri for client in real for uri in (client.audience, *client.resources)} - {issuer}
    return Limits(frozenset(scope for client in real for scope in client.scopes), frozenset(resources), issuer)


def is_managed_id(client_id: str) -> bool:
    """Return whether a client id has the form of managed ids: `app-` and words, in lower case."""
    return len(client_id) <= MAX_ID_CHARACTERS and _ID.fullmatch(client_id) is not None


def to_client(managed: Managed, limits: Limits, now: int) -> Client | None:
    """Return the client; None if it is disabled.

    Raises ValueError for an invalid value, such as a redirect URI that no client may have.
    """
    if managed.disabled:
        return None
    earlier = managed.earlier_secret_sha256 if now < managed.earlier_secret_until else None
    return Client(
        client_id=managed.client_id,
        name=managed.name,
        redirect_uris=managed.redirect_uris,
        scopes=tuple(scope for scope in managed.scopes if scope in limits.scopes),
        audience=limits.audience,
        secret_sha256=managed.secret_sha256,
        resources=tuple(uri for uri in managed.resources if uri in limits.resources),
        audience_names=own.audience_names(limits.audience),
        earlier_secret_sha256=earlier,
    )
