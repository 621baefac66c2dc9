"""CloudFormation: an alarm on metric math.

AWS: ``AWS::CloudWatch::Alarm`` takes ``Metrics``, up to twenty metrics and expressions of which one returns the data that the
alarm watches, in place of ``MetricName``, ``Namespace``, ``Period``, ``Statistic``, ``ExtendedStatistic`` and ``Dimensions``.
An alarm on a band names the expression that gives the band as its ``ThresholdMetricId``, in place of a ``Threshold``.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudwatch-alarm.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html

MiniStack refuses the whole stack: "Properties.Metrics (metric math) is not supported", "Threshold is required". An alarm on a band is
stored here and not judged (`alarm_records`).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.local.fidelity.options import Options
from orchestrator.local.fidelity.wrapping import wrap

PINNED = {
    "ministack.services.cloudformation.provisioners._cw_metric_alarm_record": "4565fcede1ebf266b93fd427e72d1606f3de10bea9993e680a1ef4d03485aada",
    "ministack.services.cloudwatch.cloudformation_put_metric_alarm": "8cb1178b326d33f79863f40c8dbb1b0924dd1c2f670a26d20b3393d398841b55",
}

Record = Callable[[str, Mapping[str, Any]], dict[str, Any]]

_OF_ONE_METRIC = ("MetricName", "Namespace", "Period", "Statistic", "ExtendedStatistic", "Dimensions", "Unit")
# A record is made with them, and does not keep them.
_PLACEHOLDERS = {"MetricName": "-", "Namespace": "-"}


def install(options: Options) -> None:
    """Let CloudFormation keep an alarm's metrics in its record, under the name that PutMetricAlarm has for them."""
    del options
    provisioners = importlib.import_module("ministack.services.cloudformation.provisioners")

    def keeping_metrics(original: Record) -> Record:
        def record(name: str, props: Mapping[str, Any]) -> dict[str, Any]:
            metrics = props.get("Metrics")
            if not metrics:
                return original(name, props)
            others = {key: value for key, value in props.items() if key != "Metrics"}
            band = {"ThresholdMetricId": props["ThresholdMetricId"]} if "ThresholdMetricId" in props else {}
            made = original(name, {**others, **_PLACEHOLDERS, **({"Threshold": 0} if band else {})})
            left = {*_OF_ONE_METRIC, *(("Threshold",) if band else ())}
            return {**{key: value for key, value in made.items() if key not in left}, "Metrics": metrics, **band}

        return record

    wrap(provisioners, "_cw_metric_alarm_record", keeping_metrics)
