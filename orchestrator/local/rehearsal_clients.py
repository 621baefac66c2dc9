"""Clients of the OAuth service in a failover rehearsal, and the assertions about their results."""

from __future__ import annotations

import json
import random
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

from orchestrator.domain.errors import OrchestratorError
from orchestrator.local.oauth_client import Connection, OAuthClient, Tokens, TrafficClient
from orchestrator.local.waiting import wait_until

PATIENCE_SECONDS: Final = 180.0
"""A limit, not a measurement: a loaded machine needs longer than a quiet one."""
_REGISTRATION_TOKEN: Final = "local-registration-token-not-for-accounts"  # noqa: S105 - of the local environment alone
_REDIRECT: Final = "https://registered.example/callback"

Result = TypeVar("Result")


class RehearsalFailed(OrchestratorError):
    """A step of the plan did not have its required result."""


@dataclass(frozen=True)
class RehearsalClients:
    """Tokens and clients from before the outage.

    Attributes:
        tokens_before_backup: tokens that were issued before the cross-region backups.
        client_before_backup: a client that registered before the cross-region backups.
        client_after_backup: a client that registered after them.
    """

    tokens_before_backup: Tokens
    client_before_backup: TrafficClient
    client_after_backup: TrafficClient


@contextmanager
def connect(api_url: str, platform_url: str) -> Iterator[OAuthClient]:
    """Connect to a service and an upstream identity provider, and close the connections on exit."""
    service, platform = Connection(api_url), Connection(platform_url)
    try:
        yield OAuthClient(service, platform, lambda _: None, random.Random(1))  # noqa: S311 - test traffic
    finally:
        service.close()
        platform.close()


def register(api_url: str) -> TrafficClient:
    """Register a client. The service reads its entry in the tokens table at every later request of the client."""
    metadata = {"client_name": "Registered", "redirect_uris": [_REDIRECT]}
    request = urllib.request.Request(  # noqa: S310 - the local cloud
        f"{api_url}/register",
        json.dumps(metadata, allow_nan=False).encode(),
        {"Authorization": f"Bearer {_REGISTRATION_TOKEN}", "Content-Type": "application/json"},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as response:  # noqa: S310 - as above
        client = json.load(response)
    return TrafficClient(client["client_id"], _REDIRECT, secret=client["client_secret"])


def require(result: Result | None, what: str) -> Result:
    """Return the result; raises RehearsalFailed if there is none."""
    if result is None:
        raise RehearsalFailed(f"{what} failed")
    return result


def require_equal(actual: object, expected: object, what: str) -> None:
    """Raise RehearsalFailed unless a value is the expected one."""
    if actual != expected:
        raise RehearsalFailed(f"{what}: {actual}, expected {expected}")


def wait_until_true(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition; raises RehearsalFailed after `PATIENCE_SECONDS`."""
    wait_until(lambda: condition() or None, PATIENCE_SECONDS, what, RehearsalFailed, 0.1)
