"""The clients of an environment: the configured ones, and what they leave to managed ones."""

from __future__ import annotations

from orchestrator.cli.context import Context
from orchestrator.domain.clients.client import Limits, ManagedClient
from orchestrator.domain.clients.diagnosis import Configuration
from orchestrator.domain.errors import Refused

CONFIGURED, MANAGED = "configured", "managed"


def limits_of(context: Context) -> Limits:
    """Return what managed clients may have, by the rule of the service (service/clients/managed.py)."""
    configured = context.environment.service.clients
    real = [client for client in configured if not client.synthetic]
    resources = {uri for client in real for uri in (client.audience, *client.resources) if uri is not None}
    return Limits(
        frozenset(client.client_id for client in configured),
        frozenset(scope for client in real for scope in client.scopes),
        frozenset(resources),
    )


def configurations(context: Context) -> list[Configuration]:
    """Return every client of the environment that operators know: the configured ones, then the managed ones."""
    configured = [
        Configuration(
            client.client_id,
            CONFIGURED,
            client.name,
            client.redirect_uris,
            client.scopes,
            client.resources,
            public=client.secret_sha256 is None,
        )
        for client in context.environment.service.clients
    ]
    return configured + [_of_managed(client) for client in context.cloud.client_records.list_clients()]


def read_configuration(context: Context, client_id: str) -> Configuration:
    """Return one client. A configured client wins.

    Raises:
        Refused: operators do not know it: it is unknown, has registered, or has a metadata document.
    """
    found = next((client for client in configurations(context) if client.client_id == client_id), None)
    if found is None:
        remedy = (
            "name one that `orchestrator clients list` lists; clients that registered or have a metadata document are "
            "not logged by their ids"
        )
        raise Refused("CLIENT", client_id, remedy)
    return found


def _of_managed(client: ManagedClient) -> Configuration:
    return Configuration(
        client.client_id,
        MANAGED,
        client.name,
        client.redirect_uris,
        client.scopes,
        client.resources,
        public=client.is_public,
        managed=client,
    )
