"""The environment variables that tell the functions of clients, and how many variables Lambda takes.

What a function would refuse when it loads is refused here already, when the stack is synthesised: by the same code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

from aws_cdk import Token

from environments import ClientSettings, Environment, EnvironmentRefused
from service.oauth.clients import Client

LAMBDA_LIMIT_BYTES = 4096
"""Of all variables of a function, counted as one JSON object: what Lambda quotes when it has measured too much is one, with the
quotes within values escaped. Counted otherwise it would be less, so this errs on the safe side."""

_UNKNOWN_BYTES = 128
"""What a value may take that is known only when the stack is deployed: the ARN of a key, the address of an API."""


def of_clients(environment: Environment) -> Mapping[str, str]:
    """Return the variables that say who the clients are. Raises EnvironmentRefused for a client no function would accept."""
    service = environment.service
    for number, client in enumerate(service.clients):
        _check(f"{environment.name}.service.clients[{number}]", client)
    return {
        "CLIENTS": json.dumps([_told(client) for client in service.clients], separators=(",", ":")),
        "CLIENT_DOCUMENTS": _switch(on=service.client_documents),
        "REGISTRATION": _switch(on=service.registration_token_sha256 is not None),
        "SELF_DESCRIBED_CLIENT_SCOPES": " ".join(service.self_described_client_scopes),
    }


def check_size(environment: Environment, function: str, variables: Mapping[str, str]) -> None:
    """Raise EnvironmentRefused when a function's variables are more than Lambda takes."""
    known = {name: "" if Token.is_unresolved(value) else value for name, value in variables.items()}
    unknown = sum(Token.is_unresolved(value) for value in variables.values())
    size_bytes = len(json.dumps(known).encode()) + unknown * _UNKNOWN_BYTES
    if size_bytes > LAMBDA_LIMIT_BYTES:
        largest = max(known, key=lambda name: len(known[name]))
        raise EnvironmentRefused(
            f"{environment.name}.service.clients"
            if largest == "CLIENTS"
            else f"{environment.name}.service ({largest})",
            f"{size_bytes} bytes of variables for {function}",
            f"Lambda takes {LAMBDA_LIMIT_BYTES}: configure fewer or shorter clients, and let the others describe themselves"
            " (client_documents = true)",
        )


def _check(place: str, client: ClientSettings) -> None:
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
        raise EnvironmentRefused(place, client.client_id, str(error)) from error


def _told(client: ClientSettings) -> Mapping[str, object]:
    """Return what is said of a client. What is empty is left out, for the sake of Lambda's limit; `scopes` has no default."""
    return {key: value for key, value in asdict(client).items() if key == "scopes" or value not in {None, False, ()}}


def _switch(*, on: bool) -> str:
    return "on" if on else "off"
