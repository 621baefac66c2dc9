"""The state of an alarm, computed from its latest datapoints.

AWS, for an alarm with N evaluation periods of which M datapoints must breach:

- CloudWatch reads more than N datapoints (the evaluation range). If N of them exist, the latest N decide, whatever
  their age, and the treatment of missing data does not matter.
- Otherwise every existing datapoint counts, and as few missing ones as possible are filled in: as breaching, as not
  breaching, or as missing.
- With `missing` or `ignore`: if the range is empty, the state is INSUFFICIENT_DATA, or stays. If all datapoints breach
  but are fewer than M, the state is ALARM if the oldest of them is at least M periods old ("premature" otherwise); with
  ``ignore`` the state stays.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html

AWS says that the range depends on the period and the resolution, and shows a range of N + 2, which this module uses.
If breaching datapoints are too few and too recent, AWS says that the alarm does not fire; the state is then
INSUFFICIENT_DATA, as in an earlier version of the page's table.
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
"""Number of periods read in addition to the evaluated ones."""

COMPARISONS: Final[Mapping[str, tuple[Callable[[float, float], bool], str]]] = {
    "GreaterThanThreshold": (operator.gt, "greater than"),
    "GreaterThanOrEqualToThreshold": (operator.ge, "greater than or equal to"),
    "LessThanThreshold": (operator.lt, "less than"),
    "LessThanOrEqualToThreshold": (operator.le, "less than or equal to"),
}


@dataclass(frozen=True)
class Rule:
    """The condition of an alarm.

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
        """The number of periods in the evaluation range."""
        return self.evaluation_periods + FURTHER_PERIODS

    def breached_by(self, value: float) -> bool:
        """Return whether a datapoint breaches the threshold."""
        return COMPARISONS[self.comparison][0](value, self.threshold)


@dataclass(frozen=True)
class Evaluation:
    """The result of an evaluation. `filled`: the number of missing datapoints that were filled in."""

    state: str
    real: tuple[tuple[int, float], ...]
    filled: int = 0


def evaluate(rule: Rule, values: Mapping[int, float], periods: Sequence[int]) -> Evaluation | None:
    """Return the state that the datapoints result in; None if the alarm keeps its state.

    Args:
        rule: the alarm's rule.
        values: datapoints by the start of their period.
        periods: starts of all periods of the evaluation range, ascending.
    """
    real = tuple((start, values[start]) for start in periods if start in values)[-rule.evaluation_periods :]
    breaching = sum(rule.breached_by(value) for _, value in real)
    missing = rule.evaluation_periods - len(real)
    if missing == 0 or rule.treat_missing_data in {"breaching", "notBreaching"}:
        breaching_with_filled = breaching + (missing if rule.treat_missing_data == "breaching" else 0)
        return Evaluation(ALARM if breaching_with_filled >= rule.datapoints_to_alarm else OK, real, missing)
    return _evaluate_with_missing(rule, real, breaching, periods)


def _evaluate_with_missing(
    rule: Rule, real: tuple[tuple[int, float], ...], breaching: int, periods: Sequence[int]
) -> Evaluation | None:
    if breaching >= rule.datapoints_to_alarm:
        return Evaluation(ALARM, real)
    if breaching < len(real):
        return Evaluation(OK, real)
    if rule.treat_missing_data == "ignore":
        return None
    oldest_age = len(periods) - periods.index(real[0][0]) if real else 0
    return Evaluation(ALARM if oldest_age >= rule.datapoints_to_alarm else INSUFFICIENT_DATA, real)


def state_reason(rule: Rule, evaluation: Evaluation, previous: str) -> str:
    """Return the reason in CloudWatch's words."""
    missing = rule.evaluation_periods - len(evaluation.real)
    if evaluation.state == INSUFFICIENT_DATA:
        return f"Insufficient Data: {_count_of(missing, 'datapoint')} {'was' if missing == 1 else 'were'} unknown."
    if not evaluation.real:
        return (
            f"Threshold Crossed: no datapoints were received for {_count_of(rule.evaluation_periods, 'period')} and "
            f"{_treatment_text(rule, evaluation)}."
        )
    in_alarm = evaluation.state == ALARM
    shown = [item for item in reversed(evaluation.real) if rule.breached_by(item[1]) == in_alarm]
    listed = ", ".join(f"{value} ({datetime.fromtimestamp(start, UTC):%d/%m/%y %H:%M:%S})" for start, value in shown)
    needed = rule.datapoints_to_alarm if in_alarm else rule.evaluation_periods - rule.datapoints_to_alarm + 1
    verb = "was" if len(shown) == 1 else "were"
    compared = ("" if in_alarm else "not ") + COMPARISONS[rule.comparison][1]
    filled = f" and {_treatment_text(rule, evaluation)}" if evaluation.filled else ""
    return (
        f"Threshold Crossed: {len(shown)} out of the last {rule.evaluation_periods} datapoints [{listed}] "
        f"{verb} {compared} the threshold ({rule.threshold}){filled} "
        f"(minimum {_count_of(needed, 'datapoint')} for {_previous_state(previous, evaluation.state)} -> {evaluation.state} transition)."
    )


def state_reason_data(
    rule: Rule, evaluation: Evaluation, *, queried: float, period_seconds: int, statistic: str | None
) -> str:
    """Return the reason as data (JSON), in CloudWatch's form. `queried` is epoch seconds."""
    data: dict[str, Any] = {"version": "1.0", "queryDate": format_timestamp(queried)}
    if evaluation.real:
        data["startDate"] = format_timestamp(evaluation.real[0][0])
    if statistic:
        data["statistic"] = statistic
    data |= {
        "period": period_seconds,
        "recentDatapoints": [value for _, value in evaluation.real],
        "threshold": rule.threshold,
        "evaluatedDatapoints": [
            {"timestamp": format_timestamp(start), "value": value} for start, value in reversed(evaluation.real)
        ],
    }
    return json.dumps(data, separators=(",", ":"))


def format_timestamp(at: float) -> str:
    """Format epoch seconds as CloudWatch does in reasons and events: milliseconds and an offset without a colon."""
    moment = datetime.fromtimestamp(round(at, 3), UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+0000"


def _treatment_text(rule: Rule, evaluation: Evaluation) -> str:
    treatment = {"breaching": "Breaching", "notBreaching": "NonBreaching"}[rule.treat_missing_data]
    verb = "was" if evaluation.filled == 1 else "were"
    return f"{_count_of(evaluation.filled, 'missing datapoint')} {verb} treated as [{treatment}]"


def _count_of(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _previous_state(previous: str, state: str) -> str:
    """Return the previous state in the reason: CloudWatch counts INSUFFICIENT_DATA as the opposite of the new state."""
    if previous != INSUFFICIENT_DATA:
        return previous
    return OK if state == ALARM else ALARM
