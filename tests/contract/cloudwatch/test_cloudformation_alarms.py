"""Alarms that a template makes."""

import json

import pytest
from botocore.exceptions import WaiterError

METRICS = [
    {"Id": "share", "Expression": "IF(whole >= 10, 100 * part / whole, 0)", "Label": "percent", "ReturnData": True},
    *(
        {
            "Id": name,
            "MetricStat": {
                "Metric": {"Namespace": "Contract", "MetricName": metric, "Dimensions": [{"Name": "d", "Value": "1"}]},
                "Period": 10,
                "Stat": "Sum",
            },
            "ReturnData": False,
        }
        for name, metric in (("part", "ServerErrors"), ("whole", "Requests"))
    ),
]


RINGING = {"ComparisonOperator": "GreaterThanThreshold", "Threshold": 5}


def alarm(cloud, ringing=RINGING, **properties):
    """An alarm as it is described after a template made it."""
    name = cloud.name("alarm")
    parameters = {"AlarmName": name, "EvaluationPeriods": 1, **ringing, **properties}
    resource = {"Type": "AWS::CloudWatch::Alarm", "Properties": parameters}
    stack = cloud.name("stack")
    formation = cloud.client("cloudformation")
    formation.create_stack(StackName=stack, TemplateBody=json.dumps({"Resources": {"Alarm": resource}}))
    formation.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    (found,) = cloud.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return found


def test_a_template_makes_an_alarm_on_metric_math(cloud):
    # Without data such an alarm keeps the state that it was made with, whenever it is evaluated.
    found = alarm(cloud, Metrics=METRICS, TreatMissingData="ignore", DatapointsToAlarm=1)

    assert sorted(found["Metrics"], key=lambda metric: metric["Id"]) == sorted(METRICS, key=lambda metric: metric["Id"])
    assert (found["Threshold"], found["TreatMissingData"], found["StateValue"]) == (
        5.0,
        "ignore",
        "INSUFFICIENT_DATA",
    )


def test_such_an_alarm_has_no_single_metric(cloud):
    assert not alarm(cloud, Metrics=METRICS).keys() & {"MetricName", "Namespace", "Statistic", "Period"}


def test_a_template_makes_an_alarm_on_a_band_which_has_no_threshold(cloud):
    band = {"Id": "band", "Expression": "ANOMALY_DETECTION_BAND(part, 3)", "ReturnData": True}
    part = METRICS[1] | {"ReturnData": True}
    above = {"ComparisonOperator": "GreaterThanUpperThreshold", "ThresholdMetricId": "band"}

    found = alarm(cloud, above, Metrics=[band, part])

    assert (found["ThresholdMetricId"], found["ComparisonOperator"]) == ("band", "GreaterThanUpperThreshold")
    assert "Threshold" not in found


@pytest.mark.both
def test_a_template_makes_an_alarm_on_one_metric(cloud):
    found = alarm(cloud, Namespace="Contract", MetricName="Errors", Statistic="Sum", Period=60)

    assert (found["Namespace"], found["MetricName"], found["Period"]) == ("Contract", "Errors", 60)
    assert "Metrics" not in found


def test_a_band_that_is_none_of_its_expressions_fails_the_stack(cloud):
    above = {"ComparisonOperator": "GreaterThanUpperThreshold", "ThresholdMetricId": "part"}

    with pytest.raises(WaiterError, match="ROLLBACK_COMPLETE"):
        alarm(cloud, above, Metrics=METRICS)
    # What a band is, is known: the same without the error is taken.
    assert alarm(cloud, Metrics=METRICS)["Threshold"] == 5
