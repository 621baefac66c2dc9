"""Checks against last week: latency by percentiles, and the bill, also against the budget."""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from orchestrator.domain.upkeep.finding import Finding, Owner, Severity
from orchestrator.domain.upkeep.result import CheckResult, found, not_checked

PERFORMANCE, COST = "performance", "cost"
PERCENTILES = (50, 95, 99)
LEAST_REQUESTS = 1000
"""With fewer requests in a week, ten of them are more than the 99th percentile."""
SLOWER, MUCH_SLOWER, LEAST_SLOWER_MS = 1.2, 1.5, 10.0
"""By which factor a percentile must have grown, and by how much at least."""
COSTLIER, LEAST_COSTLIER_USD = 1.25, 1.0
DAYS_OF_WEEK = 7


@dataclass(frozen=True)
class WeekOfLatency:
    """A week of a function's requests. `percentiles`: latency in milliseconds by percent, the median of the days."""

    requests: float
    percentiles: Mapping[int, float]


def check_performance(
    this_week: Mapping[str, WeekOfLatency], last_week: Mapping[str, WeekOfLatency], env: str
) -> CheckResult:
    """Compare the latency of each function with last week's. A function with few requests in a week is not compared."""
    compared = [
        name
        for name in sorted(this_week.keys() & last_week.keys())
        if min(this_week[name].requests, last_week[name].requests) >= LEAST_REQUESTS
    ]
    findings = [
        finding for name in compared if (finding := _slower(name, this_week[name], last_week[name], env)) is not None
    ]
    if few := sorted((this_week.keys() | last_week.keys()) - set(compared)):
        reason = f"fewer than {LEAST_REQUESTS} requests in one of the weeks: {', '.join(few)}"
        return not_checked(PERFORMANCE, reason, "repeat it after two weeks with traffic", findings)
    if not compared:
        return not_checked(PERFORMANCE, "no function has measurements", "repeat it after two weeks with traffic")
    now = "; ".join(
        f"{name} {', '.join(f'p{p} {this_week[name].percentiles[p]:.0f} ms' for p in PERCENTILES)}" for name in compared
    )
    return found(PERFORMANCE, findings, now)


def _slower(name: str, this_week: WeekOfLatency, last_week: WeekOfLatency, env: str) -> Finding | None:
    grown = {
        percent: this_week.percentiles[percent] / max(last_week.percentiles[percent], 1.0)
        for percent in PERCENTILES
        if this_week.percentiles[percent] - last_week.percentiles[percent] >= LEAST_SLOWER_MS
    }
    worst = max(grown.values(), default=1.0)
    if worst < SLOWER:
        return None
    figures = {f"p{p}_ms": round(this_week.percentiles[p], 1) for p in PERCENTILES}
    figures |= {f"p{p}_ms_last_week": round(last_week.percentiles[p], 1) for p in PERCENTILES}
    slower = ", ".join(f"p{p} by {100 * (factor - 1):.0f} %" for p, factor in grown.items() if factor >= SLOWER)
    return Finding(
        PERFORMANCE,
        name,
        Severity.HIGH if worst >= MUCH_SLOWER else Severity.MEDIUM,
        Owner.OPERATORS,
        f"slower than last week: {slower}",
        {**figures, "requests": this_week.requests},
        f"orchestrator history --env {env} (what was released?), then orchestrator report DEPLOYMENT",
    )


def check_cost(by_day: Mapping[date, float], budget_usd: float, today: date, env: str) -> CheckResult:
    """Check the bill against the budget and last week.

    Args:
        by_day: US dollars of each complete day, of this month and of the last 14 days.
        budget_usd: the budget of a month.
        today: its bill is not complete, and does not count.
        env: the environment's name.
    """
    this_week = _week(by_day, today)
    last_week = _week(by_day, today - timedelta(days=DAYS_OF_WEEK))
    if this_week is None or last_week is None:
        reason = "Cost Explorer has no two complete weeks of the environment's tag"
        return not_checked(COST, reason, "activate the cost allocation tags (orchestrator doctor), and repeat it later")
    days = calendar.monthrange(today.year, today.month)[1]
    spent = sum(
        usd for day, usd in by_day.items() if (day.year, day.month) == (today.year, today.month) and day < today
    )
    expected = spent + this_week / DAYS_OF_WEEK * (days - today.day + 1)
    reason = (
        f"{this_week:.2f} USD this week, {last_week:.2f} USD last week; the month has {spent:.2f} and is expected to have "
        f"{expected:.2f} of {budget_usd:.0f} USD"
    )
    figures = {
        "this_week_usd": round(this_week, 2),
        "last_week_usd": round(last_week, 2),
        "month_usd": round(spent, 2),
        "expected_month_usd": round(expected, 2),
        "budget_usd": budget_usd,
    }
    findings = []
    remedy = f"orchestrator cost --env {env}, and the recommendations of this report"
    if expected > budget_usd:
        severity = Severity.HIGH if spent > budget_usd else Severity.MEDIUM
        what = "exceeded" if spent > budget_usd else "expected to be exceeded"
        text = f"the budget is {what}: {expected:.2f} of {budget_usd:.0f} USD"
        findings.append(Finding(COST, "budget", severity, Owner.OWNERS, text, figures, remedy))
    if this_week > COSTLIER * last_week and this_week - last_week >= LEAST_COSTLIER_USD:
        text = f"{this_week:.2f} USD this week after {last_week:.2f} USD last week"
        findings.append(Finding(COST, "week", Severity.MEDIUM, Owner.OWNERS, text, figures, remedy))
    return found(COST, findings, reason)


def _week(by_day: Mapping[date, float], before: date) -> float | None:
    """Return the cost of the seven days before a day; None if one of them is missing."""
    days = [before - timedelta(days=number) for number in range(1, DAYS_OF_WEEK + 1)]
    return sum(by_day[day] for day in days) if all(day in by_day for day in days) else None
