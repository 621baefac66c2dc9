"""ShiftTraffic: give canary the step's share of every function, and read it back.

It runs before every look, not only before a step's first: the weight is absolute, so a second time asserts it.
"""

from __future__ import annotations

from dataclasses import replace

from orchestrator.aws.cloud import Cloud
from orchestrator.aws.routing import shift
from orchestrator.domain.records import Phase, Shift, refuse_late
from orchestrator.tasks import Answer, Given, passed_on, task


def shift_traffic(given: Given, cloud: Cloud) -> Answer:
    """Set the weights of the step at which the deployment is.

    Raises:
        ClaimLost: another epoch holds the claim; no alias was written after that.
        AliasConflict: somebody without the claim moves an alias, or this is an earlier step's task that comes late.
    """
    deployment, decision = cloud.ledger.read(given.deployment), passed_on(given)
    refuse_late(deployment, decision.step)
    weight_percent = deployment.plan.steps[decision.step].weight_percent
    revisions = shift(deployment, weight_percent, given.epoch, cloud)
    first = deployment.shifted_at(decision.step) is None
    shifts = (*deployment.shifts, Shift(decision.step, weight_percent, cloud.now())) if first else deployment.shifts
    shifted = replace(deployment, phase=Phase.SHIFTING, shifts=shifts, revisions=revisions)
    if shifted != deployment:
        cloud.ledger.keep(shifted, given.epoch)
    if first:
        cloud.announce("TrafficShifted", deployment.id, step=decision.step, weight_percent=weight_percent)
    return Answer(deployment.id, given.epoch, decision)


handler = task(shift_traffic)
