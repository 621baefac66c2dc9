"""Lambda's runtimes and the days on which AWS deprecates them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta

from orchestrator.domain.upkeep.finding import Finding, Owner, Severity
from orchestrator.domain.upkeep.result import CheckResult, found, not_checked

RUNTIMES = "runtimes"
SOURCE = "https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html"
AS_OF = date(2026, 11, 30)
"""The day on which the table was compared with public copies of AWS's page."""

DEPRECATED_ON: Mapping[str, date] = {
    "nodejs18.x": date(2025, 9, 1),
    "nodejs20.x": date(2026, 4, 30),
    "nodejs22.x": date(2027, 4, 30),
    "nodejs24.x": date(2028, 4, 30),
    "python3.9": date(2025, 12, 15),
    "python3.10": date(2026, 10, 31),
    "python3.11": date(2027, 6, 30),
    "python3.12": date(2028, 10, 31),
    "python3.13": date(2029, 6, 30),
    "python3.14": date(2029, 6, 30),
}
"""After this day AWS applies no security patches; functions are blocked from creation and update later."""

SOON, NEAR = timedelta(days=90), timedelta(days=270)
"""Left time at which a runtime is high, and medium."""


def check_runtimes(runtimes: Mapping[str, str], now: datetime) -> CheckResult:
    """Check that no function's runtime is near its end.

    Args:
        runtimes: by function's name.
        now: aware.
    """
    functions: dict[str, list[str]] = {}
    for function, runtime in sorted(runtimes.items()):
        functions.setdefault(runtime, []).append(function)
    findings = [
        _finding(runtime, names, DEPRECATED_ON[runtime], now)
        for runtime, names in functions.items()
        if runtime in DEPRECATED_ON and _left(DEPRECATED_ON[runtime], now) < NEAR
    ]
    unknown = sorted(set(functions) - DEPRECATED_ON.keys())
    if unknown or not functions:
        reason = f"the table of {AS_OF} has no day for {', '.join(unknown)}" if unknown else "there is no function"
        return not_checked(
            RUNTIMES, reason, f"add it to orchestrator/domain/upkeep/runtimes.py from {SOURCE}", findings
        )
    days = ", ".join(f"{runtime} until {DEPRECATED_ON[runtime]}" for runtime in sorted(functions))
    return found(RUNTIMES, findings, f"{len(runtimes)} functions: {days} (table of {AS_OF})")


def _left(on: date, now: datetime) -> timedelta:
    return datetime.combine(on, time(), UTC) - now


def _finding(runtime: str, functions: list[str], on: date, now: datetime) -> Finding:
    left = _left(on, now)
    return Finding(
        RUNTIMES,
        runtime,
        Severity.HIGH if left < SOON else Severity.MEDIUM,
        Owner.OPERATORS,
        f"AWS deprecates {runtime} of {len(functions)} functions on {on}",
        {"days_left": left.days, "functions": len(functions), "first": functions[0]},
        "set the runtime in infrastructure/service/stack.py and infrastructure/orchestrator, then release",
        since=datetime.combine(on, time(), UTC) - NEAR,
    )
