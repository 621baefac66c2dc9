"""Who watches an environment, and from when on they are told; how its account is guarded."""

from __future__ import annotations

import re
from dataclasses import dataclass

from environments.tables import Table

# The fewest that an account has until it asks for more, and more than anybody was given so far.
CONCURRENT_EXECUTIONS = (10, 100_000)
LOG_MEGABYTES = (1, 1_000_000)
BAND_DEVIATIONS = (1, 10)
BLOCKED_REQUESTS = (1, 10_000_000)

_POLICY_NAME = re.compile(r"[A-Za-z0-9+=,.@_-]{1,128}")
OWN_BOUNDARY = "own"


@dataclass(frozen=True)
class MonitoringSettings:
    """From when on people are told of what undoes no deployment.

    Attributes:
        used_percent: of a limit, from which on somebody should look.
        account_concurrent_executions: Lambda's quota of the account and region.
        log_megabytes_per_hour: of the service's functions together.
        band_deviations: how many standard deviations above the usual latency is unusual.
        insight_rules: whether Contributor Insights watches who asks for grants; it costs by the rule and by the line.
    """

    used_percent: float
    account_concurrent_executions: int
    log_megabytes_per_hour: int
    band_deviations: int
    insight_rules: bool


@dataclass(frozen=True)
class SecuritySettings:
    """How the account that an environment lives in is guarded. Where environments share an account, one of them does it.

    Attributes:
        trail: whether the environment's stack records what is done in the account, and rings at what should not be.
        guard_duty: whether it switches on GuardDuty; an account has one detector a region.
        config_rules: whether it switches on AWS Config with rules; an account has one recorder a region.
        permission_boundary: "own" for the policy that the environment's stack makes, the name of one that the account
            prescribes, or None.
        blocked_requests_per_five_minutes: that the web ACL turns away before whoever guards is told.
    """

    trail: bool
    guard_duty: bool
    config_rules: bool
    permission_boundary: str | None
    blocked_requests_per_five_minutes: int


def read_monitoring(table: Table) -> MonitoringSettings:
    """Take from when on people are told."""
    settings = MonitoringSettings(
        used_percent=table.percent("used_percent"),
        account_concurrent_executions=table.whole("account_concurrent_executions", *CONCURRENT_EXECUTIONS),
        log_megabytes_per_hour=table.whole("log_megabytes_per_hour", *LOG_MEGABYTES),
        band_deviations=table.whole("band_deviations", *BAND_DEVIATIONS),
        insight_rules=table.flag("insight_rules"),
    )
    table.end()
    return settings


def read_security(table: Table) -> SecuritySettings:
    """Take how the account is guarded."""
    settings = SecuritySettings(
        trail=table.flag("trail"),
        guard_duty=table.flag("guard_duty"),
        config_rules=table.flag("config_rules"),
        permission_boundary=table.optional_text(
            "permission_boundary",
            matching=_POLICY_NAME,
            remedy=f'give the name of a policy in the account, or "{OWN_BOUNDARY}"',
        ),
        blocked_requests_per_five_minutes=table.whole("blocked_requests_per_five_minutes", *BLOCKED_REQUESTS),
    )
    table.end()
    return settings
