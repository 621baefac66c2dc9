"""A recovery at its end: its evidence, and the metrics that the alarms on recoveries watch."""

from __future__ import annotations

from datetime import timedelta

from orchestrator.aws.cloud import Cloud
from orchestrator.domain.evidence_chain import Link
from orchestrator.domain.records import Kind
from orchestrator.domain.recovery import Measured, Recovery, RecoveryAction, RecoveryDecision, RecoveryEnding

GREEN, TOOK, LOST, SINCE_GREEN = "DrillGreen", "RecoverySeconds", "DataLossSeconds", "SecondsSinceGreenDrill"


def record(cloud: Cloud, recovery: Recovery) -> Link:
    """Write a recovery's evidence, once, and measure it. For whoever ends a recovery: its machine, or the sweeper of a dead one.

    What was refused made nothing and measures nothing; what was broken on purpose says nothing about how we recover.
    """
    bundles = cloud.archive.configurations(1)
    link, _ = cloud.evidence.record(recovery, bundles[0] if bundles else None, cloud.now())
    if recovery.ending is not RecoveryEnding.REFUSED and recovery.sabotage is None:
        of = {"kind": str(recovery.kind)}
        green = int(recovery.ending is RecoveryEnding.GREEN)
        # Again in a retry: the alarms watch the least and the most of a minute, not the sum.
        cloud.measures.count(GREEN, of, recovery.id, green)
        figures = {TOOK: recovery.measured.recovery_time, LOST: recovery.measured.data_loss}
        cloud.measures.seconds(
            {name: _seconds(found) for name, found in figures.items() if found is not None}, of, recovery.id
        )
    return link


def announce_end(
    cloud: Cloud, kind: Kind, recovery_id: str, recovery: Recovery | None, decision: RecoveryDecision
) -> None:
    """Announce how a recovery came out: as its machine decided, which a record that could not be completed does not tell.

    Args:
        cloud: the environment.
        kind: of the recovery.
        recovery_id: its id.
        recovery: its record; None where it never had a plan.
        decision: the last one.
    """
    if decision.action is RecoveryAction.REFUSED:
        cloud.announce_recovery("Refused", kind, recovery_id, reason=decision.reason)
        return
    link = cloud.evidence.of(recovery_id)
    measured = recovery.measured if recovery else Measured()
    cloud.announce_recovery(
        "Completed",
        kind,
        recovery_id,
        ending=decision.action,
        reason=decision.reason,
        sabotage=recovery.sabotage if recovery else None,
        recovery_seconds=None if measured.recovery_time is None else _seconds(measured.recovery_time),
        data_loss_seconds=None if measured.data_loss is None else _seconds(measured.data_loss),
        evidence=f"{link.number}:{link.hash}" if link else None,
    )


def tell_age_of_proof(cloud: Cloud) -> timedelta | None:
    """Say how long ago a drill was green; None, and nothing said, where none ever was: silence rings."""
    found = cloud.evidence.newest_green("drill")
    if found is None:
        return None
    age = cloud.now() - found.recorded_at
    cloud.measures.seconds({SINCE_GREEN: _seconds(age)}, {}, found.recovery)
    return age


def _seconds(length: timedelta) -> float:
    return length.total_seconds()
