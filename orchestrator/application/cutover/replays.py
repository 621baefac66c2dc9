"""The replays of a cutover: which writes of which tables are replayed onto which, and when."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache

from orchestrator.application.cloud import Cloud, for_each, logger
from orchestrator.application.cutover.passes import (
    Families,
    in_parallel,
    read_new_log_entries,
    replay_pass,
    when_allowed,
)
from orchestrator.application.restored_tables.logged_revocations import (
    end_logged,
)
from orchestrator.application.restored_tokens import restored_tokens_of
from orchestrator.aws.dynamodb.read_pace import ReadPace
from orchestrator.domain.deployment.cutover import Cutover
from orchestrator.domain.deployment.late_writes import (
    ReplayProgress,
    ReplayRules,
)
from orchestrator.domain.errors import (
    SourceStateUnknown,
    TableNotReadable,
)
from orchestrator.domain.recovery.backup_times import replay_begins
from orchestrator.domain.recovery.lost_writes.replay import MOST_WRITES
from orchestrator.domain.recovery.policy import RecoveryPolicy
from orchestrator.domain.recovery.record import Recovery, Role
from orchestrator.domain.recovery.token_sanitization import RotatedPolicy

BACK = "back-"
"""The role of a restored table among the positions of a replay, before the role that it has in the other direction."""


def replay_onto_new_tables(
    cloud: Cloud,
    cutover: Cutover,
    recovery: Recovery,
    progress: ReplayProgress,
    policy: RecoveryPolicy,
    *,
    in_use: bool,
    is_over: Callable[[], bool] = lambda: False,
) -> ReplayProgress:
    """Replay what the previous tables accepted since their block was requested, and end logins that were revoked.

    A repetition changes nothing. Writes that an earlier pass replayed are left out, because the item may have been
    deleted since. One pass replays at most `MOST_WRITES` of each table.

    Args:
        cloud: the environment.
        cutover: of the deployment.
        recovery: the restore that requested it.
        progress: of the passes so far.
        policy: the environment's recovery policy.
        in_use: whether clients may use the new tables.
        is_over: whether it is time to stop.

    Raises:
        SourceStateUnknown: the stream of a failback's previous table cannot be read.
        PolicyNotEffective: a new table denies access.
        Throttled, Unreachable: DynamoDB did not answer.
    """
    tables = {
        change.role: (change.leaves.name, change.enters.name)
        for change in cutover.changes
        if change.leaves.name not in cutover.gone
    }
    tokens, written = restored_tokens_of(recovery, cloud), set[tuple[str, str]]()

    def rules(families: Families) -> ReplayRules:
        written.update(families)
        log = tokens.read_revocation_log(families)
        if cutover.failback:
            return ReplayRules(log, authoritative=not in_use)
        accepts = policy.rotated_tokens is RotatedPolicy.ACCEPT and not in_use
        since_point = recovery.replays is not None and not in_use
        return ReplayRules(log, _epoch_shift(cloud, recovery), accept_rotated=accepts, since_point=since_point)

    assert cutover.block_requested_at is not None, "late writes are those after the request"
    since = cutover.block_requested_at if recovery.replays is None else replay_begins(recovery.tables, recovery.point)
    if cutover.failback:
        since = cutover.synced_since or since
    corrupted = recovery.replays or ()
    entries, replayed = in_parallel(
        lambda: read_new_log_entries(cloud, recovery, recovery.requested_at, progress, policy, is_over),
        lambda: replay_pass(
            cloud, tables, since, progress, policy, rules, corrupted, at_most=MOST_WRITES, is_over=is_over
        ),
    )
    # The source of a restore may be damaged: it must not prevent the restore, as its contents do not either.
    if replayed.unknown and cutover.failback:
        raise SourceStateUnknown(replayed.unknown)
    # The table was sanitized after the request, and families were revoked since.
    return end_logged(tokens, entries, written, replayed, is_over)


def catch_up(
    cloud: Cloud, cutover: Cutover, recovery: Recovery, progress: ReplayProgress, policy: RecoveryPolicy
) -> ReplayProgress:
    """Replay onto the original tables of a failback what clients wrote to the tables in use since the table sync began.

    Clients go on writing. One pass replays at most `MOST_WRITES` of each table. When the tables are in sync, logins end
    whose revocation only the log has. A repetition changes nothing.

    Args:
        cloud: the environment.
        cutover: of the failback's deployment; its table sync has begun.
        recovery: the failback.
        progress: of the passes so far.
        policy: the environment's recovery policy.

    Raises:
        SourceStateUnknown: the stream of a table in use cannot be read.
        Throttled, Unreachable: DynamoDB did not answer.
    """
    assert cutover.synced_since is not None, "a table sync records its begin"
    tables = {change.role: (change.leaves.name, change.enters.name) for change in cutover.changes}
    tokens, written, since = restored_tokens_of(recovery, cloud), set[tuple[str, str]](), cutover.synced_since

    def rules(families: Families) -> ReplayRules:
        written.update(families)
        return ReplayRules(tokens.read_revocation_log(families), authoritative=True)

    def is_over() -> bool:
        return False

    entries, replayed = in_parallel(
        lambda: read_new_log_entries(cloud, recovery, recovery.requested_at, progress, policy, is_over),
        lambda: replay_pass(cloud, tables, since, progress, policy, rules, at_most=MOST_WRITES),
    )
    if replayed.unknown:
        raise SourceStateUnknown(replayed.unknown)
    return end_logged(tokens, entries, written, replayed, is_over) if cutover.in_sync else replayed


def prepare_replay(
    cloud: Cloud,
    recovery: Recovery,
    progress: ReplayProgress,
    policy: RecoveryPolicy,
    is_over: Callable[[], bool],
) -> ReplayProgress:
    """Do ahead of a cutover what takes longer in a large table, while clients still use the source tables.

    What the streams hold until now is read past: of the source tables if the restore does not replay it, and of the
    restored tables, for a rollback. Logins end whose revocation was logged since the table was sanitized.

    Args:
        cloud: the environment.
        recovery: a restore; no client uses its tables yet.
        progress: of the passes so far.
        policy: the environment's recovery policy.
        is_over: whether it is time to stop.

    Returns:
        The progress; `behind` if another pass is needed.

    Raises:
        Throttled, Unreachable: DynamoDB did not answer.
    """
    streams = {f"{BACK}{table.role}": table.target for table in recovery.tables}
    if recovery.replays is None:
        streams |= {str(table.role): table.source for table in recovery.tables if not table.gone}

    def read_past(role: str) -> tuple[str, Mapping[str, int], bool]:
        known = progress.positions_of(role)
        try:
            return role, *cloud.late_writes.read_past(streams[role], known, is_over)
        except (SourceStateUnknown, TableNotReadable) as error:
            logger.info("stream not read ahead", extra={"table": streams[role], "reason": str(error)})
            return role, known, True

    entries, passed = in_parallel(
        lambda: read_new_log_entries(cloud, recovery, recovery.requested_at, progress, policy, is_over),
        lambda: for_each(streams, read_past),
    )
    progress = replace(progress, behind=progress.behind or not all(is_now for *_, is_now in passed))
    for role, reached, _ in passed:
        progress = progress.with_positions(role, reached)
    return end_logged(restored_tokens_of(recovery, cloud), entries, (), progress, is_over)


def replay_since_point(
    cloud: Cloud, recovery: Recovery, progress: ReplayProgress, policy: RecoveryPolicy
) -> ReplayProgress:
    """Replay onto restored tables what clients wrote to their sources since the recovery point, while they go on writing.

    One pass replays at most `MOST_WRITES` of each table. A repetition changes nothing. Families are compared with the
    revocation log later, when the sources are blocked.

    Args:
        cloud: the environment.
        recovery: a restore that replays; no client uses its tables yet.
        progress: of the passes so far.
        policy: the environment's recovery policy.

    Raises:
        Throttled, Unreachable: DynamoDB did not answer.
    """
    tables = {str(table.role): (table.source, table.target) for table in recovery.tables if not table.gone}
    tokens = restored_tokens_of(recovery, cloud)

    def rules(families: Families) -> ReplayRules:
        return ReplayRules(tokens.read_revocation_log(families), _epoch_shift(cloud, recovery), since_point=True)

    since = replay_begins(recovery.tables, recovery.point)
    return replay_pass(cloud, tables, since, progress, policy, rules, recovery.replays or (), at_most=MOST_WRITES)


def replay_back(
    cloud: Cloud,
    cutover: Cutover,
    recovery: Recovery,
    policy: RecoveryPolicy,
    *,
    in_use: bool,
    is_over: Callable[[], bool] = lambda: False,
) -> ReplayProgress:
    """Replay onto the previous tables what the new ones accepted since their promotion, and end revoked logins.

    The previous tables have every revocation of before the promotion, because clients used them. A pass continues where
    `cutover.replay_back` ended.

    Args:
        cloud: the environment.
        cutover: of the deployment that is rolled back.
        recovery: the restore that requested it.
        policy: the environment's recovery policy.
        in_use: whether clients use the previous tables again: then they are read at `read_share_percent`.
        is_over: whether it is time to stop.

    Raises:
        PolicyNotEffective: a previous table still denies access.
        Throttled, Unreachable: DynamoDB did not answer.
    """
    if cutover.replayed_at is None:
        return ReplayProgress()  # No alias pointed at the new tables.
    progress = cutover.replay_back or ReplayProgress(positions=_ahead(recovery))
    tables = {change.role: (change.enters.name, change.leaves.name) for change in cutover.changes}
    remaining = {role: names for role, names in tables.items() if names[1] not in cutover.gone}
    tokens = recovery.table(Role.TOKENS)
    # The roles are exchanged: the previous table gets what the new one accepted.
    previous = cloud.restored_tokens(tokens.source, tokens.target, recovery.service.revocations)

    written = set[tuple[str, str]]()

    def rules(families: Families) -> ReplayRules:
        written.update(families)
        shift = 0 if cutover.failback else -_epoch_shift(cloud, recovery)
        return ReplayRules(previous.read_revocation_log(families), shift)

    @cache
    def pace(table: str) -> ReadPace | None:
        if not in_use:
            return None
        units = cloud.table_reader.describe(table).read_units
        return cloud.read_pace(units, policy.read_share_percent, over_all_partitions=True)

    since, promoted_at = cutover.block_requested_at or cutover.replayed_at, cutover.replayed_at
    entries, replayed = in_parallel(
        lambda: read_new_log_entries(cloud, recovery, since, progress, policy, is_over),
        lambda: replay_pass(
            cloud, remaining, promoted_at, progress, policy, rules, at_most=MOST_WRITES, is_over=is_over, pace=pace
        ),
    )
    if Role.TOKENS not in remaining:
        return replayed
    return when_allowed(
        cloud, lambda: end_logged(previous, entries, written, replayed, is_over, lambda: pace(tokens.source))
    )


def _ahead(recovery: Recovery) -> Mapping[str, int]:
    """Return the positions in the streams of the restored tables that were read past ahead of the cutover."""
    places = (recovery.replay or ReplayProgress()).positions.items()
    return {place.removeprefix(BACK): number for place, number in places if place.startswith(BACK)}


def _epoch_shift(cloud: Cloud, recovery: Recovery) -> int:
    """Return the epoch of a restored table minus the one that was in force in its source."""
    state = restored_tokens_of(recovery, cloud).read_state()
    return state.epoch - state.in_force if state is not None else 0
