"""What each task and intake may do: one row each, and nothing is granted anywhere else.

A row names actions and where they apply. Beside its row every function may log, trace and, as its row says, read or write the ledger
and announce events on the bus.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from orchestrator.infrastructure_places import Place


class Ledger(Enum):
    """What a function does with the ledger."""

    READS = ("GetItem", "Query")
    WRITES = ("GetItem", "Query", "PutItem", "ConditionCheckItem")


@dataclass(frozen=True)
class Grant:
    """Actions and where they apply."""

    actions: tuple[str, ...]
    places: tuple[Place, ...]


@dataclass(frozen=True)
class Rights:
    """One row: what a function may do beside logging and tracing."""

    ledger: Ledger
    announces: bool
    grants: tuple[Grant, ...] = ()


def _may(*actions: str, on: tuple[Place, ...]) -> Grant:
    return Grant(actions, on)


_READ_VERSIONS = _may("lambda:GetFunctionConfiguration", on=(Place.FUNCTIONS, Place.QUALIFIED))
_READ_ALIASES = _may("lambda:GetAlias", on=(Place.FUNCTIONS, Place.LIVE))
_KEEP_WARM = (
    _may("lambda:ListProvisionedConcurrencyConfigs", on=(Place.FUNCTIONS,)),
    _may("lambda:PutProvisionedConcurrencyConfig", "lambda:DeleteProvisionedConcurrencyConfig", on=(Place.QUALIFIED,)),
)
_MOVE_ALIASES = _may("lambda:GetAlias", "lambda:UpdateAlias", on=(Place.FUNCTIONS, Place.LIVE))
_CALL_VERSIONS = _may("lambda:InvokeFunction", on=(Place.QUALIFIED,))
_BE_SYNTHETIC = _may("kms:GenerateMac", on=(Place.SYNTHETIC_KEY,))
_LOOK = (
    _may("cloudwatch:GetMetricData", on=(Place.ANYWHERE,)),
    _may("cloudwatch:DescribeAlarms", on=(Place.ALL_ALARMS,)),
    _may("logs:FilterLogEvents", on=(Place.LOGS,)),
    _CALL_VERSIONS,
    _BE_SYNTHETIC,
)
_MOVE_DOORS = _may(
    "dynamodb:GetResourcePolicy",
    "dynamodb:PutResourcePolicy",
    "dynamodb:DeleteResourcePolicy",
    on=(Place.TABLES, Place.RESTORED_TABLES),
)
_PROBE_DOORS = _may("dynamodb:UpdateItem", on=(Place.DOORS,))
_SEE_EXECUTIONS = _may("states:DescribeExecution", on=(Place.DEPLOYMENTS, Place.ROLLBACKS, Place.RESTORES))
_SEE_ROLLBACKS = _may("states:DescribeExecution", on=(Place.ROLLBACKS,))
_ROTATE_KEYS = (
    _may("dynamodb:GetItem", "dynamodb:PutItem", on=(Place.KEY_RING,)),
    _may("tag:GetResources", on=(Place.ANYWHERE,)),
    _may("kms:DescribeKey", "kms:GetPublicKey", "kms:DisableKey", "kms:ScheduleKeyDeletion", on=(Place.SIGNING_KEYS,)),
    _may("kms:CreateKey", on=(Place.KEY_TO_BE,)),
    _may("kms:TagResource", on=(Place.NEW_SIGNING_KEYS,)),
)
_READ_CONFIGURATION = (
    _may(
        *("lambda:ListAliases", "lambda:GetPolicy", "lambda:GetFunctionConcurrency", "lambda:ListFunctionUrlConfigs"),
        *("lambda:GetFunctionConfiguration", "apigateway:GET", "iam:ListRolePolicies", "iam:GetRolePolicy"),
        *(
            "iam:ListAttachedRolePolicies",
            "events:ListTargetsByRule",
            "events:DescribeEventBus",
            "scheduler:GetSchedule",
        ),
        *("dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive", "dynamodb:DescribeContinuousBackups"),
        *("dynamodb:GetResourcePolicy", "dynamodb:ListTagsOfResource", "states:DescribeStateMachine"),
        *("sns:GetTopicAttributes", "sns:ListSubscriptionsByTopic", "sqs:GetQueueAttributes"),
        *("cloudformation:DescribeStacks", "cloudformation:GetTemplate", "cloudformation:GetStackPolicy"),
        on=(Place.CONFIGURED,),
    ),
    _may("cloudwatch:DescribeAlarms", on=(Place.ALL_ALARMS,)),
    _may(
        *("kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListResourceTags"),
        on=(Place.CONFIGURED_KEYS,),
    ),
    _may(
        *(
            "s3:GetBucketLocation",
            "s3:GetBucketVersioning",
            "s3:GetEncryptionConfiguration",
            "s3:GetBucketPublicAccessBlock",
        ),
        *("s3:GetLifecycleConfiguration", "s3:GetBucketObjectLockConfiguration", "s3:GetBucketPolicy"),
        on=(Place.ARCHIVE,),
    ),
    _may(
        *(
            "lambda:ListFunctions",
            "iam:ListRoles",
            "events:ListRules",
            "scheduler:ListSchedules",
            "dynamodb:ListTables",
        ),
        *("kms:ListAliases", "states:ListStateMachines", "sns:ListTopics", "sqs:ListQueues", "logs:DescribeLogGroups"),
        on=(Place.ANYWHERE,),
    ),
)
_ARCHIVE = _may("s3:PutObject", on=(Place.ARCHIVED,))
_START_ROLLBACK = _may("states:StartExecution", on=(Place.ROLLBACK_MACHINE,))
_RETARGET = _may(
    "lambda:GetFunctionConfiguration", "lambda:GetFunction", "lambda:UpdateFunctionConfiguration", on=(Place.FUNCTIONS,)
)
_SETTLE = (_READ_ALIASES, _READ_VERSIONS, _RETARGET)
_COPIES = (Place.DRILL_TABLES, Place.RESTORED_TABLES)
_SEE_DRILLS = _may("states:DescribeExecution", on=(Place.DRILLS,))
_SEE_CLAIMANTS = _may("states:DescribeExecution", on=(Place.DEPLOYMENTS, Place.ROLLBACKS, Place.DRILLS, Place.RESTORES))
_DESCRIBE = (
    _may("dynamodb:DescribeTable", "dynamodb:DescribeContinuousBackups", on=(Place.TABLES, Place.RESTORED_TABLES)),
    _may("dynamodb:ListBackups", on=(Place.ANYWHERE,)),
)
_TAG_COPIES = _may("dynamodb:DescribeTable", "dynamodb:TagResource", on=_COPIES)
_RESTORE = (
    # Authorised on the source and on the copy; the copy is written by whoever restores it (DynamoDB: restore permissions).
    _may("dynamodb:RestoreTableToPointInTime", on=(Place.TABLES, *_COPIES)),
    _may("dynamodb:RestoreTableFromBackup", on=(Place.BACKUPS, *_COPIES)),
    _may(
        "dynamodb:DescribeTable",
        "dynamodb:BatchWriteItem",
        "dynamodb:DeleteItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:Scan",
        "dynamodb:UpdateItem",
        on=_COPIES,
    ),
)
_READ_SETTINGS = (
    _may(
        "dynamodb:DescribeTable",
        "dynamodb:DescribeTimeToLive",
        "dynamodb:DescribeContinuousBackups",
        "dynamodb:ListTagsOfResource",
        "dynamodb:GetResourcePolicy",
        on=(Place.TABLES, *_COPIES),
    ),
    _may(
        "application-autoscaling:DescribeScalableTargets",
        "application-autoscaling:DescribeScalingPolicies",
        on=(Place.ANYWHERE,),
    ),
)
_WRITE_SETTINGS = (
    _may(
        "dynamodb:UpdateTable",
        "dynamodb:UpdateTimeToLive",
        "dynamodb:UpdateContinuousBackups",
        "dynamodb:TagResource",
        "dynamodb:UntagResource",
        "dynamodb:PutResourcePolicy",
        "dynamodb:DeleteResourcePolicy",
        on=_COPIES,
    ),
    _may(
        "application-autoscaling:RegisterScalableTarget",
        "application-autoscaling:PutScalingPolicy",
        on=(Place.SCALABLE,),
    ),
)
_READ_COPY = _may("dynamodb:GetItem", on=_COPIES)
_END_LOGGED = (
    _may("dynamodb:BatchGetItem", "dynamodb:UpdateItem", on=(Place.RESTORED_TABLES,)),
    _may("dynamodb:Scan", on=(Place.REVOCATIONS,)),
)
_LEVEL = (
    _may(
        *("dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive", "dynamodb:Scan", "dynamodb:BatchGetItem"),
        *("dynamodb:PutItem", "dynamodb:DeleteItem", "dynamodb:UpdateItem"),
        on=(Place.TABLES, Place.RESTORED_TABLES),
    ),
    _may("dynamodb:Scan", on=(Place.REVOCATIONS,)),
)
_SEE_WAY_BACK = (
    _READ_ALIASES,
    _READ_VERSIONS,
    _may("dynamodb:GetResourcePolicy", on=(Place.TABLES, Place.RESTORED_TABLES)),
)
_MAKE_SAFE = (
    _may("dynamodb:BatchWriteItem", "dynamodb:PutItem", "dynamodb:Scan", "dynamodb:UpdateItem", on=_COPIES),
    _may("dynamodb:BatchGetItem", "dynamodb:GetItem", on=(Place.TABLES,)),
    _may("dynamodb:GetItem", "dynamodb:Scan", on=(Place.REVOCATIONS,)),
    _may("dynamodb:PutItem", on=(Place.LOGGED_EPOCH,)),
)
_SERVE = (
    _may("lambda:GetFunction", "lambda:GetFunctionConfiguration", on=(Place.FUNCTIONS, Place.QUALIFIED)),
    _may("lambda:CreateFunction", "lambda:GetFunctionConfiguration", "lambda:TagResource", on=(Place.DRILL_FUNCTIONS,)),
    _may("iam:PassRole", on=(Place.DRILL_ROLE,)),
)
_CALL_LIVE = _may("lambda:InvokeFunction", on=(Place.LIVE,))
_SEAL = _may("kms:Encrypt", "kms:Decrypt", on=(Place.WITNESS_KEY,))
_REMOVE = (
    _may("dynamodb:DescribeTable", "dynamodb:UpdateTable", "dynamodb:DeleteTable", on=(Place.DRILL_TABLES,)),
    _may("lambda:DeleteFunction", on=(Place.DRILL_FUNCTIONS,)),
    _may("iam:ListRolePolicies", "iam:DeleteRolePolicy", "iam:DeleteRole", on=(Place.DRILL_ROLES,)),
    _may("logs:DeleteLogGroup", on=(Place.DRILL_LOGS,)),
    _may("s3:ListBucket", on=(Place.EXPORT_BUCKET,)),
    _may("s3:DeleteObject", on=(Place.EXPORTED,)),
)

_EXPORT = (
    _may("dynamodb:ExportTableToPointInTime", on=(Place.TABLES,)),
    # The files are written with the rights of whoever asks (DynamoDB: requesting a table export).
    _may("s3:PutObject", "s3:AbortMultipartUpload", on=(Place.EXPORTED,)),
)
_READ_CONTENT = (
    _may("dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive", "dynamodb:Scan", on=(Place.TABLES, *_COPIES)),
    _may("dynamodb:DescribeExport", on=(Place.EXPORTS,)),
    _may("s3:GetObject", on=(Place.EXPORTED,)),
)
_UNDO_CHANGES = (
    _may("dynamodb:DescribeStream", "dynamodb:GetShardIterator", "dynamodb:GetRecords", on=(Place.STREAMS,)),
    _may("dynamodb:BatchGetItem", on=_COPIES),
)

# What a pipeline does by itself, beside deploying and announcing: it looks (orchestrator/infrastructure_pipeline.py).
PIPELINE = Rights(
    Ledger.READS,
    announces=False,
    grants=(
        _READ_ALIASES,
        _READ_VERSIONS,
        _may("lambda:GetFunctionConcurrency", on=(Place.FUNCTIONS,)),
        _may("lambda:GetAccountSettings", on=(Place.ANYWHERE,)),
        *_LOOK,
    ),
)

TASKS: Mapping[str, Rights] = {
    # deployment
    "plan": Rights(Ledger.WRITES, announces=True, grants=(_READ_ALIASES, _READ_VERSIONS)),
    "claim": Rights(Ledger.WRITES, announces=True, grants=(_SEE_EXECUTIONS,)),
    "check_readiness": Rights(
        Ledger.WRITES,
        announces=False,
        grants=(
            _READ_ALIASES,
            _READ_VERSIONS,
            _may("cloudwatch:DescribeAlarms", on=(Place.ALL_ALARMS,)),
            _may("dynamodb:DescribeContinuousBackups", on=(Place.TABLES, Place.RESTORED_TABLES)),
        ),
    ),
    "record_restore_point": Rights(
        Ledger.WRITES,
        announces=False,
        grants=(_may("dynamodb:CreateBackup", on=(Place.TABLES, Place.RESTORED_TABLES)),),
    ),
    "publish": Rights(
        Ledger.WRITES,
        announces=True,
        grants=(_may("lambda:PublishVersion", "lambda:ListVersionsByFunction", on=(Place.FUNCTIONS,)),),
    ),
    "warm": Rights(Ledger.WRITES, announces=False, grants=_KEEP_WARM),
    "verify_before_traffic": Rights(Ledger.WRITES, announces=False, grants=(_CALL_VERSIONS, _BE_SYNTHETIC)),
    "shift_traffic": Rights(Ledger.WRITES, announces=True, grants=(_MOVE_ALIASES,)),
    "verify": Rights(Ledger.WRITES, announces=True, grants=_LOOK),
    "hold": Rights(Ledger.WRITES, announces=True, grants=(_may("sns:Publish", on=(Place.OPERATORS,)),)),
    "take_answer": Rights(Ledger.WRITES, announces=False),
    "close_source": Rights(Ledger.WRITES, announces=True, grants=(_MOVE_DOORS, _PROBE_DOORS, *_END_LOGGED)),
    "level_tables": Rights(Ledger.WRITES, announces=True, grants=(_MOVE_DOORS, *_LEVEL)),
    "promote": Rights(Ledger.WRITES, announces=True, grants=(_MOVE_ALIASES,)),
    "verify_after_traffic": Rights(Ledger.WRITES, announces=False, grants=_LOOK),
    "record": Rights(Ledger.WRITES, announces=True),
    "start_rollback": Rights(Ledger.WRITES, announces=True, grants=(_START_ROLLBACK, _SEE_ROLLBACKS)),
    # rollback
    "fence": Rights(Ledger.WRITES, announces=True, grants=(_SEE_EXECUTIONS,)),
    "restore_aliases": Rights(Ledger.WRITES, announces=True, grants=(_MOVE_ALIASES,)),
    "reopen_source": Rights(Ledger.WRITES, announces=True, grants=(_MOVE_DOORS, _PROBE_DOORS)),
    "verify_stable": Rights(
        Ledger.WRITES,
        announces=False,
        grants=(_READ_ALIASES, _may("lambda:InvokeFunction", on=(Place.LIVE,))),
    ),
    "record_incident": Rights(
        Ledger.WRITES, announces=True, grants=(_may("states:StopExecution", on=(Place.DEPLOYMENTS,)),)
    ),
    # drill
    "prepare_witnesses": Rights(Ledger.WRITES, announces=False, grants=(*_DESCRIBE, _CALL_LIVE, _BE_SYNTHETIC, _SEAL)),
    "plan_recovery": Rights(Ledger.WRITES, announces=False, grants=(*_DESCRIBE, *_SEE_WAY_BACK)),
    "claim_recovery": Rights(Ledger.WRITES, announces=True, grants=(_SEE_CLAIMANTS,)),
    "change_witnesses": Rights(Ledger.WRITES, announces=False, grants=(_CALL_LIVE, _SEAL)),
    "start_restore": Rights(Ledger.WRITES, announces=False, grants=(*_RESTORE, *_EXPORT)),
    "await_export": Rights(
        Ledger.WRITES,
        announces=False,
        grants=(*_EXPORT, _may("dynamodb:DescribeExport", on=(Place.EXPORTS,))),
    ),
    "await_restore": Rights(Ledger.WRITES, announces=True, grants=(_TAG_COPIES,)),
    "reapply_settings": Rights(Ledger.WRITES, announces=False, grants=(*_READ_SETTINGS, *_WRITE_SETTINGS)),
    "sabotage": Rights(
        Ledger.WRITES,
        announces=False,
        grants=(
            _may(
                *("dynamodb:DescribeTable", "dynamodb:UpdateTable", "dynamodb:Scan"),
                *("dynamodb:DeleteItem", "dynamodb:PutItem"),
                on=(Place.DRILL_TABLES,),
            ),
        ),
    ),
    "compare_settings": Rights(Ledger.WRITES, announces=False, grants=_READ_SETTINGS),
    "compare_content": Rights(
        Ledger.WRITES,
        announces=False,
        grants=(*_READ_CONTENT, *_UNDO_CHANGES, _may("dynamodb:Query", on=(Place.RECEIPTS,))),
    ),
    "digest_segment": Rights(Ledger.WRITES, announces=False, grants=_READ_CONTENT),
    "measure": Rights(Ledger.WRITES, announces=False),
    "make_tokens_safe": Rights(Ledger.WRITES, announces=False, grants=(_READ_COPY, *_MAKE_SAFE)),
    "serve_restored": Rights(Ledger.WRITES, announces=False, grants=(_READ_ALIASES, _READ_COPY, _CALL_LIVE, *_SERVE)),
    "try_restored": Rights(
        Ledger.WRITES,
        announces=False,
        grants=(
            _may("lambda:InvokeFunction", on=(Place.DRILL_FUNCTIONS,)),
            _BE_SYNTHETIC,
            _may("kms:Decrypt", on=(Place.WITNESS_KEY,)),
        ),
    ),
    "clean_up": Rights(Ledger.WRITES, announces=False, grants=_REMOVE),
    "conclude": Rights(Ledger.WRITES, announces=False),
    "record_evidence": Rights(Ledger.WRITES, announces=False, grants=(_ARCHIVE,)),
    "notify_recovery": Rights(Ledger.READS, announces=True, grants=(_may("sns:Publish", on=(Place.OPERATORS,)),)),
    "release_recovery": Rights(Ledger.WRITES, announces=False),
    # restore
    "cut_over": Rights(
        Ledger.WRITES,
        announces=False,
        grants=(
            _READ_ALIASES,
            _READ_VERSIONS,
            _READ_COPY,
            _RETARGET,
            _may("states:StartExecution", on=(Place.DEPLOYMENT_MACHINE,)),
        ),
    ),
    "await_cut_over": Rights(
        Ledger.WRITES,
        announces=False,
        grants=(*_SETTLE, _may("states:DescribeExecution", on=(Place.DEPLOYMENTS,))),
    ),
    # deployment and rollback
    # deployment and drill
    "record_configuration": Rights(Ledger.WRITES, announces=False, grants=(*_READ_CONFIGURATION, _ARCHIVE)),
    "notify": Rights(Ledger.READS, announces=False, grants=(_may("sns:Publish", on=(Place.OPERATORS, Place.CLIENTS)),)),
    "release": Rights(Ledger.WRITES, announces=False),
}

INTAKES: Mapping[str, Rights] = {
    "alarm": Rights(Ledger.WRITES, announces=True, grants=(_START_ROLLBACK, _SEE_ROLLBACKS)),
    "execution_ended": Rights(Ledger.WRITES, announces=True, grants=(_START_ROLLBACK, _SEE_EXECUTIONS, *_SETTLE)),
    "reconcile": Rights(
        Ledger.WRITES, announces=True, grants=(_START_ROLLBACK, _SEE_EXECUTIONS, *_SETTLE, *_KEEP_WARM)
    ),
    "release_ready": Rights(
        Ledger.WRITES, announces=False, grants=(_may("states:StartExecution", on=(Place.DEPLOYMENT_MACHINE,)),)
    ),
    "start_drill": Rights(
        Ledger.WRITES, announces=False, grants=(_may("states:StartExecution", on=(Place.DRILL_MACHINE,)),)
    ),
    "sweep": Rights(
        Ledger.WRITES,
        announces=True,
        grants=(
            *_REMOVE,
            _may("states:DescribeExecution", on=(Place.DRILLS, Place.RESTORES)),
            _may("tag:GetResources", on=(Place.ANYWHERE,)),
            _may("sns:Publish", on=(Place.OPERATORS,)),
            _ARCHIVE,
        ),
    ),
    "write_receipts": Rights(
        Ledger.READS,
        announces=False,
        grants=(
            _READ_ALIASES,
            _READ_VERSIONS,
            _may("dynamodb:PutItem", on=(Place.RECEIPT_ROWS,)),
            _may("dynamodb:PutItem", on=(Place.RECEIPTS,)),
        ),
    ),
    "rotate_keys": Rights(Ledger.WRITES, announces=False, grants=_ROTATE_KEYS),
    "record_configuration": Rights(Ledger.WRITES, announces=False, grants=(*_READ_CONFIGURATION, _ARCHIVE)),
}
