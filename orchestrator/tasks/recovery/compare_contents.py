"""CompareContents: compare the restored tables with their sources at the recovery point, and measure the data loss.

The state lists what must be read first, segments or exports, and repeats until everything is read.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import msgspec

from orchestrator.application import data_loss
from orchestrator.application.cloud import Cloud, for_each
from orchestrator.application.table_comparison import (
    RecoveryPoint,
    TableSides,
    compare_segments,
    compare_whole,
    compare_with_exports,
)
from orchestrator.aws.dynamodb.table_reader import Hashing
from orchestrator.aws.ledger.segment_digests import ComparisonSettings
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.errors import ExportFailed, SourceStateUnknown
from orchestrator.domain.recovery.backup_times import content_time
from orchestrator.domain.recovery.backups.presence import bytes_expected, judge_presence
from orchestrator.domain.recovery.backups.selection import cannot_be_exported
from orchestrator.domain.recovery.policy import RecoveryPolicy
from orchestrator.domain.recovery.record import CheckResult, Recovery, RecoveryAction, TableRecovery, with_data_loss
from orchestrator.domain.recovery.restore import reason_not_comparable, with_decides
from orchestrator.domain.table_comparison.between_exports import times_around
from orchestrator.domain.table_comparison.comparison import (
    SegmentDigest,
    SegmentedComparison,
    SegmentRef,
    comparison_figures,
    describe_segments,
    judge_comparison,
    segments_for,
)
from orchestrator.domain.verdict import Outcome, Verdict
from orchestrator.tasks.runtime import (
    RecoveryTaskInput,
    RecoveryTaskOutput,
    recovery_policy,
    recovery_task,
    save_and_continue,
)

TableResult = CheckResult | SourceStateUnknown
"""The result of one table, or why its source's state at the recovery point is unknown."""


@dataclass(frozen=True)
class SegmentsToRead(RecoveryTaskOutput):
    """The next state of the state machine, with the segments that must be read before this task runs again."""

    segments: tuple[SegmentRef, ...] = field(default=())


@dataclass(frozen=True)
class _Run:
    """One run of the comparison.

    Attributes:
        comparison: number of segments by role (0 compares the table whole), and the hash key.
        digests: the digests of all segments that were read.
        not_comparable: by role, why a table is not compared; empty if it is.
    """

    recovery: Recovery
    policy: RecoveryPolicy
    comparison: ComparisonSettings
    digests: list[SegmentDigest]
    not_comparable: dict[str, str]

    def segmented(self, table: TableRecovery) -> SegmentedComparison:
        """Return the comparison of a table by its segments."""
        segments = self.comparison.segments[table.role]
        return SegmentedComparison(table.role, segments, self.digests, exported=table.by_export)

    def missing_segments(self) -> tuple[SegmentRef, ...]:
        """Return the segments that must be read before the tables can be compared."""
        return tuple(
            segment
            for table in self.recovery.tables
            if self.comparison.segments[table.role] and not self.not_comparable[table.role]
            for segment in self.segmented(table).missing_segments()
        )


def compare_contents(task_input: RecoveryTaskInput, cloud: Cloud) -> RecoveryTaskOutput:
    """Request exports or segments that must be read first; when all are read, compare every table.

    Raises:
        TableNotReadable: a table does not exist, or its restore is not complete.
        LockLost: another execution holds the lock.
    """
    policy = recovery_policy(cloud)
    recovery = task_input.ledger(cloud).read_record(task_input.recovery)
    unexported = [table.source for table in recovery.tables if table.by_export and not table.exported_at]
    if unexported and task_input.kind is Kind.DRILL:
        reason = f"exports are needed of {', '.join(unexported)}"
        return save_and_continue(task_input, cloud, recovery, reason, RecoveryAction.EXPORT)
    if unexported and "segments" not in task_input.state:
        recovery = _with_complete_exports(recovery, cloud)
    run = _start_run(recovery, policy, cloud)
    missing = run.missing_segments()
    requested = msgspec.convert(task_input.state.get("segments") or (), tuple[SegmentRef, ...])
    # A segment that was requested and is still missing could not be read; requesting it again would not end.
    if missing and not set(missing) & set(requested):
        reason = f"{len(missing)} segments must be read"
        output = save_and_continue(task_input, cloud, recovery, reason, RecoveryAction.DIGEST)
        return SegmentsToRead(output.recovery, output.fencing_token, output.decision, missing)
    results = dict(
        zip(recovery.tables, for_each(recovery.tables, lambda table: _compare(table, run, cloud)), strict=True)
    )
    unknown = {
        table: result
        for table, result in results.items()
        if isinstance(result, SourceStateUnknown) and not _has_no_export(table, run)
    }
    if unknown and task_input.kind is Kind.DRILL:
        # A stream that does not reach back to the recovery point never will; an export of that point still can be made.
        by_export = recovery.with_tables([replace(table, by_export=True) for table in unknown])
        reason = "; ".join(f"{table.role}: {error}" for table, error in unknown.items())
        return save_and_continue(task_input, cloud, by_export, reason, RecoveryAction.EXPORT)
    check_results = [
        found
        for table, result in results.items()
        for found in _without_evidence(
            task_input.kind, table, with_decides(task_input.kind, _check_result(table, result)), cloud
        )
    ]
    recovery = recovery.with_check_results(*check_results)
    if policy.heartbeats:
        # Measured while no client uses the restored tables: from then on they get heartbeats of their own.
        recovery = _with_data_loss(recovery, cloud)
    return save_and_continue(task_input, cloud, recovery, "; ".join(result.verdict.reason for result in check_results))


def _has_no_export(table: TableRecovery, run: _Run) -> bool:
    """Return whether no export shows what a backup's source held, or the table is too large to be compared with two."""
    return bool(table.backup_arn) and bool(run.comparison.segments[table.role] or cannot_be_exported(table))


def _without_evidence(kind: Kind, table: TableRecovery, result: CheckResult, cloud: Cloud) -> tuple[CheckResult, ...]:
    """Return the results of a drill of a backup whose source's content nothing can show: named, and does not decide.

    Its size decides then: without it, a drill would succeed that restored nothing. A restore exports nothing, and has its
    own reason.
    """
    reason = cannot_be_exported(table) if table.backup_arn and kind is Kind.DRILL else ""
    if not reason or result.verdict.outcome is not Outcome.INCONCLUSIVE:
        return (result,)
    named = replace(result, verdict=Verdict.inconclusive(f"{table.role}: {reason}"), decides=False)
    items, size = cloud.table_reader.measure(table.target, bytes_expected(table.backup_bytes))
    figures = {"backup_bytes": table.backup_bytes, "items": items, "json_bytes": size}
    present = judge_presence(table.role, table.backup_bytes, items, size)
    return named, CheckResult(f"presence.{table.role}", present, figures)


def _with_complete_exports(recovery: Recovery, cloud: Cloud) -> Recovery:
    """Return a restore with the exports that are complete by now.

    A restore does not wait for an export, and an export that failed does not stop it: the table is then not compared.
    """
    complete = [
        replace(table, exported_at=cloud.now())
        for table in recovery.tables
        if table.export_arn and not table.exported_at and cloud.exports.describe_export(table.export_arn).complete
    ]
    return recovery.with_tables(complete)


def _start_run(recovery: Recovery, policy: RecoveryPolicy, cloud: Cloud) -> _Run:
    not_comparable = {table.role: reason_not_comparable(recovery, table) for table in recovery.tables}
    segments = {
        table.role: segments_for(table.items, table.size_bytes, policy.whole_items) for table in recovery.tables
    }
    comparison = cloud.segment_digests.start_comparison(recovery, segments)
    digests = cloud.segment_digests.read_digests(recovery.id)
    return _Run(recovery, policy, comparison, digests, {str(role): why for role, why in not_comparable.items()})


def _compare(table: TableRecovery, run: _Run, cloud: Cloud) -> TableResult:
    if why := run.not_comparable[table.role]:
        return SourceStateUnknown(why)
    try:
        return _compare_table(table, run, cloud)
    except SourceStateUnknown as error:
        return error


def _compare_table(table: TableRecovery, run: _Run, cloud: Cloud) -> CheckResult:
    """Compare one table.

    Raises:
        SourceStateUnknown: the source's stream does not show what the table held at the recovery point.
    """
    check, recovery = f"content.{table.role}", run.recovery
    source, restored = cloud.table_reader.describe(table.source), cloud.table_reader.describe(table.target)
    hashing = Hashing(run.comparison.key_bytes, source.names, source.ttl_attribute)
    uncertainty = table.uncertainty
    point = RecoveryPoint(content_time(table, recovery.point), uncertainty, run.policy.stream_delay, cloud.now())
    segmented = run.segmented(table)
    if segmented.segments and (unread := segmented.missing_segments()):
        reason = f"{table.role}: {describe_segments(unread)} could not be read"
        return CheckResult(check, Verdict.error(reason))
    try:
        if table.backup_arn and table.by_export:
            return _compare_with_exports(table, cloud, hashing, point)
        exported = (
            cloud.exports.contents(table.export_arn, table.source_arn, recovery.point, hashing)
            if table.by_export
            else None
        )
        sides = TableSides(
            table.role,
            source,
            restored,
            point,
            cloud.table_reader,
            cloud.stream_changes,
            hashing,
            exported,
            cloud.read_pace(source.read_units, run.policy.read_share_percent),
        )
        comparison = (
            compare_segments(sides, segmented, cloud.now(), uncertainty)
            if segmented.segments
            else compare_whole(sides, cloud.now(), uncertainty)
        )
    except ExportFailed as error:
        return CheckResult(check, Verdict.error(f"{table.role}: {error}"))
    cloud.table_reader.check_readable(table.target)
    return CheckResult(check, judge_comparison(comparison), comparison_figures(comparison))


def _compare_with_exports(table: TableRecovery, cloud: Cloud, hashing: Hashing, point: RecoveryPoint) -> CheckResult:
    """Compare a restored backup with the exports of its source from before and after it."""
    times = times_around(point.at, point.uncertainty)
    earlier, later = (
        cloud.exports.contents(arn, table.source_arn, time, hashing)
        for arn, time in zip((table.export_arn, table.later_export_arn), times, strict=True)
    )
    restored = cloud.table_reader.contents(table.target, hashing, None)
    comparison = compare_with_exports(table.role, earlier, later, restored, point)
    cloud.table_reader.check_readable(table.target)
    return CheckResult(f"content.{table.role}", judge_comparison(comparison), comparison_figures(comparison))


def _check_result(table: TableRecovery, result: TableResult) -> CheckResult:
    if isinstance(result, CheckResult):
        return result
    return CheckResult(f"content.{table.role}", Verdict.inconclusive(f"{table.role}: {result}"))


def _with_data_loss(recovery: Recovery, cloud: Cloud) -> Recovery:
    measured = for_each(recovery.tables, lambda table: data_loss.measure_data_loss(recovery, table, cloud.heartbeats))
    with_loss = with_data_loss(recovery, [loss for _, loss in measured])
    return with_loss.with_check_results(*(result for result, _ in measured))


handler = recovery_task(compare_contents)
