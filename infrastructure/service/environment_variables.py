"""The environment variables that configure OAuth clients, and Lambda's limit for the variables of a function.

Clients are validated at synthesis with the code that the functions use at startup.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

from aws_cdk import Token

from orchestrator.environments import ClientSettings, Environment, EnvironmentRefused
from service.oauth.clients import Client

LAMBDA_LIMIT_BYTES = 4096
"""The limit for all variables of a function, measured as one JSON object.

Lambda's error message quotes such an object with escaped quotes. Any other encoding is shorter, so this is
conservative.
"""

_UNRESOLVED_BYTES = 128
"""Assumed size of a value that is resolved at deployment: the ARN of a key, or the address of an API."""


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


def check_size(environment: Environment, function: str, variables: Mapping[str, str]) -> None:
    """Check that a function's variables are within Lambda's limit.

    Raises:
        EnvironmentRefused: they are too large.
    """
    resolved = {name: "" if Token.is_unresolved(value) else value for name, value in variables.items()}
    unresolved = sum(Token.is_unresolved(value) for value in variables.values())
    size_bytes = len(json.dumps(resolved, allow_nan=False).encode()) + unresolved * _UNRESOLVED_BYTES
    if size_bytes > LAMBDA_LIMIT_BYTES:
        largest = max(resolved, key=lambda name: len(resolved[name]))
        raise EnvironmentRefused(
            f"{environment.name}.service.clients"
            if largest == "CLIENTS"
            else f"{environment.name}.service ({largest})",
            f"{size_bytes} bytes of variables for {function}",
            f"Lambda's limit is {LAMBDA_LIMIT_BYTES} bytes: configure fewer or shorter clients, and let the others use"
            " client ID metadata documents (client_metadata_documents = true)",
        )


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
