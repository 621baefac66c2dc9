"""RecordEvidence: append the evidence report to the hash chain, and emit the metrics of the recovery alarms."""

from __future__ import annotations

from orchestrator.application.cloud import Cloud
from orchestrator.application.recovery_reporting import write_evidence
from orchestrator.domain.evidence.report import as_concluded
from orchestrator.tasks.runtime import RecoveryTaskInput, RecoveryTaskOutput, recovery_task


def record_evidence(task_input: RecoveryTaskInput, cloud: Cloud) -> RecoveryTaskOutput:
    """Append the recovery's chain entry. A recovery that was refused before it was planned has none.

    Raises:
        Throttled: the state machine retries.
    """
    recovery = task_input.ledger(cloud).find_record(task_input.recovery)
    if recovery is not None:
        write_evidence(cloud, as_concluded(recovery, task_input.error, cloud.now()))
    return task_input.repeat_decision()


handler = recovery_task(record_evidence)
