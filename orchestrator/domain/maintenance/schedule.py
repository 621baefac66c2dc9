"""The schedule: the windows that are planned or under way, and closed ones whose end is not announced yet.

It is one item of the ledger, and every change is written on the condition that it has the version that was read. So two
writers never plan windows that overlap, and no two windows are ever under way.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from orchestrator.domain.errors import Refused
from orchestrator.domain.identifiers import KEY, deployment_id
from orchestrator.domain.maintenance.policy import MaintenancePolicy
from orchestrator.domain.maintenance.window import CLOCK, Window, WindowAction, WindowState, WindowStep, apply
from orchestrator.domain.notifications.alarms import SEVERITIES
from orchestrator.domain.notifications.notification import Severity
from orchestrator.domain.schema import refuse_long_text
from orchestrator.domain.texts import MAX_REASON

MAX_TITLE, MAX_TEXT = 200, 1500
"""Characters that clients read. Slack shows at most 2000 characters of one field."""

MAX_OPEN, MAX_NAMES = 20, 20
"""Windows that are open at the same time, and names of each kind in a window: a DynamoDB item has at most 400 KB."""

COMPONENT = re.compile(r"[a-z][a-z0-9-]{0,62}")

SILENCEABLE = tuple(sorted(name for name, severity in SEVERITIES.items() if severity is not Severity.CRITICAL))
"""Sections of the alarm runbook that a window may silence. SEV1 always pages."""


@dataclass(frozen=True)
class Schedule:
    """The schedule of an environment. `version`: of the stored item; 0 if there is none."""

    version: int = 0
    windows: tuple[Window, ...] = ()

    def under_way(self, now: datetime) -> Window | None:
        """Return the window that is under way by the time; None if none is."""
        return next((window for window in self.windows if window.is_under_way(now)), None)


@dataclass(frozen=True)
class Change:
    """What is to be written: the schedule afterwards, with the version that was read, and the windows that changed."""

    schedule: Schedule
    windows: tuple[Window, ...]


@dataclass(frozen=True)
class WindowRequest:
    """What a person asks for. `urgent`: why it cannot wait for the notice of the settings; empty if it can."""

    title: str
    text: str
    components: Sequence[str]
    starts_at: datetime
    ends_at: datetime
    by: str
    allowed: Sequence[str] = ()
    silenced: Sequence[str] = ()
    urgent: str = ""


def read_moment(field: str, text: str) -> datetime:
    """Return a time in UTC.

    Raises:
        Refused: it is no time by ISO 8601, or has no zone.
    """
    remedy = "give a time with its zone, such as 2026-12-24T20:00:00Z or 2026-12-24T21:00+01:00"
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise Refused(field, text, remedy)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):  # no time; or one whose UTC is before year 1 or after year 9999
        raise Refused(field, text, remedy) from None


def plan(schedule: Schedule, request: WindowRequest, policy: MaintenancePolicy, now: datetime) -> Change:
    """Plan a window.

    Raises:
        Refused: a value is wrong; the window begins too soon, is too long or overlaps another one; or there are
            `MAX_OPEN` windows. The error names the field, the value and the remedy.
    """
    before = advance(schedule, now)
    _refuse_text("--title", request.title, MAX_TITLE)
    _refuse_text("--text", request.text, MAX_TEXT)
    components = _each_once("--component", request.components, at_least=1)
    for component in components:
        if not COMPONENT.fullmatch(component):
            raise Refused("--component", component, "give up to 63 lower-case letters, digits and hyphens")
    _refuse_times(request, policy, now)
    window = Window(
        id=_window_id(request, now),
        title=request.title,
        text=request.text,
        components=components,
        starts_at=request.starts_at,
        ends_at=request.ends_at,
        allowed_deployments=tuple(map(_allowed, _each_once("--allow", request.allowed))),
        silenced_alarms=tuple(map(_silenced, _each_once("--silence", request.silenced))),
        steps=(WindowStep(WindowAction.PLAN, now, request.by, request.urgent),),
    )
    open_windows = [one for one in before.schedule.windows if one.is_open]
    if len(open_windows) >= MAX_OPEN:
        raise Refused(
            "maintenance", f"{len(open_windows)} windows", "cancel one that is not needed, or wait for an end"
        )
    _refuse_overlap("--starts", window.starts_at, window.ends_at, open_windows)
    windows = tuple(sorted((*before.schedule.windows, window), key=lambda one: one.starts_at))
    return Change(replace(before.schedule, windows=windows), (*before.windows, window))


def start(schedule: Schedule, window_id: str, by: str, reason: str, policy: MaintenancePolicy, now: datetime) -> Change:
    """Start a planned window before its time.

    Raises:
        Refused: there is no such window, it is not planned, it would be too long or overlap another one, or the reason
            is empty or too long.
    """
    _refuse_text("--reason", reason, MAX_REASON)
    before = advance(schedule, now)
    window = find_window(before.schedule, window_id)
    after = apply(window, WindowStep(WindowAction.START, now, by, reason))
    if window.ends_at - now > policy.longest:
        remedy = f"it would take more than {policy.max_hours} hours: start it later, or cancel it and plan another one"
        raise Refused("maintenance", window.description, remedy)
    _refuse_overlap("maintenance", now, window.ends_at, [one for one in before.schedule.windows if one.id != window_id])
    return _changed(before, after)


def end(schedule: Schedule, window_id: str, by: str, reason: str, now: datetime) -> Change:
    """End a window that is under way before its time.

    Raises:
        Refused: there is no such window, it is not under way, or the reason is too long.
    """
    _refuse_unprintable("--reason", reason, MAX_REASON)
    before = advance(schedule, now)
    return _changed(
        before, apply(find_window(before.schedule, window_id), WindowStep(WindowAction.END, now, by, reason))
    )


def cancel(schedule: Schedule, window_id: str, by: str, reason: str, now: datetime) -> Change:
    """Cancel a planned window.

    Raises:
        Refused: there is no such window, it is not planned, or the reason is empty or too long.
    """
    _refuse_text("--reason", reason, MAX_REASON)
    before = advance(schedule, now)
    step = WindowStep(WindowAction.CANCEL, now, by, reason)
    return _changed(before, apply(find_window(before.schedule, window_id), step))


def advance(schedule: Schedule, now: datetime) -> Change:
    """Return what the clock changes: windows begin and end at their planned times.

    A run that is late gives the same times as one that is not, and a second run changes nothing.
    """
    windows = tuple(_advanced(window, now) for window in schedule.windows)
    changed = tuple(after for before, after in zip(schedule.windows, windows, strict=True) if before != after)
    return Change(replace(schedule, windows=windows), changed)


def _advanced(window: Window, now: datetime) -> Window:
    if window.state is WindowState.PLANNED and window.starts_at <= now:
        window = apply(window, WindowStep(WindowAction.START, now, CLOCK), window.starts_at)
    if window.state is WindowState.UNDER_WAY and window.ends_at <= now:
        window = apply(window, WindowStep(WindowAction.END, now, CLOCK), window.ends_at)
    return window


def find_window(schedule: Schedule, window_id: str) -> Window:
    """Return a window of the schedule.

    Raises:
        Refused: it has no such window.
    """
    for window in schedule.windows:
        if window.id == window_id:
            return window
    remedy = "name one that is planned or under way: `orchestrator maintenance list` lists them"
    raise Refused("maintenance", window_id, remedy)


def with_window(schedule: Schedule, window: Window) -> Schedule:
    """Return the schedule with another state of one of its windows."""
    return replace(schedule, windows=tuple(window if one.id == window.id else one for one in schedule.windows))


def _changed(before: Change, window: Window) -> Change:
    others = tuple(one for one in before.windows if one.id != window.id)
    return Change(with_window(before.schedule, window), (*others, window))


def _refuse_times(request: WindowRequest, policy: MaintenancePolicy, now: datetime) -> None:
    begins, ends = request.starts_at, request.ends_at
    if begins <= now:
        raise Refused("--starts", begins.isoformat(), f"give a time in the future; it is {now:%Y-%m-%dT%H:%M:%SZ}")
    if ends <= begins:
        raise Refused("--ends", ends.isoformat(), f"give a time after the start, {begins:%Y-%m-%dT%H:%M:%SZ}")
    if ends - begins > policy.longest:
        remedy = f"a window has at most {policy.max_hours} hours: plan several, or raise maintenance.max_hours"
        raise Refused("--ends", ends.isoformat(), remedy)
    _refuse_unprintable("--urgent", request.urgent, MAX_REASON)
    if begins - now < policy.notice and not request.urgent.strip():
        remedy = f"plan it at least {policy.notice_hours} hours ahead, or say why it cannot wait: --urgent REASON"
        raise Refused("--starts", begins.isoformat(), remedy)


def _refuse_overlap(field: str, begins: datetime, ends: datetime, windows: Sequence[Window]) -> None:
    for other in windows:
        if other.overlaps(begins, ends):
            taken = f"{other.start:%Y-%m-%dT%H:%MZ} to {other.ends_at:%Y-%m-%dT%H:%MZ}"
            remedy = f"{other.id} takes {taken}: choose another time, or cancel that one"
            raise Refused(field, begins.isoformat(), remedy)


def _allowed(name: str) -> str:
    """Return the id of a deployment that is named by its id or by its idempotency key."""
    key = name.removeprefix("d-")
    if not KEY.fullmatch(key):
        raise Refused("--allow", name, "give the idempotency key of the deployment: 1 to 48 letters, digits, - or _")
    return deployment_id(key)


def _silenced(name: str) -> str:
    if name in SILENCEABLE:
        return name
    if name in SEVERITIES:
        raise Refused("--silence", name, "a SEV1 alarm pages always: omit it")
    raise Refused("--silence", name, f"give sections of docs/runbooks/alarms.md: {', '.join(SILENCEABLE)}")


def _each_once(field: str, names: Sequence[str], at_least: int = 0) -> tuple[str, ...]:
    once = tuple(dict.fromkeys(names))
    if not at_least <= len(once) <= MAX_NAMES:
        raise Refused(field, f"{len(once)} names", f"give {at_least} to {MAX_NAMES}")
    return once


def _refuse_text(field: str, value: str, at_most: int) -> None:
    if not value.strip():
        raise Refused(field, value, "give a text")
    _refuse_unprintable(field, value, at_most)


def _refuse_unprintable(field: str, value: str, at_most: int) -> None:
    refuse_long_text(field, value, at_most)


def _window_id(request: WindowRequest, now: datetime) -> str:
    """Return the id of a window. Ids begin with the planned start, so their order is that of time."""
    digest = hashlib.sha256(f"{request.title}\0{request.by}\0{now.isoformat()}".encode()).hexdigest()[:6]
    return f"mnt-{request.starts_at:%Y%m%dT%H%MZ}-{digest}"
