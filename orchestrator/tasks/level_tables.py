"""LevelTables: the tables that are gone back to are brought level with those in use, which take no writes any more. Comes again until they are.

From here on the tables that are gone back to are open: nobody but this task has anything to do with them until the aliases move.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from orchestrator.aws.cloud import Cloud, for_each
from orchestrator.aws.contents import Hashing
from orchestrator.aws.levelling import Levels
from orchestrator.domain.cut_over import DENIALS_IN_A_ROW
from orchestrator.domain.decision import Action
from orchestrator.domain.levelling import Levelling, begun, went_on
from orchestrator.domain.recovery import Recovery
from orchestrator.tasks import Answer, Given, go, task, write_down
from orchestrator.tasks.make_tokens_safe import tokens_of

BUDGET = timedelta(seconds=35)
"""How long one visit works before it writes down how far it has come. The function has 60 s."""


def level_tables(given: Given, cloud: Cloud) -> Answer:
    """Go on bringing the tables level; once they are, end what is revoked in them, and close those that are left to readers, too.

    Raises:
        NotLevel: they differ however often they are brought level: somebody writes to them.
        DoorAjar: a table's door does not follow its policy yet; the machine tries again.
        DoorChanged: somebody changed a table's policy; the machine tries again.
        ReadRefused: a table denies this task, as it may for a moment after it was opened; the machine tries again.
        ClaimLost: another epoch holds the claim.
    """
    deployment = cloud.ledger.read(given.deployment)
    change = deployment.cut_over
    assert change is not None, "only a cut-over that goes back comes here"
    recovery, fence = cloud.restores.read(change.recovery), cloud.ledger.fence(given.epoch)
    for table in change.to_open:
        cloud.doors.open(table, fence)
        cloud.doors.refuse_closed(table)
    until = cloud.now() + BUDGET
    levelling = change.levelling or begun({table.role: table.items for table in recovery.tables}, cloud.now())
    levels = _levels(recovery, cloud)
    while not levelling.level and cloud.now() < until:
        levelling = _visited(levelling, levels, lambda: cloud.now() >= until, cloud)
    seen = replace(deployment, cut_over=replace(change, levelling=levelling))
    if not levelling.level:
        return write_down(given, cloud, seen, go(Action.LEVEL, levelling.told, 1))
    # What was revoked is in the log first: where the table in use did not get it any more, this one does.
    ended = tokens_of(recovery, cloud).end_logged()
    for table in change.to_close:
        cloud.doors.close(table, fence)
        cloud.doors.refuse_open(table, DENIALS_IN_A_ROW)
    cloud.announce("TablesLevelled", deployment.id, tables=[table.name for table in change.to_open])
    told = f"{levelling.told}; {ended} logins that the log has as revoked were ended"
    return write_down(given, cloud, seen, go(Action.PROCEED, told))


def _levels(recovery: Recovery, cloud: Cloud) -> dict[str, Levels]:
    key = cloud.readings.open(recovery, {table.role: 0 for table in recovery.tables}).key_bytes
    shapes = {table.role: cloud.table_contents.shape(table.source) for table in recovery.tables}
    return {
        table.role: cloud.levels(
            table.source, table.target, Hashing(key, shapes[table.role].names, shapes[table.role].deleted_by)
        )
        for table in recovery.tables
    }


def _visited(levelling: Levelling, levels: dict[str, Levels], until: Callable[[], bool], cloud: Cloud) -> Levelling:
    visits = for_each(levelling.left, lambda one: (one, *levels[one.role].visit(one, levelling.as_of, until)))
    left = [after for *_, after in visits if after]
    return went_on(levelling, [(one, moved, read) for one, moved, read, _ in visits], left, cloud.now())


handler = task(level_tables)
