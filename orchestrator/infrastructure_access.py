"""What each task and intake may do: one row each, and nothing is granted anywhere else.

A row names actions and where they apply; `Places` says which ARNs those places are. Beside its row every function may log,
trace and, as its row says, read or write the ledger and announce events on the bus.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms

from environments import Environment
from stack_parts import may_restore_under, may_use_through, name_of


class Place(Enum):
    """Where actions apply."""

    FUNCTIONS = auto()  # the service's functions, unqualified
    QUALIFIED = auto()  # their versions and aliases
    LIVE = auto()  # their alias `live`
    TABLES = auto()
    RECEIPT_ROWS = auto()  # rows of receipts in these
    RECEIPTS = auto()  # the table that says which were acknowledged
    STREAMS = auto()  # of the service's tables
    DRILL_TABLES = auto()  # copies that drills make
    DRILL_FUNCTIONS = auto()  # what serves them, with its roles and logs
    DRILL_ROLES = auto()
    DRILL_LOGS = auto()
    RESTORED_TABLES = auto()  # those that a restore made, by their prefix
    BACKUPS = auto()  # of live and restored tables
    DOORS = auto()  # the one key of live and restored tables with which is seen whether they deny
    DRILL_ROLE = auto()  # whose rights those functions have
    WITNESS_KEY = auto()  # seals what was given before a drill's point
    REVOCATIONS = auto()  # the log of revocations
    LOGGED_EPOCH = auto()  # the one item of it that is not the service's
    ALL_ALARMS = auto()
    LOGS = auto()
    SYNTHETIC_KEY = auto()
    DEPLOYMENT_MACHINE = auto()
    ROLLBACK_MACHINE = auto()
    DRILL_MACHINE = auto()
    DEPLOYMENTS = auto()  # executions of the machine
    ROLLBACKS = auto()
    DRILLS = auto()
    RESTORES = auto()
    SCALABLE = auto()  # what Application Auto Scaling scales
    OPERATORS = auto()
    CLIENTS = auto()
    KEY_RING = auto()  # the table that says which keys sign
    SIGNING_KEYS = auto()  # keys with the environment's tag
    NEW_SIGNING_KEYS = auto()  # keys that get it
    KEY_TO_BE = auto()  # a key that gets it, and that has no ARN before it is made
    CONFIGURED = auto()  # everything that has one of the environment's names
    CONFIGURED_KEYS = auto()  # keys with the environment's tag
    ARCHIVE = auto()  # the bucket of evidence and configuration bundles
    ARCHIVED = auto()  # what is in it
    ANYWHERE = auto()  # for actions that know no resources


class Ledger(Enum):
    """What a function does with the ledger."""

    READS = ("GetItem", "Query")
    WRITES = ("GetItem", "Query", "PutItem", "ConditionCheckItem")


WILDCARDS: Mapping[Place, str] = {
    Place.STREAMS: "a stream is named by the time at which it began",
    Place.DRILL_TABLES: "copies are named by drills",
    Place.DRILL_FUNCTIONS: "functions are named by drills",
    Place.DRILL_ROLES: "roles are named by drills",
    Place.DRILL_LOGS: "log groups are named by drills",
    Place.DRILLS: "executions are named by drills",
    Place.RESTORES: "executions are named by restores",
    Place.BACKUPS: "DynamoDB names backups, also of tables that are gone",
    Place.SCALABLE: "the id of a scalable target says nothing of its table",
    Place.QUALIFIED: "any version may be stable or canary one day",
    Place.RESTORED_TABLES: "restored tables are named by the restore that made them",
    Place.DOORS: "restored tables are named by the restore that made them",
    Place.ALL_ALARMS: "CloudWatch authorises describing some alarms as describing all",
    Place.LOGS: "Lambda names the streams of a log group",
    Place.DEPLOYMENTS: "executions are named by deployments",
    Place.ROLLBACKS: "executions are named by deployments",
    Place.SIGNING_KEYS: "signing keys are made by rotation; the tag says whose they are",
    Place.NEW_SIGNING_KEYS: "signing keys are made by rotation; the tag says whose they are",
    Place.KEY_TO_BE: "its actions know no resources",
    Place.CONFIGURED: "a configuration bundle has everything that has one of the environment's names, whoever made it",
    Place.CONFIGURED_KEYS: "keys have ids that are drawn; the tag says whose they are",
    Place.ARCHIVED: "files are named by their digests",
    Place.ANYWHERE: "its actions know no resources",
}
"""Places whose ARNs have a wildcard, and why."""


ITEMS = frozenset(
    {
        "dynamodb:BatchGetItem",
        "dynamodb:BatchWriteItem",
        "dynamodb:DeleteItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:Scan",
        "dynamodb:UpdateItem",
    }
)
"""Actions that read or write items: DynamoDB does that under a customer's key with the caller's rights."""


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
)

_READ_CONTENT = (
    _may("dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive", "dynamodb:Scan", on=(Place.TABLES, *_COPIES)),
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
    "verify_before_traffic": Rights(Ledger.WRITES, announces=False, grants=(_CALL_VERSIONS, _BE_SYNTHETIC)),
    "shift_traffic": Rights(Ledger.WRITES, announces=True, grants=(_MOVE_ALIASES,)),
    "verify": Rights(Ledger.WRITES, announces=True, grants=_LOOK),
    "hold": Rights(Ledger.WRITES, announces=True, grants=(_may("sns:Publish", on=(Place.OPERATORS,)),)),
    "take_answer": Rights(Ledger.WRITES, announces=False),
    "close_source": Rights(Ledger.WRITES, announces=True, grants=(_MOVE_DOORS, _PROBE_DOORS, *_END_LOGGED)),
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
    "plan_recovery": Rights(Ledger.WRITES, announces=False, grants=_DESCRIBE),
    "claim_recovery": Rights(Ledger.WRITES, announces=False, grants=(_SEE_CLAIMANTS,)),
    "change_witnesses": Rights(Ledger.WRITES, announces=False, grants=(_CALL_LIVE, _SEAL)),
    "start_restore": Rights(Ledger.WRITES, announces=False, grants=_RESTORE),
    "await_restore": Rights(Ledger.WRITES, announces=False, grants=(_TAG_COPIES,)),
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
    "compare_content": Rights(Ledger.WRITES, announces=False, grants=(*_READ_CONTENT, *_UNDO_CHANGES)),
    "digest_segment": Rights(Ledger.WRITES, announces=False, grants=_READ_CONTENT),
    "measure": Rights(
        Ledger.WRITES,
        announces=False,
        grants=(
            _may("dynamodb:Query", on=(Place.RECEIPTS,)),
            _may("dynamodb:BatchGetItem", on=_COPIES),
        ),
    ),
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
    "notify_recovery": Rights(Ledger.READS, announces=False, grants=(_may("sns:Publish", on=(Place.OPERATORS,)),)),
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
    "reconcile": Rights(Ledger.WRITES, announces=True, grants=(_START_ROLLBACK, _SEE_EXECUTIONS, *_SETTLE)),
    "release_ready": Rights(
        Ledger.WRITES, announces=False, grants=(_may("states:StartExecution", on=(Place.DEPLOYMENT_MACHINE,)),)
    ),
    "start_drill": Rights(
        Ledger.WRITES, announces=False, grants=(_may("states:StartExecution", on=(Place.DRILL_MACHINE,)),)
    ),
    "sweep": Rights(
        Ledger.WRITES,
        announces=False,
        grants=(
            *_REMOVE,
            _SEE_DRILLS,
            _may("tag:GetResources", on=(Place.ANYWHERE,)),
            _may("sns:Publish", on=(Place.OPERATORS,)),
            _ARCHIVE,
        ),
    ),
    "write_receipts": Rights(
        Ledger.READS,
        announces=False,
        grants=(
            _may("dynamodb:PutItem", on=(Place.RECEIPT_ROWS,)),
            _may("dynamodb:PutItem", on=(Place.RECEIPTS,)),
        ),
    ),
    "rotate_keys": Rights(Ledger.WRITES, announces=False, grants=_ROTATE_KEYS),
    "record_configuration": Rights(Ledger.WRITES, announces=False, grants=(*_READ_CONFIGURATION, _ARCHIVE)),
}


@dataclass(frozen=True)
class Places:
    """The ARNs behind each place, the conditions under which it is one, and the keys through which tables and topics are used.

    `ledger_key`, `ring_key`, `variables_key` and `evidence_key` are None where AWS's own key encrypts the table, the service's functions'
    variables, or the bucket.
    """

    arns: Mapping[Place, Sequence[str]]
    conditions: Mapping[Place, Mapping[str, Mapping[str, object]]]
    ledger: str
    bus: str
    ledger_key: kms.IKey | None
    topics_key: kms.IKey
    ring_key: kms.IKey | None
    variables_key: kms.IKey | None
    evidence_key: kms.IKey | None


def conditions_of(environment: Environment, tag: str) -> Mapping[Place, Mapping[str, Mapping[str, object]]]:
    """Return the conditions of the places that have some; each stands in grants of its own."""
    to_be = {"StringEquals": {f"aws:RequestTag/{tag}": environment.name}}
    return {
        Place.RECEIPT_ROWS: {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["receipt#*"]}},
        Place.KEY_RING: {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["ring"]}},
        Place.LOGGED_EPOCH: {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["epoch"]}},
        Place.DOORS: {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["door"]}},
        Place.SIGNING_KEYS: {"StringEquals": {f"aws:ResourceTag/{tag}": environment.name}},
        Place.NEW_SIGNING_KEYS: to_be,
        Place.KEY_TO_BE: to_be,
        Place.DRILL_ROLE: {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}},
        Place.CONFIGURED_KEYS: {"StringEquals": {"aws:ResourceTag/environment": environment.name}},
        Place.SCALABLE: {"StringEquals": {"application-autoscaling:service-namespace": "dynamodb"}},
    }


def statements_of(rights: Rights, places: Places, region: str) -> list[iam.PolicyStatement]:
    """Return the policy statements that a row becomes."""
    statements = [
        iam.PolicyStatement(
            sid="Ledger", actions=[f"dynamodb:{action}" for action in rights.ledger.value], resources=[places.ledger]
        )
    ]
    if places.ledger_key:
        writes = rights.ledger is Ledger.WRITES
        statements.append(may_use_through("dynamodb", places.ledger_key, sid="LedgerKey", writes=writes, region=region))
    if rights.announces:
        statements.append(iam.PolicyStatement(sid="Announce", actions=["events:PutEvents"], resources=[places.bus]))
    for grant in rights.grants:
        resources = [arn for place in grant.places for arn in places.arns[place]]
        conditions = {place: places.conditions.get(place) for place in grant.places}
        condition = conditions[grant.places[0]]
        if any(other != condition for other in conditions.values()):
            raise ValueError(f"{grant.actions} apply on different conditions: give each place a grant of its own")
        statements.append(iam.PolicyStatement(actions=list(grant.actions), resources=resources, conditions=condition))
    statements += _on_variables(rights, places, region)
    # The ring's key is that of all the service's tables, and of the copies that are restored from them.
    if places.ring_key and any(ITEMS & set(grant.actions) for grant in rights.grants):
        statements.append(may_use_through("dynamodb", places.ring_key, sid="RingKey", writes=True, region=region))
    if places.ring_key and any("dynamodb:RestoreTableToPointInTime" in one.actions for one in rights.grants):
        statements.append(may_restore_under(places.ring_key, region))
    if places.evidence_key and any(Place.ARCHIVED in grant.places for grant in rights.grants):
        statements.append(may_use_through("s3", places.evidence_key, sid="EvidenceKey", writes=True, region=region))
    if any("sns:Publish" in grant.actions for grant in rights.grants):
        statements.append(may_use_through("sns", places.topics_key, sid="TopicsKey", writes=True, region=region))
    return statements


def _on_variables(rights: Rights, places: Places, region: str) -> list[iam.PolicyStatement]:
    """Let whoever reads a function's configuration read its variables, too, and whoever changes them encrypt them.

    Lambda shows and takes variables under a customer's key with the caller's rights only ("Securing Lambda environment variables"):
    a release would be named without its settings.
    """
    key, actions = places.variables_key, {action for grant in rights.grants for action in grant.actions}
    if key is None or "lambda:GetFunctionConfiguration" not in actions:
        return []
    writes = "lambda:UpdateFunctionConfiguration" in actions
    through = may_use_through("lambda", key, sid="ServiceVariables", writes=writes, region=region)
    if writes:
        through.add_actions("kms:CreateGrant")
    return [through]


def wildcards_of(rights: Rights, places: Places) -> Mapping[str, str]:
    """Return the wildcard resources of a row, with the reasons for them."""
    named = {place for grant in rights.grants for place in grant.places}
    return {
        arn: reason for place, reason in WILDCARDS.items() if place in named for arn in places.arns[place] if "*" in arn
    }


def configured_arns(stack: Stack, environment: Environment) -> list[str]:
    """Name everything that a configuration bundle describes, by the names that things of the environment have."""
    named = name_of("*", environment)
    colon, slash, resource = ArnFormat.COLON_RESOURCE_NAME, ArnFormat.SLASH_RESOURCE_NAME, ArnFormat.NO_RESOURCE_NAME
    made_up = [f"ib-oauth-{stack_name}-{environment.name}" for stack_name in ("stack", "orchestrator")]
    return [
        stack.format_arn(service="lambda", resource="function", resource_name=named, arn_format=colon),
        stack.format_arn(service="lambda", resource="function", resource_name=f"{named}:*", arn_format=colon),
        *(
            stack.format_arn(service="iam", region="", resource="role", resource_name=name)
            for name in (named, *(f"{one}-*" for one in made_up))
        ),
        *(
            stack.format_arn(service="events", resource="rule", resource_name=name)
            for name in (named, f"ib-oauth-{environment.name}/{named}")
        ),
        stack.format_arn(service="events", resource="event-bus", resource_name=f"ib-oauth-{environment.name}"),
        stack.format_arn(service="scheduler", resource="schedule", resource_name=f"*/{named}", arn_format=slash),
        stack.format_arn(service="dynamodb", resource="table", resource_name=named),
        stack.format_arn(service="states", resource="stateMachine", resource_name=named, arn_format=colon),
        stack.format_arn(service="sns", resource=named, arn_format=resource),
        stack.format_arn(service="sqs", resource=named, arn_format=resource),
        *(
            stack.format_arn(service="cloudformation", resource="stack", resource_name=f"{one}/*", arn_format=slash)
            for one in made_up
        ),
        # API Gateway knows its APIs by ids that are drawn.
        *(
            stack.format_arn(service="apigateway", account="", resource=path, arn_format=resource)
            for path in ("/restapis", "/restapis/*")
        ),
    ]


def machine_arn(stack: Stack, environment: Environment, machine: str) -> str:
    """Name a state machine's ARN without asking the machine, which is made from functions that need it."""
    return _states_arn(stack, "stateMachine", name_of(machine, environment))


def executions_arn(stack: Stack, environment: Environment, machine: str) -> str:
    """Name all executions of a state machine."""
    return _states_arn(stack, "execution", f"{name_of(machine, environment)}:*")


def _states_arn(stack: Stack, resource: str, name: str) -> str:
    return stack.format_arn(
        service="states", resource=resource, resource_name=name, arn_format=ArnFormat.COLON_RESOURCE_NAME
    )
