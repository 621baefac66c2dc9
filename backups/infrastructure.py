"""The stack of backups: a vault, a plan, and what it takes in. It reads tables by name; nothing needs it to run.

Point-in-time recovery is what a restore uses: it goes back to a second, and every table has it. These backups are for what it
cannot answer: a table deleted with its window, an account whose owner is not its owner any more, and what was further back.
"""

from __future__ import annotations

import aws_cdk
from aws_cdk import Duration, Stack
from aws_cdk import aws_backup as backup
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from environments import Environment
from stack_parts import explain, kept, name_of, worldwide

# Not the ring of signing keys: with it a retired key would come back to life, and the keys themselves are not in any backup.
_TABLES = ("state", "tokens", "revocations", "ledger")
_POLICY = "service-role/AWSBackupServiceRolePolicyForBackup"
_REGRET = Duration.days(3)
"""For so long a lock in compliance mode can be taken back; AWS asks for no less."""


class BackupStack(Stack):
    """Daily backups of one environment's tables."""

    def __init__(self, scope: Construct, environment: Environment) -> None:
        super().__init__(
            scope,
            f"ib-oauth-backups-{environment.name}",
            description=f"Backups of the OAuth service's tables ({environment.name})",
            env=aws_cdk.Environment(account=environment.account, region=environment.region),
            termination_protection=environment.deletion_protection,
        )
        settings = environment.backups
        vault = make_vault(self, environment, "backups", settings.keep_days)
        copies = []
        if settings.copy_region:
            elsewhere = self.format_arn(
                service="backup",
                region=settings.copy_region,
                resource="backup-vault",
                resource_name=name_of("backup-copies", environment),
                arn_format=aws_cdk.ArnFormat.COLON_RESOURCE_NAME,
            )
            copies.append(
                backup.BackupPlanCopyActionProps(
                    destination_backup_vault=backup.BackupVault.from_backup_vault_arn(self, "Elsewhere", elsewhere),
                    delete_after=Duration.days(settings.copy_keep_days),
                )
            )
        plan = backup.BackupPlan(
            self,
            "Plan",
            backup_plan_name=name_of("backups", environment),
            backup_plan_rules=[
                backup.BackupPlanRule(
                    rule_name="daily",
                    backup_vault=vault,
                    schedule_expression=events.Schedule.cron(hour=str(settings.hour_utc), minute="0"),
                    start_window=Duration.hours(1),
                    completion_window=Duration.hours(8),
                    delete_after=Duration.days(settings.keep_days),
                    copy_actions=copies,
                )
            ],
        )
        plan.add_selection(
            "Tables",
            backup_selection_name="tables",
            resources=[backup.BackupResource.from_arn(arn) for arn in self._tables(environment)],
            role=self._role(environment),
            disable_default_backup_policy=True,  # it is the role's already
        )

    def _tables(self, environment: Environment) -> list[str]:
        """Name the tables that there are, and after a cut-over those that serve as well."""
        service = environment.service
        names = [*(name_of(table, environment) for table in _TABLES), service.state_table, service.tokens_table]
        return [
            self.format_arn(service="dynamodb", resource="table", resource_name=name) for name in dict.fromkeys(names)
        ]

    def _role(self, environment: Environment) -> iam.Role:
        role = iam.Role(
            self,
            "Role",
            role_name=worldwide(name_of("backups", environment), environment),
            assumed_by=iam.ServicePrincipal(
                "backup.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": self.account}}
            ),
            managed_policies=[iam.ManagedPolicy.from_aws_managed_policy_name(_POLICY)],
        )
        explain(
            role,
            "AWS Backup alone takes on this role, and AWS keeps in this policy what its backups need; a shorter one of ours would"
            " fail in the night in which they need more",
            f"IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/{_POLICY}]",
        )
        return role


def make_vault(stack: Stack, environment: Environment, what: str, keep_days: int) -> backup.BackupVault:
    """Make a vault that is locked as the environment says: nothing in it is deleted before its time."""
    key = None
    if environment.customer_managed_keys:
        key = kms.Key(
            stack,
            "VaultKey",
            alias=f"alias/{name_of(what, environment)}",
            description=f"Encrypts backups ({environment.name})",
            enable_key_rotation=True,
            removal_policy=kept(environment),
        )
    lock = environment.backups.lock
    return backup.BackupVault(
        stack,
        "Vault",
        backup_vault_name=name_of(what, environment),
        encryption_key=key,
        lock_configuration=None
        if lock == "none"
        else backup.LockConfiguration(
            min_retention=Duration.days(keep_days), changeable_for=_REGRET if lock == "compliance" else None
        ),
        removal_policy=kept(environment),
    )
