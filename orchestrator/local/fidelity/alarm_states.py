"""What state an alarm has, by its latest datapoints.

AWS, for an alarm with N evaluation periods of which M datapoints must breach:

- More datapoints than N are read (the evaluation range). If N of them are there, the latest N decide, however long ago
  they are, and what missing data mean does not matter.
- Otherwise every one that is there counts, and missing ones are filled in, as few as possible: as breaching, as not
  breaching, or as missing.
- As missing or ignored: if the range is empty, the state is INSUFFICIENT_DATA, or stays. If there are only breaching
  datapoints, fewer than M, the alarm rings where the oldest of them is at least M periods old ("premature" otherwise);
  with ``ignore`` the state stays.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html

AWS says that the range depends on the period and the resolution and shows one of N + 2, which is what we take. Of
breaching datapoints that are too few and too young AWS says that the alarm does not ring; the state is then
INSUFFICIENT_DATA, as in the table that the page had before.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

OK: Final = "OK"
ALARM: Final = "ALARM"
INSUFFICIENT_DATA: Final = "INSUFFICIENT_DATA"

TREATMENTS: Final = ("missing", "ignore", "breaching", "notBreaching")
FURTHER_PERIODS: Final = 2
"""How many periods are read beyond those that are evaluated."""

COMPARISONS: Final[Mapping[str, tuple[Callable[[float, float], bool], str]]] = {
    "GreaterThanThreshold": (operator.gt, "greater than"),
    "GreaterThanOrEqualToThreshold": (operator.ge, "greater than or equal to"),
    "LessThanThreshold": (operator.lt, "less than"),
    "LessThanOrEqualToThreshold": (operator.le, "less than or equal to"),
}


@dataclass(frozen=True)
class Rule:
    """When an alarm rings.

    Attributes:
        evaluation_periods: N.
        datapoints_to_alarm: M.
        comparison: one of `COMPARISONS`.
        threshold: in the metric's unit.
        treat_missing_data: one of `TREATMENTS`.
    """

    evaluation_periods: int
    datapoints_to_alarm: int
    comparison: str
    threshold: float
    treat_missing_data: str

    @property
    def range_periods(self) -> int:
        """How many periods are read."""
        return self.evaluation_periods + FURTHER_PERIODS

    def breached_by(self, value: float) -> bool:
        """Whether a datapoint breaches."""
        return COMPARISONS[self.comparison][0](value, self.threshold)


@dataclass(frozen=True)
class Judged:
    """What an evaluation found. `filled`: how many missing datapoints it took for real ones."""

    state: str
    real: tuple[tuple[int, float], ...]
    filled: int = 0


def judge(rule: Rule, values: Mapping[int, float], periods: Sequence[int]) -> Judged | None:
    """Return the state that the datapoints give; None where the alarm keeps the one it has.

    Args:
        rule: of the alarm.
        values: datapoints by the start of their period.
        periods: starts of all periods of the evaluation range, ascending.
    """
    real = tuple((start, values[start]) for start in periods if start in values)[-rule.evaluation_periods :]
    breaching = sum(rule.breached_by(value) for _, value in real)
    lacking = rule.evaluation_periods - len(real)
    if lacking == 0 or rule.treat_missing_data in {"breaching", "notBreaching"}:
        counted = breaching + (lacking if rule.treat_missing_data == "breaching" else 0)
        return Judged(ALARM if counted >= rule.datapoints_to_alarm else OK, real, lacking)
    return _with_data_missing(rule, real, breaching, periods)


def _with_data_missing(
    rule: Rule, real: tuple[tuple[int, float], ...], breaching: int, periods: Sequence[int]
) -> Judged | None:
    if breaching >= rule.datapoints_to_alarm:
        return Judged(ALARM, real)
    if breaching < len(real):
        return Judged(OK, real)
    if rule.treat_missing_data == "ignore":
        return None
    oldest_age = len(periods) - periods.index(real[0][0]) if real else 0
    return Judged(ALARM if oldest_age >= rule.datapoints_to_alarm else INSUFFICIENT_DATA, real)


def reason_of(rule: Rule, judged: Judged, previous: str) -> str:
    """Say why, as CloudWatch says it."""
    missing = rule.evaluation_periods - len(judged.real)
    if judged.state == INSUFFICIENT_DATA:
        return f"Insufficient Data: {_counted(missing, 'datapoint')} {'was' if missing == 1 else 'were'} unknown."
    if not judged.real:
        return (
            f"Threshold Crossed: no datapoints were received for {_counted(rule.evaluation_periods, 'period')} and "
            f"{_treated(rule, judged)}."
        )
    rang = judged.state == ALARM
    shown = [item for item in reversed(judged.real) if rule.breached_by(item[1]) == rang]
    listed = ", ".join(f"{value} ({datetime.fromtimestamp(start, UTC):%d/%m/%y %H:%M:%S})" for start, value in shown)
    needed = rule.datapoints_to_alarm if rang else rule.evaluation_periods - rule.datapoints_to_alarm + 1
    verb = "was" if len(shown) == 1 else "were"
    compared = ("" if rang else "not ") + COMPARISONS[rule.comparison][1]
    filled = f" and {_treated(rule, judged)}" if judged.filled else ""
    return (
        f"Threshold Crossed: {len(shown)} out of the last {rule.evaluation_periods} datapoints [{listed}] "
        f"{verb} {compared} the threshold ({rule.threshold}){filled} "
        f"(minimum {_counted(needed, 'datapoint')} for {_from(previous, judged.state)} -> {judged.state} transition)."
    )


def reason_data_of(rule: Rule, judged: Judged, *, queried: float, period_seconds: int, statistic: str | None) -> str:
    """Return the reason as data (JSON), as CloudWatch gives it. `queried` is epoch seconds."""
    data: dict[str, Any] = {"version": "1.0", "queryDate": timestamp(queried)}
    if judged.real:
        data["startDate"] = timestamp(judged.real[0][0])
    if statistic:
        data["statistic"] = statistic
    data |= {
        "period": period_seconds,
        "recentDatapoints": [value for _, value in judged.real],
        "threshold": rule.threshold,
        "evaluatedDatapoints": [
            {"timestamp": timestamp(start), "value": value} for start, value in reversed(judged.real)
        ],
    }
    return json.dumps(data, separators=(",", ":"))


def timestamp(at: float) -> str:
    """Spell epoch seconds as CloudWatch does in reasons and events: milliseconds and an offset without a colon."""
    moment = datetime.fromtimestamp(round(at, 3), UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+0000"


def _treated(rule: Rule, judged: Judged) -> str:
    treatment = {"breaching": "Breaching", "notBreaching": "NonBreaching"}[rule.treat_missing_data]
    verb = "was" if judged.filled == 1 else "were"
    return f"{_counted(judged.filled, 'missing datapoint')} {verb} treated as [{treatment}]"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _from(previous: str, state: str) -> str:
    """CloudWatch counts INSUFFICIENT_DATA as the opposite of what the alarm changes to."""
    if previous != INSUFFICIENT_DATA:
        return previous
    return OK if state == ALARM else ALARM
