"""Entries of two tables that are read at the same time: what is equal is forgotten at once.

DynamoDB reads a table and the table that was restored from it in the same order of hashed keys, apart from where its
partitions are divided. So few entries wait for their counterpart, however many items the tables have.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from orchestrator.domain.table_comparison.comparison import ItemHash


class TooManyUnmatched(Exception):
    """The sides are read in different orders: more entries wait for their counterpart than may be held in memory."""


@dataclass
class MatchedSide:
    """One side.

    Attributes:
        waiting: entries without an equal one on the other side so far, by hashed key.
        items: entries that were read. An item that was read again after it had been matched counts twice.
    """

    waiting: dict[bytes, ItemHash] = field(default_factory=dict)
    items: int = 0


class Matching:
    """Matches the entries of a source and of the table restored from it.

    Args:
        most: the most entries that may wait, on both sides together.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.source, self.restored = MatchedSide(), MatchedSide()

    def add_source(self, entries: Iterable[tuple[bytes, ItemHash]]) -> None:
        """Add entries of the source.

        Raises:
            TooManyUnmatched: too many wait.
        """
        self._add(self.source, self.restored, entries)

    def add_restored(self, entries: Iterable[tuple[bytes, ItemHash]]) -> None:
        """Add entries of the restored table.

        Raises:
            TooManyUnmatched: too many wait.
        """
        self._add(self.restored, self.source, entries)

    def _add(self, own: MatchedSide, other: MatchedSide, entries: Iterable[tuple[bytes, ItemHash]]) -> None:
        for key, entry in entries:
            if key not in own.waiting:
                own.items += 1
            counterpart = other.waiting.get(key)
            if counterpart is not None and counterpart.content == entry.content:
                del other.waiting[key]
                own.waiting.pop(key, None)
            else:
                own.waiting[key] = entry
        if len(own.waiting) + len(other.waiting) > self._most:
            raise TooManyUnmatched

    def suspects(self, changed: Iterable[bytes]) -> frozenset[bytes]:
        """Return the hashed keys that wait, without those that changed since the recovery point.

        One of them differs, or was read more than once: its entries have to be read again, by key.
        """
        return frozenset(self.source.waiting.keys() | self.restored.waiting.keys()) - frozenset(changed)

    def settle(
        self, suspects: Iterable[bytes], source: Mapping[bytes, ItemHash], restored: Mapping[bytes, ItemHash]
    ) -> None:
        """Replace what waits under some keys with what was read again under them.

        Args:
            suspects: the keys.
            source: entries of the source under them.
            restored: entries of the restored table under them.
        """
        for key in suspects:
            for side, found in ((self.source, source.get(key)), (self.restored, restored.get(key))):
                waited = side.waiting.pop(key, None)
                if found is not None:
                    side.waiting[key] = found
                side.items += self._correction(waited, found, source.get(key), restored.get(key))

    @staticmethod
    def _correction(
        waited: ItemHash | None, found: ItemHash | None, source: ItemHash | None, restored: ItemHash | None
    ) -> int:
        """Return how the count of a side changes: a repetition counted once too often, and a gone item does not count."""
        equal = source is not None and restored is not None and source.content == restored.content
        if waited is not None:
            return -1 if equal or found is None else 0
        return 0
