"""CloudWatch: alarms are evaluated on a clock, by their own metrics, dimensions and settings.

AWS:

- An alarm evaluates one metric, by its exact dimensions, or the result of metric math.
- It is evaluated every minute; with a period of 10, 20 or 30 seconds every 10 seconds. Each evaluation reads the latest
  complete periods. `alarm_state` computes the resulting state.
  https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
- SetAlarmState changes the state until the next evaluation has another result. An evaluation with the same result keeps
  the given reason. Only evaluations change the state; publishing a metric does not.
  https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_SetAlarmState.html
- PutMetricAlarm accepts metric math and rejects definitions that cannot be evaluated. It keeps the state of an existing
  alarm. https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
- Disabled actions do not affect the state.

Stock MiniStack evaluates all alarms when a metric is put, over all dimensions of the metric's name together, on one
datapoint. It drops metric math.

On AWS each alarm has its own second of the minute at which it is evaluated. Here all alarms are evaluated
`EVALUATION_DELAY_SECONDS` after each tenth second of the clock (or each full minute), so that the latest data have
arrived. Low-sample percentiles are always evaluated, which is AWS's default. Actions are those that MiniStack supports:
SNS topics.
"""

from __future__ import annotations

import contextvars
import importlib
import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from orchestrator.local.emulator.cloudwatch.alarm_config import (
    SINGLE_METRIC_FIELDS,
    normalize_metrics,
    parse_alarm,
    validate_alarm,
)
from orchestrator.local.emulator.cloudwatch.alarm_state import (
    ALARM,
    INSUFFICIENT_DATA,
    OK,
    evaluate,
    state_reason,
    state_reason_data,
)
from orchestrator.local.emulator.cloudwatch.metric_data_queries import InvalidQuery
from orchestrator.local.emulator.cloudwatch.protocols import Response, format_error, format_response, parse_request
from orchestrator.local.emulator.cloudwatch.statistics import MINUTE_SECONDS
from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap

PINNED = {
    "ministack.services.cloudwatch._enable_alarm_actions": "40da31b56cc59a75",
    "ministack.services.cloudwatch._disable_alarm_actions": "8a8c267b0887d0b4",
    "ministack.services.cloudwatch._delete_alarms": "5f8a0651d9764fe9",
    "ministack.services.cloudwatch.cloudformation_delete_metric_alarm": "9e51067c38cd028c",
    "ministack.services.cloudwatch._evaluate_alarm": "a0b0acd3d432b711",
    "ministack.services.cloudwatch._evaluate_all_alarms": "f83f88e57f1ccfc9",
    "ministack.services.cloudwatch._put_metric_alarm": "953a67ff4bb1ee4b",
    "ministack.services.cloudwatch.cloudformation_put_metric_alarm": "8cb1178b326d33f7",
    "ministack.services.cloudwatch._set_alarm_state": "0fa9fef3bd1834a5",
    "ministack.services.cloudwatch._record_history": "c5890b06e5c82d3d",
    "ministack.services.cloudwatch._dispatch_alarm_actions": "fcf47c0d1e6ec4a0",
    "ministack.services.cloudwatch._evaluate_parent_alarms": "24a65a9e43d5d488",
}

TICK_SECONDS: Final = 10
"""Interval of the evaluations of an alarm with a high-resolution period."""
EVALUATION_DELAY_SECONDS: Final = 0.5
"""Delay between the end of a period and the evaluation of its alarms."""

_MODULE: Final = "ministack.services.cloudwatch"
_LOGGER: Final = logging.getLogger("cloudwatch.alarms")
_STATES: Final = (OK, ALARM, INSUFFICIENT_DATA)
_CHANGING: Final = threading.RLock()  # held while alarms are put, set and evaluated, never during notifications

_OTHER_WRITERS: Final = (
    "_enable_alarm_actions",
    "_disable_alarm_actions",
    "_delete_alarms",
    "cloudformation_delete_metric_alarm",
)

Alarm = dict[str, Any]


@dataclass(frozen=True)
class State:
    """The state of an alarm. `since` is epoch seconds, `reason_data` is JSON."""

    value: str
    reason: str
    reason_data: str | None
    since: float

    @classmethod
    def from_alarm(cls, alarm: Alarm) -> State:
        """Return the current state of an alarm."""
        since = float(alarm.get("StateUpdatedTimestamp", 0))
        return cls(alarm["StateValue"], alarm.get("StateReason", ""), alarm.get("StateReasonData") or None, since)


@dataclass(frozen=True)
class Change:
    """A change of an alarm's state."""

    alarm: Alarm
    before: State
    after: State


listeners: list[Callable[[Change], None]] = []
"""Called for every change, in order, in the context of the alarm's account and region."""


def install(options: Options) -> None:
    """Install the patch in this process and start its clock."""
    del options
    cloudwatch = importlib.import_module(_MODULE)
    wrap(cloudwatch, "_evaluate_alarm", lambda _: lambda alarm: None)  # noqa: ARG005 - the clock evaluates
    wrap(cloudwatch, "_evaluate_all_alarms", lambda _: lambda: None)
    wrap(cloudwatch, "_put_metric_alarm", _putting)
    wrap(cloudwatch, "cloudformation_put_metric_alarm", _putting_from_template)
    wrap(cloudwatch, "_set_alarm_state", _setting)
    for name in _OTHER_WRITERS:
        wrap(cloudwatch, name, _serialized)
    threading.Thread(target=_run, name="alarm-clock", daemon=True).start()


def _run() -> None:
    while True:
        now = time.time()
        due = (now - EVALUATION_DELAY_SECONDS) // TICK_SECONDS * TICK_SECONDS + TICK_SECONDS
        time.sleep(max(due + EVALUATION_DELAY_SECONDS - now, 0.01))
        evaluate_alarms(int(due))


def evaluate_alarms(at: int) -> None:
    """Evaluate the alarms of every account and region for the periods that ended by `at` (epoch seconds)."""
    for (account, region, name), _ in importlib.import_module(_MODULE)._alarms.all_items():
        try:
            contextvars.copy_context().run(_evaluate_in, account, region, name, at)
        except Exception:  # one alarm's failure must not stop the others or the clock
            _LOGGER.exception("alarm %s was not evaluated at %s", name, at)


def _evaluate_in(account: str, region: str, name: str, at: int) -> None:
    responses = importlib.import_module("ministack.core.responses")
    responses._request_account_id.set(account)
    responses._request_region.set(region)
    cloudwatch = importlib.import_module(_MODULE)
    with _CHANGING:
        alarm = cloudwatch._alarms.get(name)
        change = alarm and _evaluate_alarm(alarm, at)
    if change:
        notify(change)


def _evaluate_alarm(alarm: Alarm, at: int) -> Change | None:
    try:
        definition = parse_alarm(alarm)
        if not definition or (definition.period_seconds >= MINUTE_SECONDS and at % MINUTE_SECONDS):
            return None
        rule, seconds = definition.rule, definition.period_seconds
        periods = [at - seconds * age for age in range(rule.range_periods, 0, -1)]
        evaluation = evaluate(rule, definition.read_datapoints(periods), periods)
    except InvalidQuery as invalid:
        _LOGGER.warning("alarm %s cannot be evaluated: %s", alarm["AlarmName"], invalid)
        return None
    if evaluation is None or evaluation.state == alarm["StateValue"]:
        return None
    reason = state_reason(rule, evaluation, alarm["StateValue"])
    data = state_reason_data(
        rule, evaluation, queried=time.time(), period_seconds=seconds, statistic=definition.statistic
    )
    return _set_state(alarm, evaluation.state, reason, data)


def _set_state(alarm: Alarm, value: str, reason: str, reason_data: str | None) -> Change | None:
    """Set the state of an alarm; return the change, or None if the state is the same as before."""
    cloudwatch = importlib.import_module(_MODULE)
    is_composite = "AlarmRule" in alarm
    before, name, now = State.from_alarm(alarm), alarm["AlarmName"], round(time.time(), 3)
    # Replace the record instead of modifying it: a concurrent response may contain the old one.
    rest = {key: value for key, value in alarm.items() if key != "StateReasonData"}
    alarm = {**rest, "StateValue": value, "StateReason": reason, "StateUpdatedTimestamp": now}
    if reason_data:
        alarm["StateReasonData"] = reason_data
    if before.value != value:
        alarm["StateTransitionedTimestamp"] = now
    (cloudwatch._composite_alarms if is_composite else cloudwatch._alarms)[name] = alarm
    if before.value == value:
        return None
    kind = "CompositeAlarm" if is_composite else "MetricAlarm"
    data = json.loads(reason_data) if reason_data else None
    cloudwatch._record_history(name, before.value, value, reason, kind, data)
    return Change(alarm, before, State.from_alarm(alarm))


def notify(change: Change) -> None:
    """Notify the listeners, the composite alarms above the alarm, and its actions of a change."""
    for listener in listeners:
        listener(change)
    context = contextvars.copy_context()  # an action may run a function, which may call back into this service
    threading.Thread(target=context.run, args=(_run_actions, change), name="alarm-actions", daemon=True).start()


def _run_actions(change: Change) -> None:
    cloudwatch = importlib.import_module(_MODULE)
    cloudwatch._dispatch_alarm_actions(change.alarm, change.before.value, change.after.value, change.after.reason)
    cloudwatch._evaluate_parent_alarms(change.alarm)


def _serialized(original: Callable[..., Any]) -> Callable[..., Any]:
    """Prevent a change of the configuration from running concurrently with an evaluation of the same alarm."""

    def changing(*args: Any, **kwargs: Any) -> Any:
        with _CHANGING:
            return original(*args, **kwargs)

    return changing


def _putting(original: Callable[..., Response]) -> Callable[..., Response]:
    def put_metric_alarm(params: Any, body: Any, is_cbor: bool, is_json: bool = False) -> Response:  # noqa: FBT001, FBT002
        request = parse_request(params, body, is_cbor=is_cbor, is_json=is_json)
        try:
            validate_alarm(request)
        except InvalidQuery as invalid:
            return format_error(invalid.code, str(invalid), is_cbor=is_cbor, is_json=is_json)
        with _CHANGING:
            before = importlib.import_module(_MODULE)._alarms.get(request["AlarmName"])
            response = original(params, body, is_cbor, is_json)
            if response[0] == 200:  # noqa: PLR2004 - OK
                _complete_record(request, before)
        return response

    return put_metric_alarm


def _complete_record(request: Any, before: Alarm | None) -> None:
    """Add to the record of an alarm what MiniStack leaves out."""
    cloudwatch = importlib.import_module(_MODULE)
    alarm = cloudwatch._alarms[request["AlarmName"]]
    for field in ("StateReasonData", "StateTransitionedTimestamp"):
        if before and field in before:
            alarm[field] = before[field]
    if request.get("Metrics"):
        rest = {key: value for key, value in alarm.items() if key not in SINGLE_METRIC_FIELDS}
        cloudwatch._alarms[request["AlarmName"]] = {**rest, "Metrics": normalize_metrics(request["Metrics"])}


def _putting_from_template(original: Callable[[Alarm], None]) -> Callable[[Alarm], None]:
    def cloudformation_put_metric_alarm(alarm: Alarm) -> None:
        if "Metrics" in alarm:
            alarm = {**alarm, "Metrics": normalize_metrics(alarm["Metrics"])}
        try:
            validate_alarm(alarm)
        except InvalidQuery as invalid:
            raise ValueError(str(invalid)) from invalid  # fails the resource, and so the stack
        with _CHANGING:
            original(alarm)

    return cloudformation_put_metric_alarm


def _setting(original: Callable[..., Response]) -> Callable[..., Response]:
    del original

    def set_alarm_state(params: Any, body: Any, is_cbor: bool, is_json: bool = False) -> Response:  # noqa: FBT001, FBT002
        request = parse_request(params, body, is_cbor=is_cbor, is_json=is_json)
        cloudwatch = importlib.import_module(_MODULE)
        name, value, data = (
            request.get("AlarmName", ""),
            request.get("StateValue"),
            request.get("StateReasonData") or None,
        )
        try:
            _check_state(value, data)
        except InvalidQuery as invalid:
            return format_error(invalid.code, str(invalid), is_cbor=is_cbor, is_json=is_json)
        with _CHANGING:
            alarm = cloudwatch._alarms.get(name) or cloudwatch._composite_alarms.get(name)
            change = alarm and _set_state(alarm, str(value), request.get("StateReason", ""), data)
        if not alarm:
            return format_error(
                "ResourceNotFound", f"Alarm {name} not found", is_cbor=is_cbor, is_json=is_json, status=404
            )
        if change:
            cloudwatch._composite_triggers.pop(name, None)
            notify(change)
        return format_response("_set_alarm_state", {}, is_cbor=is_cbor, is_json=is_json)

    return set_alarm_state


def _check_state(value: str | None, reason_data: str | None) -> None:
    if value not in _STATES:
        raise InvalidQuery(f"Value '{value}' at 'stateValue' must satisfy enum value set: [{', '.join(_STATES)}]")
    try:
        json.loads(reason_data or "{}")
    except ValueError:
        raise InvalidQuery("TemplateParsing: stateReasonData is not a valid JSON object") from None
