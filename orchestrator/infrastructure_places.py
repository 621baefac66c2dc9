"""Where the orchestrator's functions may act: kinds of places, the ARNs that they are, and the conditions on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3

from environments import Environment
from stack_parts import SigningKeys, name_of


class Place(Enum):
    """Where actions apply."""

    FUNCTIONS = auto()  # the service's functions, unqualified
    QUALIFIED = auto()  # their versions and aliases
    LIVE = auto()  # their alias `live`
    TABLES = auto()
    RECEIPT_ROWS = auto()  # rows of receipts in live and restored tables
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
    EXPORTS = auto()  # of the service's tables
    EXPORT_BUCKET = auto()
    EXPORTED = auto()  # what is in it
    ANYWHERE = auto()  # for actions that know no resources


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
    Place.RECEIPT_ROWS: "restored tables are named by the restore that made them",
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
    Place.EXPORTS: "DynamoDB names exports",
    Place.EXPORTED: "DynamoDB names the files of an export",
    Place.ANYWHERE: "its actions know no resources",
}
"""Places whose ARNs have a wildcard, and why."""


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


@dataclass(frozen=True)
class Made:
    """What the orchestrator's stack made that has no name known beforehand, or is asked for its ARNs: ARNs, and the buckets of evidence and exports."""

    receipts: str
    drill_role: str
    witness_key: str
    topics: Mapping[str, str]
    evidence: s3.IBucket
    exports: s3.IBucket


def arns_of(
    stack: Stack, environment: Environment, service: Mapping[str, Any], signing_keys: SigningKeys, made: Made
) -> Mapping[Place, Sequence[str]]:
    """Return the ARNs of every place.

    Args:
        stack: whose account and region they are in.
        environment: whose names they have.
        service: what the service's stack says of itself.
        signing_keys: the service's keys that rotate.
        made: what the orchestrator's stack made.
    """

    def named(service_name: str, resource: str, name: str) -> str:
        colon = ArnFormat.COLON_RESOURCE_NAME
        return stack.format_arn(service=service_name, resource=resource, resource_name=name, arn_format=colon)

    def table(name: str) -> str:
        return stack.format_arn(service="dynamodb", resource="table", resource_name=name)

    functions = [named("lambda", "function", name) for name in service["functions"].values()]
    # A group is authorised by its name or by the streams in it, depending on the call.
    groups = [named("logs", "log-group", f"/aws/lambda/{name}") for name in service["functions"].values()]
    # Those that are in use, and those that the stack made: after a restore they are not the same.
    known = sorted({*service["tables"], *(name_of(role, environment) for role in ("state", "tokens"))})
    tables = [table(name) for name in known]
    drilled, restored = name_of("drill-*", environment), table(name_of("restored-*", environment))
    revocations = table(service["revocations"])
    return {
        Place.FUNCTIONS: functions,
        Place.QUALIFIED: [f"{arn}:*" for arn in functions],
        Place.LIVE: [f"{arn}:{service['alias']}" for arn in functions],
        Place.TABLES: tables,
        Place.RECEIPT_ROWS: [*tables, restored],
        Place.RECEIPTS: [made.receipts],
        Place.STREAMS: [f"{arn}/stream/*" for arn in tables],
        Place.DRILL_TABLES: [table(drilled)],
        Place.DRILL_FUNCTIONS: [named("lambda", "function", drilled)],
        Place.DRILL_ROLES: [stack.format_arn(service="iam", region="", resource="role", resource_name=drilled)],
        Place.DRILL_LOGS: [named("logs", "log-group", f"/aws/lambda/{drilled}")],
        Place.DRILL_ROLE: [made.drill_role],
        Place.WITNESS_KEY: [made.witness_key],
        Place.RESTORED_TABLES: [restored],
        Place.BACKUPS: [f"{arn}/backup/*" for arn in (*tables, restored)],
        Place.DOORS: [*tables, restored],
        Place.REVOCATIONS: [revocations],
        Place.LOGGED_EPOCH: [revocations],
        Place.SCALABLE: [stack.format_arn(service="application-autoscaling", resource="scalable-target/*")],
        Place.ALL_ALARMS: [named("cloudwatch", "alarm", "*")],
        Place.LOGS: [*groups, *(f"{arn}:*" for arn in groups)],
        Place.SYNTHETIC_KEY: [service["synthetic_key_id"]],
        Place.DEPLOYMENT_MACHINE: [machine_arn(stack, environment, "deployment")],
        Place.ROLLBACK_MACHINE: [machine_arn(stack, environment, "rollback")],
        Place.DRILL_MACHINE: [machine_arn(stack, environment, "drill")],
        Place.DEPLOYMENTS: [executions_arn(stack, environment, "deployment")],
        Place.ROLLBACKS: [executions_arn(stack, environment, "rollback")],
        Place.DRILLS: [executions_arn(stack, environment, "drill")],
        Place.RESTORES: [executions_arn(stack, environment, "restore")],
        Place.OPERATORS: [made.topics["operators"]],
        Place.CLIENTS: [made.topics["clients"]],
        Place.KEY_RING: [table(signing_keys.ring_table)],
        Place.SIGNING_KEYS: [signing_keys.all_keys],
        Place.NEW_SIGNING_KEYS: [signing_keys.all_keys],
        Place.KEY_TO_BE: ["*"],
        Place.CONFIGURED: configured_arns(stack, environment),
        Place.CONFIGURED_KEYS: [stack.format_arn(service="kms", resource="key", resource_name="*")],
        Place.ARCHIVE: [made.evidence.bucket_arn],
        Place.ARCHIVED: [made.evidence.arn_for_objects("*")],
        Place.EXPORTS: [f"{arn}/export/*" for arn in tables],
        Place.EXPORT_BUCKET: [made.exports.bucket_arn],
        Place.EXPORTED: [made.exports.arn_for_objects("*")],
        Place.ANYWHERE: ["*"],
    }


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
