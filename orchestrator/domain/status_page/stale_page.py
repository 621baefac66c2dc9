"""A page that is not checked any more: its region or its checks are lost. What it said is no longer known.

The orchestrator writes the page at least every five minutes. An older one says how old its states are, and no component
of it is operational: a major outage stays one, all else is not known.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from orchestrator.domain.status_page.component_state import LABELS, ComponentState
from orchestrator.domain.status_page.page import ComponentRow, StatusPage

STALE_AFTER = timedelta(minutes=7)
"""The age from which a page is stale. It is written every five minutes, and a write may be late."""


def is_stale(page: StatusPage, now: datetime) -> bool:
    """Return whether a page was checked too long ago to be true."""
    return now - page.at > STALE_AFTER


def stale_page(page: StatusPage, now: datetime) -> StatusPage:
    """Return what is true of a page that was checked last at its time.

    Args:
        page: the last one that was checked. Its time stays.
        now: the current time.
    """
    age = f"Our checks have not reported for {_length(now - page.at)}, since {page.at:%d %B %Y, %H:%M} UTC."
    return replace(page, rows=tuple(_not_known(row, age) for row in page.rows))


def _not_known(row: ComponentRow, age: str) -> ComponentRow:
    before = row.status
    if before.state is ComponentState.MAJOR_OUTAGE:
        return replace(row, status=replace(before, reasons=(*before.reasons, age)))
    then = f"It was then: {LABELS[before.state].lower()}."
    return replace(row, status=replace(before, state=ComponentState.UNKNOWN, reasons=(age, then)))


def _length(age: timedelta) -> str:
    minutes = int(age.total_seconds()) // 60
    if minutes < 120:  # noqa: PLR2004 - two hours
        return f"{minutes} minutes"
    return f"{minutes // 60} hours"
