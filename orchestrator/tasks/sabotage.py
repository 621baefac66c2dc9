"""Sabotage: break a copy where somebody asked for it. What follows must find it, or the drill is worth nothing."""

from __future__ import annotations

from orchestrator.aws.cloud import Cloud
from orchestrator.aws.saboteur import Saboteur
from orchestrator.domain.recovery import Sabotage
from orchestrator.tasks import Recovered, Recovering, go_on, recovery_task


def sabotage(given: Recovering, cloud: Cloud) -> Recovered:
    """Break what was asked for.

    Raises:
        Refused: there is nothing of the kind to break.
        ClaimLost: another epoch holds the claim.
    """
    ledger = cloud.recoveries(given.kind)
    recovery = ledger.read(given.recovery)
    ledger.check_claim(given.epoch)
    told = Saboteur(cloud.clients("dynamodb")).strike(recovery, Sabotage(recovery.sabotage or ""))
    return go_on(given, cloud, recovery, told)


handler = recovery_task(sabotage)
