"""AwaitRestore: are the copies ready? A table that is active and still being restored is not: it holds a part of its items."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from orchestrator.aws.cloud import Cloud
from orchestrator.domain.recovery import Recovery, RecoveryAction, TableRecovery
from orchestrator.domain.recovery_policy import RecoveryPolicy, seconds_before_poll
from orchestrator.domain.restored import awaited, judge_restored, refuse_lost, refuse_overdue, tags_of
from orchestrator.tasks import Recovered, Recovering, go_on, recovery_task


def await_restore(given: Recovering, cloud: Cloud) -> Recovered:
    """Look at every copy that was asked for and not seen ready; tag it as soon as that is possible.

    Raises:
        RestoreFailed: a copy is not there any more, or not ready when the lease ends.
        ClaimLost: another epoch holds the claim.
    """
    policy = RecoveryPolicy.parse(msgspec.json.decode(cloud.settings["RECOVERY"]))
    recovery = cloud.recoveries(given.kind).read(given.recovery)
    for table in recovery.tables:
        if table.started_at and not table.ready_at:
            recovery = _looked(recovery, table, cloud)
    action, reason = awaited(recovery, policy.restores_at_once)
    if action is RecoveryAction.PROCEED:
        answer = go_on(given, cloud, recovery, reason)
        cloud.announce_recovery(
            "TablesRestored", given.kind, recovery.id, copies=[one.target for one in recovery.tables]
        )
        return answer
    refuse_overdue(recovery, cloud.now())
    return go_on(given, cloud, recovery, reason, action, seconds_before_poll(policy, given.attempt))


def _looked(recovery: Recovery, table: TableRecovery, cloud: Cloud) -> Recovery:
    found = refuse_lost(table, cloud.restoring.look(table.target))
    tagged = cloud.restoring.tag(found.arn, tags_of(recovery))
    if not (found.readable and tagged):
        return recovery
    ready = recovery.with_tables([replace(table, ready_at=cloud.now())])
    return ready.found(judge_restored(recovery, table, found))


handler = recovery_task(await_restore)
