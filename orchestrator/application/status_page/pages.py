"""The HTML pages. The templates escape every text; the style is a file of the site, as its policy demands."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, Template

from orchestrator.application.html_templates import template_environment
from orchestrator.domain.incidents.severity import IncidentSeverity
from orchestrator.domain.status_page.component_state import LABELS, ComponentState
from orchestrator.domain.status_page.headers import PAGE_POLICY
from orchestrator.domain.status_page.history import DAYS, DayBar
from orchestrator.domain.status_page.page import StatusPage
from orchestrator.domain.status_page.published_incidents import PublishedIncident

STYLE = "status.css"

SIGNS = {
    ComponentState.OPERATIONAL: "✓",
    ComponentState.MAINTENANCE: "⚙",
    ComponentState.UNKNOWN: "?",
    ComponentState.DEGRADED: "!",
    ComponentState.PARTIAL_OUTAGE: "✗",
    ComponentState.MAJOR_OUTAGE: "✗",
}
HEIGHTS = {
    None: 8,
    ComponentState.OPERATIONAL: 32,
    ComponentState.MAINTENANCE: 28,
    ComponentState.UNKNOWN: 12,
    ComponentState.DEGRADED: 24,
    ComponentState.PARTIAL_OUTAGE: 20,
    ComponentState.MAJOR_OUTAGE: 16,
}
"""Heights of the bars of 32 units: a state is never shown by its colour alone."""

IMPACTS = {
    IncidentSeverity.SEV1: "Critical impact",
    IncidentSeverity.SEV2: "Major impact",
    IncidentSeverity.SEV3: "Minor impact",
}
NO_DATA = "No data"
PathOf = Callable[[str], str]


def render_index(page: StatusPage, written_at: datetime, path_of: PathOf) -> str:
    """Return the first page: states, open incidents, maintenance, history bars, and incidents of the last 15 days."""
    return _render("index.html.j2", page, written_at, path_of=path_of, root="")


def render_history(page: StatusPage, written_at: datetime, path_of: PathOf) -> str:
    """Return the page with the incidents of the last 90 days."""
    return _render("history.html.j2", page, written_at, path_of=path_of, root="")


def render_incident(page: StatusPage, incident: PublishedIncident, written_at: datetime) -> str:
    """Return the page of an incident."""
    return _render("incident.html.j2", page, written_at, incident=incident, root="../")


def style_sheet() -> str:
    """Return the style of all pages."""
    return _package_file(STYLE)


def percent(value: float | None) -> str:
    """Return an uptime for people. It is rounded down: less than 100 % is never shown as 100 %."""
    if value is None:
        return NO_DATA
    return "100 %" if value == 100 else f"{int(value * 1000) / 1000:.3f} %"  # noqa: PLR2004 - percent


def label_of(state: ComponentState | None) -> str:
    """Return the label of a state; of no state that there are no data."""
    return NO_DATA if state is None else LABELS[state]


def page_template(name: str) -> Template:
    """Return a template of this package, which escapes every text."""
    return _environment().get_template(name)


def _render(template: str, page: StatusPage, written_at: datetime, **values: Any) -> str:
    return page_template(template).render(page=page, written_at=written_at, **values)


@cache
def _environment() -> Environment:
    environment = template_environment(__package__)
    environment.filters |= {"percent": percent, "label": label_of, "minute": _minute, "day": _day}
    environment.globals |= {
        "policy": PAGE_POLICY,
        "style": STYLE,
        "signs": SIGNS,
        "heights": HEIGHTS,
        "impacts": IMPACTS,
        "days_shown": DAYS,
        "bad_days": _bad_days,
        "names_of": _names_of,
    }
    return environment


def _minute(at: datetime) -> str:
    return f"{at:%d %B %Y, %H:%M} UTC"


def _day(at: datetime) -> str:
    return f"{at:%d %B %Y}"


def _bad_days(days: tuple[DayBar, ...]) -> list[DayBar]:
    """Return the days on which something was wrong, newest first."""
    return [day for day in reversed(days) if day.worst not in {None, ComponentState.OPERATIONAL}]


def _names_of(page: StatusPage, components: tuple[str, ...]) -> str:
    """Return the names of components for people; of none, of all."""
    names = [row.status.component.name for row in page.rows if not components or row.status.component.id in components]
    return ", ".join(names)


def _package_file(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
