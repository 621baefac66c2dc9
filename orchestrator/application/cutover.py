"""A cutover: its result, the replay of late writes, and tables that stay blocked by mistake.

The result says whether the deployment has ended, and what to roll back if it did not succeed. Late writes are what
blocked tables accepted nevertheless (`orchestrator.domain.deployment.late_writes`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache, partial
from typing import Any, TypeAlias, TypeVar

import msgspec
from botocore.exceptions import ClientError

from orchestrator.application.cloud import Cloud, for_each, logger
from orchestrator.application.restored_tables.logged_revocations import (
    STREAM_TIME,
    LogEntries,
    end_logged,
    read_log_entries,
)
from orchestrator.application.restored_tokens import log_epoch_in_force, restored_tokens_of
from orchestrator.aws.clients import error_code
from orchestrator.aws.dynamodb.access_block import DENIED
from orchestrator.aws.dynamodb.late_writes import AFTER_DENIAL_SECONDS, DENIALS
from orchestrator.aws.dynamodb.raw_client import DynamoDBError
from orchestrator.aws.dynamodb.read_pace import ReadPace
from orchestrator.aws.step_functions import execution_arn
from orchestrator.domain.deployment.cutover import Cutover, TableRef
from orchestrator.domain.deployment.late_writes import (
    LateWrite,
    ReplayAction,
    ReplayProgress,
    ReplayRules,
    families_of,
    late_changes,
)
from orchestrator.domain.deployment.outcome import cause_of
from orchestrator.domain.deployment.plan import Service
from orchestrator.domain.deployment.release import FunctionVersion
from orchestrator.domain.environment_lock import EnvironmentLock
from orchestrator.domain.errors import (
    LockLost,
    OrchestratorError,
    PolicyNotEffective,
    SourceStateUnknown,
    TableNotReadable,
)
from orchestrator.domain.recovery.backup_times import content_time
from orchestrator.domain.recovery.failback import check_results_of
from orchestrator.domain.recovery.lost_writes.replay import MOST_WRITES, chosen_writes
from orchestrator.domain.recovery.policy import RecoveryPolicy
from orchestrator.domain.recovery.record import CUTOVER_CHECK, CheckResult, Recovery, Role
from orchestrator.domain.recovery.restore import (
    VARIABLES,
    cutover_not_requested,
    environment_variables_of,
    judge_cutover,
    table_variables_of,
)
from orchestrator.domain.recovery.token_sanitization import RotatedPolicy
from orchestrator.domain.verdict import Outcome


def cutover_result(cloud: Cloud, recovery: Recovery, error: Mapping[str, str]) -> CheckResult | None:
    """Return the result of the deployment that makes the service use the restored tables; None while it is running.

    A result that was recorded stays: the restore has forgotten a failed deployment since.

    Args:
        cloud: the environment.
        recovery: the restore.
        error: the error that prevented the deployment's request, as a state machine reports it; empty if none did.
    """
    recorded = next((result for result in recovery.check_results if result.check == CUTOVER_CHECK), None)
    if recorded is not None:
        return recorded
    if not recovery.deployment:
        return cutover_not_requested(cause_of(error) if error else "it was not requested")
    deployment = cloud.ledger.find_record(recovery.deployment)
    refusal = cloud.ledger.read_refusal(recovery.deployment)
    if deployment is not None:
        return judge_cutover(recovery.deployment, deployment, "") if deployment.ended_at else None
    if refusal is not None:
        return judge_cutover(recovery.deployment, None, refusal.why)
    arn = execution_arn(cloud.settings["DEPLOYMENT_MACHINE"], recovery.deployment)
    if cloud.executions.describe_execution(arn).alive:
        return None
    return judge_cutover(recovery.deployment, None, "its execution ended before its plan was recorded")


def finish_cutover(cloud: Cloud, recovery: Recovery, result: CheckResult, lock: EnvironmentLock) -> Recovery:
    """Return the recovery with the result of its cutover.

    After a successful one, the revocation log gets the epoch of the tables in use. After a failed one, `$LATEST` gets the
    environment variables of the live version again; the deployment or its rollback has reverted the aliases and unblocked
    the tables by then. The recovery forgets a failed deployment, so that a late start of it is refused.

    Args:
        cloud: the environment.
        recovery: the restore.
        result: of its cutover.
        lock: the environment lock, held by the caller.

    Raises:
        LockLost: another execution holds the lock.
    """
    deployment = cloud.ledger.find_record(recovery.deployment) if recovery.deployment else None
    sync_results = check_results_of(deployment.cutover.sync) if deployment and deployment.cutover else ()
    recovery = replace(recovery, fencing_token=lock.fencing_token).with_check_results(result, *sync_results)
    if result.verdict.outcome is Outcome.PASS:
        log_epoch_in_force(recovery, cloud)
        return recovery
    for function_name in recovery.service.functions.values():
        stable = cloud.aliases.read_alias(function_name).routing.primary
        live = cloud.versions.describe_version(function_name, stable)
        cloud.function_environment.update_variables(
            function_name, partial(_variables_of, live, recovery), cloud.restores.fence(lock.fencing_token)
        )
    return replace(recovery, deployment="")


def _variables_of(live: FunctionVersion, recovery: Recovery, variables: Mapping[str, str]) -> Mapping[str, str]:
    """Return the variables of `$LATEST` after a failed cutover: the live version's, if the cutover had changed them.

    Another writer may have changed them since: a restore that died may be completed after other deployments.
    """
    tables = {variables[name] for name in VARIABLES.values() if name in variables}
    changed = not tables or not tables.isdisjoint(table.target for table in recovery.tables)
    return environment_variables_of(live) if changed else variables


A = TypeVar("A")
B = TypeVar("B")
Families: TypeAlias = Collection[tuple[str, str]]
"""Families, each with its client."""

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
    since = cutover.block_requested_at if recovery.replays is None else replay_begins(recovery)
    if cutover.failback:
        since = cutover.synced_since or since
    corrupted = recovery.replays or ()
    entries, replayed = _together(
        lambda: _log_entries(cloud, recovery, recovery.requested_at, progress, policy, is_over),
        lambda: _replay_pass(
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

    entries, replayed = _together(
        lambda: _log_entries(cloud, recovery, recovery.requested_at, progress, policy, is_over),
        lambda: _replay_pass(cloud, tables, since, progress, policy, rules, at_most=MOST_WRITES),
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

    entries, passed = _together(
        lambda: _log_entries(cloud, recovery, recovery.requested_at, progress, policy, is_over),
        lambda: for_each(streams, read_past),
    )
    progress = replace(progress, behind=progress.behind or not all(is_now for *_, is_now in passed))
    for role, reached, _ in passed:
        progress = progress.with_positions(role, reached)
    return end_logged(restored_tokens_of(recovery, cloud), entries, (), progress, is_over)


def _log_entries(
    cloud: Cloud,
    recovery: Recovery,
    since: datetime,
    progress: ReplayProgress,
    policy: RecoveryPolicy,
    is_over: Callable[[], bool],
) -> LogEntries:
    return read_log_entries(cloud, recovery.service.revocations, since, progress, policy.stream_delay, is_over)


def _together(first: Callable[[], A], second: Callable[[], B]) -> tuple[A, B]:
    """Make two calls in parallel: both wait until the last write has had time to arrive in a stream."""
    results: list[Any] = for_each((first, second), lambda call: call())
    return results[0], results[1]


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

    since = replay_begins(recovery)
    return _replay_pass(cloud, tables, since, progress, policy, rules, recovery.replays or (), at_most=MOST_WRITES)


def replay_begins(recovery: Recovery) -> datetime:
    """Return the time from which writes may be missing in the restored tables."""
    return min(content_time(table, recovery.point) - table.uncertainty for table in recovery.tables)


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
    entries, replayed = _together(
        lambda: _log_entries(cloud, recovery, since, progress, policy, is_over),
        lambda: _replay_pass(
            cloud, remaining, promoted_at, progress, policy, rules, at_most=MOST_WRITES, is_over=is_over, pace=pace
        ),
    )
    if Role.TOKENS not in remaining:
        return replayed
    return _when_allowed(
        cloud, lambda: end_logged(previous, entries, written, replayed, is_over, lambda: pace(tokens.source))
    )


def _ahead(recovery: Recovery) -> Mapping[str, int]:
    """Return the positions in the streams of the restored tables that were read past ahead of the cutover."""
    places = (recovery.replay or ReplayProgress()).positions.items()
    return {place.removeprefix(BACK): number for place, number in places if place.startswith(BACK)}


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


def _when_allowed(cloud: Cloud, call: Callable[[], A]) -> A:
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


def _replay_pass(
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
            writes, reached = cloud.late_writes.read(
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


def _epoch_shift(cloud: Cloud, recovery: Recovery) -> int:
    """Return the epoch of a restored table minus the one that was in force in its source."""
    state = restored_tokens_of(recovery, cloud).read_state()
    return state.epoch - state.in_force if state is not None else 0


def unblock_live_tables(cloud: Cloud) -> str:
    """Unblock tables that the live versions use while no execution holds the environment lock; return what was done.

    A cutover or its rollback leaves no live table blocked. But a task that was stopped may have sent its last request
    late, or a policy may have been read before it was visible. Tables that the way back of a failover has closed stay
    closed (ADR 77). A failure is logged and not raised, because the
    reconciler must go on.
    """
    lock = cloud.ledger.read_lock()
    if lock.held:
        return ""

    def fence() -> None:
        if cloud.ledger.read_lock() != lock:
            raise LockLost("an execution acquired the environment lock meanwhile")

    try:
        blocked = [table for table in _live_tables(cloud) if cloud.table_access.is_blocked(table)]
        if blocked and _issues_elsewhere(cloud):
            return ""
        for table in blocked:
            cloud.table_access.unblock(table, fence)
    except (OrchestratorError, ClientError) as error:
        logger.error("live tables not checked", extra={"error": type(error).__name__, "reason": str(error)})
        return ""
    if not blocked:
        return ""
    names = [table.name for table in blocked]
    logger.error("live tables were blocked", extra={"tables": names})
    cloud.announce("SourceTablesUnblocked", lock.deployment, tables=names)
    return f"{', '.join(names)} was blocked although clients use it, and is unblocked"


def _issues_elsewhere(cloud: Cloud) -> bool:
    """Whether another region may issue tokens by the assignment in this ledger: the way back has closed the tables here."""
    assignment = cloud.failovers.read_assignment().assignment
    return assignment is not None and assignment.region != cloud.settings["AWS_REGION"]


def _live_tables(cloud: Cloud) -> list[TableRef]:
    """Return the tables that the live versions use."""
    service = msgspec.json.decode(cloud.settings["SERVICE"], type=Service)
    account = cloud.settings["DEPLOYMENT_MACHINE"].split(":")[4]

    def names(function_name: str) -> Iterable[str]:
        stable = cloud.aliases.read_alias(function_name).routing.primary
        return table_variables_of(cloud.versions.describe_version(function_name, stable)).values()

    found = {name for of_function in for_each(service.functions.values(), names) for name in of_function}
    place = f"arn:aws:dynamodb:{cloud.settings['AWS_REGION']}:{account}:table"
    return [TableRef(name, f"{place}/{name}") for name in sorted(found)]
