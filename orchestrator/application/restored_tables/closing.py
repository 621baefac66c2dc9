"""The last steps of a failback: close the service to writes, and replay the rest of them before the aliases move."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from uuid import uuid4

from orchestrator.application.cloud import Cloud, for_each
from orchestrator.application.cutover.passes import Families, replay_writes
from orchestrator.application.cutover.replays import catch_up
from orchestrator.application.restored_tokens import restored_tokens_of
from orchestrator.aws.dynamodb.streams import StreamTail
from orchestrator.aws.dynamodb.write_closing import TOKEN
from orchestrator.domain.deployment.cutover import Cutover
from orchestrator.domain.deployment.late_writes import LateWrite, ReplayProgress, ReplayRules, is_of_clients
from orchestrator.domain.errors import ClosingEnded
from orchestrator.domain.recovery.lost_writes.closing import (
    IN_FLIGHT,
    MARKS,
    MOST_MARKS,
    PROMOTION,
    Closing,
    MarkedShards,
    mark_key,
    plan_closing,
)
from orchestrator.domain.recovery.policy import RecoveryPolicy
from orchestrator.domain.recovery.record import Recovery

POLL_SECONDS = 0.05
POLLS_A_MARK = 100
"""Polls between two attempts to mark all shards."""
FEW_WRITES = 50
"""A poll that found no more leaves so little that the rest can be replayed while the service is closed."""


def close_and_replay(
    cloud: Cloud,
    cutover: Cutover,
    recovery: Recovery,
    progress: ReplayProgress,
    policy: RecoveryPolicy,
    save: Callable[[Cutover], None],
) -> tuple[Cutover, ReplayProgress]:
    """Replay all writes up to a closing of the tables in use, which lasts until the aliases have moved.

    Nothing here reads a whole table. While the service is closed, the ends of the streams are read, and the writes of the
    last moment replayed. A repetition closes again.

    Args:
        cloud: the environment.
        cutover: of the failback's deployment; its tables are in sync.
        recovery: the failback.
        progress: of the passes so far.
        policy: the environment's recovery policy.
        save: records the cutover; called before the closing is announced.

    Returns:
        The cutover with the closing, and the progress.

    Raises:
        ClosingEnded: the rest was not replayed in time, and the service is open again, or will be in a moment.
        SourceStateUnknown: a stream cannot be read.
        PolicyNotEffective: an original table denies access.
        Throttled, Unreachable: DynamoDB did not answer.
    """
    progress = catch_up(cloud, cutover, recovery, progress, policy)
    tables = {change.role: (change.leaves.name, change.enters.name) for change in cutover.changes}
    tokens = restored_tokens_of(recovery, cloud)

    def rules(families: Families) -> ReplayRules:
        return ReplayRules(tokens.read_revocation_log(families), authoritative=True)

    with ExitStack() as opened:
        tails = {
            role: opened.enter_context(cloud.late_writes.tail(in_use, progress.positions_of(role)))
            for role, (in_use, _) in tables.items()
        }
        ends = _StreamEnds(cloud, tables, tails)
        while not ends.known or ends.new > FEW_WRITES:
            ends.mark_open()
            progress = replay_writes(cloud, tables, ends.poll(), progress, rules)
        closing = plan_closing(cloud.now())
        cutover = replace(cutover, block_requested_at=closing.at, opens_at=closing.until)
        save(cutover)
        cloud.write_closing.close(cutover.tokens_in_use, closing)
        if not closing.is_known(cloud.now()):
            raise ClosingEnded("the closing was announced too late; it ends by itself, and is repeated")
        while not ends.complete:
            if not closing.leaves_room(cloud.now()):
                raise ClosingEnded("the streams did not show the last writes in time; the service is open again")
            if cloud.now() >= closing.at + IN_FLIGHT:
                ends.mark_closing()
            progress = replay_writes(cloud, tables, ends.poll(), progress, rules)
        for role, tail in tails.items():
            progress = progress.with_positions(role, tail.positions)
    return _extended(cloud, cutover, closing), progress


def _extended(cloud: Cloud, cutover: Cutover, closing: Closing) -> Cutover:
    """Have the closing last until the aliases have moved."""
    until = cloud.now() + PROMOTION
    extended = cloud.write_closing.extend(cutover.tokens_in_use, closing, until)
    if not (extended and closing.leaves_room(cloud.now())):
        raise ClosingEnded("the last writes were not replayed in time; the service is open again")
    return replace(cutover, opens_at=until)


class _StreamEnds:
    """The ends of the streams of the tables in use, by the marks that were written into the tables.

    Args:
        cloud: the environment.
        tables: role to the table in use, and to the original one.
        tails: role to the tail of the stream of the table in use.
    """

    def __init__(self, cloud: Cloud, tables: Mapping[str, tuple[str, str]], tails: Mapping[str, StreamTail]) -> None:
        self._cloud, self._tables, self._tails = cloud, tables, tails
        self._token = str(uuid4())
        self._marked = dict.fromkeys(tables, MarkedShards())
        self._requested = {role: frozenset[str]() for role in tables}
        self._marks, self._polls = 0, 0
        self.new = 0
        """Number of the writes of clients that the last poll returned."""

    @property
    def known(self) -> bool:
        """Whether there is a mark in each shard."""
        return all(self._marked[role].knows(tail.shards) for role, tail in self._tails.items())

    @property
    def complete(self) -> bool:
        """Whether everything from before the closing was read."""
        return all(self._marked[role].complete(tail.shards) for role, tail in self._tails.items())

    def mark_open(self) -> None:
        """Write marks now and then until each shard has one, to learn which key is in which shard.

        Raises:
            ClosingEnded: a shard has none after `MOST_MARKS`.
        """
        if self.known or self._polls % POLLS_A_MARK:
            return
        if self._marks >= MOST_MARKS:
            raise ClosingEnded("the ends of the streams are not known: a shard shows no write of this task")
        for in_use, _ in self._tables.values():
            self._mark(in_use, map(mark_key, range(self._marks, self._marks + MARKS)), f"open {self._token}")
        self._marks += MARKS

    def mark_closing(self) -> None:
        """Write a mark into each shard that was not marked since the closing began."""
        for role, (in_use, _) in self._tables.items():
            shards = self._tails[role].shards
            if shards - self._requested[role]:
                self._requested[role] = shards
                self._mark(in_use, self._marked[role].keys_for(shards), self._token)

    def poll(self) -> Mapping[str, Sequence[LateWrite]]:
        """Return the writes of clients that have come, by role, and note the marks; wait if there are no writes."""
        found = dict(for_each(self._tails, lambda role: (role, self._tails[role].poll())))
        self._polls += 1
        for role, writes in found.items():
            for write in writes:
                token = (write.after or {}).get(TOKEN, {}).get("S", "")
                if token.endswith(self._token):
                    marked = self._marked[role].seen(write.shard, write.key, of_closing=token == self._token)
                    self._marked[role] = marked
        of_clients = {role: list(filter(is_of_clients, writes)) for role, writes in found.items()}
        self.new = sum(map(len, of_clients.values()))
        if not self.new:
            self._cloud.sleep(POLL_SECONDS)
        return of_clients

    def _mark(self, table: str, keys: Iterable[str], token: str) -> None:
        self._cloud.write_closing.mark(table, keys, token, self._cloud.now())


def reopen(cloud: Cloud, cutover: Cutover) -> None:
    """End the closing of a failback that is rolled back; its aliases point at the tables in use.

    Raises:
        Throttled, Unreachable, DynamoDBError: the closing ends by itself.
    """
    if cutover.failback and cutover.opens_at is not None:
        cloud.write_closing.open(cutover.tokens_in_use)
