"""The stack of backups: a vault, a plan, and the tables that it backs up. It refers to tables by name only.

A restore uses point-in-time recovery, which every table has and which reaches any second of its window. These
backups cover the other cases: a deleted table, a compromised account, and recovery points before the window.
"""

from __future__ import annotations

from aws_cdk import Duration, Stack
from aws_cdk import aws_backup as backup
from aws_cdk import aws_events as events
from aws_cdk import aws_kms as kms
from constructs import Construct

from infrastructure.arns import table_arn, vault_arn
from infrastructure.backups.roles import BACKUP_ROLE, create_backup_role
from infrastructure.common import EnvironmentStack, removal_policy_of
from infrastructure.keys import create_key
from infrastructure.naming import physical_name
from orchestrator.environments import Environment

# Without the key ring: restoring it would reactivate retired keys, and no backup contains the keys themselves.
_TABLES = ("state", "tokens", "revocations", "ledger")
_LOCK_GRACE_PERIOD = Duration.days(3)
"""How long a lock in compliance mode can still be removed; AWS requires at least three days."""


class BackupStack(EnvironmentStack):
    """Daily backups of one environment's tables."""

    def __init__(self, scope: Construct, environment: Environment) -> None:
        super().__init__(scope, environment, "backups", f"Backups of the OAuth service's tables ({environment.name})")
        settings = environment.backups
        key = create_vault_key(self, environment, "backups")
        vault = create_vault(self, environment, "backups", settings.keep_days, key)
        copies = []
        if settings.copy_region:
            copy_vault = vault_arn(self, environment, "backup-copies", region=settings.copy_region)
            # Without a lock: what a drill has copied here from the other region is kept for a day or two.
            backup.BackupVault(
                self,
                "DrillVault",
                backup_vault_name=physical_name("backups-of-drills", environment),
                encryption_key=key,
                removal_policy=removal_policy_of(environment),
            )
            copies.append(
                backup.BackupPlanCopyActionProps(
                    destination_backup_vault=backup.BackupVault.from_backup_vault_arn(self, "Elsewhere", copy_vault),
                    delete_after=Duration.days(settings.copy_keep_days),
                )
            )
        plan = backup.BackupPlan(
            self,
            "Plan",
            backup_plan_name=physical_name("backups", environment),
            backup_plan_rules=[
                backup.BackupPlanRule(
                    rule_name="daily",
                    backup_vault=vault,
                    schedule_expression=events.Schedule.cron(hour=str(settings.hour_utc), minute="0"),
                    start_window=Duration.hours(1),
                    completion_window=Duration.hours(8),
                    delete_after=Duration.days(settings.keep_days),
                    copy_actions=copies,
                    # Drills may restore recovery points with this tag only.
                    recovery_point_tags={"environment": environment.name},
                )
            ],
        )
        plan.add_selection(
            "Tables",
            backup_selection_name="tables",
            resources=[backup.BackupResource.from_arn(arn) for arn in self._tables(environment)],
            role=create_backup_role(self, environment, "Role", BACKUP_ROLE),
            disable_default_backup_policy=True,  # the role has its own policy
        )

    def _tables(self, environment: Environment) -> list[str]:
        """Return the ARNs of the stack's tables and, after a cutover, of the restored tables in use."""
        service = environment.service
        names = [*(physical_name(table, environment) for table in _TABLES), service.state_table, service.tokens_table]
        return [table_arn(self, name) for name in dict.fromkeys(names)]


def create_vault_key(stack: Stack, environment: Environment, name: str) -> kms.Key | None:
    """Create the key that encrypts the backups of a stack; None if AWS Backup's own does."""
    if not environment.customer_managed_keys:
        return None
    return create_key(stack, environment, name, f"Encrypts backups ({environment.name})", construct_id="VaultKey")


def create_vault(
    stack: Stack, environment: Environment, name: str, keep_days: int, key: kms.Key | None
) -> backup.BackupVault:
    """Create a vault with the environment's lock, which prevents the deletion of backups before `keep_days`."""
    lock = environment.backups.lock
    return backup.BackupVault(
        stack,
        "Vault",
        backup_vault_name=physical_name(name, environment),
        encryption_key=key,
        lock_configuration=None
        if lock == "none"
        else backup.LockConfiguration(
            min_retention=Duration.days(keep_days), changeable_for=_LOCK_GRACE_PERIOD if lock == "compliance" else None
        ),
        removal_policy=removal_policy_of(environment),
    )
