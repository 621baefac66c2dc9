"""Roles with which AWS Backup works on tables."""

from __future__ import annotations

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from infrastructure.iam import own_account_service
from infrastructure.nag import suppress_nag
from infrastructure.naming import global_name, physical_name
from orchestrator.environments import Environment

BACKUP_ROLE = "backups"
"""The short name of the role with which AWS Backup makes backups and copies."""
RESTORE_ROLE = "restores"
"""The short name of the role with which AWS Backup restores copies in a standby region."""

_POLICIES = {BACKUP_ROLE: "AWSBackupServiceRolePolicyForBackup", RESTORE_ROLE: "AWSBackupServiceRolePolicyForRestores"}


def create_backup_role(scope: Construct, environment: Environment, construct_id: str, name: str) -> iam.Role:
    """Create a role with AWS's managed policy, which only AWS Backup can assume.

    Args:
        scope: the stack.
        environment: the environment.
        construct_id: unique within the stack.
        name: `BACKUP_ROLE` or `RESTORE_ROLE`.
    """
    policy = f"service-role/{_POLICIES[name]}"
    role = iam.Role(
        scope,
        construct_id,
        role_name=global_name(physical_name(name, environment), environment),
        assumed_by=own_account_service(Stack.of(scope), "backup"),
        managed_policies=[iam.ManagedPolicy.from_aws_managed_policy_name(policy)],
    )
    suppress_nag(
        role,
        f"Only AWS Backup can assume this role. AWS updates the managed policy when {name} need more permissions;"
        f" with a narrower policy of our own, {name} would fail then",
        f"IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/{policy}]",
    )
    return role
