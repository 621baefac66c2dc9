"""The environment variables that configure OAuth clients.

Clients are validated at synthesis with the code that the functions use at startup.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

from orchestrator.environments import ClientSettings, Environment, EnvironmentRefused
from service.oauth.clients import Client


def client_variables(environment: Environment) -> Mapping[str, str]:
    """Return the variables that configure the clients.

    Raises:
        EnvironmentRefused: the functions would reject a client.
    """
    service = environment.service
    for number, client in enumerate(service.clients):
        _check(f"{environment.name}.service.clients[{number}]", client)
    return {
        "CLIENTS": json.dumps(
            [_client_entry(client) for client in service.clients], separators=(",", ":"), allow_nan=False
        ),
        "CLIENT_DOCUMENTS": _switch(on=service.client_metadata_documents),
        "REGISTRATION": _switch(on=service.registration_token_sha256 is not None),
        "MANAGED_CLIENTS": _switch(on=service.managed_clients),
        "SELF_DESCRIBED_CLIENT_SCOPES": " ".join(service.metadata_document_client_scopes),
    }


def _check(field: str, client: ClientSettings) -> None:
    try:
        Client(
            client_id=client.client_id,
            name=client.name,
            redirect_uris=client.redirect_uris,
            scopes=client.scopes,
            audience=client.audience or "the issuer",
            secret_sha256=client.secret_sha256,
            synthetic=client.synthetic,
            resources=client.resources,
            identifies_as=client.identifies_as,
        )
    except ValueError as error:
        raise EnvironmentRefused(field, client.client_id, str(error)) from error


def _client_entry(client: ClientSettings) -> Mapping[str, object]:
    """Return a client's entry. Empty values are omitted because of Lambda's limit; `scopes` has no default."""
    return {key: value for key, value in asdict(client).items() if key == "scopes" or value not in {None, False, ()}}


def _switch(*, on: bool) -> str:
    return "on" if on else "off"
