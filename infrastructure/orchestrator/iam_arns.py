"""The ARNs of the resources that the orchestrator's functions may use, by their kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aws_cdk import Aws, Stack
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3

from infrastructure.arns import (
    bucket_arn,
    executions_arn,
    function_arn,
    keys_arn,
    log_group_arn,
    named_arn,
    plain_arn,
    recovery_points_arn,
    rest_apis_arns,
    role_arn,
    role_named,
    scaling_alarms_arn,
    state_machine_arn,
    table_arn,
    vault_arn,
)
from infrastructure.backups.roles import BACKUP_ROLE, RESTORE_ROLE
from infrastructure.common import SigningKeys
from infrastructure.naming import physical_name, status_bucket_name
from infrastructure.orchestrator.acknowledgement import link_key_arn
from infrastructure.orchestrator.buckets import copies_bucket_name, heads_bucket_name, home_evidence_bucket_name
from infrastructure.orchestrator.iam_resources import COPY_RESOURCES, STANDBY_RESOURCES, Resource
from orchestrator.domain.deployment.policy import DeliveryPolicy
from orchestrator.environments import Environment

NOTIFICATIONS, NOTIFICATION_DEAD_LETTERS = "notifications", "notification-dead-letters"
"""Names of the queue of notifications, and of the queue of those that were not delivered."""


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
    functions = [function_arn(stack, name) for name in service["functions"].values()]
    # Depending on the call, CloudWatch Logs authorises the group or its streams.
    groups = [log_group_arn(stack, f"/aws/lambda/{name}") for name in service["functions"].values()]
    # The tables in use and the stack's own tables. After a restore they differ.
    names = sorted({*service["tables"], *(physical_name(role, environment) for role in ("state", "tokens"))})
    tables = [table_arn(stack, name) for name in names]
    drill_name = physical_name("drill-*", environment)
    restored = table_arn(stack, physical_name("restored-*", environment))
    revocations = table_arn(stack, service["revocations"])
    return {
        Resource.FUNCTIONS: functions,
        Resource.QUALIFIED: [f"{arn}:*" for arn in functions],
        Resource.LIVE_ALIAS: [f"{arn}:{service['alias']}" for arn in functions],
        Resource.TABLES: tables,
        Resource.HEARTBEAT_ROWS: [*tables, restored],
        Resource.CLIENT_ITEMS: [restored],
        Resource.HEARTBEATS_TABLE: [created.heartbeats_table],
        Resource.STREAMS: [f"{arn}/stream/*" for arn in tables],
        Resource.RESTORED_STREAMS: [f"{restored}/stream/*"],
        Resource.DRILL_TABLES: [table_arn(stack, drill_name)],
        Resource.DRILL_FUNCTIONS: [function_arn(stack, drill_name)],
        Resource.DRILL_ROLE: [created.drill_role],
        Resource.SEED_GRANTS_KEY: [created.seed_grants_key],
        Resource.RESTORED_TABLES: [restored],
        Resource.BACKUPS: [f"{arn}/backup/*" for arn in (*tables, restored)],
        Resource.BACKUP_VAULT: [vault_arn(stack, environment, "backups")],
        Resource.RECOVERY_POINTS: [recovery_points_arn(stack)],
        Resource.RESTORE_ROLE: [created.restore_role],
        Resource.ACCESS_BLOCK_PROBE: [*tables, restored],
        Resource.REVOCATIONS: [revocations],
        Resource.REVOCATIONS_STREAM: [f"{revocations}/stream/*"],
        Resource.LOGGED_REVOCATION_EPOCH: [revocations],
        Resource.SCALABLE_TARGETS: [plain_arn(stack, "application-autoscaling", "scalable-target/*")],
        Resource.SCALING_ALARMS: [scaling_alarms_arn(stack, environment)],
        Resource.ALL_ALARMS: ["*"],
        Resource.LOGS: [*groups, *(f"{arn}:*" for arn in groups)],
        Resource.NOTIFICATION_QUEUE: [plain_arn(stack, "sqs", physical_name(NOTIFICATIONS, environment))],
        Resource.NOTIFICATION_DEAD_LETTERS: [
            plain_arn(stack, "sqs", physical_name(NOTIFICATION_DEAD_LETTERS, environment))
        ],
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
        Resource.KEY_RING: [table_arn(stack, signing_keys.ring_table)],
        Resource.DATA_KEY: [signing_keys.data_key.key_arn] if signing_keys.data_key else [],
        Resource.SIGNING_KEYS: [signing_keys.all_keys],
        Resource.NEW_SIGNING_KEYS: [signing_keys.all_keys],
        Resource.KEY_TO_CREATE: ["*"],
        Resource.SNAPSHOT_RESOURCES: environment_arns(stack, environment),
        Resource.SNAPSHOT_KEYS: [keys_arn(stack)],
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
    policy, page = DeliveryPolicy.parse(environment.delivery), environment.status_page
    names = sorted({group for check in policy.checks for group in check.log_groups})
    groups = [log_group_arn(stack, name) for name in names]
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
            [bucket_arn(heads_bucket_name(environment), "*")] if environment.backups.copy_region else []
        ),
        Resource.STATUS_PAGE_OBJECTS: (
            [bucket_arn(status_bucket_name(environment, page.account or Aws.ACCOUNT_ID), "*")] if page.enabled else []
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
    return {
        Resource.BACKUP_COPIES: [recovery_points_arn(stack, region=region)],
        Resource.COPY_VAULT: [vault_arn(stack, environment, "backup-copies", region=region)],
        Resource.COPY_JOBS: ["*"],
        Resource.COPY_ROLE: [role_arn(stack, environment, BACKUP_ROLE)],
    }


def _standby_arns(stack: Stack, environment: Environment) -> Mapping[Resource, Sequence[str]]:
    """Return the ARNs of `STANDBY_RESOURCES` that this region uses; none without a standby region."""
    if environment.failover is None:
        return {}

    def table(name: str, region: str) -> str:
        return table_arn(stack, physical_name(name, environment), region=region)

    standby, home = environment.failover.region, environment.lost_region
    elsewhere = standby != environment.region
    arns: dict[Resource, Sequence[str]] = {
        Resource.ISSUING_LEASE: [table("keys", environment.region)],
        Resource.ISSUING_ASSIGNMENT: [table("ledger", standby)] if elsewhere else [],
        Resource.ASSIGNMENT_KEYS: (
            [keys_arn(stack, region=standby)] if elsewhere and environment.customer_managed_keys else []
        ),
    }
    if elsewhere:
        return arns
    arns |= {
        Resource.COPIED_RECOVERY_POINTS: [recovery_points_arn(stack)],
        Resource.COPIES_RESTORE_ROLE: [role_arn(stack, environment, RESTORE_ROLE)],
        Resource.HOME_FUNCTIONS: [
            function_arn(stack, f"{physical_name(name, environment)}:live", region=home)
            for name in (environment.service.functions if home else ())
        ],
        Resource.HOME_LEASE: [table("keys", home)] if home else [],
        Resource.CLIENT_RECORDS: [table("ledger", standby)],
        Resource.HOME_CLIENT_RECORDS: [table("ledger", home)] if home else [],
        **dict.fromkeys(
            (Resource.HOME_DATA_KEYS, Resource.HOME_LEDGER_KEYS),
            [keys_arn(stack, region=home)] if home and environment.customer_managed_keys else [],
        ),
    }
    if home:
        arns |= {
            Resource.HOME_EVIDENCE: [bucket_arn(home_evidence_bucket_name(environment))],
            Resource.EVIDENCE_COPIES: [bucket_arn(copies_bucket_name(environment))],
        }
    if domain := environment.api.domain:
        arns[Resource.API_DOMAIN] = [plain_arn(stack, "apigateway", f"/domainnames/{domain.name}", account="")]
        if domain.hosted_zone_id:
            zone = f"arn:{Aws.PARTITION}:route53:::hostedzone/{domain.hosted_zone_id}"
            arns |= {Resource.DOMAIN_ZONE: [zone], Resource.DNS_CHANGES: [f"arn:{Aws.PARTITION}:route53:::change/*"]}
    return arns


def environment_arns(stack: Stack, environment: Environment) -> list[str]:
    """Return the ARN patterns of everything that a configuration snapshot describes, by the environment's names."""
    pattern, bus = physical_name("*", environment), f"ib-oauth-{environment.name}"
    stack_names = [physical_name(name, environment) for name in ("stack", "orchestrator")]
    return [
        function_arn(stack, pattern),
        function_arn(stack, f"{pattern}:*"),
        role_arn(stack, environment, "*"),
        # CloudFormation names the role of API Gateway after its stack.
        role_named(stack, f"ib-oauth-stack-{environment.name}-*"),
        *(named_arn(stack, "events", "rule", name) for name in (pattern, f"{bus}/{pattern}")),
        named_arn(stack, "events", "event-bus", bus),
        named_arn(stack, "scheduler", "schedule", f"*/{pattern}"),
        table_arn(stack, pattern),
        state_machine_arn(stack, environment, "*"),
        plain_arn(stack, "sns", pattern),
        plain_arn(stack, "sqs", pattern),
        *(named_arn(stack, "cloudformation", "stack", f"{name}/*") for name in stack_names),
        *rest_apis_arns(stack),
    ]
