"""ReleaseRecovery: give the claim back. Whoever has taken it over keeps it."""

from __future__ import annotations

from orchestrator.aws.cloud import Cloud
from orchestrator.tasks import Recovered, Recovering, recovery_task, same_decision


def release_recovery(given: Recovering, cloud: Cloud) -> Recovered:
    """Release the claim if this execution holds it, even where an error kept its epoch from the machine's state."""
    ledger = cloud.recoveries(given.kind)
    claim = ledger.claim()
    if claim.execution == given.execution:
        ledger.release_claim(claim.epoch)
    return Recovered(given.recovery, given.epoch, same_decision(given))


handler = recovery_task(release_recovery)
