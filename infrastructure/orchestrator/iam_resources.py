"""The kinds of resources that the orchestrator's functions may use. `iam_arns.py` and `iam_conditions.py` resolve them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto


class Resource(Enum):
    """Kinds of resources on which actions are allowed."""

    FUNCTIONS = auto()  # the service's functions, unqualified
    QUALIFIED = auto()  # their versions and aliases
    LIVE_ALIAS = auto()  # their alias `live`
    TABLES = auto()  # the service's own tables and the tables in use
    HEARTBEAT_ROWS = auto()  # the heartbeat rows in live and restored tables
    CLIENT_ITEMS = auto()  # the items of clients in restored tables
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
    CLIENT_RECORDS = auto()  # the records of managed clients in the standby region's ledger
    HOME_CLIENT_RECORDS = auto()  # the records of managed clients in the home region's ledger
    HOME_LEDGER_KEYS = auto()  # the key of that ledger, by its alias
    HOME_EVIDENCE = auto()  # the evidence bucket of the home region
    EVIDENCE_COPIES = auto()  # the bucket of its copies in the standby region
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
    Resource.CLIENT_ITEMS: "restored tables are named by the restore that creates them",
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
    Resource.HOME_LEDGER_KEYS: "KMS generates key ids; a condition on the alias limits this to the ledger's key",
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
    Resource.CLIENT_RECORDS,
    Resource.HOME_CLIENT_RECORDS,
    Resource.HOME_LEDGER_KEYS,
    Resource.HOME_EVIDENCE,
    Resource.EVIDENCE_COPIES,
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
