"""CloudWatch: alarms, composite alarms, metric queries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.contract.parity.case import Case, Rejection
from tests.contract.parity.emulators import wait_until

T = "cloudwatch/test_cloudwatch::TestCloudwatch::"
Data = Sequence[tuple[str, dict[str, Any]]]


def _put_alarm(aws: Any, **settings: Any) -> str:
    name = aws.new_name("alarm")
    aws.client("cloudwatch").put_metric_alarm(
        **{
            "AlarmName": name,
            "Namespace": aws.new_name("namespace"),
            "MetricName": "errors",
            "Statistic": "Sum",
            "Period": 60,
            "EvaluationPeriods": 1,
            "Threshold": 30,
            "ComparisonOperator": "GreaterThanThreshold",
        }
        | settings
    )
    return str(name)


def _describe(aws: Any, name: str, **parameters: Any) -> dict[str, Any]:
    return dict(aws.client("cloudwatch").describe_alarms(AlarmNames=[name], **parameters))


def _new_alarm(aws: Any) -> dict[str, Any]:
    (alarm,) = _describe(aws, _put_alarm(aws))["MetricAlarms"]
    wanted = ("ActionsEnabled", "AlarmActions", "Dimensions", "OKActions", "Statistic", "Threshold", "Period")
    facts = {name: alarm.get(name) for name in wanted}
    return facts | {name: alarm.get(name) for name in ("StateValue", "StateReason", "EvaluationPeriods")}


def _deleted_alarm(aws: Any) -> list[Any]:
    name = _put_alarm(aws)
    aws.client("cloudwatch").delete_alarms(AlarmNames=[name])
    found = _describe(aws, name)
    return [*found.get("MetricAlarms", ()), *found.get("CompositeAlarms", ())]


def _set_state(aws: Any, name: str, state: str) -> None:
    aws.client("cloudwatch").set_alarm_state(AlarmName=name, StateValue=state, StateReason="set by the case")


def _set_alarm(aws: Any) -> tuple[str, str]:
    # A long period, so that the alarm's evaluation does not replace the state that was set.
    name = _put_alarm(aws, Period=3600)
    _set_state(aws, name, "ALARM")
    (alarm,) = _describe(aws, name)["MetricAlarms"]
    return alarm["StateValue"], alarm["StateReason"]


def _set_unknown_state(aws: Any) -> str:
    _set_state(aws, _put_alarm(aws), "INVALID")
    return "accepted"


def _set_absent_alarm(aws: Any) -> str:
    _set_state(aws, "parity-absent", "OK")
    return "accepted"


def _missing_data_breaches(aws: Any) -> tuple[str, str]:
    name = _put_alarm(aws, Period=10, EvaluationPeriods=2, TreatMissingData="breaching")

    def alarm() -> Any:
        return _describe(aws, name)["MetricAlarms"][0]

    wait_until(lambda: alarm()["StateValue"] == "ALARM", 30)
    return alarm()["StateValue"], alarm()["StateReason"]


def _composite_states(aws: Any) -> list[str]:
    """Return a composite alarm's state while one of its two alarms is in ALARM, in OK, and the other in ALARM."""
    children = [_put_alarm(aws, Period=3600) for _ in range(2)]
    arns = [_describe(aws, name)["MetricAlarms"][0]["AlarmArn"] for name in children]
    name = aws.new_name("composite")
    rule = " OR ".join(f'ALARM("{arn}")' for arn in arns)
    aws.client("cloudwatch").put_composite_alarm(AlarmName=name, AlarmRule=rule)
    for child in children:
        _set_state(aws, child, "OK")

    def state() -> str:
        found = _describe(aws, name, AlarmTypes=["CompositeAlarm"]).get("CompositeAlarms", ())
        return found[0]["StateValue"] if found else "absent"

    states = []
    for child, value in ((children[0], "ALARM"), (children[0], "OK"), (children[1], "ALARM")):
        _set_state(aws, child, value)
        wait_until(lambda wanted=value: state() == wanted, 5)
        states.append(state())
    return states


def _query(data: Data, queries: Sequence[dict[str, Any]]) -> Callable[[Any], Any]:
    """Return a request that publishes data of one minute and returns label and values of each query."""

    def request(aws: Any) -> list[tuple[str, list[float]]]:
        client, namespace = aws.client("cloudwatch"), aws.new_name("namespace")
        at = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=2)
        for name, datum in data:
            client.put_metric_data(Namespace=namespace, MetricData=[{"MetricName": name, "Timestamp": at} | datum])
        answer = client.get_metric_data(
            MetricDataQueries=[_metric_query(namespace, number, query) for number, query in enumerate(queries)],
            StartTime=at - timedelta(minutes=1),
            EndTime=at + timedelta(minutes=2),
        )
        facts = [(found["Label"], found["Values"]) for found in answer["MetricDataResults"]]
        complete = {found["StatusCode"] for found in answer["MetricDataResults"]} == {"Complete"}
        return facts if complete else []

    return request


def _metric_query(namespace: str, number: int, query: dict[str, Any]) -> dict[str, Any]:
    settings = dict(query)
    metric = {
        "Namespace": namespace,
        "MetricName": settings.pop("metric", "metric1"),
        "Dimensions": settings.pop("dimensions", []),
    }
    label = {"Label": settings.pop("label")} if "label" in settings else {}
    return {"Id": f"q{number}", "MetricStat": {"Metric": metric, "Period": 60} | settings} | label


_ONE_TO_ELEVEN: Data = tuple(("metric1", {"Value": float(value)}) for value in range(1, 12))
_VALUES: Data = tuple(("metric1", {"Value": value}) for value in (0.0, 100.0, 5.0, 1.5, 2.0, 8.0))
_DIMENSION = [{"Name": "Kind", "Value": "a"}]
_WITH_DIMENSION: Data = (("metric1", {"Value": 11.0, "Dimensions": _DIMENSION}), ("metric1", {"Value": 5.0}))
_UNITS: Data = (("metric1", {"Value": 1.0, "Unit": "Seconds"}), ("metric1", {"Value": 5.0, "Unit": "Count"}))
_NEW_ALARM = {
    "ActionsEnabled": True,
    "AlarmActions": [],
    "Dimensions": [],
    "OKActions": [],
    "Statistic": "Sum",
    "Threshold": 30.0,
    "Period": 60,
    "StateValue": "INSUFFICIENT_DATA",
    "StateReason": "Unchecked: Initial alarm creation",
    "EvaluationPeriods": 1,
}

_ALARMS = (
    Case("cloudwatch:PutMetricAlarm", "its first state and its defaults", T + "test_describe_alarms_converts_date_format_correctly", _new_alarm, _NEW_ALARM),
    Case("cloudwatch:DescribeAlarms", "after the deletion", T + "test_delete_alarm", _deleted_alarm, []),
    Case("cloudwatch:SetAlarmState", "the state and the reason", T + "test_set_alarm", _set_alarm, ("ALARM", "set by the case")),
    Case("cloudwatch:SetAlarmState", "a state that is none", T + "test_set_alarm_invalid_input", _set_unknown_state, Rejection("ValidationError", 400, "^1 validation error detected: Value 'INVALID' at 'stateValue' failed to satisfy constraint: Member must satisfy enum value set")),
    Case("cloudwatch:SetAlarmState", "an alarm that does not exist", T + "test_set_alarm_invalid_input", _set_absent_alarm, Rejection("ResourceNotFound", 404)),
    Case("cloudwatch:DescribeAlarms", "missing data that breaches", T + "test_breaching_alarm_actions", _missing_data_breaches, ("ALARM", "Threshold Crossed: no datapoints were received for 2 periods and 2 missing datapoints were treated as [Breaching].")),
    Case("cloudwatch:PutCompositeAlarm", "ALARM while one of two alarms is", T + "test_trigger_composite_alarm", _composite_states, ["ALARM", "OK", "ALARM"]),
)  # fmt: skip

_STATISTICS = tuple(
    Case("cloudwatch:GetMetricData", f"{stat} of 1 to 11", T + f"test_get_metric_data_stats[query-{stat}]", _query(_ONE_TO_ELEVEN, [{"Stat": stat}]), [("metric1", [expected])])
    for stat, expected in (("Sum", 66.0), ("SampleCount", 11.0), ("Minimum", 1.0), ("Maximum", 11.0), ("Average", 6.0))
)  # fmt: skip

_QUERIES = (
    Case("cloudwatch:GetMetricData", "statistics of one metric have their names in the labels", T + "test_get_metric_data_with_zero_and_labels", _query(_VALUES, [{"Stat": "Average"}, {"Stat": "Sum"}, {"Stat": "Minimum"}, {"Stat": "Maximum"}]), [("metric1 Average", [116.5 / 6]), ("metric1 Sum", [116.5]), ("metric1 Minimum", [0.0]), ("metric1 Maximum", [100.0])]),
    Case("cloudwatch:GetMetricData", "several metrics", T + "test_get_metric_data_for_multiple_metrics", _query((("metric1", {"Value": 50.0}), ("metric2", {"Value": 25.0})), [{"Stat": "Sum"}, {"Stat": "Sum", "metric": "metric2"}]), [("metric1", [50.0]), ("metric2", [25.0])]),
    Case("cloudwatch:GetMetricData", "only the metric with these dimensions", T + "test_get_metric_data_with_dimensions", _query(_WITH_DIMENSION, [{"Stat": "Sum", "dimensions": _DIMENSION}]), [("metric1", [11.0])]),
    Case("cloudwatch:GetMetricData", "a metric without data", T + "test_get_metric_with_null_dimensions", _query((), [{"Stat": "Sum", "label": "nothing"}]), [("nothing", [])]),
    Case("cloudwatch:GetMetricData", "only the unit of the query", T + "test_get_metric_data_with_different_units", _query(_UNITS, [{"Stat": "Average", "Unit": "Seconds"}]), [("metric1", [1.0])]),
    Case("cloudwatch:GetMetricData", "a label of the query", "cloudwatch/test_cloudwatch::TestCloudWatchMultiProtocol::test_basic_operations_multiple_protocols", _query(_ONE_TO_ELEVEN, [{"Stat": "Sum", "label": "all of it"}]), [("all of it", [66.0])]),
)  # fmt: skip

CASES = _ALARMS + _STATISTICS + _QUERIES
