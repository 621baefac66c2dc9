"""Reading what a comparison needs of one table, and nothing twice: both sides first, then what changed meanwhile.

The order matters. The source's changes are read after everything else, so that a key of which they say nothing held the same from
the point until it was read, whenever that was.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from orchestrator.domain.changes import AtPoint
from orchestrator.domain.comparison import (
    Differences,
    Entry,
    Origin,
    Seen,
    Tiers,
    changed_keys,
    unchanged_keys,
)
from orchestrator.domain.digest import Digest

MOST_ENTRIES = 400_000
"""So many items of a side are held by their hashes while differences are located: about 100 MB."""
MOST_CHANGES = 100_000
"""Of a source that changed more since the point, an export tells more cheaply what it was."""


class Held(Protocol):
    """A side that was read and is held in memory."""

    def raw(self) -> Digest:
        """Its raw digest."""

    def entries(self) -> Mapping[bytes, Entry]:
        """All of it by hashed key."""


class Content(Protocol):
    """A side. Reading it raises what goes wrong; a part is never taken for the whole."""

    def held(self) -> Held:
        """Read it whole, once."""

    def entries(self, chosen: Iterable[int], segments: int, buckets: Collection[int]) -> Mapping[bytes, Entry]:
        """The entries of some buckets out of some segments."""


@dataclass(frozen=True)
class Changed:
    """What a stream said: what keys held at the point, and the keys themselves, to be fetched by."""

    at_point: AtPoint
    keys: Mapping[bytes, Any]


class Sides(Protocol):
    """One table and its restored copy."""

    @property
    def role(self) -> str:
        """What the table is to the service."""

    @property
    def origin(self) -> Origin:
        """What tells what the source held at the point."""

    @property
    def source(self) -> Content:
        """The table."""

    @property
    def restored(self) -> Content:
        """Its copy."""

    def changes(self) -> Changed | None:
        """What changed in the source since the point; None where its content at the point is known without that."""

    def fetch(self, keys: Sequence[Any]) -> Mapping[bytes, Entry]:
        """What the restored copy holds under some keys."""


def compare_whole(sides: Sides, now: datetime, fuzzy: timedelta = timedelta(0)) -> Seen:
    """Compare a table that fits into memory, each side read once: by its bytes, and by keys where these differ."""
    source, restored = sides.source.held(), sides.restored.held()
    changed = sides.changes()
    source_raw, restored_raw = source.raw(), restored.raw()
    differences, tier = Differences(), "raw"
    accepted = changed.at_point.accepted if changed else {}
    if accepted or source_raw != restored_raw:
        tier, at = "keys", now.timestamp()
        copy = restored.entries()
        differences = unchanged_keys(source.entries(), copy, accepted, at) + changed_keys(accepted, copy, at)
    return Seen(
        role=sides.role,
        origin=_origin(sides, changed),
        source_items=source_raw.items,
        restored_items=restored_raw.items,
        tier=tier,
        differences=differences,
        changed_since=len(accepted),
        at_the_boundary=changed.at_point.at_the_boundary if changed else 0,
        fuzzy=fuzzy,
    )


def compare_tiers(sides: Sides, tiers: Tiers, now: datetime, fuzzy: timedelta = timedelta(0)) -> Seen:
    """Compare a large table whose segments have been digested: what is left to read are the keys of the buckets that differ."""
    unequal = tiers.unequal()
    chosen, unread = tiers.suspects_within(MOST_ENTRIES)
    tier = "keys" if chosen or unread else "canonical" if unequal else "raw"
    source = sides.source.entries(unequal, tiers.segments, chosen) if chosen else {}
    restored = sides.restored.entries(unequal, tiers.segments, chosen) if chosen else {}
    changed = sides.changes()
    accepted = changed.at_point.accepted if changed else {}
    at = now.timestamp()
    differences = unchanged_keys(source, restored, accepted, at)
    if changed and accepted:
        differences += changed_keys(accepted, sides.fetch(list(changed.keys.values())), at)
    return Seen(
        role=sides.role,
        origin=_origin(sides, changed),
        source_items=tiers.source_items(),
        restored_items=tiers.restored_items(),
        tier=tier,
        differences=differences,
        changed_since=len(accepted),
        at_the_boundary=changed.at_point.at_the_boundary if changed else 0,
        segments=unequal,
        of_segments=tiers.segments,
        unread_buckets=unread,
        fuzzy=fuzzy,
    )


def _origin(sides: Sides, changed: Changed | None) -> Origin:
    if sides.origin is Origin.STREAM and changed and not changed.at_point.accepted:
        return Origin.QUIET
    return sides.origin
