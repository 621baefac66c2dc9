"""CloudFormation: alarms on metric math and on anomaly detection bands.

AWS: ``AWS::CloudWatch::Alarm`` takes ``Metrics``, up to twenty metrics and expressions of which one returns the data
of the alarm, instead of ``MetricName``, ``Namespace``, ``Period``, ``Statistic``, ``ExtendedStatistic`` and
``Dimensions``. An alarm on a band names the band's expression as its ``ThresholdMetricId``, instead of a
``Threshold``.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudwatch-alarm.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html

Stock MiniStack rejects the whole stack: "Properties.Metrics (metric math) is not supported", "Threshold is required".
Here an alarm on a band is stored but not evaluated (`alarm_config`).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap

PINNED = {
    "ministack.services.cloudformation.provisioners._cw_metric_alarm_record": "4565fcede1ebf266",
    "ministack.services.cloudwatch.cloudformation_put_metric_alarm": "8cb1178b326d33f7",
}

Record = Callable[[str, Mapping[str, Any]], dict[str, Any]]

_SINGLE_METRIC_FIELDS = ("MetricName", "Namespace", "Period", "Statistic", "ExtendedStatistic", "Dimensions", "Unit")
# MiniStack needs these values to create a record; they are removed from it.
_PLACEHOLDERS = {"MetricName": "-", "Namespace": "-"}


def install(options: Options) -> None:
    """Make CloudFormation keep an alarm's metrics in its record, under PutMetricAlarm's name for them."""
    del options
    provisioners = importlib.import_module("ministack.services.cloudformation.provisioners")

    def keeping_metrics(original: Record) -> Record:
        def record(name: str, props: Mapping[str, Any]) -> dict[str, Any]:
            metrics = props.get("Metrics")
            if not metrics:
                return original(name, props)
            others = {key: value for key, value in props.items() if key != "Metrics"}
            band = {"ThresholdMetricId": props["ThresholdMetricId"]} if "ThresholdMetricId" in props else {}
            alarm = original(name, {**others, **_PLACEHOLDERS, **({"Threshold": 0} if band else {})})
            removed = {*_SINGLE_METRIC_FIELDS, *(("Threshold",) if band else ())}
            return {**{key: value for key, value in alarm.items() if key not in removed}, "Metrics": metrics, **band}

        return record

    wrap(provisioners, "_cw_metric_alarm_record", keeping_metrics)
