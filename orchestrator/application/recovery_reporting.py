"""Report a recovery that ended: its evidence, its event, and the metrics that the alarms on recoveries use."""

from __future__ import annotations

from datetime import timedelta

from orchestrator.application.cloud import Cloud
from orchestrator.application.restored_tables.restore_jobs import report_validation
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.evidence.chain import ChainEntry
from orchestrator.domain.objectives.scenarios import DRILL, earlier_runs, evidence_kind, scenario_name
from orchestrator.domain.recovery.backups.schedules import SCHEDULED_KINDS
from orchestrator.domain.recovery.record import Measured, Recovery, RecoveryAction, RecoveryDecision, RecoveryOutcome

SUCCEEDED, RECOVERY_SECONDS, DATA_LOSS_SECONDS, SECONDS_SINCE_SUCCESS = (
    "DrillSucceeded",
    "RecoverySeconds",
    "DataLossSeconds",
    "SecondsSinceSuccessfulDrill",
)
"""The names of the metrics."""

EARLIER_RECOVERIES = 50
"""Of so many recoveries, those of the same scenario are in the evidence."""


def write_evidence(cloud: Cloud, recovery: Recovery) -> ChainEntry:
    """Write a recovery's evidence, once, and emit its metrics.

    The recovery's state machine calls it, or the cleanup job for a dead execution. A refused recovery has no metrics,
    because it restored nothing. A recovery with an injected fault has none, because it does not show how we recover.
    """
    snapshots = cloud.artifacts.list_snapshots(1)
    earlier = earlier_runs(recovery, cloud.drills.newest_records(EARLIER_RECOVERIES))
    entry, _ = cloud.evidence.append_entry(recovery, snapshots[0] if snapshots else None, cloud.now(), earlier)
    if recovery.outcome is not RecoveryOutcome.REFUSED and recovery.fault is None:
        dimensions = {"kind": evidence_kind(recovery)}
        succeeded = int(recovery.outcome is RecoveryOutcome.SUCCEEDED)
        # A retry emits them again: the alarms use the minimum and the maximum of a minute, and not the sum.
        cloud.embedded_metrics.put_count(SUCCEEDED, dimensions, recovery.id, succeeded)
        durations = {
            RECOVERY_SECONDS: recovery.measured.recovery_time,
            DATA_LOSS_SECONDS: recovery.measured.data_loss,
        }
        cloud.embedded_metrics.put_duration(
            {name: duration.total_seconds() for name, duration in durations.items() if duration is not None},
            dimensions,
            recovery.id,
        )
    report_validation(cloud, recovery)
    return entry


def publish_completion(
    cloud: Cloud, kind: Kind, recovery_id: str, recovery: Recovery | None, decision: RecoveryDecision
) -> None:
    """Announce a recovery's outcome, as its state machine decided it: the record may be incomplete.

    Args:
        cloud: the environment.
        kind: of the recovery.
        recovery_id: its id.
        recovery: its record; None if it never had a plan.
        decision: the last one.
    """
    if decision.action is RecoveryAction.REFUSED:
        cloud.announce_recovery("Refused", kind, recovery_id, reason=decision.reason)
        return
    entry = cloud.evidence.find_entry(recovery_id)
    measured = recovery.measured if recovery else Measured()
    cloud.announce_recovery(
        "Completed",
        kind,
        recovery_id,
        outcome=decision.action,
        reason=decision.reason,
        fault=recovery.fault if recovery else None,
        recovery_seconds=_seconds(measured.recovery_time),
        data_loss_seconds=_seconds(measured.data_loss),
        evidence=f"{entry.number}:{entry.hash}" if entry else None,
    )


def emit_drill_age(cloud: Cloud) -> timedelta | None:
    """Emit the time since the last successful drill of each kind of backup; return that of point-in-time recovery.

    Each has its kind as a dimension, and is read by it: by environment alone the kinds would be mixed. Before the first success it emits nothing and returns None: missing data puts the alarm in ALARM.
    """
    for kind in SCHEDULED_KINDS:
        _emit_age(cloud, scenario_name(Kind.DRILL, kind, None))
    return _emit_age(cloud, DRILL)


def _emit_age(cloud: Cloud, kind: str) -> timedelta | None:
    entry = cloud.evidence.newest_success(kind)
    if entry is None:
        return None
    age = cloud.now() - entry.recorded_at
    cloud.embedded_metrics.put_duration({SECONDS_SINCE_SUCCESS: age.total_seconds()}, {"kind": kind}, entry.recovery)
    return age


def _seconds(duration: timedelta | None) -> float | None:
    return None if duration is None else duration.total_seconds()
