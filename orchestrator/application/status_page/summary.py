"""``summary.json`` and ``status.json`` in the form of Statuspage's API, version 2.

The form is public (https://support.atlassian.com/statuspage/docs/what-are-the-different-apis-under-statuspage/ and
``/api/v2`` of every page), so that clients of Statuspage read this page, too. It has no state for what is not known:
such a component is ``degraded_performance`` here, and its description says so.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from orchestrator.domain.incidents.severity import IncidentSeverity
from orchestrator.domain.printable import printable
from orchestrator.domain.status_page.component_state import LABELS, ComponentState
from orchestrator.domain.status_page.maintenance import MaintenanceState, MaintenanceWindow
from orchestrator.domain.status_page.page import ComponentRow, StatusPage
from orchestrator.domain.status_page.published_incidents import PublishedIncident

INDICATORS: Mapping[ComponentState, str] = {
    ComponentState.OPERATIONAL: "none",
    ComponentState.MAINTENANCE: "maintenance",
    ComponentState.UNKNOWN: "minor",
    ComponentState.DEGRADED: "minor",
    ComponentState.PARTIAL_OUTAGE: "major",
    ComponentState.MAJOR_OUTAGE: "critical",
}
IMPACTS: Mapping[IncidentSeverity, str] = {
    IncidentSeverity.SEV1: "critical",
    IncidentSeverity.SEV2: "major",
    IncidentSeverity.SEV3: "minor",
}
_WINDOW_STATES = {MaintenanceState.CANCELLED: "completed"}

PathOf = Callable[[str], str]


def render_summary(page: StatusPage, written_at: datetime, path_of: PathOf) -> str:
    """Return the page, its components, the open incidents and the maintenance."""
    components = [_component(row, number, page) for number, row in enumerate(page.rows, 1)]
    document = {
        **_head(page, written_at),
        "components": components,
        "incidents": [_incident(one, components, page, path_of) for one in page.open_incidents],
        "scheduled_maintenances": [_maintenance(one, components, page) for one in page.upcoming],
    }
    return _document(document)


def render_status(page: StatusPage, written_at: datetime) -> str:
    """Return the page and its state."""
    return _document(_head(page, written_at))


def _head(page: StatusPage, written_at: datetime) -> dict[str, Any]:
    return {
        "page": {
            "id": page.environment,
            "name": printable(page.title),
            "url": page.address,
            "time_zone": "Etc/UTC",
            "updated_at": _timestamp(written_at),
        },
        "status": {"indicator": INDICATORS[page.state], "description": page.summary},
    }


def _component(row: ComponentRow, position: int, page: StatusPage) -> dict[str, Any]:
    status = row.status
    unknown = status.state is ComponentState.UNKNOWN
    known = (f"{LABELS[status.state]}.",) if unknown else ()
    text = " ".join([*_sentence(status.component.text), *known, *status.reasons])
    return {
        "id": status.component.id,
        "name": printable(status.component.name),
        "status": (ComponentState.DEGRADED if unknown else status.state).value,
        "position": position,
        "description": printable(text).strip() or None,
        "showcase": True,
        "start_date": None,
        "group_id": None,
        "page_id": page.environment,
        "group": False,
        "only_show_if_degraded": False,
    }


def _incident(
    incident: PublishedIncident, components: list[dict[str, Any]], page: StatusPage, path_of: PathOf
) -> dict[str, Any]:
    return {
        "id": incident.id,
        "name": printable(incident.title),
        "status": incident.step.value,
        "created_at": _timestamp(incident.started_at),
        "updated_at": _timestamp(incident.updated_at),
        "monitoring_at": None,
        "resolved_at": _timestamp(incident.resolved_at) if incident.resolved_at else None,
        "impact": IMPACTS[incident.severity],
        "shortlink": f"{page.address}/{path_of(incident.id)}",
        "started_at": _timestamp(incident.started_at),
        "page_id": page.environment,
        "incident_updates": [
            {
                "id": update.id,
                "status": update.step.value,
                "body": printable(update.text),
                "incident_id": incident.id,
                "created_at": _timestamp(update.at),
                "updated_at": _timestamp(update.at),
                "display_at": _timestamp(update.at),
                "affected_components": None,
            }
            for update in incident.updates
        ],
        "components": [one for one in components if one["id"] in incident.components],
    }


def _maintenance(window: MaintenanceWindow, components: list[dict[str, Any]], page: StatusPage) -> dict[str, Any]:
    state = "in_progress" if window.is_active(page.at) else _WINDOW_STATES.get(window.state, window.state.value)
    return {
        "id": window.id,
        "name": printable(window.title),
        "status": state,
        "created_at": _timestamp(window.announced_at),
        "updated_at": _timestamp(window.announced_at),
        "monitoring_at": None,
        "resolved_at": None,
        "impact": "maintenance",
        "shortlink": f"{page.address}/",
        "started_at": _timestamp(window.starts_at),
        "page_id": page.environment,
        "incident_updates": [
            {
                "id": f"{window.id}-1",
                "status": state,
                "body": printable(window.text),
                "incident_id": window.id,
                "created_at": _timestamp(window.announced_at),
                "updated_at": _timestamp(window.announced_at),
                "display_at": _timestamp(window.announced_at),
                "affected_components": None,
            }
        ],
        "components": [one for one in components if window.affects(one["id"])],
        "scheduled_for": _timestamp(window.starts_at),
        "scheduled_until": _timestamp(window.ends_at),
    }


def _sentence(text: str) -> tuple[str, ...]:
    return (f"{text.rstrip('.')}.",) if text else ()


def _document(document: Mapping[str, Any]) -> str:
    return f"{json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False)}\n"


def _timestamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
