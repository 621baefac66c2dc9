"""CompareContent: do the copies hold what their sources held at the point, and what was lost? Says what has to be read first, until nothing has."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

import msgspec

from orchestrator.aws.cloud import Cloud, for_each
from orchestrator.aws.comparing import Point, TableSides
from orchestrator.aws.contents import Hashing
from orchestrator.aws.readings import Comparison
from orchestrator.domain.comparison import Reading, SegmentDigest, Tiers, figures, segments_for, told, verdict
from orchestrator.domain.errors import ExportBroken, SourceUntold
from orchestrator.domain.records import Kind
from orchestrator.domain.recovery import Finding, Recovery, RecoveryAction, TableRecovery, lost
from orchestrator.domain.recovery_policy import RecoveryPolicy
from orchestrator.domain.restoration import uncomparable, weighed
from orchestrator.domain.verdict import Verdict
from orchestrator.probes import loss
from orchestrator.probes.content import compare_tiers, compare_whole
from orchestrator.tasks import Recovered, Recovering, go_on, recovery_task


@dataclass(frozen=True)
class ToBeRead(Recovered):
    """The machine's next state, with the segments that have to be read before it comes back here."""

    readings: tuple[Reading, ...] = field(default=())


def compare_content(given: Recovering, cloud: Cloud) -> Recovered:
    """Ask for exports or for the next tier of segments, or compare every table.

    Raises:
        NotReadable: a table is not there, or holds only a part of what it will hold.
        ClaimLost: another epoch holds the claim.
    """
    policy = RecoveryPolicy.parse(msgspec.json.decode(cloud.settings["RECOVERY"]))
    recovery = cloud.recoveries(given.kind).read(given.recovery)
    if wanted := [table.source for table in recovery.tables if table.by_export and not table.exported_at]:
        return go_on(given, cloud, recovery, f"exports tell of {', '.join(wanted)}", RecoveryAction.EXPORT)
    untold = {table.role: uncomparable(recovery, table) for table in recovery.tables}
    sizes = {
        table.role: 0 if untold[table.role] else segments_for(table.items, table.size_bytes, policy.whole_items)
        for table in recovery.tables
    }
    comparison = cloud.readings.open(recovery, sizes)
    done = cloud.readings.all(recovery.id)
    missing = tuple(
        reading
        for table in recovery.tables
        if comparison.segments[table.role]
        for reading in _tiers(table, comparison, done).missing()
    )
    asked = msgspec.convert(given.given.get("readings") or (), tuple[Reading, ...])
    if missing and not set(missing) & set(asked):
        went_on = go_on(given, cloud, recovery, f"{len(missing)} segments have to be read", RecoveryAction.DIGEST)
        return ToBeRead(went_on.recovery, went_on.epoch, went_on.decision, missing)

    def judged(table: TableRecovery) -> Finding | SourceUntold:
        if why := untold[table.role]:
            return SourceUntold(why)
        try:
            return _judged(table, recovery, comparison, done, policy.stream_settle, cloud)
        except SourceUntold as error:
            return error

    found = dict(zip(recovery.tables, for_each(recovery.tables, judged), strict=True))
    silent = {table: one for table, one in found.items() if isinstance(one, SourceUntold)}
    if silent and given.kind is Kind.DRILL:
        # Of a stream that cannot tell there is no second try; the point can still be exported.
        by_export = recovery.with_tables([replace(table, by_export=True) for table in silent])
        told_why = "; ".join(f"{table.role}: {error}" for table, error in silent.items())
        return go_on(given, cloud, by_export, told_why, RecoveryAction.EXPORT)
    findings = [weighed(given.kind, _finding(table, one)) for table, one in found.items()]
    recovery = recovery.found(*findings)
    if policy.receipts:
        # While nobody uses the copies: from then on they get rows of their own.
        rows = for_each(recovery.tables, lambda table: loss.look(recovery, table, cloud.receipts))
        recovery = lost(recovery, [one for _, one in rows]).found(*(finding for finding, _ in rows))
    return go_on(given, cloud, recovery, "; ".join(one.verdict.reason for one in findings))


def _finding(table: TableRecovery, found: Finding | SourceUntold) -> Finding:
    if isinstance(found, Finding):
        return found
    return Finding(f"content.{table.role}", Verdict.inconclusive(f"{table.role}: {found}"))


def _tiers(table: TableRecovery, comparison: Comparison, done: list[SegmentDigest]) -> Tiers:
    return Tiers(table.role, comparison.segments[table.role], done, exported=table.by_export)


def _judged(
    table: TableRecovery,
    recovery: Recovery,
    comparison: Comparison,
    done: list[SegmentDigest],
    settle: timedelta,
    cloud: Cloud,
) -> Finding:
    """Compare one table.

    Raises:
        SourceUntold: its stream does not tell what it held at the point.
    """
    source, copy = cloud.table_contents.shape(table.source), cloud.table_contents.shape(table.target)
    hashing = Hashing(comparison.key_bytes, source.names, source.deleted_by)
    point = Point(recovery.point, timedelta(0), settle, cloud.now())
    tiers = _tiers(table, comparison, done)
    if tiers.segments and (unread := tiers.missing()):
        return Finding(f"content.{table.role}", Verdict.error(f"{table.role}: {told(unread)} could not be read"))
    try:
        exported = (
            cloud.exports.content(table.export_arn, table.source_arn, recovery.point, hashing)
            if table.by_export
            else None
        )
        sides = TableSides(
            table.role, source, copy, point, cloud.table_contents, cloud.stream_changes, hashing, exported
        )
        seen = compare_tiers(sides, tiers, cloud.now()) if tiers.segments else compare_whole(sides, cloud.now())
    except ExportBroken as error:
        return Finding(f"content.{table.role}", Verdict.error(f"{table.role}: {error}"))
    cloud.table_contents.check(table.target)
    return Finding(f"content.{table.role}", verdict(seen), figures(seen))


handler = recovery_task(compare_content)
