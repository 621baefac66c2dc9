"""Measure: how long it took and how much was lost, beside what is promised."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from orchestrator.aws.cloud import Cloud, for_each
from orchestrator.domain.failing_back import measured_back
from orchestrator.domain.receipts import SLOTS, Loss, figures, loss, verdict
from orchestrator.domain.recovery import Finding, Recovery, TableRecovery, lost
from orchestrator.domain.recovery import measure as measured
from orchestrator.domain.recovery_policy import RecoveryPolicy
from orchestrator.domain.restoration import weighed
from orchestrator.tasks import Recovered, Recovering, go_on, recovery_task


def measure(given: Recovering, cloud: Cloud) -> Recovered:
    """Judge the recovery by its receipts, where these are written, and by its objectives.

    Raises:
        ClaimLost: another epoch holds the claim.
    """
    policy = RecoveryPolicy.parse(msgspec.json.decode(cloud.settings["RECOVERY"]))
    recovery = cloud.recoveries(given.kind).read(given.recovery)
    if recovery.back:
        # Acknowledged rows of before the restore are not in it, and that is what it was for.
        recovery = measured_back(recovery)
    elif policy.receipts:
        found = for_each(recovery.tables, lambda table: _by_receipts(recovery, table, cloud))
        recovery = lost(recovery, [one for _, one in found]).found(*(finding for finding, _ in found))
    recovery = measured(recovery, cloud.now())
    told = [one.verdict.reason for one in recovery.findings if one.check.startswith("objective.")]
    return go_on(given, cloud, recovery, "; ".join(told))


def _by_receipts(recovery: Recovery, table: TableRecovery, cloud: Cloud) -> tuple[Finding, Loss]:
    acknowledged = cloud.receipts.acknowledged(table.role, recovery.point - timedelta(seconds=SLOTS))
    # Who recovers to an earlier time than they could loses by intent what lies between.
    moment = recovery.requested_at - (recovery.latest - recovery.point)
    found = loss(acknowledged, cloud.receipts.rows(table.target), recovery.point, moment)
    finding = Finding(f"receipts.{table.role}", verdict(table.role, found, acknowledged), figures(found))
    return weighed(recovery.kind, finding), found


handler = recovery_task(measure)
