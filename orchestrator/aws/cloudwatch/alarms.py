"""Read CloudWatch alarms: their states, because one that is already in ALARM sends no event, and their periods."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from orchestrator.aws.clients import translate_errors
from orchestrator.aws.cloudwatch.metrics import read_results
from orchestrator.domain.analysis.observations import AlarmState
from orchestrator.domain.names import PREFIX, is_of_environment
from orchestrator.domain.rollback.triggers import ALARM_STATE
from orchestrator.domain.status_page.rolled_back_changes import AlarmPeriods
from orchestrator.domain.verdict import Window

NAMES_IN_A_CALL = 100
"""DescribeAlarms accepts no more (API reference)."""

_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
"""Operators that compare with a number. The others compare with a band."""


@dataclass(frozen=True)
class FiringAlarm:
    """An alarm in ALARM, with its description, which names its section of the runbook."""

    state: AlarmState
    description: str = ""


class Alarms:
    """CloudWatch alarms.

    Args:
        client: botocore's CloudWatch client.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def read_states(self, arns: Sequence[str]) -> Mapping[str, AlarmState]:
        """Return the states of alarms by ARN; an alarm that does not exist is absent.

        Raises:
            Throttled: the request limit was reached.
            Unreachable: CloudWatch did not answer.
        """
        arn_of = {arn.rpartition(":")[2]: arn for arn in arns}
        return {arn_of[alarm["AlarmName"]]: _state_of(alarm) for alarm in self._describe(list(arn_of))}

    def read_firing(self, environment: str) -> list[FiringAlarm]:
        """Return every alarm of an environment that is in ALARM, metric and composite ones.

        Raises:
            Throttled: the request limit was reached.
            Unreachable: CloudWatch did not answer.
        """
        pages = self._client.get_paginator("describe_alarms").paginate(
            AlarmNamePrefix=PREFIX, AlarmTypes=["MetricAlarm", "CompositeAlarm"], StateValue=ALARM_STATE
        )
        with translate_errors():
            return [
                FiringAlarm(_state_of(alarm), str(alarm.get("AlarmDescription", "")))
                for page in pages
                for alarm in (*page.get("MetricAlarms", ()), *page.get("CompositeAlarms", ()))
                if alarm["StateValue"] == ALARM_STATE and is_of_environment(alarm["AlarmName"], environment)
            ]

    def read_periods(self, arns: Sequence[str], window: Window) -> Mapping[str, AlarmPeriods]:
        """Return the periods of alarms that began in a window, by ARN.

        An alarm that does not exist, or that does not compare a metric with a number, is absent. A period without data
        is no breaching one.

        Raises:
            Throttled: the request limit was reached, or CloudWatch returned an incomplete result.
            Unreachable: CloudWatch did not answer.
        """
        arn_of = {arn.rpartition(":")[2]: arn for arn in arns}
        return {
            arn_of[alarm["AlarmName"]]: self._periods_of(alarm, window)
            for alarm in self._describe(list(arn_of))
            if alarm.get("ComparisonOperator") in _COMPARISONS
        }

    def _describe(self, names: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        for first in range(0, len(names), NAMES_IN_A_CALL):
            with translate_errors():
                response = self._client.describe_alarms(
                    AlarmNames=names[first : first + NAMES_IN_A_CALL],
                    AlarmTypes=["MetricAlarm", "CompositeAlarm"],
                    MaxRecords=NAMES_IN_A_CALL,
                )
            yield from [*response.get("MetricAlarms", ()), *response.get("CompositeAlarms", ())]

    def _periods_of(self, alarm: Mapping[str, Any], window: Window) -> AlarmPeriods:
        """Read what an alarm evaluates, by its own definition."""
        queries = alarm.get("Metrics") or [_query_of(alarm)]
        length = timedelta(seconds=max(query["MetricStat"]["Period"] for query in queries if "MetricStat" in query))
        breaches, threshold = _COMPARISONS[alarm["ComparisonOperator"]], alarm["Threshold"]
        values: list[tuple[datetime, float]] = []
        # An alarm returns the data of one of its metrics. Ids of metrics are unique within an alarm only.
        for result in read_results(self._client, queries, window):
            values += zip(result["Timestamps"], result["Values"], strict=True)
        # CloudWatch also returns the period in which the window starts.
        breaching = sorted(
            at.astimezone(UTC) for at, value in values if at >= window.start and breaches(value, threshold)
        )
        return AlarmPeriods(length * alarm["EvaluationPeriods"], tuple(breaching))


def _state_of(alarm: Mapping[str, Any]) -> AlarmState:
    return AlarmState(
        name=alarm["AlarmName"],
        state=alarm["StateValue"],
        # `StateUpdatedTimestamp` also moves while the state stays the same.
        since=(alarm.get("StateTransitionedTimestamp") or alarm["StateUpdatedTimestamp"]).astimezone(UTC),
        reason=alarm.get("StateReason", ""),
    )


def _query_of(alarm: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the query of an alarm on one metric."""
    metric = {name: alarm[name] for name in ("Namespace", "MetricName", "Dimensions")}
    statistic = alarm.get("Statistic") or alarm["ExtendedStatistic"]
    return {"Id": "value", "MetricStat": {"Metric": metric, "Period": alarm["Period"], "Stat": statistic}}
