"""Who watches an environment, and from when on they are told; how its account is guarded."""

from __future__ import annotations

import re
from dataclasses import dataclass

from environments.tables import EnvironmentRefused, Table

# The fewest that an account has until it asks for more, and more than anybody was given so far.
CONCURRENT_EXECUTIONS = (10, 100_000)
LOG_MEGABYTES = (1, 1_000_000)
BAND_DEVIATIONS = (1, 10)
BLOCKED_REQUESTS = (1, 10_000_000)

_POLICY_NAME = re.compile(r"[A-Za-z0-9+=,.@_-]{1,128}")
OWN_BOUNDARY = "own"
SIGNING_OFF = "off"
CODE_SIGNING = (SIGNING_OFF, "warn", "enforce")
_PROFILE_VERSION = re.compile(r"arn:aws[\w-]*:signer:[\w-]+:\d{12}:/signing-profiles/\w{2,64}/\w{10}")


def signing_profile(environment: str) -> str:
    """Return the name of an environment's own signing profile; AWS Signer takes no hyphens."""
    return f"ib_oauth_{environment.replace('-', '_')}"


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
        code_signing: "off"; "warn" where Lambda tells of packages that nobody signed; "enforce" where it refuses them.
        code_signing_profile: ARN of a version of the signing profile that is trusted; None for the stack's own. Environments of
            which one comes after the other trust the same, or the code that was proved in one is other code in the next.
    """

    trail: bool
    guard_duty: bool
    config_rules: bool
    permission_boundary: str | None
    blocked_requests_per_five_minutes: int
    code_signing: str
    code_signing_profile: str | None


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


def read_security(table: Table, *, local: bool) -> SecuritySettings:
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
        code_signing=table.choice("code_signing", CODE_SIGNING),
        code_signing_profile=table.optional_text(
            "code_signing_profile", matching=_PROFILE_VERSION, remedy="give the ARN of a version of a signing profile"
        ),
    )
    table.end()
    if local and settings.code_signing != SIGNING_OFF:
        remedy = f'"{SIGNING_OFF}": the local cloud has no AWS Signer'
        raise EnvironmentRefused(table.field("code_signing"), settings.code_signing, remedy)
    if settings.code_signing_profile and settings.code_signing == SIGNING_OFF:
        remedy = 'remove it, or say "warn" or "enforce" in code_signing'
        raise EnvironmentRefused(table.field("code_signing_profile"), settings.code_signing_profile, remedy)
    return settings
