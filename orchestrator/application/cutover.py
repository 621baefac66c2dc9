"""A cutover: its result, the replay of late writes, and tables that stay blocked by mistake.

The result says whether the deployment has ended, and what to roll back if it did not succeed. Late writes are what
blocked tables accepted nevertheless (`orchestrator.domain.deployment.late_writes`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import TypeAlias

import msgspec
from botocore.exceptions import ClientError

from orchestrator.application.cloud import Cloud, for_each, logger
from orchestrator.application.restored_tokens import log_epoch_in_force, restored_tokens_of, revoke_logged
from orchestrator.aws.clients import error_code
from orchestrator.aws.dynamodb.access_block import DENIED
from orchestrator.aws.dynamodb.late_writes import AFTER_DENIAL_SECONDS, DENIALS
from orchestrator.aws.dynamodb.raw_client import DynamoDBError
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

    After a successful one, the revocation log gets the epoch of the tables in use. After a failed cutover, `$LATEST` gets the environment variables of the live version again. The deployment or its
    rollback has reverted the aliases and unblocked the tables by then. The recovery forgets a failed deployment, so
    that a late start of it is refused.

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


Families: TypeAlias = Collection[tuple[str, str]]
"""Families, each with its client."""

STREAM_TIME = timedelta(seconds=2)
"""Stream records have whole seconds. A write of the second before may have been acknowledged after the request."""


def replay_onto_new_tables(
    cloud: Cloud,
    cutover: Cutover,
    recovery: Recovery,
    progress: ReplayProgress,
    policy: RecoveryPolicy,
    *,
    in_use: bool,
) -> ReplayProgress:
    """Replay what the previous tables accepted since their block was requested, and end logins that were revoked.

    A repetition changes nothing. Writes that an earlier pass replayed are left out, because the item may have been
    deleted since.

    Args:
        cloud: the environment.
        cutover: of the deployment.
        recovery: the restore that requested it.
        progress: of the passes so far.
        policy: the environment's recovery policy.
        in_use: whether clients may use the new tables.

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
    tokens = restored_tokens_of(recovery, cloud)

    def rules(families: Families) -> ReplayRules:
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
    replayed = _replay_pass(cloud, tables, since, progress, policy, rules, recovery.replays or ())
    # The source of a restore may be damaged: it must not prevent the restore, as its contents do not either.
    if replayed.unknown and cutover.failback:
        raise SourceStateUnknown(replayed.unknown)
    # A table was sanitized some time ago, and families were revoked since. A client may also have revoked a family
    # before the replay had written it there: then only the log has the revocation. It scans the table: a failback did
    # so before it closed the service to writes (`catch_up`), and does so again when the service is open.
    if in_use or not cutover.failback:
        revoke_logged(tokens)
    return replayed


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
    tokens = restored_tokens_of(recovery, cloud)

    def rules(families: Families) -> ReplayRules:
        return ReplayRules(tokens.read_revocation_log(families), authoritative=True)

    replayed = _replay_pass(cloud, tables, cutover.synced_since, progress, policy, rules, at_most=MOST_WRITES)
    if replayed.unknown:
        raise SourceStateUnknown(replayed.unknown)
    if cutover.in_sync:
        revoke_logged(tokens)
    return replayed


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
    cloud: Cloud, cutover: Cutover, recovery: Recovery, progress: ReplayProgress, policy: RecoveryPolicy
) -> ReplayProgress:
    """Replay onto the previous tables what the new ones accepted since their promotion, and end revoked logins.

    The previous tables have every revocation of before the promotion, because clients used them.

    Raises:
        PolicyNotEffective: a previous table still denies access.
        Throttled, Unreachable: DynamoDB did not answer.
    """
    if cutover.replayed_at is None:
        return progress  # No alias pointed at the new tables.
    tables = {change.role: (change.enters.name, change.leaves.name) for change in cutover.changes}
    remaining = {role: names for role, names in tables.items() if names[1] not in cutover.gone}
    tokens = recovery.table(Role.TOKENS)
    # The roles are exchanged: the previous table gets what the new one accepted.
    previous = cloud.restored_tokens(tokens.source, tokens.target, recovery.service.revocations)

    def rules(families: Families) -> ReplayRules:
        shift = 0 if cutover.failback else -_epoch_shift(cloud, recovery)
        return ReplayRules(previous.read_revocation_log(families), shift)

    replayed = _replay_pass(cloud, remaining, cutover.replayed_at, progress, policy, rules)
    # A client may have revoked a family before the replay had written it there: then only the log has the revocation.
    if Role.TOKENS in remaining:
        _when_allowed(cloud, lambda: revoke_logged(previous))
    return replayed


def _when_allowed(cloud: Cloud, call: Callable[[], object]) -> None:
    """Repeat a call until a table that was unblocked a moment ago allows it."""
    for _ in range(DENIALS):
        try:
            call()
        except DynamoDBError as error:
            if error.code != DENIED:
                raise
        except ClientError as error:
            if error_code(error) != DENIED:
                raise
        else:
            return
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
) -> ReplayProgress:
    """Read the late writes of each table, by role, and replay the new ones onto the other table.

    Writes of corrupted kinds are left out, and counted as lost. `at_most` limits the records of one table. `rules` gets
    the families among the writes.
    """
    delay = policy.stream_delay.total_seconds()
    progress = progress.next_pass()

    def read(role: str) -> tuple[str, list[LateWrite], Mapping[str, int], str]:
        known = progress.positions_of(role)
        try:
            writes, reached = cloud.late_writes.read(tables[role][0], since - STREAM_TIME, delay, known, at_most)
        except (SourceStateUnknown, TableNotReadable) as error:
            return role, [], known, str(error)
        return role, progress.unread(role, writes), reached, ""

    results = for_each(tables, read)
    progress = replace(
        progress,
        unknown="; ".join(unknown for *_, unknown in results if unknown),
        behind=any(len(writes) == at_most for _, writes, *_ in results),
    )
    found = {role: writes for role, writes, *_ in results}
    progress = replay_writes(cloud, tables, found, progress, rules, corrupted)
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
) -> ReplayProgress:
    """Replay writes that no pass has replayed.

    Args:
        cloud: the environment.
        tables: role to the table that accepted them, and to the one that gets them.
        found: role to the writes, in the order of each stream.
        progress: of the passes so far.
        rules: returns the rules for the families among the writes.
        corrupted: kinds that are left out, and counted as lost.

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
            with cloud.late_writes.replaying(tables[role][1]) as replay:
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
