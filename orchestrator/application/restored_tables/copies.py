"""Copies of recovery points in another region: list them, and have them copied to this region."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.application.cloud import Cloud
from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.backup_times import Backup
from orchestrator.domain.recovery.backups.copies import as_exact_as_originals, copied_by, days_to_keep
from orchestrator.domain.recovery.backups.kinds import BackupKind
from orchestrator.domain.recovery.record import TableRecovery


def list_copies(cloud: Cloud, table_arn: str) -> tuple[Backup, ...]:
    """Return the copies of a table's recovery points that can be restored.

    Raises:
        Refused: the environment copies none.
    """
    if not cloud.settings["COPY_REGION"]:
        remedy = f"{cloud.environment} copies no backups: set backups.copy_region, and deploy its stacks"
        raise Refused("from", BackupKind.COPY.value, remedy)
    copies = cloud.copied_backups.list_available(table_arn)
    return as_exact_as_originals(copies, cloud.vault_backups.list_available(table_arn))


def copy_here(cloud: Cloud, table: TableRecovery) -> TableRecovery:
    """Have a table's copy copied to this region, once; return the table with what its job has made, if it is complete.

    Raises:
        Refused: AWS Backup cannot copy it.
        RestoreFailed: the job has failed.
    """
    if not table.copy_job:
        days = days_to_keep(table, cloud.now())
        # A repeated request returns the job of the first one.
        job = cloud.copy_jobs.start(table.backup_arn, table.target, cloud.settings["COPY_ROLE"], days=days)
        return replace(table, copy_job=job)
    return replace(table, copied_arn=copied_by(table, cloud.copy_jobs.describe(table.copy_job)))
