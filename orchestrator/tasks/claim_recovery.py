"""ClaimRecovery: become the one who drills. A claim whose execution has died is taken over: its things carry its own name."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.aws.cloud import Cloud
from orchestrator.domain.errors import Refused
from orchestrator.domain.records import Claim
from orchestrator.tasks import Recovered, Recovering, go_on, recovery_task


def claim_recovery(given: Recovering, cloud: Cloud) -> Recovered:
    """Take the claim for this recovery.

    Raises:
        Refused: a living execution holds it, or the recovery has ended.
        ClaimLost: somebody else took it at the same moment.
    """
    ledger = cloud.recoveries(given.kind)
    seen = ledger.claim()
    if seen.held and seen.execution != given.execution:
        _refuse_living(seen, cloud)
    taken = ledger.take_claim(seen, given.execution, given.recovery, given.kind, cloud.now())
    recovery = ledger.read(given.recovery)
    if recovery.ended_at:
        # Its execution was taken for dead while it lived: what everybody was told stands.
        raise Refused("recovery", recovery.id, f"it has ended: {recovery.reason}; start another")
    known = replace(given, given={**given.given, "epoch": taken.epoch})
    answer = go_on(known, cloud, replace(recovery, epoch=taken.epoch), f"claimed with epoch {taken.epoch}")
    cloud.announce_recovery(
        "Started",
        given.kind,
        recovery.id,
        epoch=taken.epoch,
        requested_by=recovery.requested_by,
        point=recovery.point,
        tables=[table.source for table in recovery.tables],
        expected_usd=recovery.cost.usd,
        sabotage=recovery.sabotage,
    )
    return answer


def _refuse_living(seen: Claim, cloud: Cloud) -> None:
    if cloud.executions.describe(seen.execution).alive:
        remedy = f"{seen.kind} {seen.deployment} holds it ({seen.execution}); wait until it has ended"
        raise Refused("claim", f"epoch {seen.epoch}", remedy)


handler = recovery_task(claim_recovery)
