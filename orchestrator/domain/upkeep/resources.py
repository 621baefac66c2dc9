"""Checks of what an environment uses: dead-letter queues, permissions, and the room up to its quotas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.domain.capacity.account_concurrency import Concurrency
from orchestrator.domain.doctor.result import listed
from orchestrator.domain.upkeep.finding import Finding, Owner, Severity
from orchestrator.domain.upkeep.result import CheckResult, found, not_checked

DEAD_LETTERS, PERMISSIONS, HEADROOM = "dead-letters", "permissions", "headroom"
UNUSED_AFTER = timedelta(days=90)
"""A recovery, a drill or a rotation may need a permission once a quarter."""
_FULL_PERCENT = 95


@dataclass(frozen=True)
class PermissionUse:
    """A service that a role may use, as IAM's access advisor reports it.

    Attributes:
        actions: the actions that were never used, where the advisor reports actions; else empty.
        used_at: when the role last used the service; None if it did not in the tracking period of 400 days.
    """

    role: str
    service: str
    used_at: datetime | None
    actions: tuple[str, ...] = ()


def check_dead_letters(messages: Mapping[str, int], environment: str) -> CheckResult:
    """Check that no dead-letter queue has messages. `messages`: their number by queue."""
    if not messages:
        return not_checked(DEAD_LETTERS, "there is no dead-letter queue", f"orchestrator doctor --env {environment}")
    findings = [
        Finding(
            DEAD_LETTERS,
            queue,
            Severity.HIGH,
            Owner.OPERATORS,
            f"{count} messages were not delivered",
            {"messages": count},
            f"aws sqs receive-message --queue-url $(aws sqs get-queue-url --queue-name {queue} --query QueueUrl --output "
            "text), then docs/runbooks/alarms.md#dead-letters",
        )
        for queue, count in sorted(messages.items())
        if count
    ]
    return found(DEAD_LETTERS, findings, f"{len(messages)} queues have {sum(messages.values())} messages")


def check_permissions(
    uses: Sequence[PermissionUse], created_at: Mapping[str, datetime], now: datetime, reports_from: datetime
) -> CheckResult:
    """Check that every role used each service that it may use.

    Args:
        uses: of all roles.
        created_at: by role. A young role may not have needed all of its permissions yet.
        now: aware.
        reports_from: the day from which on IAM reports; earlier uses are unknown.
    """
    if not uses:
        return not_checked(PERMISSIONS, "the access advisor reported no role", "repeat it with iam:ListRoles allowed")
    unused: dict[str, list[PermissionUse]] = {}
    for use in uses:
        known_since = max(created_at[use.role], reports_from)
        if now - (use.used_at or known_since) > UNUSED_AFTER:
            unused.setdefault(use.role, []).append(use)
    findings = [_unused(role, services, now) for role, services in sorted(unused.items())]
    roles = len({use.role for use in uses})
    return found(PERMISSIONS, findings, f"{roles} roles may use {len(uses)} services")


def _unused(role: str, services: Sequence[PermissionUse], now: datetime) -> Finding:
    named = [f"{use.service} ({', '.join(use.actions)})" if use.actions else use.service for use in services]
    last = max((use.used_at for use in services if use.used_at), default=None)
    return Finding(
        PERMISSIONS,
        role,
        Severity.MEDIUM,
        Owner.SECURITY,
        f"not used for {UNUSED_AFTER.days} days: {listed(named)}",
        {"services": len(services), "last_used_days": (now - last).days if last else "never"},
        "remove the grant from its row in infrastructure/orchestrator/functions.py or infrastructure/service/iam.py; "
        "python -m tests.infrastructure.access shows who has it",
    )


def check_headroom(concurrency: Concurrency, peak: float | None, used_percent: float) -> CheckResult:
    """Check how much of the account's concurrency was used at its peak.

    Args:
        concurrency: the quota.
        peak: the most executions of the account at once, of the measured week; None if none was measured.
        used_percent: the percentage above which it is a finding.
    """
    if peak is None:
        reason = "CloudWatch has no ConcurrentExecutions of the account for this week"
        return not_checked(HEADROOM, reason, "repeat it after some traffic")
    percent = 100 * peak / concurrency.limit
    reason = f"{peak:.0f} of {concurrency.limit} concurrent executions at the peak ({percent:.0f} %)"
    if percent < used_percent:
        return found(HEADROOM, (), reason)
    finding = Finding(
        HEADROOM,
        "lambda-concurrency",
        Severity.CRITICAL if percent >= _FULL_PERCENT else Severity.HIGH,
        Owner.OPERATORS,
        f"the account used {reason}",
        {"peak": peak, "quota": concurrency.limit, "used_percent": round(percent, 1)},
        "aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384 --desired-value "
        f"{2 * concurrency.limit}",
    )
    return found(HEADROOM, (finding,), reason)
