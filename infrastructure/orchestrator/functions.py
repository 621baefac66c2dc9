"""The orchestrator's Lambda functions: one row each with its package, permissions, environment variables and size.

No other module grants permissions to these functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from infrastructure.lambda_functions import Size
from infrastructure.orchestrator.iam_grants import (
    ACKNOWLEDGE_INCIDENT,
    ANALYZE_CANARY,
    CALL_HOOKS,
    CHANGE_ACCESS_BLOCK,
    CLEAN_UP,
    DELIVER_NOTIFICATIONS,
    DESCRIBE_BACKUPS,
    DESCRIBE_TABLES,
    ENCRYPT_SEEDED_GRANTS,
    EXPORT_TABLES,
    EXPORT_TRACE,
    FINISH_CUTOVER,
    INVOKE_LIVE_ALIAS,
    INVOKE_VERSIONS,
    LIST_RECOVERY_POINTS,
    LOG_REVOCATION_EPOCH,
    MANAGE_PROVISIONED_CONCURRENCY,
    PROBE_ACCESS_BLOCK,
    PUBLISH_STATUS_PAGE,
    READ_ALIASES,
    READ_ATTACHMENTS,
    READ_CONFIGURATION,
    READ_EVIDENCE_KEYS,
    READ_EXECUTIONS,
    READ_FAILBACK_STATE,
    READ_LOCK_HOLDERS,
    READ_METRICS,
    READ_RESTORE_JOBS,
    READ_RESTORED_ITEMS,
    READ_ROLLBACKS,
    READ_STREAMED_CHANGES,
    READ_TABLE_CONTENTS,
    READ_TABLE_SETTINGS,
    READ_VERSIONS,
    RECORD_EVIDENCE,
    REPLAY_LATE_WRITES,
    REPORT_VALIDATION,
    RESTORE_TABLES,
    ROTATE_KEYS,
    SANITIZE_TOKENS,
    SIGN_IN_AS_SYNTHETIC_CLIENT,
    START_COPY_JOBS,
    START_ISOLATED_SERVICE,
    START_RESTORE_JOBS,
    START_ROLLBACK,
    SYNC_TABLES,
    TAG_RESTORED_TABLES,
    UPDATE_ALIASES,
    UPDATE_FUNCTION_VARIABLES,
    WRITE_EVIDENCE,
    WRITE_TABLE_SETTINGS,
    Ledger,
    Permissions,
    allow,
)
from infrastructure.orchestrator.iam_resources import Resource


@dataclass(frozen=True)
class FunctionSpec:
    """A function of the orchestrator.

    Attributes:
        package: the package of the function's module.
        permissions: in addition to logging and tracing.
        variables: names of the environment variables, in addition to those that every function has.
        size: memory and timeout. The timeout is shorter than that of the state that invokes the function: 75 s, or
            315 s for a state that reads whole tables. So a state never continues while its function still writes.
    """

    package: str
    permissions: Permissions
    variables: tuple[str, ...] = ()
    size: Size = field(default_factory=Size)


READER = Size(memory_mb=1769, timeout_seconds=300)
"""The size of functions that read whole tables."""

COPIES = ("COPY_REGION", "COPY_VAULT", "COPY_ROLE", "DRILL_VAULT")
"""The variables of a function that has copies of backups copied back."""

EVIDENCE_CHAIN = ("EVIDENCE_BUCKET", "EVIDENCE_KEYS", "EVIDENCE_HEADS_BUCKET", "EVIDENCE_HEADS_REGION")
"""The variables of a function that reads the evidence chain or appends to it."""

TASKS: Mapping[str, FunctionSpec] = {
    "acquire_lock": FunctionSpec(
        "orchestrator.tasks.common", Permissions(Ledger.WRITES, publishes_events=True, grants=(READ_EXECUTIONS,))
    ),
    "acquire_recovery_lock": FunctionSpec(
        "orchestrator.tasks.common", Permissions(Ledger.WRITES, publishes_events=True, grants=(READ_LOCK_HOLDERS,))
    ),
    "snapshot_configuration": FunctionSpec(
        "orchestrator.tasks.common",
        Permissions(Ledger.WRITES, publishes_events=False, grants=(*READ_CONFIGURATION, WRITE_EVIDENCE)),
        variables=("EVIDENCE_BUCKET",),
    ),
    "release_lock": FunctionSpec("orchestrator.tasks.common", Permissions(Ledger.WRITES, publishes_events=False)),
    "replay_late_writes": FunctionSpec(
        "orchestrator.tasks.common",
        Permissions(Ledger.WRITES, publishes_events=False, grants=REPLAY_LATE_WRITES),
        variables=("RECOVERY_POLICY",),
        size=READER,
    ),
    "plan_deployment": FunctionSpec(
        "orchestrator.tasks.deployment",
        Permissions(Ledger.WRITES, publishes_events=True, grants=(READ_ALIASES, READ_VERSIONS, READ_EXECUTIONS)),
        variables=("DELIVERY_POLICY", "SERVICE"),
    ),
    "check_readiness": FunctionSpec(
        "orchestrator.tasks.deployment",
        Permissions(
            Ledger.WRITES,
            publishes_events=False,
            grants=(
                READ_ALIASES,
                READ_VERSIONS,
                allow("cloudwatch:DescribeAlarms", on=(Resource.ALL_ALARMS,)),
                allow("dynamodb:DescribeContinuousBackups", on=(Resource.TABLES, Resource.RESTORED_TABLES)),
                allow("dynamodb:GetItem", on=(Resource.ISSUING_LEASE,)),
            ),
        ),
        variables=("ISSUING_LEASE", "KEYS_TABLE"),
    ),
    "record_backup_point": FunctionSpec(
        "orchestrator.tasks.deployment",
        Permissions(
            Ledger.WRITES,
            publishes_events=False,
            grants=(allow("dynamodb:CreateBackup", on=(Resource.TABLES, Resource.RESTORED_TABLES)),),
        ),
    ),
    "publish_versions": FunctionSpec(
        "orchestrator.tasks.deployment",
        Permissions(
            Ledger.WRITES,
            publishes_events=True,
            grants=(allow("lambda:PublishVersion", "lambda:ListVersionsByFunction", on=(Resource.FUNCTIONS,)),),
        ),
    ),
    "warm_up": FunctionSpec(
        "orchestrator.tasks.deployment",
        Permissions(Ledger.WRITES, publishes_events=False, grants=MANAGE_PROVISIONED_CONCURRENCY),
    ),
    "verify_before_traffic": FunctionSpec(
        "orchestrator.tasks.deployment",
        Permissions(Ledger.WRITES, publishes_events=False, grants=(INVOKE_VERSIONS, SIGN_IN_AS_SYNTHETIC_CLIENT)),
    ),
    "shift_traffic": FunctionSpec(
        "orchestrator.tasks.deployment", Permissions(Ledger.WRITES, publishes_events=True, grants=(UPDATE_ALIASES,))
    ),
    "analyze_canary": FunctionSpec(
        "orchestrator.tasks.deployment", Permissions(Ledger.WRITES, publishes_events=True, grants=ANALYZE_CANARY)
    ),
    "pause": FunctionSpec(
        "orchestrator.tasks.deployment",
        Permissions(Ledger.WRITES, publishes_events=True, grants=(allow("sns:Publish", on=(Resource.OPERATORS,)),)),
        variables=("OPERATORS_TOPIC",),
    ),
    "call_hook": FunctionSpec(
        "orchestrator.tasks.deployment", Permissions(Ledger.WRITES, publishes_events=True, grants=CALL_HOOKS)
    ),
    "resume": FunctionSpec("orchestrator.tasks.deployment", Permissions(Ledger.WRITES, publishes_events=False)),
    "block_source_tables": FunctionSpec(
        "orchestrator.tasks.deployment",
        Permissions(Ledger.WRITES, publishes_events=True, grants=(CHANGE_ACCESS_BLOCK, PROBE_ACCESS_BLOCK)),
        variables=("RECOVERY_POLICY",),
    ),
    "sync_tables": FunctionSpec(
        "orchestrator.tasks.deployment",
        Permissions(Ledger.WRITES, publishes_events=True, grants=(CHANGE_ACCESS_BLOCK, *SYNC_TABLES)),
        variables=("RECOVERY_POLICY",),
        size=Size(memory_mb=1769),
    ),
    "promote": FunctionSpec(
        "orchestrator.tasks.deployment", Permissions(Ledger.WRITES, publishes_events=True, grants=(UPDATE_ALIASES,))
    ),
    "verify_after_promotion": FunctionSpec(
        "orchestrator.tasks.deployment", Permissions(Ledger.WRITES, publishes_events=False, grants=ANALYZE_CANARY)
    ),
    "complete": FunctionSpec("orchestrator.tasks.deployment", Permissions(Ledger.WRITES, publishes_events=True)),
    "start_rollback": FunctionSpec(
        "orchestrator.tasks.deployment",
        Permissions(Ledger.WRITES, publishes_events=True, grants=(START_ROLLBACK, READ_ROLLBACKS)),
        variables=("ROLLBACK_MACHINE",),
    ),
    "notify": FunctionSpec(
        "orchestrator.tasks.deployment",
        Permissions(
            Ledger.READS,
            publishes_events=False,
            grants=(allow("sns:Publish", on=(Resource.OPERATORS, Resource.CLIENTS)),),
        ),
        variables=("OPERATORS_TOPIC", "CLIENTS_TOPIC"),
    ),
    "take_over_lock": FunctionSpec(
        "orchestrator.tasks.rollback",
        # An alarm is pooled over versions: their metrics decide which of them gets the traffic.
        Permissions(Ledger.WRITES, publishes_events=True, grants=(READ_EXECUTIONS, READ_VERSIONS, READ_METRICS)),
    ),
    "revert_aliases": FunctionSpec(
        "orchestrator.tasks.rollback", Permissions(Ledger.WRITES, publishes_events=True, grants=(UPDATE_ALIASES,))
    ),
    "replay_new_writes": FunctionSpec(
        "orchestrator.tasks.rollback",
        Permissions(Ledger.WRITES, publishes_events=False, grants=(CHANGE_ACCESS_BLOCK, *REPLAY_LATE_WRITES)),
        variables=("RECOVERY_POLICY",),
        # Clients get 503 meanwhile: what takes longer is replayed after the tables are unblocked.
        size=Size(memory_mb=1769, timeout_seconds=180),
    ),
    "unblock_source_tables": FunctionSpec(
        "orchestrator.tasks.rollback",
        Permissions(Ledger.WRITES, publishes_events=True, grants=(CHANGE_ACCESS_BLOCK, *REPLAY_LATE_WRITES)),
        variables=("RECOVERY_POLICY",),
        size=READER,
    ),
    "verify_stable": FunctionSpec(
        "orchestrator.tasks.rollback",
        Permissions(
            Ledger.WRITES,
            publishes_events=False,
            grants=(INVOKE_LIVE_ALIAS,),
        ),
    ),
    "record_incident": FunctionSpec(
        "orchestrator.tasks.rollback",
        Permissions(
            Ledger.WRITES, publishes_events=True, grants=(allow("states:StopExecution", on=(Resource.DEPLOYMENTS,)),)
        ),
    ),
    "seed_grants": FunctionSpec(
        "orchestrator.tasks.recovery",
        Permissions(
            Ledger.WRITES,
            publishes_events=False,
            grants=(*DESCRIBE_TABLES, INVOKE_LIVE_ALIAS, SIGN_IN_AS_SYNTHETIC_CLIENT, ENCRYPT_SEEDED_GRANTS),
        ),
        variables=("RECOVERY_POLICY", "SERVICE", "SOURCE_TABLES", "SEED_GRANTS_KEY"),
    ),
    "plan_recovery": FunctionSpec(
        "orchestrator.tasks.recovery",
        Permissions(
            Ledger.WRITES,
            publishes_events=False,
            grants=(*DESCRIBE_TABLES, *LIST_RECOVERY_POINTS, *READ_FAILBACK_STATE),
        ),
        variables=("RECOVERY_POLICY", "SERVICE", "SOURCE_TABLES", "BACKUP_VAULT", "COPY_REGION", "COPY_VAULT"),
    ),
    "revoke_seeded_grants": FunctionSpec(
        "orchestrator.tasks.recovery",
        Permissions(Ledger.WRITES, publishes_events=False, grants=(INVOKE_LIVE_ALIAS, ENCRYPT_SEEDED_GRANTS)),
        variables=("SEED_GRANTS_KEY",),
    ),
    "start_restore": FunctionSpec(
        "orchestrator.tasks.recovery",
        Permissions(
            Ledger.WRITES,
            publishes_events=False,
            grants=(*RESTORE_TABLES, *START_RESTORE_JOBS, *START_COPY_JOBS, *EXPORT_TABLES),
        ),
        variables=("RECOVERY_POLICY", "EXPORTS_BUCKET", "RESTORE_ROLE", *COPIES),
    ),
    "await_export": FunctionSpec(
        "orchestrator.tasks.recovery",
        Permissions(
            Ledger.WRITES,
            publishes_events=False,
            grants=(*EXPORT_TABLES, allow("dynamodb:DescribeExport", on=(Resource.EXPORTS,))),
        ),
        variables=("RECOVERY_POLICY", "EXPORTS_BUCKET"),
    ),
    "await_restore": FunctionSpec(
        "orchestrator.tasks.recovery",
        Permissions(Ledger.WRITES, publishes_events=True, grants=(TAG_RESTORED_TABLES, READ_RESTORE_JOBS)),
        variables=("RECOVERY_POLICY",),
    ),
    "reapply_settings": FunctionSpec(
        "orchestrator.tasks.recovery",
        Permissions(
            Ledger.WRITES,
            publishes_events=False,
            grants=(*READ_TABLE_SETTINGS, DESCRIBE_BACKUPS, *WRITE_TABLE_SETTINGS),
        ),
        variables=("RECOVERY_POLICY", "DEFAULT_TABLE_SETTINGS"),
    ),
    "inject_fault": FunctionSpec(
        "orchestrator.tasks.recovery",
        Permissions(
            Ledger.WRITES,
            publishes_events=False,
            grants=(
                allow(
                    *("dynamodb:DescribeTable", "dynamodb:UpdateTable", "dynamodb:Scan"),
                    *("dynamodb:DeleteItem", "dynamodb:PutItem"),
                    on=(Resource.DRILL_TABLES,),
                ),
            ),
        ),
    ),
    "compare_settings": FunctionSpec(
        "orchestrator.tasks.recovery",
        Permissions(
            Ledger.WRITES,
            publishes_events=False,
            grants=(*READ_TABLE_SETTINGS, DESCRIBE_BACKUPS, *READ_ATTACHMENTS),
        ),
        variables=("DEFAULT_TABLE_SETTINGS",),
    ),
    "compare_contents": FunctionSpec(
        "orchestrator.tasks.recovery",
        Permissions(
            Ledger.WRITES,
            publishes_events=False,
            grants=(
                *READ_TABLE_CONTENTS,
                *READ_STREAMED_CHANGES,
                allow("dynamodb:Query", on=(Resource.HEARTBEATS_TABLE,)),
            ),
        ),
        variables=("RECOVERY_POLICY", "EXPORTS_BUCKET", "HEARTBEATS_TABLE"),
        size=READER,
    ),
    "digest_segment": FunctionSpec(
        "orchestrator.tasks.recovery",
        Permissions(Ledger.WRITES, publishes_events=False, grants=READ_TABLE_CONTENTS),
        variables=("EXPORTS_BUCKET", "RECOVERY_POLICY"),
        size=READER,
    ),
    "measure_objectives": FunctionSpec(
        "orchestrator.tasks.recovery", Permissions(Ledger.WRITES, publishes_events=False)
    ),
    "sanitize_tokens": FunctionSpec(
        "orchestrator.tasks.recovery",
        Permissions(Ledger.WRITES, publishes_events=False, grants=(READ_RESTORED_ITEMS, *SANITIZE_TOKENS)),
        variables=("RECOVERY_POLICY",),
    ),
    "start_isolated_service": FunctionSpec(
        "orchestrator.tasks.recovery",
        Permissions(
            Ledger.WRITES,
            publishes_events=False,
            grants=(READ_ALIASES, READ_RESTORED_ITEMS, INVOKE_LIVE_ALIAS, *START_ISOLATED_SERVICE),
        ),
        variables=("DRILL_ROLE", "DRILL_LOGS", "DRILL_SIGNING_KEY"),
    ),
    "check_seeded_grants": FunctionSpec(
        "orchestrator.tasks.recovery",
        Permissions(
            Ledger.WRITES,
            publishes_events=False,
            grants=(
                allow("lambda:InvokeFunction", on=(Resource.DRILL_FUNCTIONS,)),
                SIGN_IN_AS_SYNTHETIC_CLIENT,
                allow("kms:Decrypt", on=(Resource.SEED_GRANTS_KEY,)),
                # Standing grants that have expired since are looked up.
                READ_RESTORED_ITEMS,
            ),
        ),
        variables=("RECOVERY_POLICY", "SEED_GRANTS_KEY"),
    ),
    "clean_up": FunctionSpec(
        "orchestrator.tasks.recovery",
        Permissions(Ledger.WRITES, publishes_events=False, grants=CLEAN_UP),
        variables=("RECOVERY_POLICY", "EXPORTS_BUCKET"),
    ),
    "conclude": FunctionSpec("orchestrator.tasks.recovery", Permissions(Ledger.WRITES, publishes_events=False)),
    "record_evidence": FunctionSpec(
        "orchestrator.tasks.recovery",
        Permissions(Ledger.WRITES, publishes_events=False, grants=(*RECORD_EVIDENCE, REPORT_VALIDATION)),
        variables=EVIDENCE_CHAIN,
    ),
    "notify_recovery": FunctionSpec(
        "orchestrator.tasks.recovery",
        Permissions(Ledger.READS, publishes_events=True, grants=(allow("sns:Publish", on=(Resource.OPERATORS,)),)),
        variables=("OPERATORS_TOPIC", *EVIDENCE_CHAIN),
    ),
    "start_cutover": FunctionSpec(
        "orchestrator.tasks.restore",
        Permissions(
            Ledger.WRITES,
            publishes_events=False,
            grants=(
                READ_ALIASES,
                READ_VERSIONS,
                READ_RESTORED_ITEMS,
                UPDATE_FUNCTION_VARIABLES,
                allow("states:StartExecution", on=(Resource.DEPLOYMENT_STATE_MACHINE,)),
            ),
        ),
        variables=("DEPLOYMENT_MACHINE",),
    ),
    "await_cutover": FunctionSpec(
        "orchestrator.tasks.restore",
        Permissions(
            Ledger.WRITES,
            publishes_events=False,
            grants=(
                *FINISH_CUTOVER,
                LOG_REVOCATION_EPOCH,
                allow("states:DescribeExecution", on=(Resource.DEPLOYMENTS,)),
            ),
        ),
        variables=("DEPLOYMENT_MACHINE", "RECOVERY_POLICY"),
    ),
}
"""Tasks of the state machines, by module."""

EVENT_HANDLERS: Mapping[str, FunctionSpec] = {
    "alarm_state_change": FunctionSpec(
        "orchestrator.event_handlers",
        # An alarm is pooled over versions: their metrics decide whether the deployment is to blame for it.
        Permissions(Ledger.WRITES, publishes_events=True, grants=(START_ROLLBACK, READ_ROLLBACKS, READ_METRICS)),
        variables=("ROLLBACK_MACHINE",),
        # A full vCPU: clients wait while it reads and computes.
        size=Size(memory_mb=1769),
    ),
    "execution_status_change": FunctionSpec(
        "orchestrator.event_handlers",
        Permissions(Ledger.WRITES, publishes_events=True, grants=(START_ROLLBACK, READ_EXECUTIONS, *FINISH_CUTOVER)),
        variables=("DEPLOYMENT_MACHINE", "ROLLBACK_MACHINE", "RECOVERY_POLICY"),
    ),
    "reconcile": FunctionSpec(
        "orchestrator.event_handlers",
        Permissions(
            Ledger.WRITES,
            publishes_events=True,
            grants=(
                START_ROLLBACK,
                READ_EXECUTIONS,
                *FINISH_CUTOVER,
                *MANAGE_PROVISIONED_CONCURRENCY,
                CHANGE_ACCESS_BLOCK,
                # For a restore that died after its cutover.
                *REPLAY_LATE_WRITES,
                LOG_REVOCATION_EPOCH,
                # An alarm that stays in ALARM is evaluated again.
                READ_METRICS,
                allow("cloudwatch:DescribeAlarms", on=(Resource.ALL_ALARMS,)),
                # Whether the newest drill that succeeded is genuine.
                READ_EVIDENCE_KEYS,
                # Maintenance is announced to clients.
                allow("sns:Publish", on=(Resource.CLIENTS,)),
            ),
        ),
        variables=(
            "DEPLOYMENT_MACHINE",
            "ROLLBACK_MACHINE",
            "SERVICE",
            *EVIDENCE_CHAIN,
            "RECOVERY_POLICY",
            "INCIDENTS",
            "LOST_REGION",
            "CLIENTS_TOPIC",
        ),
        size=Size(timeout_seconds=120),
    ),
    "track_incidents": FunctionSpec(
        "orchestrator.event_handlers",
        Permissions(Ledger.WRITES, publishes_events=True),
        variables=("INCIDENTS",),
    ),
    "release_ready": FunctionSpec(
        "orchestrator.event_handlers",
        Permissions(
            Ledger.WRITES,
            publishes_events=False,
            grants=(
                allow("states:StartExecution", on=(Resource.DEPLOYMENT_STATE_MACHINE,)),
                # Whether a key belongs to another request.
                allow("states:DescribeExecution", on=(Resource.DEPLOYMENTS,)),
            ),
        ),
        variables=("DEPLOYMENT_MACHINE",),
    ),
    "start_drill": FunctionSpec(
        "orchestrator.event_handlers",
        Permissions(
            Ledger.WRITES,
            publishes_events=False,
            grants=(
                allow("states:StartExecution", on=(Resource.DRILL_STATE_MACHINE,)),
                # Standing grants are given by the same function.
                INVOKE_LIVE_ALIAS,
                SIGN_IN_AS_SYNTHETIC_CLIENT,
                ENCRYPT_SEEDED_GRANTS,
            ),
        ),
        variables=("DRILL_MACHINE", "SERVICE", "SEED_GRANTS_KEY"),
    ),
    "clean_up_drills": FunctionSpec(
        "orchestrator.event_handlers",
        Permissions(
            Ledger.WRITES,
            publishes_events=True,
            grants=(
                *CLEAN_UP,
                allow("states:DescribeExecution", on=(Resource.DRILLS, Resource.RESTORES)),
                allow("tag:GetResources", on=(Resource.ALL_RESOURCES,)),
                allow("sns:Publish", on=(Resource.OPERATORS,)),
                *RECORD_EVIDENCE,
                REPORT_VALIDATION,
                # Restored tables that the service does not use are reported.
                allow("dynamodb:ListTables", on=(Resource.ALL_RESOURCES,)),
                allow("dynamodb:DescribeTable", on=(Resource.RESTORED_TABLES,)),
                READ_ALIASES,
                READ_VERSIONS,
            ),
        ),
        variables=("OPERATORS_TOPIC", *EVIDENCE_CHAIN, "EXPORTS_BUCKET", "SERVICE"),
    ),
    "record_report": FunctionSpec(
        "orchestrator.event_handlers",
        Permissions(Ledger.WRITES, publishes_events=False, grants=RECORD_EVIDENCE),
        variables=EVIDENCE_CHAIN,
    ),
    "write_heartbeats": FunctionSpec(
        "orchestrator.event_handlers",
        Permissions(
            Ledger.NONE,
            publishes_events=False,
            grants=(
                READ_ALIASES,
                READ_VERSIONS,
                allow("dynamodb:PutItem", on=(Resource.HEARTBEAT_ROWS,)),
                allow("dynamodb:PutItem", on=(Resource.HEARTBEATS_TABLE,)),
            ),
        ),
        variables=("HEARTBEATS_TABLE", "SERVICE"),
        size=Size(memory_mb=128, timeout_seconds=75),
    ),
    "rotate_signing_keys": FunctionSpec(
        "orchestrator.event_handlers",
        Permissions(Ledger.WRITES, publishes_events=False, grants=ROTATE_KEYS),
        variables=("KEYS_TABLE", "SIGNING_KEY_ID", "KEY_ROTATION_DAYS"),
    ),
    "take_configuration_snapshot": FunctionSpec(
        "orchestrator.event_handlers",
        Permissions(Ledger.WRITES, publishes_events=False, grants=(*READ_CONFIGURATION, WRITE_EVIDENCE)),
        variables=("EVIDENCE_BUCKET",),
    ),
}
"""Handlers of EventBridge rules and schedules, by module."""

NOTIFIER_SIZE = Size(memory_mb=256, timeout_seconds=30)
"""GitHub needs four requests, each of which may take five seconds."""

OPTIONAL_HANDLERS: Mapping[str, FunctionSpec] = {
    "deliver_notifications": FunctionSpec(
        "orchestrator.event_handlers",
        Permissions(Ledger.WRITES, publishes_events=False, grants=DELIVER_NOTIFICATIONS),
        variables=(
            "NOTIFICATIONS",
            "NOTIFICATION_QUEUE",
            "NOTIFICATION_DEAD_LETTERS",
            "RECOVERY_POLICY",
            "MAIL",
            "ACKNOWLEDGEMENT_ADDRESS",
            "LINK_KEY",
        ),
        size=NOTIFIER_SIZE,
    ),
    "acknowledge_incident": FunctionSpec(
        "orchestrator.event_handlers",
        Permissions(Ledger.WRITES, publishes_events=True, grants=ACKNOWLEDGE_INCIDENT),
        variables=("INCIDENTS", "NOTIFICATIONS", "LINK_KEY"),
        # A person waits for the page; API Gateway waits for 29 s.
        size=Size(memory_mb=1024, timeout_seconds=25),
    ),
    "publish_status_page": FunctionSpec(
        "orchestrator.event_handlers",
        Permissions(Ledger.WRITES, publishes_events=False, grants=PUBLISH_STATUS_PAGE),
        variables=("HEARTBEATS_TABLE", "STATUS_PAGE", "STATUS_BUCKET", "STATUS_REGION", "STATUS_HEARTBEATS"),
    ),
    "export_trace": FunctionSpec(
        "orchestrator.event_handlers",
        Permissions(Ledger.READS, publishes_events=False, grants=EXPORT_TRACE),
        variables=("OTLP_ENDPOINT", "OTLP_HEADERS_SECRET"),
        size=Size(memory_mb=256),
    ),
}
"""Event handlers that only some environments have, by module."""
