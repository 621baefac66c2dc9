"""AwaitCutOver: wait until the deployment has ended that makes the service use the copies, and take the claim again."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from orchestrator.aws.cloud import Cloud
from orchestrator.aws.cut_overs import ended, settle
from orchestrator.domain.recovery import RecoveryAction, RecoveryDecision
from orchestrator.domain.recovery_policy import RecoveryPolicy, seconds_before_poll
from orchestrator.tasks import Recovered, Recovering, go_on, recovery_task


def await_cut_over(given: Recovering, cloud: Cloud) -> Recovered:
    """Look at the deployment. While it runs it has the claim, and nothing is written here.

    Raises:
        ClaimLost: somebody else took the claim at the same moment; the machine tries again.
    """
    policy = RecoveryPolicy.parse(msgspec.json.decode(cloud.settings["RECOVERY"]))
    recovery, claim = cloud.restores.read(given.recovery), cloud.restores.claim()
    finding = ended(cloud, recovery, given.error)
    if finding is None or (claim.held and claim.execution != given.execution):
        told = f"{recovery.deployment} has not ended"
        wait = RecoveryDecision(RecoveryAction.WAIT, told, seconds_before_poll(policy, 0), given.attempt + 1)
        return Recovered(recovery.id, given.epoch, wait)
    taken = cloud.restores.take_claim(claim, given.execution, recovery.id, given.kind, cloud.now())
    known = replace(given, given={**given.given, "epoch": taken.epoch})
    return go_on(known, cloud, settle(cloud, recovery, finding, taken), finding.verdict.reason)


handler = recovery_task(await_cut_over)
