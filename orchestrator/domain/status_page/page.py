"""The status page as a value: what every page and feed is rendered from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from orchestrator.domain.status_page.component_state import SUMMARIES, ComponentState, worst_of
from orchestrator.domain.status_page.evidence import ComponentStatus, Evidence, component_status
from orchestrator.domain.status_page.history import DAY, DAYS, DayBar, PageRecord, day_bars, observe, uptime_percent
from orchestrator.domain.status_page.maintenance import MaintenanceWindow, published, upcoming
from orchestrator.domain.status_page.overrides import Override
from orchestrator.domain.status_page.published_incidents import KEPT, RECENT, PublishedIncident
from orchestrator.domain.status_page.settings import StatusPageSettings


@dataclass(frozen=True)
class ComponentRow:
    """A component on the page: its state, its days, and its uptime in the days that are shown, None without data."""

    status: ComponentStatus
    days: tuple[DayBar, ...]
    uptime_percent: float | None


@dataclass(frozen=True)
class StatusPage:
    """The whole page.

    Attributes:
        address: where it is read, without a trailing slash.
        environment: its name.
        at: when the states were decided.
        history: published incidents of the last 90 days, newest first; `recent` are those of the last 15.
        upcoming: maintenance that is planned or under way.
        calendar: that, and maintenance of the last days.
        takes_subscribers: whether it has the form for subscribers.
    """

    title: str
    address: str
    environment: str
    at: datetime
    rows: tuple[ComponentRow, ...]
    history: tuple[PublishedIncident, ...]
    upcoming: tuple[MaintenanceWindow, ...]
    calendar: tuple[MaintenanceWindow, ...]
    takes_subscribers: bool = False

    @property
    def state(self) -> ComponentState:
        """The worst state of all components."""
        return worst_of(row.status.state for row in self.rows)

    @property
    def summary(self) -> str:
        """The state of the page in one sentence."""
        return SUMMARIES[self.state]

    @property
    def open_incidents(self) -> tuple[PublishedIncident, ...]:
        """The incidents that are not resolved."""
        return tuple(one for one in self.history if one.is_open)

    @property
    def recent(self) -> tuple[PublishedIncident, ...]:
        """The resolved incidents of the last 15 days."""
        return tuple(one for one in self.history if not one.is_open and one.is_recent(self.at, RECENT))


@dataclass(frozen=True)
class PageInputs:
    """What a page is decided from: the evidence, published incidents, maintenance windows and overrides."""

    evidence: Evidence
    incidents: Sequence[PublishedIncident] = ()
    windows: Sequence[MaintenanceWindow] = ()
    overrides: Sequence[Override] = ()


def decide_page(
    settings: StatusPageSettings, address: str, environment: str, inputs: PageInputs, record: PageRecord, now: datetime
) -> tuple[StatusPage, PageRecord]:
    """Decide the page, and the record with this observation.

    Args:
        settings: of the page.
        address: where it is read, without a trailing slash.
        environment: the environment's name.
        inputs: what is known.
        record: as it was read. Histories of components that the settings no longer have are dropped.
        now: the current time.
    """
    statuses = [
        component_status(component, inputs.evidence, inputs.incidents, inputs.windows, inputs.overrides, now)
        for component in settings.components
    ]
    histories = {
        one.component.id: observe(record.histories.get(one.component.id, ()), record.observed_at, one.state, now)
        for one in statuses
    }
    after = PageRecord(
        version=record.version,
        observed_at=max(now, record.observed_at or now),
        histories=histories,
        failed_probes=inputs.evidence.failed_probes,
        digest=record.digest,
        published_at=record.published_at,
    )
    rows = tuple(
        ComponentRow(
            one,
            day_bars(histories[one.component.id], now),
            uptime_percent(histories[one.component.id], now - DAY * DAYS, now),
        )
        for one in statuses
    )
    history = sorted(
        (one for one in inputs.incidents if one.is_recent(now, KEPT)), key=lambda one: one.started_at, reverse=True
    )
    page = StatusPage(
        title=settings.title,
        address=address,
        environment=environment,
        at=now,
        rows=rows,
        history=tuple(history),
        upcoming=upcoming(inputs.windows, now),
        calendar=published(inputs.windows, now),
        takes_subscribers=settings.subscribers is not None,
    )
    return page, after
