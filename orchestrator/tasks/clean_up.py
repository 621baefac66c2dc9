"""CleanUp: remove what the drill made, whatever became of it, and come again until nothing is left."""

from __future__ import annotations

import msgspec

from orchestrator.aws.cloud import Cloud
from orchestrator.aws.remains import remove
from orchestrator.domain.recovery import RecoveryAction
from orchestrator.domain.recovery_policy import RecoveryPolicy, seconds_before_poll
from orchestrator.domain.restored import broken, judge_removal
from orchestrator.tasks import Recovered, Recovering, go_on, recovery_task


def clean_up(given: Recovering, cloud: Cloud) -> Recovered:
    """Remove everything, and keep what a Catch brought here as the finding that makes the drill red.

    Raises:
        ClaimLost: another epoch holds the claim: the sweeper cleans up.
    """
    policy = RecoveryPolicy.parse(msgspec.json.decode(cloud.settings["RECOVERY"]))
    ledger = cloud.recoveries(given.kind)
    recovery = ledger.read(given.recovery)
    if given.error:
        recovery = broken(recovery, given.error)
    ledger.check_claim(given.epoch)
    recovery, wait = judge_removal(recovery, remove(cloud, recovery), cloud.now())
    if wait:
        return go_on(given, cloud, recovery, wait, RecoveryAction.WAIT, seconds_before_poll(policy, given.attempt))
    return go_on(given, cloud, recovery, recovery.findings[-1].verdict.reason)


handler = recovery_task(clean_up)
