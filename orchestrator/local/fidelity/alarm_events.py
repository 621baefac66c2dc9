"""CloudWatch: an alarm's change of state is an event on the default bus.

AWS: source ``aws.cloudwatch``, detail-type ``CloudWatch Alarm State Change``, the alarm's ARN in ``resources``; the detail
has the alarm's name, what it watches, the state before and the state now. Actions that are disabled do not hold it back.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html

MiniStack sends none.
"""

from __future__ import annotations

import importlib
import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

from orchestrator.local.fidelity import alarms
from orchestrator.local.fidelity.alarm_records import Record
from orchestrator.local.fidelity.alarm_states import timestamp
from orchestrator.local.fidelity.alarms import Change, State
from orchestrator.local.fidelity.metric_data import dimensions_of
from orchestrator.local.fidelity.options import Options
from orchestrator.local.fidelity.wrapping import wrap

PINNED = {
    "ministack.services.cloudwatch._transition_composite": "b990e25bf465ac9adc641f941bffa3c8f73c5881d14554abd3238c01e0697220",
    "ministack.services.eventbridge._put_events": "ebcda0f38061fc62265a3f72bcc4005a49bb4494392923947544f13c9ee82298",
}

_SOURCE: Final = "aws.cloudwatch"
_DETAIL_TYPE: Final = "CloudWatch Alarm State Change"


def install(options: Options) -> None:
    """Put the mend in place, in this process."""
    del options
    cloudwatch = importlib.import_module("ministack.services.cloudwatch")
    alarms.listeners.append(_send)
    wrap(cloudwatch, "_transition_composite", _telling)


def _send(change: Change) -> None:
    entry = {
        "Source": _SOURCE,
        "DetailType": _DETAIL_TYPE,
        "Resources": [change.alarm["AlarmArn"]],
        "Detail": json.dumps(detail_of(change)),
    }
    importlib.import_module("ministack.services.eventbridge")._put_events({"Entries": [entry]}, allow_aws_source=True)


def _telling(original: Callable[..., None]) -> Callable[..., None]:
    """A composite alarm changes in MiniStack's own way, which tells its actions and those above it."""

    def transition_composite(
        alarm: dict[str, Any], new_state: str, reason: str, triggers: Any, seen: frozenset[str] = frozenset()
    ) -> None:
        before = State.of(alarm)
        original(alarm, new_state, reason, triggers, seen)
        after = State.of(alarm)
        if after.value != before.value:
            _send(Change(alarm, before, after))

    return transition_composite


def detail_of(change: Change) -> dict[str, Any]:
    """Return the detail of a change's event."""
    return {
        "alarmName": change.alarm["AlarmName"],
        "state": _state(change.after),
        "previousState": _state(change.before),
        "configuration": _configuration(change.alarm),
    }


def _state(state: State) -> dict[str, Any]:
    spelt = {"value": state.value, "reason": state.reason, "timestamp": timestamp(state.since)}
    return spelt if state.reason_data is None else {**spelt, "reasonData": state.reason_data}


def _configuration(alarm: Record) -> dict[str, Any]:
    described = {"description": alarm["AlarmDescription"]} if alarm.get("AlarmDescription") else {}
    if "AlarmRule" in alarm:
        return {"alarmRule": alarm["AlarmRule"], **described}
    if metrics := alarm.get("Metrics"):
        return {**described, "metrics": [_metric(one) for one in metrics]}
    stat = {
        "Metric": alarm,
        "Period": alarm["Period"],
        "Stat": alarm.get("ExtendedStatistic") or alarm.get("Statistic"),
    }
    only = {"Id": str(uuid.uuid5(uuid.NAMESPACE_URL, alarm["AlarmArn"])), "MetricStat": stat, "ReturnData": True}
    return {**described, "metrics": [_metric(only)]}


def _metric(given: Mapping[str, Any]) -> dict[str, Any]:
    """Spell a MetricDataQuery as the event does."""
    spelt: dict[str, Any] = {"id": given["Id"], "returnData": given.get("ReturnData", True)}
    for key, name in (("Expression", "expression"), ("Label", "label"), ("Period", "period")):
        if given.get(key):
            spelt[name] = given[key]
    if stat := given.get("MetricStat"):
        metric = stat["Metric"]
        spelt["metricStat"] = {
            "metric": {
                "namespace": metric["Namespace"],
                "name": metric["MetricName"],
                "dimensions": dimensions_of(metric.get("Dimensions")),
            },
            "period": stat["Period"],
            "stat": stat["Stat"],
        }
    return spelt
