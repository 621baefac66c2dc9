"""RecordEvidence: write down what happened so that nobody can change it unseen, and tell the alarms."""

from __future__ import annotations

from orchestrator.aws.cloud import Cloud
from orchestrator.aws.recorded import record
from orchestrator.domain.evidence import as_it_ended
from orchestrator.tasks import Recovered, Recovering, recovery_task, same_decision


def record_evidence(given: Recovering, cloud: Cloud) -> Recovered:
    """Append the recovery's link to the chain of evidence. One that was refused before it had a plan has none.

    Raises:
        Throttled: trying again is right.
    """
    recovery = cloud.recoveries(given.kind).find(given.recovery)
    if recovery is not None:
        record(cloud, as_it_ended(recovery, given.error, cloud.now()))
    return Recovered(given.recovery, given.epoch, same_decision(given))


handler = recovery_task(record_evidence)
