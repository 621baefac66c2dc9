"""What a rehearsal plays and waits for: clients that register and log in, whatever becomes of the cloud in the meantime."""

from __future__ import annotations

import json
import random
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

from orchestrator.domain.errors import OrchestratorError
from orchestrator.local.oauth_client import Connection, OAuthClient, Tokens, TrafficClient

PATIENCE_SECONDS: Final = 60.0
_REGISTRATION_TOKEN: Final = "local-registration-token-not-for-accounts"  # noqa: S105 - of the local environment alone
_REDIRECT: Final = "https://registered.example/callback"

Found = TypeVar("Found")


class RehearsalFailed(OrchestratorError):
    """A step of the plan did not come out as it must."""


@dataclass(frozen=True)
class People:
    """What clients and people hold when the region is lost: before and after the copies were made."""

    copied: Tokens
    registered: TrafficClient
    too_late: TrafficClient


@contextmanager
def player(api_url: str, platform_url: str) -> Iterator[OAuthClient]:
    """Play clients and people of a service at an address."""
    service, platform = Connection(api_url), Connection(platform_url)
    try:
        yield OAuthClient(service, platform, lambda _: None, random.Random(1))  # noqa: S311 - of a rehearsal
    finally:
        service.close()
        platform.close()


def register(api_url: str) -> TrafficClient:
    """Register a client, which needs its entry in the tokens table for all it does from then on."""
    asked = {"client_name": "Registered", "redirect_uris": [_REDIRECT]}
    request = urllib.request.Request(  # noqa: S310 - the local cloud
        f"{api_url}/register",
        json.dumps(asked).encode(),
        {"Authorization": f"Bearer {_REGISTRATION_TOKEN}", "Content-Type": "application/json"},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answered:  # noqa: S310 - as above
        found = json.load(answered)
    return TrafficClient(found["client_id"], _REDIRECT, secret=found["client_secret"])


def must(found: Found | None, what: str) -> Found:
    """Return what was found; raises RehearsalFailed where that is nothing."""
    if found is None:
        raise RehearsalFailed(f"{what} did not come to its end")
    return found


def must_be(found: object, wanted: object, what: str) -> None:
    """Hold what was found to what is wanted; raises RehearsalFailed."""
    if found != wanted:
        raise RehearsalFailed(f"{what}: {found}, must be {wanted}")


def eventually(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition; raises RehearsalFailed after `PATIENCE_SECONDS`."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise RehearsalFailed(f"{what} was not there after {PATIENCE_SECONDS:g} s")
        time.sleep(0.1)
