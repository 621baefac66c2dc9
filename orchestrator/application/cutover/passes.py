"""One pass of a replay of late writes: what blocked tables accepted nevertheless (`orchestrator.domain.deployment.late_writes`)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeAlias, TypeVar

from botocore.exceptions import ClientError

from orchestrator.application.cloud import Cloud, for_each
from orchestrator.application.restored_tables.logged_revocations import LogEntries, read_log_entries
from orchestrator.aws.clients import error_code
from orchestrator.aws.dynamodb.access_block import DENIED
from orchestrator.aws.dynamodb.late_writes import AFTER_DENIAL_SECONDS, DENIALS
from orchestrator.aws.dynamodb.raw_client import DynamoDBError
from orchestrator.aws.dynamodb.read_pace import ReadPace
from orchestrator.domain.deployment.late_writes import (
    LateWrite,
    ReplayAction,
    ReplayProgress,
    ReplayRules,
    families_of,
    late_changes,
)
from orchestrator.domain.errors import (
    PolicyNotEffective,
    SourceStateUnknown,
    TableNotReadable,
)
from orchestrator.domain.recovery.lost_writes.replay import STREAM_TIME, chosen_writes
from orchestrator.domain.recovery.policy import RecoveryPolicy
from orchestrator.domain.recovery.record import Recovery

A = TypeVar("A")


B = TypeVar("B")


Families: TypeAlias = Collection[tuple[str, str]]
"""Families, each with its client."""


def replay_until_complete(
    replay: Callable[[ReplayProgress | None], ReplayProgress],
    save: Callable[[ReplayProgress], object],
    is_over: Callable[[], bool],
) -> ReplayProgress:
    """Make passes until one is complete, or the time is over; record each.

    Args:
        replay: makes a pass, after the progress of the one before; None for the first.
        save: records the progress.
        is_over: whether it is time to stop.
    """
    progress = None
    while progress is None or not (progress.complete or is_over()):
        progress = replay(progress)
        save(progress)
    return progress


def replay_pass(
    cloud: Cloud,
    tables: Mapping[str, tuple[str, str]],
    since: datetime,
    progress: ReplayProgress,
    policy: RecoveryPolicy,
    rules: Callable[[Families], ReplayRules],
    corrupted: Collection[str] = (),
    *,
    at_most: int | None = None,
    is_over: Callable[[], bool] = lambda: False,
    pace: Callable[[str], ReadPace | None] = lambda _: None,
) -> ReplayProgress:
    """Read the late writes of each table, by role, and replay the new ones onto the other table.

    Writes of corrupted kinds are left out, and counted as lost. `at_most` limits the records of one table. `rules` gets
    the families among the writes. `pace` returns what limits the reads of the other table.
    """
    delay = policy.stream_delay.total_seconds()
    progress = progress.next_pass()

    def read(role: str) -> tuple[str, list[LateWrite], Mapping[str, int], str]:
        known = progress.positions_of(role)
        try:
            writes, reached = cloud.late_writes.read_late_writes(
                tables[role][0], since - STREAM_TIME, delay, known, at_most, is_over
            )
        except (SourceStateUnknown, TableNotReadable) as error:
            return role, [], known, str(error)
        return role, progress.unread(role, writes), reached, ""

    results = for_each(tables, read)
    progress = replace(
        progress,
        unknown="; ".join(unknown for *_, unknown in results if unknown),
        behind=is_over() or any(len(writes) == at_most for _, writes, *_ in results),
    )
    found = {role: writes for role, writes, *_ in results}
    progress = replay_writes(cloud, tables, found, progress, rules, corrupted, pace=pace)
    for role, _, reached, _ in results:
        progress = progress.with_positions(role, reached)
    return progress


def replay_writes(
    cloud: Cloud,
    tables: Mapping[str, tuple[str, str]],
    found: Mapping[str, Sequence[LateWrite]],
    progress: ReplayProgress,
    rules: Callable[[Families], ReplayRules],
    corrupted: Collection[str] = (),
    *,
    pace: Callable[[str], ReadPace | None] = lambda _: None,
) -> ReplayProgress:
    """Replay writes that no pass has replayed.

    Args:
        cloud: the environment.
        tables: role to the table that accepted them, and to the one that gets them.
        found: role to the writes, in the order of each stream.
        progress: of the passes so far.
        rules: returns the rules for the families among the writes.
        corrupted: kinds that are left out, and counted as lost.
        pace: returns what limits the reads of a table that gets them.

    Raises:
        PolicyNotEffective: a table that gets them denies access.
        Throttled, Unreachable: DynamoDB did not answer.
    """
    chosen_of = {role: chosen_writes(writes, corrupted) for role, writes in found.items()}
    changes_of = {role: late_changes(chosen) for role, (chosen, _) in chosen_of.items()}
    families = frozenset[tuple[str, str]]().union(*map(families_of, changes_of.values()))
    decided = rules(families) if any(changes_of.values()) else ReplayRules()
    for role, writes in found.items():
        if writes:
            (chosen, left_out), changes = chosen_of[role], changes_of[role]
            with cloud.late_writes.replaying(tables[role][1], pace(tables[role][1])) as replay:
                actions = [replay(change, decided) for change in changes]
            progress = progress.with_writes(role, writes, actions).with_lost(left_out)
            kept = {change.key for change, action in zip(changes, actions, strict=True) if action is ReplayAction.KEEP}
            progress = progress.with_lost(write for write in chosen if write.key in kept)
    return progress


def read_new_log_entries(
    cloud: Cloud,
    recovery: Recovery,
    since: datetime,
    progress: ReplayProgress,
    policy: RecoveryPolicy,
    is_over: Callable[[], bool],
) -> LogEntries:
    """Read the entries of the revocation log since a time that no pass has read."""
    return read_log_entries(cloud, recovery.service.revocations, since, progress, policy.stream_delay, is_over)


def in_parallel(first: Callable[[], A], second: Callable[[], B]) -> tuple[A, B]:
    """Make two calls in parallel: both wait until the last write has had time to arrive in a stream."""
    results: list[Any] = for_each((first, second), lambda call: call())
    return results[0], results[1]


def when_allowed(cloud: Cloud, call: Callable[[], A]) -> A:
    """Repeat a call until a table that was unblocked a moment ago allows it."""
    for _ in range(DENIALS):
        try:
            return call()
        except DynamoDBError as error:
            if error.code != DENIED:
                raise
        except ClientError as error:
            if error_code(error) != DENIED:
                raise
        cloud.sleep(AFTER_DENIAL_SECONDS)
    raise PolicyNotEffective("the tokens table still denies access")
