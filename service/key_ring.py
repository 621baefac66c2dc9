"""Which signing keys there are: a ring that the orchestrator turns and the functions read.

A key is published first, so that whoever keeps our key set for a while has it before anything is signed with it; then it signs;
then it retires, published for as long as something signed with it may live. Where there is no ring yet, the stack's own key
signs alone. Public keys are not in the ring: they come from KMS, so that whoever could write this table could still publish
no key of their own.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Protocol

from service.item_layouts import LayoutUnknown
from service.keys import KeyUnavailable
from service.settings import required
from service.storage import StoreUnavailable, narrowed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_dynamodb import DynamoDBClient

RING_KEY: Final = "ring"
NO_TABLE: Final = "none"
"""In KEYS_TABLE: there is no ring, and SIGNING_KEY_ID signs alone. For a drill, which has a key of its own."""

CACHED_SECONDS: Final = 60
STALE_SECONDS: Final = 900
"""How long the last ring read serves while none can be read: as long as a rotation waits for whoever is behind."""
LOOK_AGAIN_SECONDS: Final = 5
"""Tokens with made-up key ids cost a read no more often than this."""
_READS: Final = (1,)


class Phase(Enum):
    """What a key of the ring is for; in this order they stand in the key set."""

    SIGNING = "signing"
    PUBLISHED = "published"
    RETIRING = "retiring"


@dataclass(frozen=True)
class RingKey:
    """A key of the ring. key_id: KMS's name for it; kid: its thumbprint, None where nobody has written it down."""

    key_id: str
    kid: str | None
    phase: Phase

    @property
    def awaited(self) -> bool:
        """Whether it is new: nothing is signed with it yet."""
        return self.phase is Phase.PUBLISHED


class Ring(Protocol):
    """The signing keys there are. Every method may raise KeyUnavailable."""

    def known(self) -> tuple[RingKey, ...]:
        """Return the keys, the one that signs first."""

    def look_again(self) -> None:
        """Read the ring past the cache, where that was not done just now."""

    def probe(self) -> tuple[RingKey, ...]:
        """Read the ring now, and return the keys."""


@dataclass(frozen=True)
class Alone:
    """A ring of one key that never changes."""

    key_id: str

    def known(self) -> tuple[RingKey, ...]:
        """Return the key."""
        return (RingKey(self.key_id, None, Phase.SIGNING),)

    def look_again(self) -> None:
        """Do nothing: there is nothing to read."""

    def probe(self) -> tuple[RingKey, ...]:
        """Return the key."""
        return self.known()


class KeyRing:
    """The ring in its table, kept in the process for CACHED_SECONDS. clock: seconds; only differences count."""

    def __init__(
        self,
        client: DynamoDBClient,
        table: str,
        stack_key_id: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client, self._table, self._clock = client, table, clock
        self._stack_key = Alone(stack_key_id)
        self._keys: tuple[RingKey, ...] = ()
        self._read_at = self._tried_at = -float("inf")

    def known(self) -> tuple[RingKey, ...]:
        """Return the keys, the one that signs first. Raises KeyUnavailable."""
        if self._clock() - self._read_at >= CACHED_SECONDS:
            self._read_or_serve_on()
        return self._keys

    def look_again(self) -> None:
        """Read the ring past the cache, unless it was tried within LOOK_AGAIN_SECONDS. Raises KeyUnavailable."""
        self._read_or_serve_on()

    def probe(self) -> tuple[RingKey, ...]:
        """Read the ring now, and return the keys. Raises KeyUnavailable."""
        self._read()
        return self._keys

    def _read_or_serve_on(self) -> None:
        now = self._clock()
        serves_on = now - self._read_at < STALE_SECONDS
        if serves_on and now - self._tried_at < LOOK_AGAIN_SECONDS:
            return
        try:
            self._read()
        except KeyUnavailable:
            if not serves_on:
                raise

    def _read(self) -> None:
        self._tried_at = self._clock()
        try:
            with narrowed():
                item = self._client.get_item(
                    TableName=self._table, Key={"pk": {"S": RING_KEY}}, ConsistentRead=True
                ).get("Item")
                self._keys = keys_of(item) if item else self._stack_key.known()
        except StoreUnavailable as error:
            raise KeyUnavailable(f"the key ring: {error}") from error
        self._read_at = self._tried_at


def of(variables: Mapping[str, str], client: DynamoDBClient, clock: Callable[[], float] = time.monotonic) -> Ring:
    """Return the ring of SIGNING_KEY_ID and KEYS_TABLE. Raises SettingInvalid."""
    key_id, table = required(variables, "SIGNING_KEY_ID"), required(variables, "KEYS_TABLE")
    return Alone(key_id) if table == NO_TABLE else KeyRing(client, table, key_id, clock)


def keys_of(item: Mapping[str, Any]) -> tuple[RingKey, ...]:
    """Return the keys in the ring's item. Raises LayoutUnknown for a ring that this release cannot read."""
    try:
        layout = int(item["schema"]["N"])
        if layout not in _READS:
            raise LayoutUnknown(f"a key ring of layout {layout}; this release reads {', '.join(map(str, _READS))}")
        found = [entry["M"] for entry in item["keys"]["L"]]
        keys = [RingKey(entry["key_id"]["S"], entry["kid"]["S"], Phase(entry["phase"]["S"])) for entry in found]
    except (KeyError, ValueError) as error:
        raise LayoutUnknown("a key ring that is none") from error
    if [key.phase for key in keys].count(Phase.SIGNING) != 1:
        raise LayoutUnknown("a key ring in which not exactly one key signs")
    order = list(Phase)
    return tuple(sorted(keys, key=lambda key: order.index(key.phase)))
