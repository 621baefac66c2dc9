"""The functions of a failover: one row each, as in `infrastructure/orchestrator/functions.py`.

They exist in the standby region only. The renewal of the lease exists in both regions.
"""

from __future__ import annotations

from collections.abc import Mapping

from infrastructure.lambda_functions import Size
from infrastructure.orchestrator.functions import FunctionSpec
from infrastructure.orchestrator.iam_grants import (
    INVOKE_LIVE_ALIAS,
    ITEM_ACTIONS,
    READ_VERSIONS,
    SIGN_IN_AS_SYNTHETIC_CLIENT,
    UPDATE_ALIASES,
    UPDATE_FUNCTION_VARIABLES,
    Grant,
    Ledger,
    Permissions,
    allow,
)
from infrastructure.orchestrator.iam_resources import Resource

_PACKAGE = "orchestrator.tasks.failover"
INCIDENTS = "INCIDENTS"

LIST_COPIES = (
    allow("dynamodb:ListBackups", on=(Resource.ALL_RESOURCES,)),
    allow("backup:ListBackupVaults", "backup:ListRecoveryPointsByBackupVault", on=(Resource.ALL_RESOURCES,)),
)
RESTORE_COPIES = (
    # DynamoDB writes the restored table with the caller's permissions (DynamoDB: restore permissions).
    allow("dynamodb:RestoreTableFromBackup", on=(Resource.BACKUPS, Resource.RESTORED_TABLES)),
    allow("dynamodb:DescribeTable", *ITEM_ACTIONS, on=(Resource.RESTORED_TABLES,)),
    allow("backup:StartRestoreJob", on=(Resource.COPIED_RECOVERY_POINTS,)),
    allow("backup:DescribeRestoreJob", "backup:ListRestoreJobs", on=(Resource.ALL_RESOURCES,)),
    allow("iam:PassRole", on=(Resource.COPIES_RESTORE_ROLE,)),
    allow(
        *("dynamodb:DescribeTimeToLive", "dynamodb:DescribeContinuousBackups", "dynamodb:ListTagsOfResource"),
        *("dynamodb:GetResourcePolicy", "dynamodb:DescribeContributorInsights"),
        *("dynamodb:UpdateTable", "dynamodb:UpdateTimeToLive", "dynamodb:UpdateContinuousBackups"),
        on=(Resource.RESTORED_TABLES,),
    ),
    allow(
        "application-autoscaling:DescribeScalableTargets",
        "application-autoscaling:DescribeScalingPolicies",
        on=(Resource.ALL_RESOURCES,),
    ),
)
INVALIDATE_TOKENS = (
    allow(
        *("dynamodb:DescribeTable", "dynamodb:TagResource", "dynamodb:GetItem", "dynamodb:UpdateItem"),
        on=(Resource.RESTORED_TABLES,),
    ),
    allow("dynamodb:GetItem", on=(Resource.REVOCATIONS,)),
)
USE_LEASE = allow("dynamodb:GetItem", "dynamodb:PutItem", on=(Resource.ISSUING_LEASE,))
READ_ASSIGNMENT = (
    allow("dynamodb:GetItem", on=(Resource.ISSUING_ASSIGNMENT,)),
    allow("kms:Decrypt", on=(Resource.ASSIGNMENT_KEYS,)),
)
READ_HOME_LEASE = (
    allow("dynamodb:GetItem", on=(Resource.HOME_LEASE,)),
    allow("kms:Decrypt", on=(Resource.HOME_DATA_KEYS,)),
)
READ_HOME_CLIENTS = (
    allow("dynamodb:Query", on=(Resource.HOME_CLIENT_RECORDS,)),
    allow("kms:Decrypt", on=(Resource.HOME_LEDGER_KEYS,)),
)
COPY_CLIENTS = allow("dynamodb:PutItem", on=(Resource.CLIENT_RECORDS,))
APPLY_CLIENTS = allow("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:DeleteItem", on=(Resource.CLIENT_ITEMS,))
READ_HOME_RELEASE = allow("lambda:GetFunctionConfiguration", on=(Resource.HOME_FUNCTIONS,))
LIST_COPIED_FILES = (
    allow("s3:ListBucket", on=(Resource.HOME_EVIDENCE,)),
    allow("s3:ListBucket", on=(Resource.EVIDENCE_COPIES,)),
)
CHECK_KEYS = (
    allow("dynamodb:GetItem", on=(Resource.KEY_RING,)),
    allow("kms:DescribeKey", "kms:GetPublicKey", on=(Resource.SIGNING_KEYS,)),
)
DESCRIBE_DATA_KEY = allow("kms:DescribeKey", on=(Resource.DATA_KEY,))
UPDATE_DNS = (
    allow("apigateway:GET", on=(Resource.API_DOMAIN,)),
    allow("route53:ChangeResourceRecordSets", on=(Resource.DOMAIN_ZONE,)),
    allow("route53:GetChange", on=(Resource.DNS_CHANGES,)),
)
NOTIFY_OPERATORS = allow("sns:Publish", on=(Resource.OPERATORS,))


def _task(*grants: Grant, variables: tuple[str, ...] = ()) -> FunctionSpec:
    # What writes an incident puts its events on the bus.
    publishes = INCIDENTS in variables
    return FunctionSpec(_PACKAGE, Permissions(Ledger.WRITES, publishes_events=publishes, grants=grants), variables)


FAILOVER_TASKS: Mapping[str, FunctionSpec] = {
    "plan_failover": _task(
        *LIST_COPIES,
        READ_VERSIONS,
        variables=("FAILOVER_POLICY", "HOME_REGION", "SOURCE_TABLES", "SERVICE", INCIDENTS),
    ),
    "request_approval": _task(NOTIFY_OPERATORS, variables=("OPERATORS_TOPIC",)),
    "check_approvals": _task(),
    "fence_home": _task(),
    "restore_copies": _task(
        *LIST_COPIES,
        *RESTORE_COPIES,
        DESCRIBE_DATA_KEY,
        variables=("DEFAULT_TABLE_SETTINGS", "RESTORE_ROLE", "DATA_KEY", "FAILOVER_POLICY", "SOURCE_TABLES"),
    ),
    "invalidate_tokens": _task(*INVALIDATE_TOKENS, variables=("REVOCATIONS_TABLE",)),
    "deploy_release": _task(
        UPDATE_FUNCTION_VARIABLES,
        READ_VERSIONS,
        UPDATE_ALIASES,
        allow("lambda:PublishVersion", "lambda:ListVersionsByFunction", on=(Resource.FUNCTIONS,)),
        variables=("SERVICE",),
    ),
    "check_keys": _task(*CHECK_KEYS, variables=("KEYS_TABLE", "SIGNING_KEY_ID")),
    "verify_standby": _task(INVOKE_LIVE_ALIAS, SIGN_IN_AS_SYNTHETIC_CLIENT, variables=("SERVICE",)),
    "take_over": _task(USE_LEASE, APPLY_CLIENTS, variables=("FAILOVER_POLICY", "KEYS_TABLE")),
    "update_dns": _task(*UPDATE_DNS, variables=("SERVICE", "API_DOMAIN", "HOSTED_ZONE_ID")),
    "announce_failover": _task(
        allow("sns:Publish", on=(Resource.OPERATORS, Resource.CLIENTS)),
        variables=("OPERATORS_TOPIC", "CLIENTS_TOPIC", INCIDENTS),
    ),
    "conclude_failover": _task(NOTIFY_OPERATORS, variables=("OPERATORS_TOPIC",)),
}
"""Tasks of the failover state machine, by module."""

RENEW_LEASE, EVALUATE_FAILOVER, RECORD_HOME_RELEASE = "renew_lease", "evaluate_failover", "record_home_release"

FAILOVER_HANDLERS: Mapping[str, FunctionSpec] = {
    RENEW_LEASE: FunctionSpec(
        "orchestrator.event_handlers",
        Permissions(Ledger.READS, publishes_events=False, grants=(USE_LEASE, *READ_ASSIGNMENT)),
        variables=("FAILOVER_POLICY", "KEYS_TABLE"),
    ),
    RECORD_HOME_RELEASE: FunctionSpec(
        "orchestrator.event_handlers.standby",
        Permissions(Ledger.WRITES, publishes_events=False, grants=(READ_HOME_RELEASE,)),
        variables=("HOME_REGION", "SERVICE"),
    ),
    EVALUATE_FAILOVER: FunctionSpec(
        "orchestrator.event_handlers.standby",
        Permissions(
            # A copy of a client's record is written with a check of the assignment.
            Ledger.CHECKS,
            publishes_events=False,
            grants=(
                *LIST_COPIES,
                *CHECK_KEYS,
                DESCRIBE_DATA_KEY,
                READ_VERSIONS,
                INVOKE_LIVE_ALIAS,
                *READ_HOME_LEASE,
                *READ_HOME_CLIENTS,
                COPY_CLIENTS,
                READ_HOME_RELEASE,
                *LIST_COPIED_FILES,
                allow("apigateway:GET", on=(Resource.API_DOMAIN,)),
                NOTIFY_OPERATORS,
            ),
        ),
        variables=(
            *("FAILOVER_POLICY", "HOME_REGION", "KEYS_TABLE", "SIGNING_KEY_ID", "SERVICE", "API_DOMAIN"),
            *("HOSTED_ZONE_ID", "OPERATORS_TOPIC", "OPERATORS", "SOURCE_TABLES", "DATA_KEY"),
            *("HOME_EVIDENCE_BUCKET", "EVIDENCE_COPIES_BUCKET"),
        ),
        # A home region that drops packets: each of five reads waits for two attempts, S3's for each of eight addresses.
        size=Size(timeout_seconds=180),
    ),
}
"""Event handlers of an environment with a standby region, by module. All but the first are in the standby region only."""
