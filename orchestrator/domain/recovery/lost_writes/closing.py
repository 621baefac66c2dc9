"""The closing of a failback: for how long the tables in use take no writes, and what has to happen in that time.

A resource policy is no way to close tables for a moment: it reaches DynamoDB's hosts at times that AWS does not document
(docs/adr/0037-a-cutover-waits-for-late-writes.md). So the service closes itself. The item of the revocation epoch says
from when until when nothing is written, and the service knows that item as of `KNOWN` ago at most, whatever it writes.
The closing is announced earlier than that, so all processes begin it at the same time, by their clocks.

It is a lease: it ends by itself. If the rest of the writes is not replayed in time, the service is open again, and the
closing is repeated. Nothing that fails or dies keeps it closed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from orchestrator.domain.recovery.heartbeats import PREFIX

KNOWN = timedelta(seconds=2)
"""How old the service's knowledge of a closing may be (service/storage/conditional_writes.py, CLOSING_READ_SECONDS)."""
CLOCKS = timedelta(seconds=0.2)
"""How much the clocks of two functions differ at most: they follow Amazon's time service."""
LEAD = timedelta(seconds=5)
"""How long before its begin a closing is announced: more than `KNOWN` and `CLOCKS`, and the time of the announcement."""
IN_FLIGHT = timedelta(seconds=0.3)
"""How long after the begin the last writes arrive, by `CLOCKS` and their own time. A later one is replayed after the
promotion."""
LONGEST = timedelta(seconds=4)
"""How long a closing lasts if nothing extends it."""
PROMOTION = timedelta(seconds=60)
"""How long a closing lasts from the end of the replay on: the aliases move, and the tables are blocked by their policies."""
LEAST_LEFT = timedelta(seconds=20)
"""What must be left of it when the aliases begin to move."""

MARKS = 32
"""Rows that are written into a table at once, to recognize the end of its stream's shards."""
MOST_MARKS = 2048
"""Rows after which a shard has none because its keys are too rare: a table of hundreds of partitions."""


@dataclass(frozen=True)
class Closing:
    """The time in which tables take no writes. at, until: aware, in UTC."""

    at: datetime
    until: datetime

    def is_known(self, announced: datetime) -> bool:
        """Return whether all processes know the closing when it begins. announced: when its item had been written."""
        return announced <= self.at - KNOWN - CLOCKS

    def leaves_room(self, now: datetime) -> bool:
        """Return whether the closing holds long enough to be extended."""
        return now <= self.until - CLOCKS


def plan_closing(now: datetime) -> Closing:
    """Return the closing that is announced now."""
    return Closing(now + LEAD, now + LEAD + LONGEST)


def may_promote(opens_at: datetime | None, now: datetime) -> bool:
    """Return whether the aliases of a failback may move: the closing lasts until that is done."""
    return opens_at is not None and now <= opens_at - LEAST_LEFT


def mark_key(number: int) -> str:
    """Return the key of a mark. Marks are heartbeats to everything else: not compared, and not replayed."""
    return f"{PREFIX}closing-{number:02}"


@dataclass(frozen=True)
class MarkedShards:
    """Which shards of a stream have returned a mark of this closing: all their earlier writes were read.

    Attributes:
        keys: shard to the key of a mark that is in it.
        passed: shards that have returned a mark with the closing's token.
    """

    keys: Mapping[str, str] = field(default_factory=dict)
    passed: frozenset[str] = frozenset()

    def seen(self, shard: str, key: str, *, of_closing: bool) -> MarkedShards:
        """Return the shards after a mark was read. of_closing: it has the token of the closing."""
        passed = self.passed | {shard} if of_closing else self.passed
        return replace(self, keys={**self.keys, shard: key}, passed=passed)

    def knows(self, shards: Collection[str]) -> bool:
        """Return whether there is a mark in each of these open shards."""
        return self.keys.keys() >= set(shards)

    def keys_for(self, shards: Collection[str]) -> tuple[str, ...]:
        """Return the keys to mark, so that each of these open shards gets a mark; all where a shard's is not known."""
        if self.knows(shards):
            return tuple(sorted({self.keys[shard] for shard in shards}))
        return tuple(map(mark_key, range(MARKS)))

    def complete(self, shards: Collection[str]) -> bool:
        """Return whether each of these open shards was read past the begin of the closing. A stream has at least one."""
        return bool(shards) and self.passed.issuperset(shards)
