"""ReapplySettings: apply to the restored tables the settings that a restore does not carry over.

Some settings can only be applied one after the other, so the state repeats until nothing is left to apply. The state
ReapplyCapacity runs the same task once the service uses the tables: then they get provisioned capacity and scaling.
"""

from __future__ import annotations

from functools import partial

from orchestrator.application.cloud import Cloud, for_each, logger
from orchestrator.application.recovery_planning import wanted_settings
from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.fault_injection import AFTER_SETTINGS
from orchestrator.domain.recovery.policy import seconds_before_poll
from orchestrator.domain.recovery.record import CheckResult, Fault, Recovery, RecoveryAction, TableRecovery
from orchestrator.domain.recovery.table_settings import (
    MAX_ROUNDS,
    capacity_check_results,
    capacity_to_reapply,
    settings_to_reapply,
    settings_until_in_use,
)
from orchestrator.tasks.runtime import (
    RecoveryTaskInput,
    RecoveryTaskOutput,
    open_recovery,
    recovery_policy,
    recovery_task,
    save_and_continue,
)

CAPACITY_STATE = "ReapplyCapacity"
"""The state of a restore that comes after its cutover."""


def reapply_settings(task_input: RecoveryTaskInput, cloud: Cloud) -> RecoveryTaskOutput:
    """Apply every setting that differs from the original table.

    What still differs after the last round is left to CompareSettings, which reports it.

    Raises:
        LockLost: another execution holds the lock.
    """
    policy, recovery = recovery_policy(cloud), open_recovery(task_input, cloud)
    with_capacity = task_input.state_name == CAPACITY_STATE
    if with_capacity and (recovery.failback_of or not recovery.in_use):
        return save_and_continue(task_input, cloud, recovery, "no restored table came into use: none gets capacity")
    skipped = "time_to_live" if recovery.fault is Fault.TTL_OFF else ""
    apply = partial(_apply_settings, cloud=cloud, skipped=skipped, with_capacity=with_capacity)
    different = dict(for_each(recovery.tables, lambda table: (table.role, apply(table))))
    remaining = "; ".join(f"{role}: {', '.join(names)}" for role, names in different.items() if names)
    if remaining and task_input.attempt < MAX_ROUNDS:
        wait_seconds = seconds_before_poll(policy, 0)
        reason = f"applied, to be checked again: {remaining}"
        return save_and_continue(task_input, cloud, recovery, reason, RecoveryAction.WAIT, wait_seconds)
    reason = f"still different: {remaining}" if remaining else "every setting that can be applied equals the source's"
    if with_capacity:
        recovery = recovery.with_check_results(*_capacity_results(recovery, cloud))
    inject = not remaining and not with_capacity and recovery.fault in AFTER_SETTINGS
    action = RecoveryAction.INJECT_FAULT if inject else RecoveryAction.PROCEED
    return save_and_continue(task_input, cloud, recovery, reason, action)


def _apply_settings(table: TableRecovery, *, cloud: Cloud, skipped: str, with_capacity: bool) -> tuple[str, ...]:
    """Apply the settings that differ, and return their names. Fault injection has one setting skipped."""
    source = wanted_settings(table, cloud).settings
    current = cloud.table_settings.read_settings(table.target)
    different = (capacity_to_reapply if with_capacity else settings_to_reapply)(source, current)
    wanted = source if with_capacity else settings_until_in_use(source)
    names = tuple(name for name in different if name != skipped)
    for name in names:
        try:
            cloud.table_settings.apply(name, table.target, wanted, current)
        except Refused as error:
            # CompareSettings reports the difference: it fails a check, and not the task.
            logger.warning("setting was rejected", extra={"table": table.target, "setting": name, "error": str(error)})
    return names


def _capacity_results(recovery: Recovery, cloud: Cloud) -> list[CheckResult]:
    return [
        result
        for table in recovery.tables
        for result in capacity_check_results(
            table.role, wanted_settings(table, cloud), cloud.table_settings.read_settings(table.target)
        )
    ]


handler = recovery_task(reapply_settings)
