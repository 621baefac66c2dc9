"""Settings of monitoring (thresholds of operators' alarms) and of the account's security."""

from __future__ import annotations

import re
from dataclasses import dataclass

from orchestrator.domain.schema import EnvironmentRefused, SettingsReader

# From the smallest quota of a new account to more than any account has.
CONCURRENT_EXECUTIONS = (10, 100_000)
LOG_MEGABYTES = (1, 1_000_000)
BAND_DEVIATIONS = (1, 10)
BLOCKED_REQUESTS = (1, 10_000_000)

_POLICY_NAME = re.compile(r"[A-Za-z0-9+=,.@_-]{1,128}")
OWN_BOUNDARY = "own"
SIGNING_OFF = "off"
CODE_SIGNING = (SIGNING_OFF, "warn", "enforce")
_PROFILE_VERSION = re.compile(r"arn:aws:signer:[\w-]+:\d{12}:/signing-profiles/\w{2,64}/\w{10}")


def signing_profile(environment: str) -> str:
    """Return the name of an environment's own signing profile; AWS Signer takes no hyphens."""
    return f"ib_oauth_{environment.replace('-', '_')}"


@dataclass(frozen=True)
class MonitoringSettings:
    """Thresholds of alarms that notify operators but never trigger a rollback.

    Attributes:
        used_percent: the share of a limit above which an alarm fires.
        account_concurrent_executions: Lambda's quota of the account and region.
        log_megabytes_per_hour: the log volume of all service functions together.
        band_deviations: the width of the latency band in standard deviations.
        insight_rules: whether Contributor Insights counts grants by client; it is charged by rule and by log line.
    """

    used_percent: float
    account_concurrent_executions: int
    log_megabytes_per_hour: int
    band_deviations: int
    insight_rules: bool


@dataclass(frozen=True)
class SecuritySettings:
    """Security services of the environment's account.

    If environments share an account, one of them enables the services.

    Attributes:
        trail: whether the environment's stack creates CloudTrail and its alarms.
        guard_duty: whether it enables GuardDuty; an account has one detector a region.
        config_rules: whether it enables AWS Config with rules; an account has one recorder a region.
        permission_boundary: "own" for the policy of the environment's stack, the name of a policy that the account
            prescribes, or None.
        blocked_requests_per_five_minutes: web ACL blocks above which the security contacts are notified.
        code_signing: "off"; "warn": Lambda reports unsigned packages; "enforce": Lambda rejects them.
        code_signing_profile: ARN of the trusted signing profile version; None for the stack's own. Consecutive
            environments must trust the same version, so that they deploy identical packages.
    """

    trail: bool
    guard_duty: bool
    config_rules: bool
    permission_boundary: str | None
    blocked_requests_per_five_minutes: int
    code_signing: str
    code_signing_profile: str | None


def read_monitoring(table: SettingsReader) -> MonitoringSettings:
    """Read the table ``[….monitoring]``."""
    settings = MonitoringSettings(
        used_percent=table.percent("used_percent"),
        account_concurrent_executions=table.whole_number("account_concurrent_executions", *CONCURRENT_EXECUTIONS),
        log_megabytes_per_hour=table.whole_number("log_megabytes_per_hour", *LOG_MEGABYTES),
        band_deviations=table.whole_number("band_deviations", *BAND_DEVIATIONS),
        insight_rules=table.flag("insight_rules"),
    )
    table.refuse_unknown_keys()
    return settings


def read_security(table: SettingsReader, *, local: bool) -> SecuritySettings:
    """Read the table ``[….security]``.

    Raises:
        EnvironmentRefused: a setting is missing or invalid, or code signing is not available.
    """
    settings = SecuritySettings(
        trail=table.flag("trail"),
        guard_duty=table.flag("guard_duty"),
        config_rules=table.flag("config_rules"),
        permission_boundary=table.optional_text(
            "permission_boundary",
            matching=_POLICY_NAME,
            remedy=f'give the name of a policy in the account, or "{OWN_BOUNDARY}"',
        ),
        blocked_requests_per_five_minutes=table.whole_number("blocked_requests_per_five_minutes", *BLOCKED_REQUESTS),
        code_signing=table.choice("code_signing", CODE_SIGNING),
        code_signing_profile=table.optional_text(
            "code_signing_profile", matching=_PROFILE_VERSION, remedy="give the ARN of a version of a signing profile"
        ),
    )
    table.refuse_unknown_keys()
    if local and settings.code_signing != SIGNING_OFF:
        remedy = f'"{SIGNING_OFF}": the local cloud has no AWS Signer'
        raise EnvironmentRefused(table.field("code_signing"), settings.code_signing, remedy)
    if settings.code_signing_profile and settings.code_signing == SIGNING_OFF:
        remedy = 'remove it, or set code_signing to "warn" or "enforce"'
        raise EnvironmentRefused(table.field("code_signing_profile"), settings.code_signing_profile, remedy)
    return settings
