"""Conclude: complete the recovery's record, however it came out."""

from __future__ import annotations

from orchestrator.aws.cloud import Cloud
from orchestrator.domain.ending import cause_of
from orchestrator.domain.errors import ClaimLost
from orchestrator.domain.records import Signal
from orchestrator.domain.recovery import RecoveryAction, RecoveryDecision, concluded, refused
from orchestrator.domain.restored import broken
from orchestrator.tasks import Recovered, Recovering, recovery_task


def conclude(given: Recovering, cloud: Cloud) -> Recovered:
    """Write how it ended: green, red, or refused with its reason.

    Raises:
        ClaimLost: somebody took over; they complete the record.
    """
    ledger, now = cloud.recoveries(given.kind), cloud.now()
    recovery = ledger.find(given.recovery)
    if recovery is None:
        why = cause_of(given.error)
        ledger.refuse(
            Signal(given.recovery, now, "request", given.recovery, acted=False, why=why, deployment=given.recovery)
        )
        return Recovered(given.recovery, given.epoch, RecoveryDecision(RecoveryAction.REFUSED, why))
    if recovery.ended_at is None:
        reached = recovery.reached(given.state, now)
        claim = ledger.claim()
        if claim.execution == given.execution:
            if given.error:
                reached = broken(reached, given.error)
            recovery = ledger.keep(concluded(reached, now), claim.epoch)
        elif recovery.epoch:
            raise ClaimLost(f"{claim.execution or 'nobody'} holds the claim with epoch {claim.epoch}")
        else:
            recovery = ledger.keep_unclaimed(refused(reached, cause_of(given.error), now))
    action = RecoveryAction(recovery.ending or RecoveryAction.RED)
    return Recovered(recovery.id, given.epoch, RecoveryDecision(action, recovery.reason))


handler = recovery_task(conclude)
