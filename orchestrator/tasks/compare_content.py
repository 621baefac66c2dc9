"""CompareContent: do the copies hold what their sources held at the point? Says what has to be read first, until nothing has."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import msgspec

from orchestrator.aws.cloud import Cloud, for_each
from orchestrator.aws.comparing import Point, TableSides
from orchestrator.aws.contents import Hashing
from orchestrator.aws.readings import Comparison
from orchestrator.domain.comparison import Reading, SegmentDigest, Tiers, figures, segments_for, told, verdict
from orchestrator.domain.errors import SourceUntold
from orchestrator.domain.recovery import Finding, Recovery, RecoveryAction, TableRecovery
from orchestrator.domain.recovery_policy import RecoveryPolicy
from orchestrator.domain.restoration import uncomparable, weighed
from orchestrator.domain.verdict import Verdict
from orchestrator.probes.content import compare_tiers, compare_whole
from orchestrator.tasks import Recovered, Recovering, go_on, recovery_task


@dataclass(frozen=True)
class ToBeRead(Recovered):
    """The machine's next state, with the segments that have to be read before it comes back here."""

    readings: tuple[Reading, ...] = field(default=())


def compare_content(given: Recovering, cloud: Cloud) -> Recovered:
    """Ask for the next tier of segments, or compare every table.

    Raises:
        NotReadable: a table is not there, or holds only a part of what it will hold.
        ClaimLost: another epoch holds the claim.
    """
    policy = RecoveryPolicy.parse(msgspec.json.decode(cloud.settings["RECOVERY"]))
    recovery = cloud.recoveries(given.kind).read(given.recovery)
    untold = {table.role: uncomparable(recovery, table) for table in recovery.tables}
    sizes = {
        table.role: 0 if untold[table.role] else segments_for(table.items, table.size_bytes, policy.whole_items)
        for table in recovery.tables
    }
    comparison = cloud.readings.open(recovery, sizes)
    done = cloud.readings.all(recovery.id)
    cut = {role: segments for role, segments in comparison.segments.items() if segments}
    missing = tuple(reading for role, segments in cut.items() for reading in Tiers(role, segments, done).missing())
    asked = msgspec.convert(given.given.get("readings") or (), tuple[Reading, ...])
    if missing and not set(missing) & set(asked):
        went_on = go_on(given, cloud, recovery, f"{len(missing)} segments have to be read", RecoveryAction.DIGEST)
        return ToBeRead(went_on.recovery, went_on.epoch, went_on.decision, missing)

    def judged(table: TableRecovery) -> Finding:
        if why := untold[table.role]:
            return Finding(f"content.{table.role}", Verdict.inconclusive(f"{table.role}: {why}"))
        return _judged(table, recovery, comparison, done, policy.stream_settle, cloud)

    found = [weighed(given.kind, one) for one in for_each(recovery.tables, judged)]
    return go_on(given, cloud, recovery.found(*found), "; ".join(one.verdict.reason for one in found))


def _judged(
    table: TableRecovery,
    recovery: Recovery,
    comparison: Comparison,
    done: list[SegmentDigest],
    settle: timedelta,
    cloud: Cloud,
) -> Finding:
    source, copy = cloud.table_contents.shape(table.source), cloud.table_contents.shape(table.target)
    hashing = Hashing(comparison.key_bytes, source.names, source.deleted_by)
    point = Point(recovery.point, timedelta(0), settle, cloud.now())
    sides = TableSides(table.role, source, copy, point, cloud.table_contents, cloud.stream_changes, hashing)
    segments = comparison.segments[table.role]
    tiers = Tiers(table.role, segments, done)
    if segments and (unread := tiers.missing()):
        return Finding(f"content.{table.role}", Verdict.error(f"{table.role}: {told(unread)} could not be read"))
    try:
        seen = compare_tiers(sides, tiers, cloud.now()) if segments else compare_whole(sides, cloud.now())
    except SourceUntold as error:
        return Finding(f"content.{table.role}", Verdict.inconclusive(f"{table.role}: {error}"))
    cloud.table_contents.check(table.target)
    return Finding(f"content.{table.role}", verdict(seen), figures(seen))


handler = recovery_task(compare_content)
