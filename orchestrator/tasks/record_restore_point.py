"""RecordRestorePoint: note the instant before canary's first write, so that a rollback can also be a restore."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.aws.cloud import Cloud, for_each
from orchestrator.domain.decision import Action
from orchestrator.domain.records import RestorePoint
from orchestrator.tasks import Answer, Given, go, task, write_down


def record_restore_point(given: Given, cloud: Cloud) -> Answer:
    """Record the time, and back the tables up where the release says that it changes items.

    Raises:
        ClaimLost: another epoch holds the claim.
    """
    deployment = cloud.ledger.read(given.deployment)
    at = cloud.now()
    tables = deployment.service.tables if deployment.changes_items else ()
    backups = for_each(tables, lambda table: cloud.tables.back_up(table, f"before-{deployment.id}"))
    point = RestorePoint(at, dict(zip(tables, backups, strict=True)))
    reason = f"restorable to {at.isoformat()}, with {len(backups)} backups"
    return write_down(given, cloud, replace(deployment, restore_point=point), go(Action.PROCEED, reason))


handler = task(record_restore_point)
