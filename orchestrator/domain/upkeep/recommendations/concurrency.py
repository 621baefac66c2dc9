"""Recommend reserved and provisioned concurrency by use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from orchestrator.domain.cost.fixed_costs import HOURS
from orchestrator.domain.cost.prices import Prices
from orchestrator.domain.upkeep.finding import Finding, Owner, Severity
from orchestrator.domain.upkeep.result import CheckResult, found, not_applicable, not_checked

CONCURRENCY = "concurrency"
HEADROOM = 2.0
"""A reservation has this times the peak of the week; provisioned concurrency has the peak."""
FULL_PERCENT = 80
LOOSE = 4.0
"""A reservation of this times the peak withholds concurrency from others."""
LEAST_RESERVED = 10
_MB_PER_GB, _SECONDS_PER_HOUR = 1024, 3600


@dataclass(frozen=True)
class ConcurrencyUse:
    """The concurrency of a function in a week.

    Attributes:
        function: its short name.
        reserved: None without a reservation.
        provisioned: execution environments that are provisioned.
        peak: the most executions at once; None if none was measured.
    """

    function: str
    memory_mb: int
    reserved: int | None
    provisioned: int
    peak: float | None


def recommend_concurrency(uses: Sequence[ConcurrencyUse], prices: Prices, env: str) -> CheckResult:
    """Recommend the concurrency of each function that reserves or provisions some."""
    limited = [use for use in uses if use.reserved is not None or use.provisioned]
    if not limited:
        return not_applicable(CONCURRENCY, "no function reserves or provisions concurrency")
    findings = [
        finding
        for use in limited
        if use.peak is not None
        for finding in (_reserved(use, use.peak, env), _provisioned(use, use.peak, prices, env))
        if finding is not None
    ]
    if unknown := [use.function for use in limited if use.peak is None]:
        reason = f"CloudWatch has no ConcurrentExecutions of {', '.join(unknown)}"
        return not_checked(CONCURRENCY, reason, "repeat it after a week with traffic", findings)
    reason = "; ".join(
        f"{use.function} peak {use.peak:g}, reserved {use.reserved or 0}, provisioned {use.provisioned}"
        for use in limited
    )
    return found(CONCURRENCY, findings, reason)


def _reserved(use: ConcurrencyUse, peak: float, env: str) -> Finding | None:
    if use.reserved is None:
        return None
    full = peak >= use.reserved * FULL_PERCENT / 100
    wanted = max(ceil(peak * HEADROOM), LEAST_RESERVED)
    if not full and (use.reserved < peak * LOOSE or wanted >= use.reserved):
        return None
    wanted = max(wanted, use.reserved + 1) if full else wanted
    setting = f"[{env}.service.functions.{use.function}] reserved_concurrency = {wanted}"
    return Finding(
        CONCURRENCY,
        f"{use.function} reserved",
        Severity.HIGH if full else Severity.LOW,
        Owner.OPERATORS,
        f"{peak:g} of {use.reserved} reserved executions were used at the peak",
        {"peak": peak, "reserved": use.reserved},
        f"set {setting} in environments.toml; orchestrator check-quotas --env {env}; then npx cdk deploy",
        setting=setting,
    )


def _provisioned(use: ConcurrencyUse, peak: float, prices: Prices, env: str) -> Finding | None:
    wanted = ceil(peak)
    if use.provisioned <= wanted:
        return None
    hours = HOURS * _SECONDS_PER_HOUR * prices.price_of("lambda_provisioned_arm64_gb_second").usd
    saving = (use.provisioned - wanted) * use.memory_mb / _MB_PER_GB * hours
    setting = f"[{env}.service.functions.{use.function}] provisioned_concurrency = {wanted}"
    return Finding(
        CONCURRENCY,
        f"{use.function} provisioned",
        Severity.LOW,
        Owner.OPERATORS,
        f"{peak:g} of {use.provisioned} provisioned execution environments were used at the peak",
        {"peak": peak, "provisioned": use.provisioned, "memory_mb": use.memory_mb},
        f"set {setting} in environments.toml, npx cdk deploy, then orchestrator deploy --env {env}",
        setting=setting,
        saving_usd_per_month=round(saving, 2),
    )
