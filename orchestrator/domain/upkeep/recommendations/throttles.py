"""Recommend the API's throttle by the peak of requests."""

from __future__ import annotations

from math import ceil

from orchestrator.domain.upkeep.finding import Finding, Owner, Severity
from orchestrator.domain.upkeep.result import CheckResult, found, not_checked

THROTTLES = "throttles"
FULL_PERCENT = 80
LOOSE = 20
"""A throttle of this times the peak protects neither the tables nor the bill."""
HEADROOM = 4
LEAST_PER_SECOND = 20


def recommend_throttle(peak_per_second: float | None, throttle_per_second: int, env: str) -> CheckResult:
    """Recommend the throttle of the stage.

    Args:
        peak_per_second: the average of the week's busiest minute; None if none was measured.
        throttle_per_second: of the settings.
        env: the environment's name.
    """
    if peak_per_second is None:
        return not_checked(THROTTLES, "CloudWatch has no requests of this week", "repeat it after some traffic")
    reason = f"{peak_per_second:.1f} of {throttle_per_second} requests a second in the busiest minute"
    wanted = max(ceil(peak_per_second * HEADROOM), LEAST_PER_SECOND)
    full = peak_per_second >= throttle_per_second * FULL_PERCENT / 100
    loose = throttle_per_second >= peak_per_second * LOOSE and wanted < throttle_per_second
    if not full and not loose:
        return found(THROTTLES, (), reason)
    setting = f"[{env}.service] throttle_requests_per_second = {wanted}, throttle_burst_requests = {2 * wanted}"
    finding = Finding(
        THROTTLES,
        "stage",
        Severity.HIGH if full else Severity.LOW,
        Owner.OPERATORS,
        reason,
        {"peak_per_second": round(peak_per_second, 2), "throttle_per_second": throttle_per_second},
        f"set {setting} in environments.toml, then npx cdk deploy",
        setting=setting,
    )
    return found(THROTTLES, (finding,), reason)
