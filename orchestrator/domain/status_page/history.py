"""The history of a component: the changes of its state, from which bars by day and the uptime follow.

Uptime is counted as Statuspage counts it: a major outage is down, 30 % of a partial outage is, degraded performance and
maintenance are not (https://support.atlassian.com/statuspage/docs/display-historical-uptime-of-components/). Time in
which the state is not known is left out, and is never uptime.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from orchestrator.domain.status_page.component_state import ComponentState, worst_of

DAYS = 90
DAY = timedelta(days=1)
MOST_CHANGES = 450
"""Of a component, the newest. A change has at most 67 bytes of JSON, so 12 components have 370 KB; an item may have 400."""

LONGEST_GAP = timedelta(minutes=10)
"""A state is taken to last until the next observation. After a longer gap, it is not known what it was in the gap."""

DOWN_SHARE: Mapping[ComponentState, float] = {
    ComponentState.MAJOR_OUTAGE: 1.0,
    ComponentState.PARTIAL_OUTAGE: 0.3,
}


@dataclass(frozen=True)
class StateChange:
    """From `at` on, a component had this state."""

    at: datetime
    state: ComponentState


@dataclass(frozen=True)
class PageRecord:
    """What the ledger keeps of a status page.

    Attributes:
        version: of the stored item; 0 if there is none.
        observed_at: when the states were decided last.
        histories: component id to the changes of its state, oldest first.
        failed_probes: function to the number of its newest probes that failed in a row.
        digest: of the published content without its time; empty if nothing was published.
        published_at: when the page was written last.
    """

    version: int = 0
    observed_at: datetime | None = None
    histories: Mapping[str, tuple[StateChange, ...]] = field(default_factory=dict)
    failed_probes: Mapping[str, int] = field(default_factory=dict)
    digest: str = ""
    published_at: datetime | None = None


@dataclass(frozen=True)
class DayBar:
    """One day of a component, UTC.

    Attributes:
        start: midnight.
        worst: the worst state of the day; None without any data.
        uptime_percent: None without any data.
    """

    start: datetime
    worst: ComponentState | None
    uptime_percent: float | None


def observe(
    changes: Sequence[StateChange], observed_at: datetime | None, state: ComponentState, now: datetime
) -> tuple[StateChange, ...]:
    """Return the changes after an observation.

    Args:
        changes: before it, oldest first.
        observed_at: when the state was observed last; None for the first observation.
        state: what is observed.
        now: when. An observation that is older than the last one changes nothing.
    """
    if observed_at is not None and now < observed_at:
        return tuple(changes)
    after = list(changes)
    if observed_at is not None and after and now - observed_at > LONGEST_GAP:
        after.append(StateChange(observed_at + LONGEST_GAP, ComponentState.UNKNOWN))
    if not after or after[-1].state is not state:
        after.append(StateChange(now, state))
    return _pruned(after, now)


def day_bars(changes: Sequence[StateChange], now: datetime) -> tuple[DayBar, ...]:
    """Return the last `DAYS` days, oldest first. The last one is today, until now."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    starts = [today - DAY * number for number in reversed(range(DAYS))]
    return tuple(_bar(changes, start, min(start + DAY, now)) for start in starts)


def uptime_percent(changes: Sequence[StateChange], start: datetime, end: datetime) -> float | None:
    """Return the uptime between two times in percent; None if no state of that time is known."""
    return _uptime_percent(_intervals(changes, start, end))


def _uptime_percent(intervals: Iterable[tuple[ComponentState, timedelta]]) -> float | None:
    known, down = timedelta(), timedelta()
    for state, length in intervals:
        if state is not ComponentState.UNKNOWN:
            known += length
            down += length * DOWN_SHARE.get(state, 0)
    return 100 * (1 - down / known) if known else None


def _bar(changes: Sequence[StateChange], start: datetime, end: datetime) -> DayBar:
    intervals = list(_intervals(changes, start, end))
    states = [state for state, _ in intervals]
    return DayBar(start, worst_of(states) if states else None, _uptime_percent(intervals))


def _intervals(
    changes: Sequence[StateChange], start: datetime, end: datetime
) -> Iterator[tuple[ComponentState, timedelta]]:
    # The changes are in order. The first that counts is the last one that is not after the start.
    begin = max(bisect_right(changes, start, key=lambda change: change.at) - 1, 0)
    for number, change in enumerate(changes[begin:], start=begin + 1):
        if change.at >= end:
            return
        until = changes[number].at if number < len(changes) else end
        first, last = max(change.at, start), min(until, end)
        if first < last:
            yield change.state, last - first


def _pruned(changes: Sequence[StateChange], now: datetime) -> tuple[StateChange, ...]:
    """Drop what ended before the first day that is shown, and the oldest ones of too many."""
    oldest = now - DAY * (DAYS + 1)
    kept = [
        change for number, change in enumerate(changes) if number + 1 == len(changes) or changes[number + 1].at > oldest
    ]
    return tuple(kept[-MOST_CHANGES:])
