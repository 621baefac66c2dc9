"""RecordBackupPoint: record the time before the canary's first write, so that the tables can be restored to it."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.application.cloud import Cloud, for_each
from orchestrator.domain.deployment.decision import Action
from orchestrator.domain.deployment.record import BackupPoint
from orchestrator.tasks.runtime import TaskInput, TaskOutput, append_decision, make_decision, task


def record_backup_point(task_input: TaskInput, cloud: Cloud) -> TaskOutput:
    """Record the time, and back up the tables if the request declares a schema change.

    Raises:
        LockLost: another execution holds the lock.
    """
    deployment = cloud.ledger.read_record(task_input.deployment)
    now = cloud.now()
    tables = deployment.service.tables if deployment.schema_change else ()
    name = f"before-{deployment.id}"
    backups = for_each(tables, lambda table: cloud.point_in_time_recovery.create_backup(table, name))
    point = BackupPoint(now, dict(zip(tables, backups, strict=True)))
    decision = make_decision(Action.PROCEED, f"restorable to {now.isoformat()}, with {len(backups)} backups")
    return append_decision(task_input, cloud, replace(deployment, backup_point=point), decision)


handler = task(record_backup_point)
