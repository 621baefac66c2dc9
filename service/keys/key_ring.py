"""The key ring: the signing keys, which the orchestrator rotates and the functions read.

A new key is first published, so that clients that cache our key set have it before anything is signed with it. Then
it signs. Then it retires and stays published for as long as something signed with it can be valid. Without a ring the
stack's own key signs alone. The ring has no public keys; they come from KMS. A writer of this table therefore cannot
publish a key of its own.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Protocol

from service.keys.errors import KeyUnavailable
from service.settings import required
from service.storage.conditional_writes import STORE_ERRORS, StoreUnavailable
from service.storage.item_schema import ItemSchemaUnknown
from service.storage.tables import NO_TABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_dynamodb import DynamoDBClient

RING_KEY: Final = "ring"

CACHED_SECONDS: Final = 60
STALE_SECONDS: Final = 900
"""How long the last ring is used while it cannot be read: a rotation waits this long for outdated processes."""
MIN_REFRESH_SECONDS: Final = 5
"""Minimum interval of reads past the cache: tokens with invented key ids cause no more reads."""
_READS: Final = (1,)


class Phase(Enum):
    """The purpose of a key in the ring, in the order of the key set."""

    SIGNING = "signing"
    PUBLISHED = "published"
    RETIRING = "retiring"


@dataclass(frozen=True)
class RingKey:
    """A key of the ring. key_id: its id in KMS; kid: its thumbprint, None if it is not recorded."""

    key_id: str
    kid: str | None
    phase: Phase

    @property
    def not_yet_signing(self) -> bool:
        """Whether the key is new: nothing is signed with it yet."""
        return self.phase is Phase.PUBLISHED


class Ring(Protocol):
    """The signing keys. Every method may raise KeyUnavailable."""

    def list_keys(self) -> tuple[RingKey, ...]:
        """Return the keys, the signing one first."""

    def refresh(self) -> None:
        """Read the ring past the cache, unless that was done recently."""

    def read_now(self) -> tuple[RingKey, ...]:
        """Read the ring now, and return the keys."""


@dataclass(frozen=True)
class SingleKeyRing:
    """A ring of one key that never changes."""

    key_id: str

    def list_keys(self) -> tuple[RingKey, ...]:
        """Return the key."""
        return (RingKey(self.key_id, None, Phase.SIGNING),)

    def refresh(self) -> None:
        """Do nothing: there is nothing to read."""

    def read_now(self) -> tuple[RingKey, ...]:
        """Return the key."""
        return self.list_keys()


class KeyRing:
    """The ring in its table, cached in the process for CACHED_SECONDS. clock: seconds; only differences matter."""

    def __init__(
        self,
        client: DynamoDBClient,
        table: str,
        stack_key_id: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client, self._table, self._clock = client, table, clock
        self._stack_key = SingleKeyRing(stack_key_id)
        self._keys: tuple[RingKey, ...] = ()
        self._read_at = self._attempted_at = -float("inf")

    def list_keys(self) -> tuple[RingKey, ...]:
        """Return the keys, the signing one first. Raises KeyUnavailable."""
        if self._clock() - self._read_at >= CACHED_SECONDS:
            self._read_or_keep()
        return self._keys

    def refresh(self) -> None:
        """Read the ring past the cache, unless it was tried within MIN_REFRESH_SECONDS. Raises KeyUnavailable."""
        self._read_or_keep()

    def read_now(self) -> tuple[RingKey, ...]:
        """Read the ring now, and return the keys. Raises KeyUnavailable."""
        self._read()
        return self._keys

    def _read_or_keep(self) -> None:
        now = self._clock()
        still_usable = now - self._read_at < STALE_SECONDS
        if still_usable and now - self._attempted_at < MIN_REFRESH_SECONDS:
            return
        try:
            self._read()
        except KeyUnavailable:
            if not still_usable:
                raise

    def _read(self) -> None:
        self._attempted_at = self._clock()
        try:
            with STORE_ERRORS:
                item = self._client.get_item(
                    TableName=self._table, Key={"pk": {"S": RING_KEY}}, ConsistentRead=True
                ).get("Item")
                self._keys = parse_ring(item) if item else self._stack_key.list_keys()
        except StoreUnavailable as error:
            raise KeyUnavailable(f"the key ring cannot be read: {error}") from error
        self._read_at = self._attempted_at


def from_environment(
    variables: Mapping[str, str], client: DynamoDBClient, clock: Callable[[], float] = time.monotonic
) -> Ring:
    """Return the ring of SIGNING_KEY_ID and KEYS_TABLE. Raises SettingInvalid.

    A drill has its own key: there is no ring, and SIGNING_KEY_ID signs alone.
    """
    key_id, table = required(variables, "SIGNING_KEY_ID"), required(variables, "KEYS_TABLE")
    return SingleKeyRing(key_id) if table == NO_TABLE else KeyRing(client, table, key_id, clock)


def parse_ring(item: Mapping[str, Any]) -> tuple[RingKey, ...]:
    """Return the keys in the ring's item. Raises ItemSchemaUnknown for a ring that this release cannot read."""
    try:
        version = int(item["schema"]["N"])
        if version not in _READS:
            readable = ", ".join(map(str, _READS))
            raise ItemSchemaUnknown(
                f"the key ring has the item schema version {version}; this release reads {readable}"
            )
        entries = [entry["M"] for entry in item["keys"]["L"]]
        keys = [RingKey(entry["key_id"]["S"], entry["kid"]["S"], Phase(entry["phase"]["S"])) for entry in entries]
    except (KeyError, ValueError) as error:
        raise ItemSchemaUnknown("the key ring is malformed") from error
    if [key.phase for key in keys].count(Phase.SIGNING) != 1:
        raise ItemSchemaUnknown("the key ring must have exactly one signing key")
    order = list(Phase)
    return tuple(sorted(keys, key=lambda key: order.index(key.phase)))
