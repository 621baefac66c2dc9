"""ReopenSource: open the tables again that a cut-over had closed. The aliases are back on the versions that use them."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.aws.cloud import Cloud
from orchestrator.domain.cut_over import DENIALS_IN_A_ROW
from orchestrator.domain.decision import Action
from orchestrator.tasks import Answer, Given, passed_on, task


def reopen_source(given: Given, cloud: Cloud) -> Answer:
    """Open every table that the deployment left, and see that it no longer denies. Those it went back to are closed again before.

    Raises:
        DoorAjar: a table still denies; the machine tries again.
        DoorChanged: somebody changed a table's policy; the machine tries again.
        ClaimLost: a later rollback took over.
    """
    deployment = cloud.ledger.read(given.deployment)
    assert deployment.cut_over is not None, "only a cut-over's rollback comes here"
    fence = cloud.ledger.fence(given.epoch)
    for table in deployment.cut_over.to_open:
        cloud.doors.close(table, fence)
        cloud.doors.refuse_open(table, DENIALS_IN_A_ROW)
    for table in deployment.cut_over.to_close:
        cloud.doors.open(table, fence)
    for table in deployment.cut_over.to_close:
        cloud.doors.refuse_closed(table)
    cloud.announce("TablesOpened", deployment.id, tables=[table.name for table in deployment.cut_over.to_close])
    return Answer(deployment.id, given.epoch, replace(passed_on(given), action=Action.RESTORE))


handler = task(reopen_source)
