"""AwaitExport: ask for the exports that are to tell what the sources held at the point, and wait for them."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from orchestrator.aws.cloud import Cloud
from orchestrator.aws.exports import Export
from orchestrator.domain.errors import ExportBroken
from orchestrator.domain.recovery import Recovery, RecoveryAction
from orchestrator.domain.recovery_policy import RecoveryPolicy, seconds_before_poll
from orchestrator.domain.restored import refuse_overdue
from orchestrator.tasks import Recovered, Recovering, go_on, recovery_task

COMPLETED, FAILED = "COMPLETED", "FAILED"


def await_export(given: Recovering, cloud: Cloud) -> Recovered:
    """Look at every export that is wanted; ask for those that nobody asked for.

    Raises:
        ExportBroken: one failed.
        RestoreFailed: one is not complete when the lease ends.
        ClaimLost: another epoch holds the claim.
    """
    policy = RecoveryPolicy.parse(msgspec.json.decode(cloud.settings["RECOVERY"]))
    recovery = ask_for_exports(given, cloud, cloud.recoveries(given.kind).read(given.recovery))
    looked = [
        replace(table, exported_at=cloud.now())
        for table in recovery.tables
        if table.export_arn and not table.exported_at and _complete(cloud.exports.look(table.export_arn))
    ]
    recovery = recovery.with_tables(looked)
    open_ones = [table.source for table in recovery.tables if table.export_arn and not table.exported_at]
    if not open_ones:
        return go_on(given, cloud, recovery, "all exports are complete")
    refuse_overdue(recovery, cloud.now())
    told = f"not exported: {', '.join(open_ones)}"
    return go_on(given, cloud, recovery, told, RecoveryAction.WAIT, seconds_before_poll(policy, given.attempt))


def ask_for_exports(given: Recovering, cloud: Cloud, recovery: Recovery) -> Recovery:
    """The recovery with every export asked for that is wanted. Who asks again finds the one that an earlier try asked for.

    Raises:
        ClaimLost: another epoch holds the claim.
    """
    ledger = cloud.recoveries(given.kind)
    for table in recovery.tables:
        if table.by_export and not table.export_arn:
            ledger.check_claim(given.epoch)
            arn = cloud.exports.ask(table.source_arn, recovery.point, recovery.id, table.role)
            recovery = ledger.keep(recovery.with_tables([replace(table, export_arn=arn)]), given.epoch)
    return recovery


def _complete(export: Export) -> bool:
    if export.phase == FAILED:
        raise ExportBroken(f"{export.arn} failed: {export.failure or 'DynamoDB does not say why'}")
    return export.phase == COMPLETED


handler = recovery_task(await_export)
