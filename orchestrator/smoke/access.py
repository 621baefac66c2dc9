"""How the smoke test reaches the service as a client, and DynamoDB as a writer."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Self

from orchestrator.aws.dynamodb.raw_client import TABLES, Account, RawDynamoDBClient
from orchestrator.smoke.load import Load
from orchestrator.smoke.world import World

LOCAL_CLIENT = "demo-server"
LOCAL_SECRET = "local-demo-server-secret-not-for-accounts"  # noqa: S105 - of the local environment alone
CLIENT = "smoke-server"
REQUESTS_PER_SECOND = {"account": 12.0, "local": 5.0}


@dataclass(frozen=True)
class SmokeClient:
    """A client with a secret."""

    client_id: str
    secret: str

    @classmethod
    def of(cls, world: World) -> Self:
        """Return the client of the run."""
        if world.environment.local:
            return cls(LOCAL_CLIENT, LOCAL_SECRET)
        return cls(CLIENT, (world.folder / "client-secret").read_text(encoding="utf-8"))


def hash_of(secret: str) -> str:
    """Return what the settings contain instead of a secret."""
    return sha256(secret.encode()).hexdigest()


def load_of(world: World, client: SmokeClient) -> Load:
    """Return the load on the environment's service."""
    per_second = REQUESTS_PER_SECOND["local" if world.environment.local else "account"]
    return Load(world.api_url, client.client_id, client.secret, per_second)


def writer_connection(world: World) -> RawDynamoDBClient:
    """Open a new connection to DynamoDB with the caller's credentials."""
    client = world.clients("dynamodb")
    account = Account(client.meta.endpoint_url, client.meta.region_name, client._request_signer._credentials)  # noqa: SLF001 - botocore has no other way to the credentials of a client
    return RawDynamoDBClient(account, TABLES)
