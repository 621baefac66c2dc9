"""CloudWatch: an alarm's change of state is an event on the default bus.

AWS: source ``aws.cloudwatch``, detail-type ``CloudWatch Alarm State Change``, the alarm's ARN in ``resources``. The
detail has the alarm's name, its configuration, the previous state and the new state. Disabled actions do not suppress
the event. https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html

Stock MiniStack sends no such events.
"""

from __future__ import annotations

import importlib
import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

from orchestrator.local.emulator.cloudwatch import alarm_evaluator
from orchestrator.local.emulator.cloudwatch.alarm_config import Record
from orchestrator.local.emulator.cloudwatch.alarm_evaluator import Change, State
from orchestrator.local.emulator.cloudwatch.alarm_state import format_timestamp
from orchestrator.local.emulator.cloudwatch.metric_data_queries import parse_dimensions
from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap

PINNED = {
    "ministack.services.cloudwatch._transition_composite": "b990e25bf465ac9a",
    "ministack.services.eventbridge._put_events": "ebcda0f38061fc62",
}

_SOURCE: Final = "aws.cloudwatch"
_DETAIL_TYPE: Final = "CloudWatch Alarm State Change"


def install(options: Options) -> None:
    """Install the patch in this process."""
    del options
    cloudwatch = importlib.import_module("ministack.services.cloudwatch")
    alarm_evaluator.listeners.append(_send)
    wrap(cloudwatch, "_transition_composite", _sending_events)


def _send(change: Change) -> None:
    entry = {
        "Source": _SOURCE,
        "DetailType": _DETAIL_TYPE,
        "Resources": [change.alarm["AlarmArn"]],
        "Detail": json.dumps(event_detail(change)),
    }
    importlib.import_module("ministack.services.eventbridge")._put_events({"Entries": [entry]}, allow_aws_source=True)


def _sending_events(original: Callable[..., None]) -> Callable[..., None]:
    """Send the event of a composite alarm, whose state, actions and parent alarms MiniStack itself updates."""

    def transition_composite(
        alarm: dict[str, Any], new_state: str, reason: str, triggers: Any, seen: frozenset[str] = frozenset()
    ) -> None:
        before = State.from_alarm(alarm)
        original(alarm, new_state, reason, triggers, seen)
        after = State.from_alarm(alarm)
        if after.value != before.value:
            _send(Change(alarm, before, after))

    return transition_composite


def event_detail(change: Change) -> dict[str, Any]:
    """Return the detail of the event of a change."""
    return {
        "alarmName": change.alarm["AlarmName"],
        "state": _state(change.after),
        "previousState": _state(change.before),
        "configuration": _configuration(change.alarm),
    }


def _state(state: State) -> dict[str, Any]:
    formatted = {"value": state.value, "reason": state.reason, "timestamp": format_timestamp(state.since)}
    return formatted if state.reason_data is None else {**formatted, "reasonData": state.reason_data}


def _configuration(alarm: Record) -> dict[str, Any]:
    described = {"description": alarm["AlarmDescription"]} if alarm.get("AlarmDescription") else {}
    if "AlarmRule" in alarm:
        return {"alarmRule": alarm["AlarmRule"], **described}
    if metrics := alarm.get("Metrics"):
        return {**described, "metrics": [_metric(query) for query in metrics]}
    stat = {
        "Metric": alarm,
        "Period": alarm["Period"],
        "Stat": alarm.get("ExtendedStatistic") or alarm.get("Statistic"),
    }
    single = {"Id": str(uuid.uuid5(uuid.NAMESPACE_URL, alarm["AlarmArn"])), "MetricStat": stat, "ReturnData": True}
    return {**described, "metrics": [_metric(single)]}


def _metric(query: Mapping[str, Any]) -> dict[str, Any]:
    """Return a MetricDataQuery in the form of the event."""
    formatted: dict[str, Any] = {"id": query["Id"], "returnData": query.get("ReturnData", True)}
    for key, name in (("Expression", "expression"), ("Label", "label"), ("Period", "period")):
        if query.get(key):
            formatted[name] = query[key]
    if stat := query.get("MetricStat"):
        metric = stat["Metric"]
        formatted["metricStat"] = {
            "metric": {
                "namespace": metric["Namespace"],
                "name": metric["MetricName"],
                "dimensions": parse_dimensions(metric.get("Dimensions")),
            },
            "period": stat["Period"],
            "stat": stat["Stat"],
        }
    return formatted
