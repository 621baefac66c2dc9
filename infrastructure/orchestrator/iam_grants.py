"""Grants that the rows of `functions.py` combine: actions, and the resources on which they are allowed.

In addition, every function may log and trace and, depending on its row, read or write the ledger and publish events
on the bus.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from infrastructure.orchestrator.iam_resources import Resource


class Ledger(Enum):
    """A function's access to the ledger: actions of DynamoDB."""

    NONE = ()
    READS = ("GetItem", "Query")
    CHECKS = ("GetItem", "Query", "ConditionCheckItem")
    WRITES = ("GetItem", "Query", "PutItem", "ConditionCheckItem")


@dataclass(frozen=True)
class Grant:
    """Actions, and the resources on which they are allowed."""

    actions: tuple[str, ...]
    resources: tuple[Resource, ...]


@dataclass(frozen=True)
class Permissions:
    """The permissions of one function, in addition to logging and tracing."""

    ledger: Ledger
    publishes_events: bool
    grants: tuple[Grant, ...] = ()


def allow(*actions: str, on: tuple[Resource, ...]) -> Grant:
    """Return a grant of actions on resources."""
    return Grant(actions, on)


ITEM_ACTIONS = (
    "dynamodb:BatchGetItem",
    "dynamodb:BatchWriteItem",
    "dynamodb:DeleteItem",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:Scan",
    "dynamodb:UpdateItem",
)
"""Actions that read or write items."""

WRITE_ITEM_ACTIONS = ("dynamodb:BatchWriteItem", "dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:UpdateItem")
"""Those of them that write."""

READ_VERSIONS = allow("lambda:GetFunctionConfiguration", on=(Resource.FUNCTIONS, Resource.QUALIFIED))
READ_ALIASES = allow("lambda:GetAlias", on=(Resource.FUNCTIONS, Resource.LIVE_ALIAS))
MANAGE_PROVISIONED_CONCURRENCY = (
    allow("lambda:ListProvisionedConcurrencyConfigs", on=(Resource.FUNCTIONS,)),
    allow(
        "lambda:PutProvisionedConcurrencyConfig", "lambda:DeleteProvisionedConcurrencyConfig", on=(Resource.QUALIFIED,)
    ),
)
UPDATE_ALIASES = allow("lambda:GetAlias", "lambda:UpdateAlias", on=(Resource.FUNCTIONS, Resource.LIVE_ALIAS))
INVOKE_VERSIONS = allow("lambda:InvokeFunction", on=(Resource.QUALIFIED,))
SIGN_IN_AS_SYNTHETIC_CLIENT = allow("kms:GenerateMac", on=(Resource.SYNTHETIC_KEY,))
READ_METRICS = allow("cloudwatch:GetMetricData", on=(Resource.ALL_RESOURCES,))
ANALYZE_CANARY = (
    READ_METRICS,
    allow("cloudwatch:DescribeAlarms", on=(Resource.ALL_ALARMS,)),
    allow("logs:FilterLogEvents", on=(Resource.LOGS,)),
    allow("logs:StartQuery", on=(Resource.CHECKED_LOGS,)),
    allow("logs:GetQueryResults", on=(Resource.LOG_QUERIES,)),
    INVOKE_VERSIONS,
    SIGN_IN_AS_SYNTHETIC_CLIENT,
)
CALL_HOOKS = (
    allow("lambda:InvokeFunction", on=(Resource.HOOK_FUNCTIONS,)),
    allow("secretsmanager:GetSecretValue", on=(Resource.HOOK_SECRETS,)),
)
DELIVER_NOTIFICATIONS = (
    allow("sqs:SendMessage", on=(Resource.NOTIFICATION_QUEUE, Resource.NOTIFICATION_DEAD_LETTERS)),
    allow("sqs:ChangeMessageVisibility", on=(Resource.NOTIFICATION_QUEUE,)),
    # SES authorises a message with SendRawEmail's action, too, if its content is raw.
    allow("ses:SendEmail", "ses:SendRawEmail", on=(Resource.MAIL_IDENTITY,)),
    allow("secretsmanager:GetSecretValue", on=(Resource.NOTIFICATION_SECRETS, Resource.LINK_KEY)),
)
ACKNOWLEDGE_INCIDENT = (allow("secretsmanager:GetSecretValue", on=(Resource.WEBHOOK_SECRETS, Resource.LINK_KEY)),)
PUBLISH_STATUS_PAGE = (
    READ_ALIASES,
    READ_VERSIONS,
    READ_METRICS,
    allow("cloudwatch:DescribeAlarms", on=(Resource.ALL_ALARMS,)),
    allow("dynamodb:Query", on=(Resource.HEARTBEATS_TABLE,)),
    allow("s3:PutObject", on=(Resource.STATUS_PAGE_OBJECTS,)),
)
EXPORT_TRACE = (
    allow(
        *("states:DescribeExecution", "states:GetExecutionHistory"),
        on=(Resource.DEPLOYMENTS, Resource.ROLLBACKS, Resource.DRILLS, Resource.RESTORES),
    ),
    allow("secretsmanager:GetSecretValue", on=(Resource.TELEMETRY_SECRET,)),
)
CHANGE_ACCESS_BLOCK = allow(
    "dynamodb:GetResourcePolicy",
    "dynamodb:PutResourcePolicy",
    "dynamodb:DeleteResourcePolicy",
    on=(Resource.TABLES, Resource.RESTORED_TABLES),
)
PROBE_ACCESS_BLOCK = allow("dynamodb:UpdateItem", on=(Resource.ACCESS_BLOCK_PROBE,))
READ_EXECUTIONS = allow("states:DescribeExecution", on=(Resource.DEPLOYMENTS, Resource.ROLLBACKS, Resource.RESTORES))
READ_ROLLBACKS = allow("states:DescribeExecution", on=(Resource.ROLLBACKS,))
ROTATE_KEYS = (
    allow("dynamodb:GetItem", "dynamodb:PutItem", on=(Resource.KEY_RING,)),
    allow("tag:GetResources", on=(Resource.ALL_RESOURCES,)),
    allow(
        "kms:DescribeKey", "kms:GetPublicKey", "kms:DisableKey", "kms:ScheduleKeyDeletion", on=(Resource.SIGNING_KEYS,)
    ),
    allow("kms:CreateKey", on=(Resource.KEY_TO_CREATE,)),
    allow("kms:TagResource", on=(Resource.NEW_SIGNING_KEYS,)),
)
READ_CONFIGURATION = (
    allow(
        *("lambda:ListAliases", "lambda:GetPolicy", "lambda:GetFunctionConcurrency", "lambda:ListFunctionUrlConfigs"),
        *("lambda:GetFunctionConfiguration", "apigateway:GET", "iam:ListRolePolicies", "iam:GetRolePolicy"),
        *(
            "iam:GetRole",
            "iam:ListAttachedRolePolicies",
            "events:ListTargetsByRule",
            "events:DescribeEventBus",
            "scheduler:GetSchedule",
        ),
        *("dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive", "dynamodb:DescribeContinuousBackups"),
        *("dynamodb:GetResourcePolicy", "dynamodb:ListTagsOfResource", "states:DescribeStateMachine"),
        *("sns:GetTopicAttributes", "sns:ListSubscriptionsByTopic", "sqs:GetQueueAttributes"),
        *("cloudformation:DescribeStacks", "cloudformation:GetTemplate", "cloudformation:GetStackPolicy"),
        on=(Resource.SNAPSHOT_RESOURCES,),
    ),
    allow("cloudwatch:DescribeAlarms", on=(Resource.ALL_ALARMS,)),
    allow(
        *("kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListResourceTags"),
        on=(Resource.SNAPSHOT_KEYS,),
    ),
    allow(
        *(
            "s3:GetBucketLocation",
            "s3:GetBucketVersioning",
            "s3:GetEncryptionConfiguration",
            "s3:GetBucketPublicAccessBlock",
        ),
        *("s3:GetLifecycleConfiguration", "s3:GetBucketObjectLockConfiguration", "s3:GetBucketPolicy"),
        on=(Resource.EVIDENCE_BUCKET,),
    ),
    allow(
        *(
            "lambda:ListFunctions",
            "iam:ListRoles",
            "events:ListRules",
            "scheduler:ListSchedules",
            "dynamodb:ListTables",
        ),
        *("kms:ListAliases", "states:ListStateMachines", "sns:ListTopics", "sqs:ListQueues", "logs:DescribeLogGroups"),
        on=(Resource.ALL_RESOURCES,),
    ),
)
WRITE_EVIDENCE = allow("s3:PutObject", on=(Resource.EVIDENCE_OBJECTS,))
READ_EVIDENCE_KEYS = allow("kms:GetPublicKey", on=(Resource.EVIDENCE_KEYS,))
RECORD_EVIDENCE = (
    WRITE_EVIDENCE,
    allow("s3:PutObject", on=(Resource.EVIDENCE_HEADS,)),
    allow("kms:Sign", on=(Resource.EVIDENCE_SIGNING_KEY,)),
    READ_EVIDENCE_KEYS,
)
START_ROLLBACK = allow("states:StartExecution", on=(Resource.ROLLBACK_STATE_MACHINE,))
UPDATE_FUNCTION_VARIABLES = allow(
    "lambda:GetFunctionConfiguration",
    "lambda:GetFunction",
    "lambda:UpdateFunctionConfiguration",
    on=(Resource.FUNCTIONS,),
)
FINISH_CUTOVER = (READ_ALIASES, READ_VERSIONS, UPDATE_FUNCTION_VARIABLES)
LOG_REVOCATION_EPOCH = allow("dynamodb:PutItem", on=(Resource.LOGGED_REVOCATION_EPOCH,))
"""At the end of a cutover that succeeded, the log gets the epoch that is in force since then."""
DRILL_AND_RESTORED_TABLES = (Resource.DRILL_TABLES, Resource.RESTORED_TABLES)
READ_LOCK_HOLDERS = allow(
    "states:DescribeExecution", on=(Resource.DEPLOYMENTS, Resource.ROLLBACKS, Resource.DRILLS, Resource.RESTORES)
)
DESCRIBE_TABLES = (
    allow(
        "dynamodb:DescribeTable", "dynamodb:DescribeContinuousBackups", on=(Resource.TABLES, Resource.RESTORED_TABLES)
    ),
    allow("dynamodb:ListBackups", on=(Resource.ALL_RESOURCES,)),
)
TAG_RESTORED_TABLES = allow("dynamodb:DescribeTable", "dynamodb:TagResource", on=DRILL_AND_RESTORED_TABLES)
RESTORE_TABLES = (
    # Authorised on the source and on the restored table. DynamoDB writes the restored table with the caller's
    # permissions (DynamoDB: restore permissions).
    allow("dynamodb:RestoreTableToPointInTime", on=(Resource.TABLES, *DRILL_AND_RESTORED_TABLES)),
    allow("dynamodb:RestoreTableFromBackup", on=(Resource.BACKUPS, *DRILL_AND_RESTORED_TABLES)),
    allow("dynamodb:DescribeTable", *ITEM_ACTIONS, on=DRILL_AND_RESTORED_TABLES),
)
LIST_RECOVERY_POINTS = (
    allow("backup:ListRecoveryPointsByBackupVault", on=(Resource.BACKUP_VAULT,)),
    allow("backup:ListRecoveryPointsByBackupVault", on=(Resource.COPY_VAULT,)),
)
READ_RESTORE_JOBS = allow("backup:DescribeRestoreJob", "backup:ListRestoreJobs", on=(Resource.ALL_RESOURCES,))
START_RESTORE_JOBS = (
    # The recovery points of tables without advanced features are DynamoDB's own backups.
    allow("backup:StartRestoreJob", on=(Resource.RECOVERY_POINTS,)),
    allow("backup:StartRestoreJob", on=(Resource.BACKUPS,)),
    allow("iam:PassRole", on=(Resource.RESTORE_ROLE,)),
    READ_RESTORE_JOBS,
)
START_COPY_JOBS = (
    allow("backup:StartCopyJob", on=(Resource.BACKUP_COPIES,)),
    allow("iam:PassRole", on=(Resource.COPY_ROLE,)),
    allow("backup:DescribeCopyJob", on=(Resource.COPY_JOBS,)),
)
REPORT_VALIDATION = allow("backup:PutRestoreValidationResult", on=(Resource.ALL_RESOURCES,))
READ_TABLE_SETTINGS = (
    allow(
        "dynamodb:DescribeTable",
        "dynamodb:DescribeTimeToLive",
        "dynamodb:DescribeContinuousBackups",
        "dynamodb:ListTagsOfResource",
        "dynamodb:GetResourcePolicy",
        "dynamodb:DescribeContributorInsights",
        on=(Resource.TABLES, *DRILL_AND_RESTORED_TABLES),
    ),
    allow(
        "application-autoscaling:DescribeScalableTargets",
        "application-autoscaling:DescribeScalingPolicies",
        on=(Resource.ALL_RESOURCES,),
    ),
)
DESCRIBE_BACKUPS = allow("dynamodb:DescribeBackup", on=(Resource.BACKUPS,))
"""The settings of a deleted table are in the backup from which it is restored."""
READ_ATTACHMENTS = (
    allow("dynamodb:DescribeKinesisStreamingDestination", on=(Resource.TABLES, *DRILL_AND_RESTORED_TABLES)),
    allow("lambda:ListEventSourceMappings", on=(Resource.ALL_RESOURCES,)),
    allow("cloudwatch:DescribeAlarms", on=(Resource.ALL_ALARMS,)),
)
WRITE_TABLE_SETTINGS = (
    allow(
        "dynamodb:UpdateTable",
        "dynamodb:UpdateTimeToLive",
        "dynamodb:UpdateContinuousBackups",
        "dynamodb:TagResource",
        "dynamodb:UntagResource",
        "dynamodb:PutResourcePolicy",
        "dynamodb:DeleteResourcePolicy",
        "dynamodb:UpdateContributorInsights",
        on=DRILL_AND_RESTORED_TABLES,
    ),
    allow(
        "application-autoscaling:RegisterScalableTarget",
        "application-autoscaling:PutScalingPolicy",
        on=(Resource.SCALABLE_TARGETS,),
    ),
    # Application Auto Scaling creates a policy's alarms with the caller's permissions (Application Auto Scaling:
    # permissions required for API actions on target services and CloudWatch). Only restores scale their tables.
    allow("cloudwatch:DeleteAlarms", "cloudwatch:PutMetricAlarm", on=(Resource.SCALING_ALARMS,)),
    allow("cloudwatch:DescribeAlarms", on=(Resource.ALL_ALARMS,)),
)
READ_RESTORED_ITEMS = allow("dynamodb:GetItem", on=DRILL_AND_RESTORED_TABLES)
REPLAY_LATE_WRITES = (
    allow(
        *("dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive", "dynamodb:BatchGetItem", "dynamodb:GetItem"),
        *("dynamodb:PutItem", "dynamodb:DeleteItem", "dynamodb:UpdateItem", "dynamodb:Scan"),
        on=(Resource.TABLES, Resource.RESTORED_TABLES),
    ),
    allow(
        *("dynamodb:DescribeStream", "dynamodb:GetShardIterator", "dynamodb:GetRecords"),
        on=(Resource.STREAMS, Resource.RESTORED_STREAMS, Resource.REVOCATIONS_STREAM),
    ),
    allow(
        *("dynamodb:BatchGetItem", "dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive"),
        on=(Resource.REVOCATIONS,),
    ),
)
SYNC_TABLES = (
    allow(
        *("dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive", "dynamodb:Scan", "dynamodb:BatchGetItem"),
        *("dynamodb:PutItem", "dynamodb:DeleteItem", "dynamodb:UpdateItem"),
        on=(Resource.TABLES, Resource.RESTORED_TABLES),
    ),
)
READ_FAILBACK_STATE = (
    READ_ALIASES,
    READ_VERSIONS,
    allow("dynamodb:GetResourcePolicy", on=(Resource.TABLES, Resource.RESTORED_TABLES)),
)
SANITIZE_TOKENS = (
    allow(
        "dynamodb:BatchWriteItem",
        "dynamodb:PutItem",
        "dynamodb:Scan",
        "dynamodb:UpdateItem",
        on=DRILL_AND_RESTORED_TABLES,
    ),
    allow("dynamodb:BatchGetItem", "dynamodb:GetItem", on=(Resource.TABLES,)),
    allow("dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Scan", on=(Resource.REVOCATIONS,)),
)
START_ISOLATED_SERVICE = (
    allow("lambda:GetFunction", "lambda:GetFunctionConfiguration", on=(Resource.FUNCTIONS, Resource.QUALIFIED)),
    allow("lambda:CreateFunction", "lambda:GetFunction", "lambda:TagResource", on=(Resource.DRILL_FUNCTIONS,)),
    allow("iam:PassRole", on=(Resource.DRILL_ROLE,)),
)
INVOKE_LIVE_ALIAS = allow("lambda:InvokeFunction", on=(Resource.LIVE_ALIAS,))
ENCRYPT_SEEDED_GRANTS = allow("kms:Encrypt", "kms:Decrypt", on=(Resource.SEED_GRANTS_KEY,))
CLEAN_UP = (
    allow("dynamodb:DescribeTable", "dynamodb:UpdateTable", "dynamodb:DeleteTable", on=(Resource.DRILL_TABLES,)),
    READ_RESTORE_JOBS,
    allow("lambda:DeleteFunction", "lambda:GetFunction", on=(Resource.DRILL_FUNCTIONS,)),
    allow("s3:ListBucket", on=(Resource.EXPORT_BUCKET,)),
    allow("s3:DeleteObject", on=(Resource.EXPORT_OBJECTS,)),
)

EXPORT_TABLES = (
    allow("dynamodb:ExportTableToPointInTime", on=(Resource.TABLES,)),
    # DynamoDB writes the files with the caller's permissions (DynamoDB: requesting a table export).
    allow("s3:AbortMultipartUpload", "s3:PutObject", "s3:PutObjectAcl", on=(Resource.EXPORT_OBJECTS,)),
)
READ_TABLE_CONTENTS = (
    allow(
        "dynamodb:DescribeTable",
        "dynamodb:DescribeTimeToLive",
        "dynamodb:Scan",
        on=(Resource.TABLES, *DRILL_AND_RESTORED_TABLES),
    ),
    allow("dynamodb:DescribeExport", on=(Resource.EXPORTS,)),
    allow("s3:GetObject", on=(Resource.EXPORT_OBJECTS,)),
    # With this, S3 reports a missing file as NoSuchKey and not as AccessDenied (GetObject, Permissions). A condition on
    # the prefix would not be met: GetObject has none.
    allow("s3:ListBucket", on=(Resource.EXPORT_BUCKET,)),
)
READ_STREAMED_CHANGES = (
    allow("dynamodb:DescribeStream", "dynamodb:GetShardIterator", "dynamodb:GetRecords", on=(Resource.STREAMS,)),
    allow("dynamodb:BatchGetItem", on=DRILL_AND_RESTORED_TABLES),
)

# What a pipeline reads, in addition to deploying and announcing releases (pipeline_roles.py).
PIPELINE_PERMISSIONS = Permissions(
    Ledger.READS,
    publishes_events=False,
    grants=(
        READ_ALIASES,
        READ_VERSIONS,
        allow("lambda:GetFunctionConcurrency", on=(Resource.FUNCTIONS,)),
        allow("lambda:GetAccountSettings", on=(Resource.ALL_RESOURCES,)),
        # Whether a key belongs to another request, and whether an execution still works on the deployment.
        allow("states:DescribeExecution", on=(Resource.DEPLOYMENTS, Resource.ROLLBACKS)),
        *ANALYZE_CANARY,
    ),
)
