"""The resources that the orchestrator's functions may use: their kinds, ARNs and conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from aws_cdk import ArnFormat, Aws, Stack
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3

from infrastructure.common import SigningKeys
from infrastructure.naming import global_name, physical_name
from infrastructure.orchestrator.acknowledgement import link_key_arn
from infrastructure.orchestrator.buckets import heads_bucket_name
from infrastructure.orchestrator.status_page import status_bucket_name
from orchestrator.aws.dynamodb.access_block import PROBED_KEY
from orchestrator.aws.ledger.failovers import ASSIGNMENT_KEY
from orchestrator.aws.oauth_tables.issuing_lease import LEASE_KEY
from orchestrator.domain.deployment.policy import DeliveryPolicy
from orchestrator.domain.recovery.heartbeats import PREFIX as HEARTBEAT_PREFIX
from orchestrator.environments import Environment

NOTIFICATIONS, NOTIFICATION_DEAD_LETTERS = "notifications", "notification-dead-letters"
"""Names of the queue of notifications, and of the queue of those that were not delivered."""


class Resource(Enum):
    """Kinds of resources on which actions are allowed."""

    FUNCTIONS = auto()  # the service's functions, unqualified
    QUALIFIED = auto()  # their versions and aliases
    LIVE_ALIAS = auto()  # their alias `live`
    TABLES = auto()  # the service's own tables and the tables in use
    HEARTBEAT_ROWS = auto()  # the heartbeat rows in live and restored tables
    HEARTBEATS_TABLE = auto()  # the table of acknowledged heartbeats
    STREAMS = auto()  # streams of the service's tables
    RESTORED_STREAMS = auto()  # streams of the tables that restores make
    DRILL_TABLES = auto()  # the tables that drills restore
    DRILL_FUNCTIONS = auto()  # the isolated service of a drill
    RESTORED_TABLES = auto()  # the tables that restores make, by their prefix
    BACKUPS = auto()  # backups of live and restored tables
    BACKUP_VAULT = auto()  # the vault of AWS Backup
    RECOVERY_POINTS = auto()  # of AWS Backup, with the tag of the environment
    BACKUP_COPIES = auto()  # copies of recovery points, in the other region
    COPY_VAULT = auto()  # the vault there
    COPY_JOBS = auto()  # the jobs that copy them
    COPY_ROLE = auto()  # the role with which AWS Backup copies
    RESTORE_ROLE = auto()  # the role with which AWS Backup restores them in drills
    ACCESS_BLOCK_PROBE = auto()  # the one key of live and restored tables that probes the access block
    DRILL_ROLE = auto()  # the role of the isolated service
    SEED_GRANTS_KEY = auto()  # encrypts the seeded grants of a drill
    REVOCATIONS = auto()  # the log of revocations
    REVOCATIONS_STREAM = auto()
    LOGGED_REVOCATION_EPOCH = auto()  # the one item of the log that the orchestrator writes
    ALL_ALARMS = auto()
    LOGS = auto()
    CHECKED_LOGS = auto()  # the log groups that the environment's own checks query
    LOG_QUERIES = auto()  # the results of these queries
    HOOK_FUNCTIONS = auto()  # the Lambda functions that deployments ask
    HOOK_SECRETS = auto()  # the secrets that sign requests to webhooks
    NOTIFICATION_QUEUE = auto()  # the queue of notifications
    NOTIFICATION_DEAD_LETTERS = auto()  # the queue of those that were not delivered
    NOTIFICATION_SECRETS = auto()  # the addresses and keys of their destinations
    MAIL_IDENTITY = auto()  # the identity of Amazon SES that sends e-mail
    TELEMETRY_SECRET = auto()  # the headers for the collector of traces
    WEBHOOK_SECRETS = auto()  # the secrets with which pagers prove themselves
    LINK_KEY = auto()  # the secret that signs the links of pages
    SYNTHETIC_KEY = auto()
    DEPLOYMENT_STATE_MACHINE = auto()
    ROLLBACK_STATE_MACHINE = auto()
    DRILL_STATE_MACHINE = auto()
    DEPLOYMENTS = auto()  # executions of the deployment state machine
    ROLLBACKS = auto()
    DRILLS = auto()
    RESTORES = auto()
    SCALABLE_TARGETS = auto()  # of Application Auto Scaling
    SCALING_ALARMS = auto()  # the alarms that scale restored tables
    OPERATORS = auto()  # the topic of the operators
    CLIENTS = auto()  # the topic of the clients
    KEY_RING = auto()  # the table of the key ring
    SIGNING_KEYS = auto()  # keys with the environment's tag
    NEW_SIGNING_KEYS = auto()  # keys that are created with this tag
    KEY_TO_CREATE = auto()  # a key to be created with this tag, which has no ARN yet
    SNAPSHOT_RESOURCES = auto()  # everything whose name is of the environment
    SNAPSHOT_KEYS = auto()  # keys with the cost allocation tag of the environment
    EVIDENCE_BUCKET = auto()  # the bucket of evidence and configuration snapshots
    EVIDENCE_OBJECTS = auto()  # the objects in it
    EVIDENCE_HEADS = auto()  # the signed heads of the evidence chain, in another region
    EVIDENCE_SIGNING_KEY = auto()  # the key that signs evidence
    EVIDENCE_KEYS = auto()  # with it, those that did
    EXPORTS = auto()  # exports of the service's tables
    EXPORT_BUCKET = auto()
    EXPORT_OBJECTS = auto()  # the objects in their bucket
    STATUS_PAGE_OBJECTS = auto()  # the files of the status page
    ISSUING_LEASE = auto()  # the one item of the key ring's table that permits this region to sign
    ISSUING_ASSIGNMENT = auto()  # the assignment in the ledger of the standby region
    ASSIGNMENT_KEYS = auto()  # the key of that ledger, by its alias
    COPIED_RECOVERY_POINTS = auto()  # what AWS Backup copied to the standby region
    COPIES_RESTORE_ROLE = auto()  # the role with which AWS Backup restores them
    API_DOMAIN = auto()  # the API's domain in API Gateway
    DOMAIN_ZONE = auto()  # the hosted zone of its record
    DNS_CHANGES = auto()  # changes of that zone
    HOME_FUNCTIONS = auto()  # the live aliases in the home region
    HOME_LEASE = auto()  # the one item of the home region's table of the key ring that is its lease
    DATA_KEY = auto()  # the key of the tables that a failover restores
    HOME_DATA_KEYS = auto()  # the key of that table, by its alias
    ALL_RESOURCES = auto()  # for actions without resource-level permissions


WILDCARD_REASONS: Mapping[Resource, str] = {
    Resource.STREAMS: "a stream is named by its creation time",
    Resource.REVOCATIONS_STREAM: "a stream is named by its creation time",
    Resource.RESTORED_STREAMS: "restored tables are named by the restore that creates them",
    Resource.DRILL_TABLES: "tables are named by the drill that restores them",
    Resource.DRILL_FUNCTIONS: "functions are named by the drill that creates them",
    Resource.DRILLS: "executions are named by drills",
    Resource.RESTORES: "executions are named by restores",
    Resource.BACKUPS: "DynamoDB names backups, also those of deleted tables",
    Resource.RECOVERY_POINTS: "AWS Backup names recovery points; a condition on their tag limits this to the environment",
    Resource.BACKUP_COPIES: "AWS Backup names recovery points; a condition on their tag limits this to the environment",
    Resource.COPY_JOBS: "this action does not support resource-level permissions",
    Resource.SCALING_ALARMS: "Application Auto Scaling names them after the restored table, and adds an id",
    Resource.SCALABLE_TARGETS: "the id of a scalable target does not contain its table",
    Resource.QUALIFIED: "any version can become stable or canary",
    Resource.RESTORED_TABLES: "restored tables are named by the restore that creates them",
    Resource.HEARTBEAT_ROWS: "restored tables are named by the restore that creates them",
    Resource.ACCESS_BLOCK_PROBE: "restored tables are named by the restore that creates them",
    Resource.ALL_ALARMS: "CloudWatch describes composite alarms only with a permission on * (DescribeAlarms)",
    Resource.CHECKED_LOGS: "CloudWatch Logs authorises a log group with the suffix of its streams",
    Resource.LOG_QUERIES: "a query is named by CloudWatch Logs; this action does not support resource-level permissions",
    Resource.LOGS: "Lambda chooses the names of a log group's streams",
    Resource.DEPLOYMENTS: "executions are named by deployments",
    Resource.ROLLBACKS: "executions are named by deployments",
    Resource.SIGNING_KEYS: "rotation creates signing keys; a condition on their tag limits this to the environment",
    Resource.NEW_SIGNING_KEYS: "rotation creates signing keys; a condition on their tag limits this to the environment",
    Resource.KEY_TO_CREATE: "these actions do not support resource-level permissions",
    Resource.SNAPSHOT_RESOURCES: "a configuration snapshot covers everything whose name is of the environment",
    Resource.SNAPSHOT_KEYS: "KMS generates key ids; a condition on the tag limits this to the environment",
    Resource.EVIDENCE_OBJECTS: "files are named by their digests",
    Resource.EVIDENCE_HEADS: "each entry has a head of its own",
    Resource.EXPORTS: "DynamoDB names exports",
    Resource.STATUS_PAGE_OBJECTS: "each incident has a page of its own",
    Resource.EXPORT_OBJECTS: "DynamoDB names the files of an export",
    Resource.ASSIGNMENT_KEYS: "KMS generates key ids; a condition on the alias limits this to the ledger's key",
    Resource.HOME_DATA_KEYS: "KMS generates key ids; a condition on the alias limits this to the tables' key",
    Resource.COPIED_RECOVERY_POINTS: "AWS Backup names recovery points",
    Resource.DNS_CHANGES: "Route 53 names changes",
    Resource.ALL_RESOURCES: "these actions do not support resource-level permissions",
}
"""Resources whose ARNs contain a wildcard, each with its reason."""

STANDBY_RESOURCES = (
    Resource.ISSUING_LEASE,
    Resource.ISSUING_ASSIGNMENT,
    Resource.ASSIGNMENT_KEYS,
    Resource.COPIED_RECOVERY_POINTS,
    Resource.COPIES_RESTORE_ROLE,
    Resource.API_DOMAIN,
    Resource.DOMAIN_ZONE,
    Resource.DNS_CHANGES,
    Resource.HOME_FUNCTIONS,
    Resource.HOME_LEASE,
    Resource.HOME_DATA_KEYS,
    Resource.DATA_KEY,
)
"""Resources of an environment that has a standby region (`[….failover]`)."""

COPY_RESOURCES = (Resource.BACKUP_COPIES, Resource.COPY_VAULT, Resource.COPY_JOBS, Resource.COPY_ROLE)
"""Resources of an environment that copies its backups to another region (`[….backups] copy_region`)."""

NAMED_BY_SETTINGS = frozenset(
    {
        Resource.CHECKED_LOGS,
        Resource.LOG_QUERIES,
        Resource.HOOK_FUNCTIONS,
        Resource.HOOK_SECRETS,
        Resource.NOTIFICATION_SECRETS,
        Resource.MAIL_IDENTITY,
        Resource.TELEMETRY_SECRET,
        Resource.WEBHOOK_SECRETS,
        Resource.LINK_KEY,
        Resource.STATUS_PAGE_OBJECTS,
        Resource.EVIDENCE_HEADS,
        *COPY_RESOURCES,
        *STANDBY_RESOURCES,
    }
)
"""Resources that only some environments' settings name. Where they name none, no permission on them is granted."""


@dataclass(frozen=True)
class Resources:
    """The ARNs and conditions of each kind of resource, and the keys that encrypt the resources.

    `ledger_key`, `ring_key`, `variables_key` (of the service's functions), `evidence_key` and `task_variables_key` (of the
    orchestrator's functions) are None if AWS's own key encrypts the resource.
    """

    arns: Mapping[Resource, Sequence[str]]
    conditions: Mapping[Resource, Mapping[str, Mapping[str, object]]]
    ledger: str
    bus: str
    ledger_key: kms.IKey | None
    topics_key: kms.IKey
    ring_key: kms.IKey | None
    variables_key: kms.IKey | None
    evidence_key: kms.IKey | None
    task_variables_key: kms.IKey | None = None


@dataclass(frozen=True)
class CreatedResources:
    """Resources of the orchestrator's stack that the grants refer to: ARNs, buckets, and the keys that sign evidence."""

    heartbeats_table: str
    drill_role: str
    restore_role: str
    seed_grants_key: str
    topics: Mapping[str, str]
    evidence_bucket: s3.IBucket
    evidence_keys: Sequence[kms.IKey]
    exports_bucket: s3.IBucket


def resource_arns(
    stack: Stack,
    environment: Environment,
    service: Mapping[str, Any],
    signing_keys: SigningKeys,
    created: CreatedResources,
) -> Mapping[Resource, Sequence[str]]:
    """Return the ARNs of each kind of resource.

    Args:
        stack: determines account and region.
        environment: determines the names.
        service: the service's settings for the orchestrator (`ServiceStack.service_settings`).
        signing_keys: the service's signing keys.
        created: resources of the orchestrator's stack.
    """

    def colon_arn(service_name: str, resource: str, name: str) -> str:
        colon = ArnFormat.COLON_RESOURCE_NAME
        return stack.format_arn(service=service_name, resource=resource, resource_name=name, arn_format=colon)

    def table(name: str) -> str:
        return stack.format_arn(service="dynamodb", resource="table", resource_name=name)

    functions = [colon_arn("lambda", "function", name) for name in service["functions"].values()]
    # Depending on the call, CloudWatch Logs authorises the group or its streams.
    groups = [colon_arn("logs", "log-group", f"/aws/lambda/{name}") for name in service["functions"].values()]
    # The tables in use and the stack's own tables. After a restore they differ.
    names = sorted({*service["tables"], *(physical_name(role, environment) for role in ("state", "tokens"))})
    tables = [table(name) for name in names]
    drill_name, restored = physical_name("drill-*", environment), table(physical_name("restored-*", environment))
    revocations = table(service["revocations"])
    return {
        Resource.FUNCTIONS: functions,
        Resource.QUALIFIED: [f"{arn}:*" for arn in functions],
        Resource.LIVE_ALIAS: [f"{arn}:{service['alias']}" for arn in functions],
        Resource.TABLES: tables,
        Resource.HEARTBEAT_ROWS: [*tables, restored],
        Resource.HEARTBEATS_TABLE: [created.heartbeats_table],
        Resource.STREAMS: [f"{arn}/stream/*" for arn in tables],
        Resource.RESTORED_STREAMS: [f"{restored}/stream/*"],
        Resource.DRILL_TABLES: [table(drill_name)],
        Resource.DRILL_FUNCTIONS: [colon_arn("lambda", "function", drill_name)],
        Resource.DRILL_ROLE: [created.drill_role],
        Resource.SEED_GRANTS_KEY: [created.seed_grants_key],
        Resource.RESTORED_TABLES: [restored],
        Resource.BACKUPS: [f"{arn}/backup/*" for arn in (*tables, restored)],
        Resource.BACKUP_VAULT: [colon_arn("backup", "backup-vault", physical_name("backups", environment))],
        Resource.RECOVERY_POINTS: [colon_arn("backup", "recovery-point", "*")],
        Resource.RESTORE_ROLE: [created.restore_role],
        Resource.ACCESS_BLOCK_PROBE: [*tables, restored],
        Resource.REVOCATIONS: [revocations],
        Resource.REVOCATIONS_STREAM: [f"{revocations}/stream/*"],
        Resource.LOGGED_REVOCATION_EPOCH: [revocations],
        Resource.SCALABLE_TARGETS: [stack.format_arn(service="application-autoscaling", resource="scalable-target/*")],
        # "TargetTracking-table/NAME-AlarmHigh-ID", of the table or of one of its indexes.
        Resource.SCALING_ALARMS: [
            colon_arn("cloudwatch", "alarm", f"TargetTracking-table/{physical_name('restored-*', environment)}*")
        ],
        Resource.ALL_ALARMS: ["*"],
        Resource.LOGS: [*groups, *(f"{arn}:*" for arn in groups)],
        Resource.NOTIFICATION_QUEUE: [_queue(stack, environment, NOTIFICATIONS)],
        Resource.NOTIFICATION_DEAD_LETTERS: [_queue(stack, environment, NOTIFICATION_DEAD_LETTERS)],
        **resources_of_settings(stack, environment),
        Resource.SYNTHETIC_KEY: [service["synthetic_key_id"]],
        Resource.DEPLOYMENT_STATE_MACHINE: [state_machine_arn(stack, environment, "deployment")],
        Resource.ROLLBACK_STATE_MACHINE: [state_machine_arn(stack, environment, "rollback")],
        Resource.DRILL_STATE_MACHINE: [state_machine_arn(stack, environment, "drill")],
        Resource.DEPLOYMENTS: [executions_arn(stack, environment, "deployment")],
        Resource.ROLLBACKS: [executions_arn(stack, environment, "rollback")],
        Resource.DRILLS: [executions_arn(stack, environment, "drill")],
        Resource.RESTORES: [executions_arn(stack, environment, "restore")],
        Resource.OPERATORS: [created.topics["operators"]],
        Resource.CLIENTS: [created.topics["clients"]],
        Resource.KEY_RING: [table(signing_keys.ring_table)],
        Resource.DATA_KEY: [signing_keys.data_key.key_arn] if signing_keys.data_key else [],
        Resource.SIGNING_KEYS: [signing_keys.all_keys],
        Resource.NEW_SIGNING_KEYS: [signing_keys.all_keys],
        Resource.KEY_TO_CREATE: ["*"],
        Resource.SNAPSHOT_RESOURCES: environment_arns(stack, environment),
        Resource.SNAPSHOT_KEYS: [stack.format_arn(service="kms", resource="key", resource_name="*")],
        Resource.EVIDENCE_BUCKET: [created.evidence_bucket.bucket_arn],
        Resource.EVIDENCE_OBJECTS: [created.evidence_bucket.arn_for_objects("*")],
        Resource.EVIDENCE_SIGNING_KEY: [created.evidence_keys[-1].key_arn],
        Resource.EVIDENCE_KEYS: [key.key_arn for key in created.evidence_keys],
        Resource.EXPORTS: [f"{arn}/export/*" for arn in tables],
        Resource.EXPORT_BUCKET: [created.exports_bucket.bucket_arn],
        Resource.EXPORT_OBJECTS: [created.exports_bucket.arn_for_objects("*")],
        Resource.ALL_RESOURCES: ["*"],
    }


def resources_of_settings(stack: Stack, environment: Environment) -> Mapping[Resource, Sequence[str]]:
    """Return the ARNs of `NAMED_BY_SETTINGS`.

    These are what checks query, the hooks with the secrets that sign for them, the secrets of notifications, of the
    pagers' webhooks and of links, the identity that sends e-mail, and the files of the status page, which may be in
    another account.
    """
    policy = DeliveryPolicy.parse(environment.delivery)
    groups = [
        stack.format_arn(
            service="logs", resource="log-group", resource_name=name, arn_format=ArnFormat.COLON_RESOURCE_NAME
        )
        for name in sorted({group for check in policy.checks for group in check.log_groups})
    ]
    return {
        Resource.CHECKED_LOGS: [*groups, *(f"{arn}:*" for arn in groups)],
        Resource.LOG_QUERIES: ["*"] if groups else [],
        Resource.HOOK_FUNCTIONS: sorted({hook.function for hook in policy.hooks if hook.function}),
        Resource.HOOK_SECRETS: sorted({hook.secret for hook in policy.hooks if hook.secret}),
        Resource.NOTIFICATION_SECRETS: sorted({one.secret for one in environment.notifications if one.secret}),
        Resource.MAIL_IDENTITY: [environment.mail.identity_arn] if environment.mail else [],
        Resource.TELEMETRY_SECRET: [secret] if (secret := environment.telemetry.headers_secret) else [],
        Resource.WEBHOOK_SECRETS: sorted(
            {one.webhook_secret for one in environment.notifications if one.webhook_secret}
            if environment.acknowledgement.enabled
            else ()
        ),
        Resource.LINK_KEY: [link_key_arn(stack, environment)] if environment.acknowledgement.enabled else [],
        Resource.EVIDENCE_HEADS: (
            [f"arn:{Aws.PARTITION}:s3:::{heads_bucket_name(environment)}/*"] if environment.backups.copy_region else []
        ),
        Resource.STATUS_PAGE_OBJECTS: (
            [f"arn:{Aws.PARTITION}:s3:::{status_bucket_name(environment)}/*"] if environment.status_page.enabled else []
        ),
        **dict.fromkeys(COPY_RESOURCES, ()),
        **_copy_arns(stack, environment),
        **dict.fromkeys(STANDBY_RESOURCES, ()),
        **_standby_arns(stack, environment),
    }


def _copy_arns(stack: Stack, environment: Environment) -> Mapping[Resource, Sequence[str]]:
    region = environment.backups.copy_region
    if region is None:
        return {}

    def backup_arn(resource: str, name: str) -> str:
        colon = ArnFormat.COLON_RESOURCE_NAME
        return stack.format_arn(
            service="backup", region=region, resource=resource, resource_name=name, arn_format=colon
        )

    return {
        Resource.BACKUP_COPIES: [backup_arn("recovery-point", "*")],
        Resource.COPY_VAULT: [backup_arn("backup-vault", physical_name("backup-copies", environment))],
        Resource.COPY_JOBS: ["*"],
        Resource.COPY_ROLE: [backup_role_arn(stack, environment)],
    }


def backup_role_arn(stack: Stack, environment: Environment) -> str:
    """Return the ARN of the role with which AWS Backup makes backups and copies (infrastructure/backups/stack.py)."""
    name = global_name(physical_name("backups", environment), environment)
    return stack.format_arn(service="iam", region="", resource="role", resource_name=name)


def _standby_arns(stack: Stack, environment: Environment) -> Mapping[Resource, Sequence[str]]:
    """Return the ARNs of `STANDBY_RESOURCES` that this region uses; none without a standby region."""
    if environment.failover is None:
        return {}

    def table(name: str, region: str) -> str:
        return stack.format_arn(
            service="dynamodb", region=region, resource="table", resource_name=physical_name(name, environment)
        )

    standby, home = environment.failover.region, environment.lost_region
    elsewhere = standby != environment.region
    arns: dict[Resource, Sequence[str]] = {
        Resource.ISSUING_LEASE: [table("keys", environment.region)],
        Resource.ISSUING_ASSIGNMENT: [table("ledger", standby)] if elsewhere else [],
        Resource.ASSIGNMENT_KEYS: (
            [stack.format_arn(service="kms", region=standby, resource="key", resource_name="*")]
            if elsewhere and environment.customer_managed_keys
            else []
        ),
    }
    if elsewhere:
        return arns
    role = global_name(physical_name("restores", environment), environment)
    colon = ArnFormat.COLON_RESOURCE_NAME
    arns |= {
        Resource.COPIED_RECOVERY_POINTS: [
            stack.format_arn(service="backup", resource="recovery-point", resource_name="*", arn_format=colon)
        ],
        Resource.COPIES_RESTORE_ROLE: [stack.format_arn(service="iam", region="", resource="role", resource_name=role)],
        Resource.HOME_FUNCTIONS: [
            stack.format_arn(
                service="lambda",
                region=home,
                resource="function",
                resource_name=f"{physical_name(name, environment)}:live",
                arn_format=colon,
            )
            for name in (environment.service.functions if home else ())
        ],
        Resource.HOME_LEASE: [table("keys", home)] if home else [],
        Resource.HOME_DATA_KEYS: (
            [stack.format_arn(service="kms", region=home, resource="key", resource_name="*")]
            if home and environment.customer_managed_keys
            else []
        ),
    }
    if domain := environment.api.domain:
        name = f"/domainnames/{domain.name}"
        arns[Resource.API_DOMAIN] = [
            stack.format_arn(service="apigateway", account="", resource=name, arn_format=ArnFormat.NO_RESOURCE_NAME)
        ]
        if domain.hosted_zone_id:
            zone = f"arn:{Aws.PARTITION}:route53:::hostedzone/{domain.hosted_zone_id}"
            arns |= {Resource.DOMAIN_ZONE: [zone], Resource.DNS_CHANGES: [f"arn:{Aws.PARTITION}:route53:::change/*"]}
    return arns


def resource_conditions(environment: Environment, tag: str) -> Mapping[Resource, Mapping[str, Mapping[str, object]]]:
    """Return the conditions on resources; a grant never combines resources with different conditions."""
    new_key = {"StringEquals": {f"aws:RequestTag/{tag}": environment.name}}
    sender = environment.mail.sender if environment.mail else ""
    return {
        Resource.MAIL_IDENTITY: {"StringEquals": {"ses:FromAddress": sender}},
        Resource.HEARTBEAT_ROWS: {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": [f"{HEARTBEAT_PREFIX}*"]}},
        Resource.KEY_RING: {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["ring"]}},
        Resource.LOGGED_REVOCATION_EPOCH: {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["epoch"]}},
        Resource.ACCESS_BLOCK_PROBE: {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [PROBED_KEY["pk"]["S"]]}},
        Resource.SIGNING_KEYS: {"StringEquals": {f"aws:ResourceTag/{tag}": environment.name}},
        Resource.NEW_SIGNING_KEYS: new_key,
        Resource.KEY_TO_CREATE: new_key,
        Resource.DRILL_ROLE: {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}},
        Resource.RECOVERY_POINTS: {"StringEquals": {"aws:ResourceTag/environment": environment.name}},
        Resource.BACKUP_COPIES: {"StringEquals": {"aws:ResourceTag/environment": environment.name}},
        Resource.COPY_ROLE: {"StringEquals": {"iam:PassedToService": "backup.amazonaws.com"}},
        Resource.RESTORE_ROLE: {"StringEquals": {"iam:PassedToService": "backup.amazonaws.com"}},
        Resource.SNAPSHOT_KEYS: {"StringEquals": {"aws:ResourceTag/environment": environment.name}},
        Resource.ISSUING_LEASE: {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [LEASE_KEY]}},
        Resource.ISSUING_ASSIGNMENT: {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [ASSIGNMENT_KEY]}},
        Resource.ASSIGNMENT_KEYS: _by_alias("ledger", environment),
        Resource.HOME_LEASE: {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [LEASE_KEY]}},
        Resource.HOME_DATA_KEYS: _by_alias("data", environment),
        Resource.COPIES_RESTORE_ROLE: {"StringEquals": {"iam:PassedToService": "backup.amazonaws.com"}},
        Resource.SCALABLE_TARGETS: {"StringEquals": {"application-autoscaling:service-namespace": "dynamodb"}},
    }


def _by_alias(name: str, environment: Environment) -> Mapping[str, Mapping[str, object]]:
    """Return the condition on a key of another region: its alias, and the use by DynamoDB only."""
    return {
        "ForAnyValue:StringEquals": {"kms:ResourceAliases": f"alias/{physical_name(name, environment)}"},
        "StringLike": {"kms:ViaService": "dynamodb.*.amazonaws.com"},
    }


def environment_arns(stack: Stack, environment: Environment) -> list[str]:
    """Return the ARN patterns of everything that a configuration snapshot describes, by the environment's names."""
    pattern = physical_name("*", environment)
    colon, slash, resource = ArnFormat.COLON_RESOURCE_NAME, ArnFormat.SLASH_RESOURCE_NAME, ArnFormat.NO_RESOURCE_NAME
    stack_names = [f"ib-oauth-{stack_name}-{environment.name}" for stack_name in ("stack", "orchestrator")]
    return [
        stack.format_arn(service="lambda", resource="function", resource_name=pattern, arn_format=colon),
        stack.format_arn(service="lambda", resource="function", resource_name=f"{pattern}:*", arn_format=colon),
        *(
            stack.format_arn(service="iam", region="", resource="role", resource_name=name)
            # CloudFormation names the role of API Gateway after its stack.
            for name in (global_name(pattern, environment), f"ib-oauth-stack-{environment.name}-*")
        ),
        *(
            stack.format_arn(service="events", resource="rule", resource_name=name)
            for name in (pattern, f"ib-oauth-{environment.name}/{pattern}")
        ),
        stack.format_arn(service="events", resource="event-bus", resource_name=f"ib-oauth-{environment.name}"),
        stack.format_arn(service="scheduler", resource="schedule", resource_name=f"*/{pattern}", arn_format=slash),
        stack.format_arn(service="dynamodb", resource="table", resource_name=pattern),
        stack.format_arn(service="states", resource="stateMachine", resource_name=pattern, arn_format=colon),
        stack.format_arn(service="sns", resource=pattern, arn_format=resource),
        stack.format_arn(service="sqs", resource=pattern, arn_format=resource),
        *(
            stack.format_arn(
                service="cloudformation", resource="stack", resource_name=f"{stack_name}/*", arn_format=slash
            )
            for stack_name in stack_names
        ),
        # API Gateway generates the ids of its APIs.
        *(
            stack.format_arn(service="apigateway", account="", resource=path, arn_format=resource)
            for path in ("/restapis", "/restapis/*")
        ),
    ]


def _queue(stack: Stack, environment: Environment, name: str) -> str:
    return stack.format_arn(
        service="sqs", resource=physical_name(name, environment), arn_format=ArnFormat.NO_RESOURCE_NAME
    )


def state_machine_arn(stack: Stack, environment: Environment, name: str) -> str:
    """Return a state machine's ARN by name, because the construct depends on functions that need the ARN."""
    return _states_arn(stack, "stateMachine", physical_name(name, environment))


def executions_arn(stack: Stack, environment: Environment, name: str) -> str:
    """Return the ARN pattern of all executions of a state machine."""
    return _states_arn(stack, "execution", f"{physical_name(name, environment)}:*")


def _states_arn(stack: Stack, resource: str, name: str) -> str:
    return stack.format_arn(
        service="states", resource=resource, resource_name=name, arn_format=ArnFormat.COLON_RESOURCE_NAME
    )
