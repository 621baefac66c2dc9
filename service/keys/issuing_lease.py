"""The issuing lease: until when the functions of this region may sign tokens (ADR 65).

The lease is an item next to the key ring, which the orchestrator renews every minute while this region may issue tokens.
A lease that was granted is never shortened, so a process keeps it in memory and reads it again near its end.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, Protocol

from service.keys.errors import KeyUnavailable
from service.settings import SettingInvalid, required
from service.storage.conditional_writes import STORE_ERRORS, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_dynamodb import DynamoDBClient

LEASE_KEY: Final = "issuing-lease"
READ_AGAIN_SECONDS: Final = 90
"""How long before its end a lease is read again. It is renewed every minute."""
MIN_READ_SECONDS: Final = 2
"""Minimum interval of reads, also while there is no lease."""


class Lease(Protocol):
    """What permits this region to sign tokens."""

    def require(self) -> None:
        """Raise KeyUnavailable unless this region may sign tokens now."""


class NoLease:
    """No lease is needed: the environment has no standby region."""

    def require(self) -> None:
        """Do nothing."""


class IssuingLease:
    """The lease in the table of the key ring. clock: seconds since the epoch."""

    def __init__(self, client: DynamoDBClient, table: str, clock: Callable[[], float] = time.time) -> None:
        self._client, self._table, self._clock = client, table, clock
        self._until = self._read_at = -float("inf")

    def require(self) -> None:
        """Raise KeyUnavailable unless this region may sign tokens now."""
        now = self._clock()
        if now >= self._until - READ_AGAIN_SECONDS and now >= self._read_at + MIN_READ_SECONDS:
            self._read_or_keep(now)
        if self._clock() >= self._until:
            raise KeyUnavailable("this region has no issuing lease: another region may issue tokens")

    def _read_or_keep(self, now: float) -> None:
        """Read the lease; keep the one in memory if it cannot be read."""
        self._read_at = now
        try:
            with STORE_ERRORS:
                key: Any = {"pk": {"S": LEASE_KEY}}
                item = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
                until = float(item["until"]["N"]) if item else -float("inf")
        except (StoreUnavailable, KeyError, ValueError):
            return
        self._until = max(self._until, until)


def from_environment(
    variables: Mapping[str, str], client: DynamoDBClient, clock: Callable[[], float] = time.time
) -> Lease:
    """Return the lease of ISSUING_LEASE and KEYS_TABLE. Without the variable no lease is needed.

    Raises SettingInvalid.
    """
    value = variables.get("ISSUING_LEASE", "off")
    if value not in {"on", "off"}:
        raise SettingInvalid("ISSUING_LEASE", f"is {value!r}, not on or off")
    return IssuingLease(client, required(variables, "KEYS_TABLE"), clock) if value == "on" else NoLease()
