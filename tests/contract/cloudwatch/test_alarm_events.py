"""An alarm's change of state is an event."""

import json
import time

import pytest

from tests.contract.metrics import Metrics, stat
from tests.contract.waiting import eventually

QUIET = {
    "ComparisonOperator": "GreaterThanThreshold",
    "Threshold": 5,
    "EvaluationPeriods": 1,
    "Period": 60,
    "Statistic": "Sum",
    "MetricName": "Silence",
    "TreatMissingData": "ignore",
}


@pytest.fixture
def metrics(cloud):
    return Metrics(cloud)


@pytest.fixture
def alarm(cloud, metrics):
    """Make an alarm, and return its ARN."""

    def make(name=None, **settings):
        name = name or cloud.name("alarm")
        settings = {"Namespace": metrics.namespace, **QUIET} | settings
        parameters = {key: value for key, value in settings.items() if value is not None}
        metrics.client.put_metric_alarm(AlarmName=name, **parameters)
        (found,) = metrics.client.describe_alarms(AlarmNames=[name])["MetricAlarms"]
        return found["AlarmArn"]

    return make


@pytest.fixture
def received(cloud):
    """Watch the default bus with a pattern; returns what looks for events that have come."""

    def watch(pattern):
        queue = cloud.name("queue")
        sqs, events = cloud.client("sqs"), cloud.client("events")
        url = sqs.create_queue(QueueName=queue)["QueueUrl"]
        events.put_rule(Name=queue, EventPattern=json.dumps(pattern))
        events.put_targets(Rule=queue, Targets=[{"Id": "1", "Arn": f"arn:aws:sqs:{cloud.region}:000000000000:{queue}"}])
        seen = []

        def look():
            found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
            for message in found:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            seen.extend(json.loads(message["Body"]) for message in found)
            return seen

        return look

    return watch


def set_state(metrics, arn, value, **parameters):
    name = arn.rpartition(":")[2]
    metrics.client.set_alarm_state(AlarmName=name, StateValue=value, StateReason=f"now {value}", **parameters)


def test_a_change_is_an_event_with_both_states_and_what_the_alarm_watches(metrics, alarm, received):
    arn = alarm(AlarmDescription="rings", Dimensions=[{"Name": "version", "Value": "7"}])
    look = received({"source": ["aws.cloudwatch"], "resources": [arn]})
    set_state(metrics, arn, "OK")
    set_state(metrics, arn, "ALARM", StateReasonData='{"version":"1.0"}')
    eventually(lambda: len(look()) == 2, within_seconds=2)

    _, event = sorted(look(), key=lambda one: one["detail"]["state"]["timestamp"])
    assert (event["version"], event["source"], event["detail-type"]) == (
        "0",
        "aws.cloudwatch",
        "CloudWatch Alarm State Change",
    )
    assert event["resources"] == [arn]
    detail = event["detail"]
    assert detail["alarmName"] == arn.rpartition(":")[2]
    assert detail["previousState"].items() >= {"value": "OK", "reason": "now OK"}.items()
    assert (
        detail["state"].items() >= {"value": "ALARM", "reason": "now ALARM", "reasonData": '{"version":"1.0"}'}.items()
    )
    assert detail["state"]["timestamp"].endswith("+0000")
    assert detail["configuration"]["description"] == "rings"
    (watched,) = detail["configuration"]["metrics"]
    metric = {"namespace": metrics.namespace, "name": "Silence", "dimensions": {"version": "7"}}
    assert watched["metricStat"] == {"metric": metric, "period": 60, "stat": "Sum"}
    assert watched["returnData"] is True


def test_an_alarm_on_metric_math_names_its_expression_and_its_metrics(metrics, alarm, received):
    part = {"Id": "m1", "MetricStat": stat(metrics.namespace, "Silence"), "ReturnData": False}
    whole = {"Id": "e1", "Expression": "SUM(METRICS())", "Label": "total", "ReturnData": True}
    nothing = dict.fromkeys(("Namespace", "MetricName", "Period", "Statistic"))
    arn = alarm(**nothing, Metrics=[whole, part])
    look = received({"resources": [arn]})
    set_state(metrics, arn, "ALARM")
    (event,) = eventually(look, within_seconds=2)
    metric = {"namespace": metrics.namespace, "name": "Silence", "dimensions": {}}
    assert event["detail"]["configuration"] == {
        "metrics": [
            {"id": "e1", "expression": "SUM(METRICS())", "label": "total", "returnData": True},
            {"id": "m1", "metricStat": {"metric": metric, "period": 60, "stat": "Sum"}, "returnData": False},
        ]
    }


def test_a_rule_chooses_by_the_state_that_an_alarm_has_now(metrics, alarm, received):
    arn = alarm()
    look = received({"resources": [arn], "detail": {"state": {"value": ["ALARM"]}}})
    for value in ("OK", "ALARM", "OK", "INSUFFICIENT_DATA", "ALARM"):
        set_state(metrics, arn, value)
    eventually(lambda: len(look()) == 2, within_seconds=2)
    assert {one["detail"]["previousState"]["value"] for one in look()} == {"OK", "INSUFFICIENT_DATA"}


def test_the_same_state_again_is_no_event(metrics, alarm, received):
    arn = alarm()
    look = received({"resources": [arn]})
    for value in ("ALARM", "ALARM", "OK"):
        set_state(metrics, arn, value)
    eventually(lambda: any(one["detail"]["state"]["value"] == "OK" for one in look()), within_seconds=2)
    assert sorted(one["detail"]["state"]["value"] for one in look()) == ["ALARM", "OK"]


def test_an_alarm_with_its_actions_disabled_sends_its_event(metrics, alarm, received):
    arn = alarm(ActionsEnabled=False)
    look = received({"resources": [arn]})
    set_state(metrics, arn, "ALARM")
    assert eventually(look, within_seconds=2)


def test_a_composite_alarm_sends_its_event_when_one_below_it_changes(cloud, metrics, alarm, received):
    below = alarm()
    name = cloud.name("composite")
    set_state(metrics, below, "OK")
    metrics.client.put_composite_alarm(AlarmName=name, AlarmRule=f'ALARM("{below}")')
    look = received({"detail": {"alarmName": [name], "state": {"value": ["ALARM"]}}})
    set_state(metrics, below, "ALARM")
    (event,) = eventually(look, within_seconds=2)
    assert event["detail"]["configuration"] == {"alarmRule": f'ALARM("{below}")'}
    assert event["detail"]["previousState"]["value"] == "OK"


def test_an_evaluation_sends_its_event_at_once_and_a_function_receives_it(cloud, metrics, alarm):
    function = cloud.function(
        f"""
        import json, time
        def handler(event, context):
            at = int(time.time() * 1000)
            definition = {{"Name": "Heard", "StorageResolution": 1}}
            directive = {{"Namespace": "{metrics.namespace}", "Dimensions": [["alarm"]], "Metrics": [definition]}}
            alarm = event["detail"]["alarmName"]
            print(json.dumps({{"_aws": {{"Timestamp": at, "CloudWatchMetrics": [directive]}}, "alarm": alarm, "Heard": at}}))
        """
    )
    client = cloud.client("lambda")
    client.invoke(FunctionName=function, Payload=b'{"detail": {"alarmName": "warm"}}')
    arn = alarm(Period=10, MetricName="Load", TreatMissingData="missing")
    name = arn.rpartition(":")[2]
    events = cloud.client("events")
    events.put_rule(Name=name, EventPattern=json.dumps({"resources": [arn], "detail": {"state": {"value": ["ALARM"]}}}))
    target = client.get_function(FunctionName=function)["Configuration"]["FunctionArn"]
    events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": target}])
    metrics.put("Load", 9)
    # Stock MiniStack evaluates when a metric is put; there is no tick to wait for.
    within_seconds = 13 if cloud.patched else 2
    eventually(lambda: metrics.total("Heard", alarm=name), within_seconds, every_seconds=0.1)

    (found,) = metrics.client.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    heard = metrics.total("Heard", "Maximum", alarm=name) / 1000
    assert found["StateValue"] == "ALARM"
    assert found["StateUpdatedTimestamp"].timestamp() % 10 >= 0.5
    assert heard - found["StateUpdatedTimestamp"].timestamp() < 1


def test_events_are_there_within_half_a_second(metrics, alarm, received):
    arn = alarm()
    look = received({"resources": [arn]})
    started = time.monotonic()
    set_state(metrics, arn, "ALARM")
    eventually(look, within_seconds=2, every_seconds=0.005)
    assert time.monotonic() - started < 0.5
