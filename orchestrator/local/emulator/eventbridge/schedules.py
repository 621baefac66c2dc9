"""EventBridge Scheduler: schedules fire at their times, in their time zone, with the context attributes in their input.

AWS:

- ``rate``, ``cron`` and ``at`` expressions; the time zone counts for the last two. A rate begins at its start date, or at
  once. An invocation comes within 60 seconds after its time.
  https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
- A schedule that is disabled, has not started or has ended invokes nothing. After the last invocation it is deleted if
  ``ActionAfterCompletion`` is DELETE.
  https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html
- ``<aws.scheduler.scheduled-time>``, ``<aws.scheduler.schedule-arn>``, ``<aws.scheduler.execution-id>`` and
  ``<aws.scheduler.attempt-number>`` in the input are replaced.
  https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html

Here an invocation comes within a second. Without a start date, a rate begins one interval after the creation: functions that
are still being deployed are not invoked. An invocation is not delayed within a flexible time window, not repeated, and no permission
of the schedule's role is checked. Times that the cloud did not run are not made up for.

Stock MiniStack fires within ten seconds, replaces no context attribute, takes every expression as UTC, and ignores the
time zone and the dates of a schedule that CloudFormation makes.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from orchestrator.local.emulator.options import Options

PINNED = {
    "ministack.services.scheduler._tick_schedules": "0ece514e91205b1d",
    "ministack.services.scheduler._to_epoch": "171d744977fd4531",
    "ministack.services.scheduler._create_schedule": "5b205607c15c5c7f",
    "ministack.services.eventbridge._parse_cron_fields": "c88b90c1864de059",
    "ministack.services.eventbridge._cron_next_fire": "6c0efd26b6123373",
    "ministack.services.eventbridge._parse_rate_seconds": "0184f31e965ea481",
    "ministack.services.eventbridge._invoke_target": "550e304af0809563",
    "ministack.services.cloudformation.provisioners._scheduler_schedule_create": "76f27cf333eb3f04",
    "ministack.services.cloudformation.provisioners._scheduler_schedule_update": "70e0243c9de11d44",
}

TYPE: Final = "AWS::Scheduler::Schedule"
_TICK_SECONDS: Final = 1.0
_OF_TEMPLATES: Final = ("ScheduleExpressionTimezone", "StartDate", "EndDate")
_AT: Final = "at("

_log = logging.getLogger(__name__)

Schedule = Mapping[str, Any]


def install(_options: Options) -> None:
    """Install the patch in this process. MiniStack starts the thread that calls `_tick_schedules`."""
    scheduler: Any = importlib.import_module("ministack.services.scheduler")
    scheduler._SCHEDULE_TICK_INTERVAL = _TICK_SECONDS
    scheduler._tick_schedules = Ticks(datetime.now(UTC)).fire_due
    handlers = importlib.import_module("ministack.services.cloudformation.provisioners")._RESOURCE_HANDLERS[TYPE]
    handlers["create"] = _with_dates(handlers["create"], properties_at=1)
    handlers["update"] = _with_dates(handlers["update"], properties_at=2)


class Ticks:
    """Fires every schedule at its times.

    Args:
        begin: earlier times are past.
    """

    def __init__(self, begin: datetime) -> None:
        self._seen = begin

    def fire_due(self) -> None:
        """Fire what was due since the last call, each schedule once."""
        now, seen = datetime.now(UTC), self._seen
        self._seen = now
        scheduler = importlib.import_module("ministack.services.scheduler")
        for place, schedule in list(scheduler._schedules._data.items()):
            account, region, _ = place
            scheduled = due(schedule, seen, now)
            if scheduled is not None:
                with importlib.import_module("ministack.core.responses").request_scope(account, region):
                    _fire(schedule, scheduled)
            if schedule.get("ActionAfterCompletion") == "DELETE" and is_complete(schedule, now):
                scheduler._schedules._data.pop(place, None)


def due(schedule: Schedule, after: datetime, until: datetime) -> datetime | None:
    """Return the first time of a schedule after one time, and not after another; None if there is none.

    Args:
        schedule: as MiniStack keeps it.
        after: exclusive.
        until: inclusive.
    """
    start, end = (_date(schedule.get(name)) for name in ("StartDate", "EndDate"))
    if schedule.get("State") != "ENABLED":
        return None
    scheduled = _next(schedule, after, start)
    if scheduled is None or scheduled > until or (start and scheduled < start) or (end and scheduled > end):
        return None
    return scheduled


def is_complete(schedule: Schedule, now: datetime) -> bool:
    """Return whether a schedule invokes nothing any more."""
    end, once = _date(schedule.get("EndDate")), _at(schedule)
    return (end is not None and now > end) or (once is not None and now >= once)


def _next(schedule: Schedule, after: datetime, start: datetime | None) -> datetime | None:
    expression = str(schedule.get("ScheduleExpression", ""))
    if expression.startswith(_AT):
        once = _at(schedule)
        return once if once is not None and once > after else None
    eventbridge = importlib.import_module("ministack.services.eventbridge")
    if fields := eventbridge._parse_cron_fields(expression):
        zone = _zone(schedule)
        # MiniStack reckons in UTC: the local time is given as if it were.
        local: datetime | None = eventbridge._cron_next_fire(fields, after.astimezone(zone).replace(tzinfo=UTC))
        return local.replace(tzinfo=zone).astimezone(UTC) if local else None
    seconds = eventbridge._parse_rate_seconds(expression)
    if not seconds:
        return None
    interval, anchor = timedelta(seconds=seconds), start or _date(schedule["CreationDate"]) or after
    if start and after < start:
        return start
    passed = max(after - anchor, timedelta(0)) // interval
    return anchor + (passed + 1) * interval


def _at(schedule: Schedule) -> datetime | None:
    expression = str(schedule.get("ScheduleExpression", ""))
    if not expression.startswith(_AT):
        return None
    named = datetime.fromisoformat(expression.removeprefix(_AT).rstrip(")").strip())
    return named.replace(tzinfo=_zone(schedule)).astimezone(UTC)


def _zone(schedule: Schedule) -> ZoneInfo:
    return ZoneInfo(str(schedule.get("ScheduleExpressionTimezone") or "UTC"))


def _date(value: Any) -> datetime | None:
    seconds = importlib.import_module("ministack.services.scheduler")._to_epoch(value)
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _fire(schedule: Schedule, scheduled: datetime) -> None:
    responses, eventbridge = (
        importlib.import_module(f"ministack.{name}") for name in ("core.responses", "services.eventbridge")
    )
    execution, target = str(responses.new_uuid()), dict(schedule.get("Target") or {})
    if "Input" in target:
        target["Input"] = with_attributes(str(target["Input"]), str(schedule["Arn"]), scheduled, execution)
    event = {
        "EventId": execution,
        "Source": "aws.scheduler",
        "DetailType": "Scheduled Event",
        "Detail": "{}",
        "Time": scheduled.timestamp(),
        "Resources": [schedule["Arn"]],
        "Account": responses.get_account_id(),
        "Region": responses.get_region(),
    }
    try:
        eventbridge._invoke_target(target, event, schedule)
    except Exception:  # noqa: BLE001 - one failed target must not end the others
        _log.exception("the schedule %s failed", schedule["Arn"])


def with_attributes(text: str, arn: str, scheduled: datetime, execution: str) -> str:
    """Return an input with the values of its context attributes."""
    values = {
        "schedule-arn": arn,
        "scheduled-time": f"{scheduled:%Y-%m-%dT%H:%M:%SZ}",
        "execution-id": execution,
        "attempt-number": "1",
    }
    for name, value in values.items():
        text = text.replace(f"<aws.scheduler.{name}>", value)
    return text


def _with_dates(original: Callable[..., Any], properties_at: int) -> Callable[..., Any]:
    """Have CloudFormation set the time zone and the dates, too."""

    def provision(*arguments: Any, **keywords: Any) -> Any:
        made = original(*arguments, **keywords)
        properties = arguments[properties_at]
        schedules = importlib.import_module("ministack.services.scheduler")._schedules
        stored = schedules[f"{properties.get('GroupName', 'default')}/{made[0]}"]
        stored |= {name: properties[name] for name in _OF_TEMPLATES if name in properties}
        return made

    return provision
