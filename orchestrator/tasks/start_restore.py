"""StartRestore: ask for the copies, so many at once. What was asked for before, by this or an earlier try, is adopted."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from orchestrator.aws.cloud import Cloud
from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery import Recovery, TableRecovery
from orchestrator.domain.recovery_plan import asked_point, free_to_start
from orchestrator.domain.recovery_policy import RecoveryPolicy
from orchestrator.domain.restored import belongs
from orchestrator.tasks import Recovered, Recovering, go_on, recovery_task
from orchestrator.tasks.await_export import ask_for_exports


def start_restore(given: Recovering, cloud: Cloud) -> Recovered:
    """Ask for the copies that may be asked for now.

    Raises:
        Refused: a source cannot be restored to the point, or somebody else's table has the copy's name.
        ClaimLost: another epoch holds the claim.
    """
    ledger = cloud.recoveries(given.kind)
    policy = RecoveryPolicy.parse(msgspec.json.decode(cloud.settings["RECOVERY"]))
    recovery = ledger.read(given.recovery)
    started = recovery
    for table in free_to_start(recovery, policy.restores_at_once):
        # Right before each: whoever took over has a sweeper that counts on our asking for nothing more.
        ledger.check_claim(given.epoch)
        if _asked(recovery, table, cloud):
            started = started.with_tables([replace(table, started_at=cloud.now())])
            ledger.keep(started, given.epoch)
    started = ask_for_exports(given, cloud, started)
    count = sum(1 for table in started.tables if table.started_at)
    return go_on(given, cloud, started, f"{count} of {len(started.tables)} restores are asked for")


def _asked(recovery: Recovery, table: TableRecovery, cloud: Cloud) -> bool:
    found = cloud.restoring.look(table.target)
    if found is None:
        return cloud.restoring.ask(table.source, table.target, asked_point(recovery), table.backup_arn)
    if not belongs(table, found):
        raise Refused("target", table.target, f"a table of this name was restored from {found.source_arn}: remove it")
    return True


handler = recovery_task(start_restore)
