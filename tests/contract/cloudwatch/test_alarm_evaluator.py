"""Alarms: what they watch, when they are evaluated, what state they have.

All alarms of the first part are made at once and judged at the same tick of the clock, which comes every ten seconds.
"""

import json
import time
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.metrics import Metrics, dimensions, stat
from tests.contract.waiting import eventually

PERIOD_SECONDS = 10
TICK_SECONDS = 13  # the next tick is ten seconds away at most, and comes half a second after the period's end
OVER = {"ComparisonOperator": "GreaterThanThreshold", "Threshold": 5, "EvaluationPeriods": 1}
SENTINEL = "sentinel"


@dataclass
class Scene:
    """Alarms on the metrics of one namespace, all judged at one tick."""

    cloud: Any
    metrics: Metrics
    prefix: str
    found: dict[str, dict[str, Any]] = field(default_factory=dict)

    def alarm(self, name: str, metric: str | None = None, *, of: dict[str, str] | None = None, **settings: Any) -> str:
        """Make an alarm on one metric (or on ``Metrics``) and return its name."""
        if metric:
            settings = {
                "Namespace": self.metrics.namespace,
                "MetricName": metric,
                "Dimensions": dimensions(**(of or {})),
                "Period": PERIOD_SECONDS,
                **({} if "ExtendedStatistic" in settings else {"Statistic": "Sum"}),
                **settings,
            }
        self.metrics.client.put_metric_alarm(AlarmName=self.prefix + name, **OVER | settings)
        return self.prefix + name

    def look(self) -> None:
        answer = self.metrics.client.describe_alarms(AlarmNamePrefix=self.prefix, MaxRecords=100)
        self.found = {alarm["AlarmName"].removeprefix(self.prefix): alarm for alarm in answer["MetricAlarms"]}

    def state(self, name: str) -> str:
        return self.found[name]["StateValue"]

    def changed(self) -> bool:
        """Whether the alarm that was made last has been judged; then all have."""
        self.look()
        return SENTINEL in self.found and self.state(SENTINEL) == "ALARM"

    def history(self, name: str) -> list[dict[str, Any]]:
        answer = self.metrics.client.describe_alarm_history(
            AlarmName=self.prefix + name, HistoryItemType="StateUpdate", ScanBy="TimestampAscending"
        )
        return [json.loads(item["HistoryData"]) for item in answer["AlarmHistoryItems"]]


def periods_ago(count):
    """A moment in the middle of a period: 1 is the one that has ended last when the next tick comes."""
    next_tick = (time.time() - 0.5) // PERIOD_SECONDS * PERIOD_SECONDS + PERIOD_SECONDS
    return next_tick - PERIOD_SECONDS * (count - 0.5)


def between_ticks():
    return 1 < time.time() % PERIOD_SECONDS < 8


def math(scene, expression, *metrics, **of):
    named = [
        {"Id": name, "MetricStat": stat(scene.metrics.namespace, metric, PERIOD_SECONDS, **of), "ReturnData": False}
        for name, metric in metrics
    ]
    return [{"Id": "result", "Expression": expression, "Label": "percent", "ReturnData": True}, *named]


@pytest.fixture(scope="module")
def scene(cloud):
    scene = Scene(cloud, Metrics(cloud), cloud.name("scene") + "-")
    eventually(between_ticks, within_seconds=4)  # none comes while the alarms are made
    for ago, high in ((1, 9), (2, 1), (3, 9)):
        at = periods_ago(ago)
        scene.metrics.put("Load", high, at=at, version="1")
        scene.metrics.put("Load", 1, at=at, version="2")
        scene.metrics.put("Requests", 20, at=at)
        scene.metrics.put("Few", 5, at=at)
    scene.metrics.put("Errors", 4, at=periods_ago(1))
    scene.metrics.put_data(
        {
            "MetricName": "Latency",
            "Timestamp": periods_ago(1),
            "Values": [1, 100],
            "Counts": [98, 2],
            "StorageResolution": 1,
        }
    )
    of_1, of_2 = {"version": "1"}, {"version": "2"}
    scene.alarm("by-version", "Load", of=of_1)
    scene.alarm("other-version", "Load", of=of_2)
    scene.alarm("no-dimensions", "Load")
    scene.alarm("two-of-three", "Load", of=of_1, EvaluationPeriods=3, DatapointsToAlarm=2)
    scene.alarm("three-of-three", "Load", of=of_1, EvaluationPeriods=3)
    for treatment in ("missing", "ignore", "breaching", "notBreaching"):
        scene.alarm(f"no-data-{treatment}", "Silence", TreatMissingData=treatment)
    scene.alarm("p99", "Latency", ExtendedStatistic="p99")
    scene.alarm("p50", "Latency", ExtendedStatistic="p50")
    scene.alarm("average", "Latency", Statistic="Average")
    scene.alarm("maximum", "Latency", Statistic="Maximum", Threshold=99)
    scene.alarm("minimum", "Latency", Statistic="Minimum", ComparisonOperator="LessThanOrEqualToThreshold", Threshold=1)
    scene.alarm(
        "samples", "Latency", Statistic="SampleCount", ComparisonOperator="GreaterThanOrEqualToThreshold", Threshold=100
    )
    share = "IF(whole >= 10, 100 * part / whole, 0)"
    scene.alarm("math", Metrics=math(scene, share, ("part", "Errors"), ("whole", "Requests")))
    scene.alarm("math-few", Metrics=math(scene, share, ("part", "Errors"), ("whole", "Few")))
    scene.alarm(
        "math-filled",
        Metrics=math(
            scene, "IF(whole >= 10, 100 * FILL(part, 0) / whole, 0)", ("part", "Silence"), ("whole", "Requests")
        ),
    )
    scene.alarm("disabled", "Load", of=of_1, ActionsEnabled=False)
    scene.alarm("minutely", "Load", of=of_1, Period=60, TreatMissingData="breaching", Threshold=1000)
    scene.alarm(SENTINEL, "Load", of=of_1)
    eventually(scene.changed, within_seconds=TICK_SECONDS, every_seconds=0.1)
    return scene


def test_an_alarm_watches_exactly_its_dimensions(scene):
    assert scene.state("by-version") == "ALARM"
    assert scene.state("other-version") == "OK"
    assert scene.state("no-dimensions") == "INSUFFICIENT_DATA"


def test_m_of_n_datapoints_must_breach(scene):
    assert scene.state("two-of-three") == "ALARM"
    assert scene.state("three-of-three") == "OK"


@pytest.mark.parametrize(
    ("treatment", "state"),
    [("missing", "INSUFFICIENT_DATA"), ("ignore", "INSUFFICIENT_DATA"), ("breaching", "ALARM"), ("notBreaching", "OK")],
)
def test_missing_data_is_what_the_alarm_takes_it_for(scene, treatment, state):
    assert (scene.state(f"no-data-{treatment}"), scene.state("by-version")) == (state, "ALARM")
    assert scene.state("other-version") == "OK"


def test_every_statistic_can_be_watched(scene):
    watched = ("p99", "p50", "average", "maximum", "minimum", "samples")
    assert {name: scene.state(name) for name in watched} == {
        "p99": "ALARM",
        "p50": "OK",
        "average": "OK",
        "maximum": "ALARM",
        "minimum": "ALARM",
        "samples": "ALARM",
    }
    assert scene.state("other-version") == "OK"


def test_an_alarm_watches_the_result_of_metric_math(scene):
    assert scene.state("math") == "ALARM"
    assert scene.state("math-few") == "OK"
    assert scene.state("math-filled") == "OK"
    assert "[20.0 (" in scene.found["math"]["StateReason"]


def test_an_alarm_on_metric_math_is_described_as_it_was_put(scene):
    found = scene.found["math"]
    assert found["Metrics"] == math(
        scene, "IF(whole >= 10, 100 * part / whole, 0)", ("part", "Errors"), ("whole", "Requests")
    )
    assert not found.keys() & {"MetricName", "Namespace", "Statistic", "Period"}


def test_an_alarm_with_its_actions_disabled_changes_its_state(scene):
    assert (scene.state("disabled"), scene.found["disabled"]["ActionsEnabled"]) == ("ALARM", False)
    assert scene.state("other-version") == "OK"


def test_an_alarm_is_judged_soon_after_a_period_has_ended(scene):
    changed = {
        name: alarm["StateUpdatedTimestamp"].timestamp() % PERIOD_SECONDS
        for name, alarm in scene.found.items()
        if alarm["StateValue"] == "ALARM" and name != "minutely"
    }
    assert len(changed) > 5
    assert all(0.5 <= late < 5 for late in changed.values()), changed
    assert scene.state("other-version") == "OK"


def test_an_alarm_says_why(scene):
    found = scene.found["two-of-three"]
    data = json.loads(found["StateReasonData"])
    assert found["StateReason"].startswith("Threshold Crossed: 2 out of the last 3 datapoints [9.0 (")
    assert (data["recentDatapoints"], data["threshold"], data["period"]) == ([9.0, 1.0, 9.0], 5.0, 10)
    assert found["StateTransitionedTimestamp"] == found["StateUpdatedTimestamp"]


def test_a_change_is_in_the_alarm_s_history_with_its_reason(scene):
    (change,) = [one for one in scene.history("by-version") if one["newState"]["stateValue"] == "ALARM"]
    assert change["oldState"]["stateValue"] == "INSUFFICIENT_DATA"
    assert change["newState"]["stateReason"] == scene.found["by-version"]["StateReason"]
    assert change["newState"]["stateReasonData"]["recentDatapoints"] == [9.0]


def test_set_alarm_state_lasts_until_the_next_evaluation_and_putting_a_metric_is_none(scene):
    client = scene.metrics.client
    name = scene.alarm("set", "Quiet", TreatMissingData="ignore")
    other = scene.alarm("set-and-judged", "Quiet", of={"version": "1"}, TreatMissingData="notBreaching")
    eventually(between_ticks, within_seconds=4)
    for one in (name, other):
        client.set_alarm_state(AlarmName=one, StateValue="ALARM", StateReason="by hand", StateReasonData='{"a": 1}')
    scene.metrics.put("Quiet", 1, version="7")
    scene.metrics.put("Another", 1)
    scene.look()
    assert (scene.state("set"), scene.state("set-and-judged")) == ("ALARM", "ALARM")
    assert (scene.found["set"]["StateReason"], scene.found["set"]["StateReasonData"]) == ("by hand", '{"a": 1}')

    def judged():
        scene.look()
        return scene.state("set-and-judged") == "OK"

    eventually(judged, within_seconds=TICK_SECONDS, every_seconds=0.1)
    assert (scene.state("set"), scene.found["set"]["StateReason"]) == ("ALARM", "by hand")


@pytest.mark.parametrize("wrong", [{"StateValue": "LOUD"}, {"StateValue": "OK", "StateReasonData": "{"}])
def test_a_state_that_there_is_not_is_refused(cloud, wrong):
    metrics = Metrics(cloud)
    name = Scene(cloud, metrics, cloud.name("refused")).alarm("", "Load")
    with pytest.raises(ClientError):
        metrics.client.set_alarm_state(AlarmName=name, StateReason="by hand", **wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"Period": 15},
        {"TreatMissingData": "guess"},
        {"EvaluationPeriods": 2, "DatapointsToAlarm": 3},
        {"Period": 86400, "EvaluationPeriods": 8},
        {"Statistic": "Middle"},
    ],
)
def test_an_alarm_that_could_not_be_evaluated_is_refused(cloud, wrong):
    with pytest.raises(ClientError) as refused:
        Scene(cloud, Metrics(cloud), cloud.name("refused")).alarm("", "Load", **wrong)
    assert refused.value.response["Error"]["Code"] == "ValidationError"


@pytest.mark.parametrize("expression", ["part +", "part / nowhere", "NONE(part)"])
def test_an_alarm_on_an_expression_that_is_none_is_refused(cloud, expression):
    scene = Scene(cloud, Metrics(cloud), cloud.name("refused"))
    with pytest.raises(ClientError, match="result"):
        scene.alarm("", Metrics=math(scene, expression, ("part", "Errors")))


def test_an_alarm_that_is_put_again_keeps_its_state(scene):
    before = scene.found["by-version"]
    scene.alarm("by-version", "Load", of={"version": "1"}, Threshold=7)
    scene.look()
    after = scene.found["by-version"]
    kept = ("StateValue", "StateReason", "StateReasonData", "StateUpdatedTimestamp")
    assert [after[key] for key in kept] == [before[key] for key in kept]
    assert after["Threshold"] == 7


@pytest.mark.both
def test_a_state_of_an_alarm_that_there_is_not_cannot_be_set(cloud):
    with pytest.raises(ClientError) as refused:
        cloud.client("cloudwatch").set_alarm_state(
            AlarmName=cloud.name("nobody"), StateValue="OK", StateReason="by hand"
        )
    assert refused.value.response["Error"]["Code"] in {"ResourceNotFound", "ResourceNotFoundException"}


@pytest.mark.both
def test_an_alarm_s_actions_reach_a_topic_with_the_new_state(cloud):
    client, sns, sqs = cloud.client("cloudwatch"), cloud.client("sns"), cloud.client("sqs")
    topic = sns.create_topic(Name=cloud.name("topic"))["TopicArn"]
    queue = cloud.name("queue")
    url = sqs.create_queue(QueueName=queue)["QueueUrl"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:{cloud.region}:000000000000:{queue}")
    name = Scene(cloud, Metrics(cloud), cloud.name("acting")).alarm("", "Load", AlarmActions=[topic])
    client.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="by hand")

    (message,) = eventually(lambda: sqs.receive_message(QueueUrl=url).get("Messages"))
    notice = json.loads(json.loads(message["Body"])["Message"])
    assert (notice["AlarmName"], notice["NewStateValue"], notice["NewStateReason"]) == (name, "ALARM", "by hand")
