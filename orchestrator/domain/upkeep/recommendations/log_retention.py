"""Recommend the retention of logs by their volume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.domain.cost.prices import Prices
from orchestrator.domain.doctor.result import listed
from orchestrator.domain.upkeep.finding import Finding, Owner, Severity
from orchestrator.domain.upkeep.result import CheckResult, found, not_checked

LOGS = "log-retention"
LEAST_DAYS = 30
"""A shorter retention would miss incidents that are noticed late; the evidence chain keeps what audits need."""
LEAST_SAVING_USD = 1.0
_BYTES_PER_GB = 1_000_000_000


@dataclass(frozen=True)
class LogGroup:
    """A log group. `retention_days`: None if it never expires."""

    name: str
    stored_bytes: int
    retention_days: int | None


def recommend_retention(groups: Sequence[LogGroup], prices: Prices, env: str) -> CheckResult:
    """Recommend a retention of `LEAST_DAYS` if it saves money, and one for each group that never expires.

    What a group stores is in proportion to its retention, once it is older than that.

    Args:
        groups: the log groups of the environment.
        prices: of the environment's region.
        env: the environment's name.
    """
    if not groups:
        return not_checked(LOGS, "there is no log group", f"orchestrator doctor --env {env}")
    price = prices.price_of("cloudwatch_logs_stored_gb_month").usd
    stored = sum(group.stored_bytes for group in groups) / _BYTES_PER_GB
    findings = [_endless(group, env) for group in groups if group.retention_days is None]
    longer = [group for group in groups if group.retention_days is not None and group.retention_days > LEAST_DAYS]
    saving = price * sum(
        group.stored_bytes / _BYTES_PER_GB * (1 - LEAST_DAYS / (group.retention_days or LEAST_DAYS)) for group in longer
    )
    if saving >= LEAST_SAVING_USD:
        findings.append(_shorter(longer, stored, saving, env))
    return found(LOGS, findings, f"{len(groups)} log groups store {stored:.3f} GB for {stored * price:.2f} USD a month")


def _endless(group: LogGroup, env: str) -> Finding:
    return Finding(
        LOGS,
        group.name,
        Severity.MEDIUM,
        Owner.OPERATORS,
        f"{group.name} never expires",
        {"stored_gb": round(group.stored_bytes / _BYTES_PER_GB, 3)},
        f"aws logs put-retention-policy --log-group-name {group.name} --retention-in-days {LEAST_DAYS} (or npx cdk deploy "
        f"--all -c environment={env}, if a stack has it)",
    )


def _shorter(groups: Sequence[LogGroup], stored: float, saving: float, env: str) -> Finding:
    setting = f"[{env}] log_retention_days = {LEAST_DAYS}"
    largest = sorted(groups, key=lambda group: -group.stored_bytes)[:3]
    return Finding(
        LOGS,
        "log_retention_days",
        Severity.LOW,
        Owner.OPERATORS,
        f"{stored:.1f} GB are stored, most by {listed(group.name for group in largest)}",
        {"stored_gb": round(stored, 1), "longest_days": max(group.retention_days or 0 for group in groups)},
        f"set {setting} in environments.toml, if no rule demands more, then npx cdk deploy",
        setting=setting,
        saving_usd_per_month=round(saving, 2),
    )
