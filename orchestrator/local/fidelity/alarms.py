"""CloudWatch: alarms are evaluated on a clock, by what they watch and what they ask for.

AWS:

- An alarm watches one metric, by its exact dimensions, or the result of metric math.
- It is evaluated every minute; one whose period is 10, 20 or 30 seconds every 10 seconds. Each evaluation looks at the
  latest whole periods. What state they give is in `alarm_states`.
  https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
- SetAlarmState changes the state until the next evaluation finds another one; an evaluation that finds the same leaves
  the given reason. Nothing but an evaluation changes the state: publishing a metric does not.
  https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_SetAlarmState.html
- PutMetricAlarm takes metric math, and refuses what could not be evaluated. It leaves the state of an alarm that exists.
  https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
- With its actions disabled an alarm changes its state all the same.

MiniStack evaluates all alarms when a metric is put, over all dimensions of the metric's name together, on one datapoint;
it drops metric math.

On AWS the seconds of the minute at which an alarm is evaluated are its own. Here all are evaluated `SETTLE_SECONDS` after
each tenth second of the clock (each full minute), so that what happened just before has arrived. Low-sample percentiles
are always evaluated, as is AWS's default. Actions are what MiniStack knows as such: SNS topics.
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

from orchestrator.local.fidelity.alarm_records import OF_ONE_METRIC, check, metrics_as_described, watch_of
from orchestrator.local.fidelity.alarm_states import ALARM, INSUFFICIENT_DATA, OK, judge, reason_data_of, reason_of
from orchestrator.local.fidelity.cloudwatch_protocol import Answer, answer, asked, refused
from orchestrator.local.fidelity.metric_data import InvalidQuery
from orchestrator.local.fidelity.metric_series import MINUTE_SECONDS
from orchestrator.local.fidelity.options import Options
from orchestrator.local.fidelity.wrapping import wrap

PINNED = {
    "ministack.services.cloudwatch._enable_alarm_actions": "40da31b56cc59a753078939715aee41bb8a0ff719f2d4b1fddd9c97a0bb365d2",
    "ministack.services.cloudwatch._disable_alarm_actions": "8a8c267b0887d0b4abdf0ef9cbfd30aeed5e3bcc099b1d3d76f86ae827840ba2",
    "ministack.services.cloudwatch._delete_alarms": "5f8a0651d9764fe93e9f6e31f828c66cd7c558252173c9a8c8c402066e3de0fc",
    "ministack.services.cloudwatch.cloudformation_delete_metric_alarm": "9e51067c38cd028cb7a85ff2f4a1ed1f8b6ad60b4a9e52499612f1f7a046ed5c",
    "ministack.services.cloudwatch._evaluate_alarm": "a0b0acd3d432b711a4e0a2cc389b6acea5aab29ecc5e5986b13fb370cdad30fe",
    "ministack.services.cloudwatch._evaluate_all_alarms": "f83f88e57f1ccfc9ae5020078bce761ce6af4f5d9b6ec938be7f439681daaaa7",
    "ministack.services.cloudwatch._put_metric_alarm": "953a67ff4bb1ee4bc36f84b0c5c0fce770df1eb228c40a9fb59a83d67c310d5f",
    "ministack.services.cloudwatch.cloudformation_put_metric_alarm": "8cb1178b326d33f79863f40c8dbb1b0924dd1c2f670a26d20b3393d398841b55",
    "ministack.services.cloudwatch._set_alarm_state": "0fa9fef3bd1834a55313e8b54bdb9d2e29fa01158f493f8e6114f110308e54bc",
    "ministack.services.cloudwatch._record_history": "c5890b06e5c82d3d80855e157b695b5ab9cddcb6a31083233e8360c9ed70222e",
    "ministack.services.cloudwatch._dispatch_alarm_actions": "fcf47c0d1e6ec4a03a219d7bf8d5a7218ed085cb29f497c8a98f417c45ecbd49",
    "ministack.services.cloudwatch._evaluate_parent_alarms": "24a65a9e43d5d48893d44b822c9d3bf25f2e6542f9b7d41dac3d28ee5e61f1b7",
}

TICK_SECONDS: Final = 10
"""How often an alarm of a high-resolution period is evaluated."""
SETTLE_SECONDS: Final = 0.5
"""How long after the end of a period its alarms are evaluated."""

_MODULE: Final = "ministack.services.cloudwatch"
_LOGGER: Final = logging.getLogger("cloudwatch.alarms")
_STATES: Final = (OK, ALARM, INSUFFICIENT_DATA)
_CHANGING: Final = threading.RLock()  # held while alarms are put, set and judged, never while anybody is told

_OTHER_WRITERS: Final = (
    "_enable_alarm_actions",
    "_disable_alarm_actions",
    "_delete_alarms",
    "cloudformation_delete_metric_alarm",
)

Alarm = dict[str, Any]


@dataclass(frozen=True)
class State:
    """A state that an alarm has or had. `since` is epoch seconds, `reason_data` is JSON."""

    value: str
    reason: str
    reason_data: str | None
    since: float

    @classmethod
    def of(cls, alarm: Alarm) -> State:
        """Return the state that the alarm has."""
        since = float(alarm.get("StateUpdatedTimestamp", 0))
        return cls(alarm["StateValue"], alarm.get("StateReason", ""), alarm.get("StateReasonData") or None, since)


@dataclass(frozen=True)
class Change:
    """An alarm's change from one state to another."""

    alarm: Alarm
    before: State
    after: State


listeners: list[Callable[[Change], None]] = []
"""Who is told of every change, in order, in the context of the alarm's account and region."""


def install(options: Options) -> None:
    """Put the mend in place, in this process, and start its clock."""
    del options
    cloudwatch = importlib.import_module(_MODULE)
    wrap(cloudwatch, "_evaluate_alarm", lambda _: lambda alarm: None)  # noqa: ARG005 - the clock does it
    wrap(cloudwatch, "_evaluate_all_alarms", lambda _: lambda: None)
    wrap(cloudwatch, "_put_metric_alarm", _putting)
    wrap(cloudwatch, "cloudformation_put_metric_alarm", _putting_from_template)
    wrap(cloudwatch, "_set_alarm_state", _setting)
    for name in _OTHER_WRITERS:
        wrap(cloudwatch, name, _one_at_a_time)
    threading.Thread(target=_run, name="alarm-clock", daemon=True).start()


def _run() -> None:
    while True:
        now = time.time()
        due = (now - SETTLE_SECONDS) // TICK_SECONDS * TICK_SECONDS + TICK_SECONDS
        time.sleep(max(due + SETTLE_SECONDS - now, 0.01))
        evaluate_all(int(due))


def evaluate_all(at: int) -> None:
    """Evaluate the alarms of every account and region for the periods that ended until `at`, epoch seconds."""
    for (account, region, name), _ in importlib.import_module(_MODULE)._alarms.all_items():
        try:
            contextvars.copy_context().run(_evaluate_in, account, region, name, at)
        except Exception:  # one alarm's failure is not the others', and the clock goes on
            _LOGGER.exception("alarm %s was not evaluated at %s", name, at)


def _evaluate_in(account: str, region: str, name: str, at: int) -> None:
    responses = importlib.import_module("ministack.core.responses")
    responses._request_account_id.set(account)
    responses._request_region.set(region)
    cloudwatch = importlib.import_module(_MODULE)
    with _CHANGING:
        alarm = cloudwatch._alarms.get(name)
        change = alarm and _evaluated(alarm, at)
    if change:
        tell(change)


def _evaluated(alarm: Alarm, at: int) -> Change | None:
    try:
        watch = watch_of(alarm)
        if not watch or (watch.period_seconds >= MINUTE_SECONDS and at % MINUTE_SECONDS):
            return None
        seconds = watch.period_seconds
        periods = [at - seconds * age for age in range(watch.rule.range_periods, 0, -1)]
        judged = judge(watch.rule, watch.values(periods), periods)
    except InvalidQuery as invalid:
        _LOGGER.warning("alarm %s cannot be evaluated: %s", alarm["AlarmName"], invalid)
        return None
    if judged is None or judged.state == alarm["StateValue"]:
        return None
    reason = reason_of(watch.rule, judged, alarm["StateValue"])
    data = reason_data_of(watch.rule, judged, queried=time.time(), period_seconds=seconds, statistic=watch.statistic)
    return _changed(alarm, judged.state, reason, data)


def _changed(alarm: Alarm, value: str, reason: str, reason_data: str | None) -> Change | None:
    """Give an alarm a state; returns the change, None where it has the same as before."""
    cloudwatch = importlib.import_module(_MODULE)
    is_composite = "AlarmRule" in alarm
    before, name, now = State.of(alarm), alarm["AlarmName"], round(time.time(), 3)
    # A new record in the old one's place: the old one may be on its way into an answer.
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
    return Change(alarm, before, State.of(alarm))


def tell(change: Change) -> None:
    """Tell everybody of an alarm's change: listeners, composite alarms above it, and its actions."""
    for listener in listeners:
        listener(change)
    context = contextvars.copy_context()  # an action may run a function, which may call back into this service
    threading.Thread(target=context.run, args=(_act, change), name="alarm-actions", daemon=True).start()


def _act(change: Change) -> None:
    cloudwatch = importlib.import_module(_MODULE)
    cloudwatch._dispatch_alarm_actions(change.alarm, change.before.value, change.after.value, change.after.reason)
    cloudwatch._evaluate_parent_alarms(change.alarm)


def _one_at_a_time(original: Callable[..., Any]) -> Callable[..., Any]:
    """Keep a change of the configuration from meeting an evaluation of the same alarm."""

    def changing(*given: Any, **named: Any) -> Any:
        with _CHANGING:
            return original(*given, **named)

    return changing


def _putting(original: Callable[..., Answer]) -> Callable[..., Answer]:
    def put_metric_alarm(params: Any, body: Any, is_cbor: bool, is_json: bool = False) -> Answer:  # noqa: FBT001, FBT002
        given = asked(params, body, is_cbor=is_cbor, is_json=is_json)
        try:
            check(given)
        except InvalidQuery as invalid:
            return refused(invalid.code, str(invalid), is_cbor=is_cbor, is_json=is_json)
        with _CHANGING:
            before = importlib.import_module(_MODULE)._alarms.get(given["AlarmName"])
            put = original(params, body, is_cbor, is_json)
            if put[0] == 200:  # noqa: PLR2004 - OK
                _complete(given, before)
        return put

    return put_metric_alarm


def _complete(given: Any, before: Alarm | None) -> None:
    """Give the record of an alarm that was put what MiniStack leaves out."""
    cloudwatch = importlib.import_module(_MODULE)
    alarm = cloudwatch._alarms[given["AlarmName"]]
    for kept in ("StateReasonData", "StateTransitionedTimestamp"):
        if before and kept in before:
            alarm[kept] = before[kept]
    if given.get("Metrics"):
        rest = {key: value for key, value in alarm.items() if key not in OF_ONE_METRIC}
        cloudwatch._alarms[given["AlarmName"]] = {**rest, "Metrics": metrics_as_described(given["Metrics"])}


def _putting_from_template(original: Callable[[Alarm], None]) -> Callable[[Alarm], None]:
    def cloudformation_put_metric_alarm(alarm: Alarm) -> None:
        if "Metrics" in alarm:
            alarm = {**alarm, "Metrics": metrics_as_described(alarm["Metrics"])}
        try:
            check(alarm)
        except InvalidQuery as invalid:
            raise ValueError(str(invalid)) from invalid  # fails the resource, and so the stack
        with _CHANGING:
            original(alarm)

    return cloudformation_put_metric_alarm


def _setting(original: Callable[..., Answer]) -> Callable[..., Answer]:
    del original

    def set_alarm_state(params: Any, body: Any, is_cbor: bool, is_json: bool = False) -> Answer:  # noqa: FBT001, FBT002
        given = asked(params, body, is_cbor=is_cbor, is_json=is_json)
        cloudwatch = importlib.import_module(_MODULE)
        name, value, data = given.get("AlarmName", ""), given.get("StateValue"), given.get("StateReasonData") or None
        try:
            _check_state(value, data)
        except InvalidQuery as invalid:
            return refused(invalid.code, str(invalid), is_cbor=is_cbor, is_json=is_json)
        with _CHANGING:
            alarm = cloudwatch._alarms.get(name) or cloudwatch._composite_alarms.get(name)
            change = alarm and _changed(alarm, str(value), given.get("StateReason", ""), data)
        if not alarm:
            return refused("ResourceNotFound", f"Alarm {name} not found", is_cbor=is_cbor, is_json=is_json, status=404)
        if change:
            cloudwatch._composite_triggers.pop(name, None)
            tell(change)
        return answer("_set_alarm_state", {}, is_cbor=is_cbor, is_json=is_json)

    return set_alarm_state


def _check_state(value: str | None, reason_data: str | None) -> None:
    if value not in _STATES:
        raise InvalidQuery(f"Value '{value}' at 'stateValue' must satisfy enum value set: [{', '.join(_STATES)}]")
    try:
        json.loads(reason_data or "{}")
    except ValueError:
        raise InvalidQuery("TemplateParsing: stateReasonData is not a valid JSON object") from None
