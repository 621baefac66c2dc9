"""Values that tests start from: a policy, a plan, a deployment. Each test changes what it is about, by `replace`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from orchestrator.domain.clients.client import Action, Change, ManagedClient
from orchestrator.domain.deployment.cutover import Cutover, TableChange, TableRef
from orchestrator.domain.deployment.plan import Function, Plan, Service
from orchestrator.domain.deployment.policy import CHECKLIST, DeliveryPolicy, WhenInconclusive
from orchestrator.domain.deployment.record import Deployment, DeploymentPhase, Release
from orchestrator.domain.deployment.strategy import read_strategy
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.recovery.record import Cost, Objectives, Recovery, Role, TableRecovery

NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
FUNCTIONS = ("authorize", "public", "token")
ALARM = "arn:aws:cloudwatch:us-west-1:000000000000:alarm:ib-oauth-token-server-errors-test"
OTHER_ALARM = "arn:aws:cloudwatch:us-west-1:000000000000:alarm:ib-oauth-token-latency-test"
EXECUTION = "arn:aws:states:us-west-1:000000000000:execution:ib-oauth-deployment-test:d-1"


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def thresholds_table() -> dict[str, Any]:
    return {
        "minimum_requests": 50,
        "false_alarm_percent": 1.0,
        "false_alarm_shares": {
            "request_metrics": 0.75,
            "latency": 0.05,
            "logs": 0.04,
            "checks": 0.06,
            "alarms": 0.05,
            "custom_checks": 0.05,
        },
        "max_error_percent": 5.0,
        "tolerated_increase_percent": 1.0,
        "max_latency_ratio": 2.0,
        "latency_floor_ms": 20,
        "max_p99_ms": 3000,
        "catastrophic_error_percent": 50.0,
    }


def delivery_table(**changes: Any) -> dict[str, Any]:
    """An environment's [delivery] table as environments.toml has it."""
    return {
        "default_strategy": "canary-10-50",
        "evaluation_seconds": 10,
        "metric_delay_seconds": 5,
        "period_seconds": 1,
        "max_bake_seconds": 60,
        "after_bake_seconds": 20,
        "pause_deadline_seconds": 600,
        "rollback_window_seconds": 900,
        "alarm_max_age_seconds": 300,
        "when_inconclusive": "ROLL_BACK",
        "thresholds": thresholds_table(),
        "checklist": [],
        "strategies": {
            "all-at-once": {"type": "all-at-once"},
            "canary-10-50": {
                "type": "canary",
                "steps": [{"weight_percent": 10, "bake_seconds": 30}, {"weight_percent": 50, "bake_seconds": 20}],
            },
            "linear-25": {"type": "linear", "step_percent": 25, "bake_seconds": 20},
        },
        **changes,
    }


def recovery_table(**changes: Any) -> dict[str, Any]:
    """An environment's [recovery] table as environments.toml has it."""
    return {
        "drill_schedule": "cron(0 5 * * ? *)",
        "drill_window_minutes": 60,
        "rto_minutes": 120,
        "rpo_minutes": 10,
        "max_monthly_usd": 25,
        "success_within_hours": 49,
        "max_cost_usd": 5,
        "max_tables": 4,
        "expiry_hours": 12,
        "unused_tables_days": 14,
        "restores_at_once": 4,
        "poll_seconds": 30,
        "inject_faults": True,
        "whole_items": 200_000,
        "source_at_point": "stream",
        "read_share_percent": 20,
        "stream_delay_seconds": 5,
        "block_hold_seconds": 30,
        "heartbeats": False,
        "rotated_tokens": "revoke",
        **changes,
    }


def policy(**changes: Any) -> DeliveryPolicy:
    return DeliveryPolicy.parse(delivery_table(**changes))


def plan(strategy: object = None, **changes: Any) -> Plan:
    chosen = policy(**changes)
    return Plan.from_strategy(read_strategy(strategy, chosen), chosen)


def service(functions: tuple[str, ...] = FUNCTIONS) -> Service:
    return Service(
        functions={name: f"ib-oauth-{name}-test" for name in functions},
        alias="live",
        api_url="https://api.invalid/test",
        issuer="https://issuer.invalid",
        tables=("ib-oauth-state-test", "ib-oauth-tokens-test"),
        alarms=(ALARM, OTHER_ALARM),
        metric_namespace="IbOauth",
        api_name="ib-oauth-api-test",
        stage="test",
        synthetic_key_id="arn:aws:kms:us-west-1:000000000000:key/synthetic",
        tls=True,
        revocations="ib-oauth-revocations-test",
    )


def functions(stable: str = "1", canary: str = "2", names: tuple[str, ...] = FUNCTIONS) -> tuple[Function, ...]:
    return tuple(Function(name, f"ib-oauth-{name}-test", stable, canary) for name in names)


def deployment(**changes: Any) -> Deployment:
    """A deployment that has been planned and has versions of its own: stable 1, canary 2."""
    fields: dict[str, Any] = {
        "id": "d-1",
        "environment": "test",
        "requested_by": "somebody",
        "requested_at": NOW,
        "release": Release("sha256:a"),
        "plan": plan(),
        "service": service(),
        "functions": functions(),
        "phase": DeploymentPhase.PLANNED,
        "execution": EXECUTION,
    }
    return Deployment(**(fields | changes))


def recovery(**changes: Any) -> Recovery:
    """A drill of both tables that has been planned."""
    tables = tuple(
        TableRecovery(
            role=role,
            source=f"ib-oauth-{role}-test",
            target=f"ib-oauth-drill-dr-1-{role}-test",
            size_bytes=1_000_000,
            items=1000,
            source_arn=f"arn:aws:dynamodb:us-west-1:123456789012:table/ib-oauth-{role}-test",
        )
        for role in Role
    )
    fields: dict[str, Any] = {
        "id": "dr-1",
        "kind": Kind.DRILL,
        "environment": "test",
        "requested_by": "somebody",
        "requested_at": NOW,
        "execution": EXECUTION.replace("deployment", "drill").replace("d-1", "dr-1"),
        "service": service(),
        "point": NOW - timedelta(minutes=5),
        "latest": NOW - timedelta(minutes=5),
        "tables": tables,
        "objectives": Objectives(timedelta(hours=2), timedelta(minutes=10)),
        "cost": Cost(0.01, {"restore": 0.01}, "2025-11-01"),
        "expires_at": NOW + timedelta(hours=12),
    }
    return Recovery(**(fields | changes))


def restored_tables(recovery_id: str) -> tuple[TableRecovery, ...]:
    """Both tables with the copies that a restore has made of them."""
    return tuple(
        replace(table, target=f"ib-oauth-restored-{recovery_id}-{table.role}-test", started_at=NOW, ready_at=NOW)
        for table in recovery().tables
    )


def cut_over(**changes: Any) -> Cutover:
    """From the service's tables to those that a restore has made."""

    def table(name: str) -> TableRef:
        return TableRef(name, f"arn:aws:dynamodb:us-west-1:000000000000:table/{name}")

    roles = ("state", "tokens")
    tables = tuple(
        TableChange(role, table(f"ib-oauth-{role}-test"), table(f"ib-oauth-restored-re-1-{role}-test"))
        for role in roles
    )
    return Cutover(**({"recovery": "re-1", "changes": tables} | changes))


def managed_client(app: str, revision: int = 1, /, **changes: Any) -> ManagedClient:
    change = Change("ann", "ticket 4711", NOW)
    uris, scopes = ("https://app.example/callback",), ("profile",)
    added = ManagedClient(f"app-{app}", app, uris, scopes, (), (), NOW, revision, Action.ADD, change)
    return replace(added, **changes)


def checklist() -> Mapping[str, str]:
    return {item: f"https://evidence.invalid/{item}" for item in CHECKLIST}


def every_wish() -> tuple[WhenInconclusive, ...]:
    return tuple(WhenInconclusive)
