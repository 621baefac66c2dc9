"""ReapplySettings: put right on the copies what a restore drops, as far as that is possible now, and come again until nothing is left."""

from __future__ import annotations

import msgspec

from orchestrator.aws.cloud import Cloud, for_each
from orchestrator.aws.wanted_settings import wanted_settings
from orchestrator.domain.recovery import RecoveryAction, Sabotage, TableRecovery
from orchestrator.domain.recovery_policy import RecoveryPolicy, seconds_before_poll
from orchestrator.domain.sabotage import AFTER_SETTINGS
from orchestrator.domain.table_settings import MOST_ROUNDS, to_reapply
from orchestrator.tasks import Recovered, Recovering, go_on, recovery_task


def reapply_settings(given: Recovering, cloud: Cloud) -> Recovered:
    """Set what differs from the source. What could not be set in so many rounds is left to the comparison, which finds it.

    Raises:
        ClaimLost: another epoch holds the claim.
    """
    policy = RecoveryPolicy.parse(msgspec.json.decode(cloud.settings["RECOVERY"]))
    ledger = cloud.recoveries(given.kind)
    recovery = ledger.read(given.recovery)
    ledger.check_claim(given.epoch)
    forgotten = "time_to_live" if recovery.sabotage is Sabotage.TTL_OFF else ""
    left = dict(for_each(recovery.tables, lambda one: (one.role, _put_right(one, cloud, forgotten))))
    open_ones = [f"{role}: {', '.join(names)}" for role, names in left.items() if names]
    if not open_ones:
        action = RecoveryAction.SABOTAGE if recovery.sabotage in AFTER_SETTINGS else RecoveryAction.PROCEED
        return go_on(given, cloud, recovery, "every setting that can be put right is as in the source", action)
    if given.attempt >= MOST_ROUNDS:
        return go_on(given, cloud, recovery, f"left as found: {'; '.join(open_ones)}")
    reason = f"put right, or to be: {'; '.join(open_ones)}"
    return go_on(given, cloud, recovery, reason, RecoveryAction.WAIT, seconds_before_poll(policy, 0))


def _put_right(table: TableRecovery, cloud: Cloud, forgotten: str) -> tuple[str, ...]:
    """What differed, to be looked at again. A saboteur has one setting forgotten."""
    wanted, found = wanted_settings(table, cloud), cloud.table_settings.read(table.target)
    names = tuple(name for name in to_reapply(wanted, found) if name != forgotten)
    for name in names:
        cloud.table_settings.put_right(name, table.target, wanted, found)
    return names


handler = recovery_task(reapply_settings)
