"""Alarms: since when they have their state, and their periods by their own definitions."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.aws.cloudwatch.alarms import Alarms
from orchestrator.domain.errors import Throttled
from orchestrator.domain.verdict import Window
from tests.samples import NOW

ARN = "arn:aws:cloudwatch:us-west-1:1:alarm:{}"
SHARE = [
    {"Id": "percent", "Expression": "100 * part / whole", "ReturnData": True},
    {"Id": "part", "MetricStat": {"Metric": {"MetricName": "Errors"}, "Period": 10, "Stat": "Sum"}},
]
ONE_METRIC = {
    "Namespace": "IbOauth",
    "MetricName": "Latency",
    "Dimensions": [],
    "Period": 60,
    "ExtendedStatistic": "p99",
}
WINDOW = Window(NOW, NOW + timedelta(minutes=5))


class CloudWatch:
    """A CloudWatch client with alarms, and one series of values by seconds after `NOW`."""

    def __init__(self, values: dict[int, float], status: str = "Complete", **alarms: dict[str, Any]) -> None:
        self.values, self.status, self.alarms = values, status, alarms
        self.queries: list[Any] = []

    def describe_alarms(self, **params: Any) -> dict[str, Any]:
        common = {"Threshold": 5.0, "EvaluationPeriods": 3, "ComparisonOperator": "GreaterThanThreshold"}
        found = [{"AlarmName": name, **common, **self.alarms[name]} for name in params["AlarmNames"]]
        return {"MetricAlarms": found}

    def get_paginator(self, name: str) -> Any:
        if name == "describe_alarms":
            return SimpleNamespace(paginate=self._pages)
        assert name == "get_metric_data"
        return self

    def _pages(self, **params: Any) -> list[dict[str, Any]]:
        self.queries.append(params)
        found = [{"AlarmName": name, "StateUpdatedTimestamp": NOW, **alarm} for name, alarm in self.alarms.items()]
        return [{"MetricAlarms": found[:1], "CompositeAlarms": found[1:2]}, {"MetricAlarms": found[2:]}]

    def paginate(self, **params: Any) -> list[dict[str, Any]]:
        self.queries.append(params["MetricDataQueries"])
        pairs = [(NOW + timedelta(seconds=at), value) for at, value in self.values.items()]
        return [
            {"MetricDataResults": [{"Id": "x", "StatusCode": self.status, "Timestamps": [at], "Values": [value]}]}
            for at, value in pairs
        ]


def read(cloudwatch, *names):
    return Alarms(cloudwatch).read_periods([ARN.format(name) for name in names], WINDOW)


def test_a_state_is_as_old_as_its_last_transition():
    updated = {"StateValue": "ALARM", "StateUpdatedTimestamp": NOW}
    moved = {**updated, "StateTransitionedTimestamp": NOW - timedelta(minutes=9)}
    states = Alarms(CloudWatch({}, old=updated, new=moved)).read_states([ARN.format("old"), ARN.format("new")])
    assert [state.since for state in states.values()] == [NOW, NOW - timedelta(minutes=9)]


def test_the_alarms_of_the_environment_in_alarm_are_read_from_every_page_composite_ones_too():
    alarms = {
        "ib-oauth-a-prod": {"StateValue": "ALARM", "AlarmDescription": "Runbook: docs/runbooks/alarms.md#a"},
        "ib-oauth-b-prod": {"StateValue": "ALARM"},
        "ib-oauth-c-prod": {"StateValue": "ALARM", "StateReason": "3 datapoints"},
        "ib-oauth-d-dev": {"StateValue": "ALARM"},
        # CloudWatch reads by state; an emulator may not.
        "ib-oauth-e-prod": {"StateValue": "OK"},
    }
    cloudwatch = CloudWatch({}, **alarms)
    found = Alarms(cloudwatch).read_firing("prod")
    assert [(one.state.name, one.state.reason, one.description[-2:]) for one in found] == [
        ("ib-oauth-a-prod", "", "#a"),
        ("ib-oauth-b-prod", "", ""),
        ("ib-oauth-c-prod", "3 datapoints", ""),
    ]
    types = ["MetricAlarm", "CompositeAlarm"]
    assert cloudwatch.queries == [{"AlarmNamePrefix": "ib-oauth-", "AlarmTypes": types, "StateValue": "ALARM"}]


def test_an_alarm_s_periods_are_read_by_its_own_definition_and_only_those_of_the_window():
    cloudwatch = CloudWatch({-10: 9.0, 0: 5.0, 10: 6.0, 20: 7.0}, share={"Metrics": SHARE})
    periods = read(cloudwatch, "share")[ARN.format("share")]
    assert periods.breaching == (NOW + timedelta(seconds=10), NOW + timedelta(seconds=20))
    assert (periods.evaluated, cloudwatch.queries) == (timedelta(seconds=30), [SHARE])


def test_an_alarm_on_one_metric_is_read_by_that():
    cloudwatch = CloudWatch({}, latency=ONE_METRIC)
    periods = read(cloudwatch, "latency")[ARN.format("latency")]
    assert (periods.breaching, periods.evaluated) == ((), timedelta(minutes=3))
    metric = {"Namespace": "IbOauth", "MetricName": "Latency", "Dimensions": []}
    assert cloudwatch.queries == [[{"Id": "value", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "p99"}}]]


@pytest.mark.parametrize(
    ("comparison", "breaching"),
    [
        ("GreaterThanThreshold", [10]),
        ("GreaterThanOrEqualToThreshold", [0, 10]),
        ("LessThanThreshold", [20]),
        ("LessThanOrEqualToThreshold", [0, 20]),
    ],
)
def test_a_period_breaches_by_the_alarm_s_comparison(comparison, breaching):
    cloudwatch = CloudWatch({0: 5.0, 10: 6.0, 20: 4.0}, one={"Metrics": SHARE, "ComparisonOperator": comparison})
    expected = tuple(NOW + timedelta(seconds=at) for at in breaching)
    assert read(cloudwatch, "one")[ARN.format("one")].breaching == expected


def test_an_alarm_on_a_band_or_on_other_alarms_has_no_periods():
    band = {"Metrics": SHARE, "ComparisonOperator": "GreaterThanUpperThreshold"}
    assert read(CloudWatch({}, band=band, composite={"ComparisonOperator": None}), "band", "composite") == {}


def test_an_incomplete_answer_is_no_answer():
    with pytest.raises(Throttled, match="CloudWatch returned InternalError for x"):
        read(CloudWatch({0: 1.0}, "InternalError", share={"Metrics": SHARE}), "share")
