"""CloseSource: close the tables that a cut-over leaves to everybody, and see that they are closed before anything moves."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.aws.cloud import Cloud
from orchestrator.domain.cut_over import CLOSED_ACTIONS, DENIALS_IN_A_ROW, WRITES
from orchestrator.domain.decision import Action
from orchestrator.tasks import Answer, Given, go, task, write_down
from orchestrator.tasks.make_tokens_safe import tokens_of


def close_source(given: Given, cloud: Cloud) -> Answer:
    """Close every table that is left and is still there. From here until the aliases have moved, the service answers 503.

    Where the tables that are entered are still to be brought level, those that are left are closed to writes alone.

    Raises:
        DoorAjar: a table does not deny yet; the machine tries again.
        DoorChanged: somebody changed a table's policy; the machine tries again.
        ClaimLost: another epoch holds the claim; no policy was written after that.
    """
    deployment = cloud.ledger.read(given.deployment)
    assert deployment.cut_over is not None, "only a cut-over comes here"
    tables, back = deployment.cut_over.to_close, deployment.cut_over.back
    for table in tables:
        cloud.doors.close(table, cloud.ledger.fence(given.epoch), WRITES if back else CLOSED_ACTIONS)
    for table in tables:
        cloud.doors.refuse_open(table, DENIALS_IN_A_ROW)
    at = cloud.now()
    cloud.announce("TablesClosed", deployment.id, tables=[table.name for table in tables])
    closed = replace(deployment, cut_over=replace(deployment.cut_over, closed_at=at))
    names = ", ".join(table.name for table in tables)
    if back:
        return write_down(given, cloud, closed, go(Action.LEVEL, f"{names} deny everybody to write"))
    # Nothing more is revoked there; what was, since the copy was made safe, ends in the copy before anybody is served from it.
    ended = tokens_of(cloud.restores.read(deployment.cut_over.recovery), cloud).end_logged()
    told = f"{names} deny everybody" if tables else "the tables that are left are gone"
    told += f"; {ended} logins that were revoked meanwhile are ended in the copy"
    return write_down(given, cloud, closed, go(Action.PROMOTE, told))


handler = task(close_source)
