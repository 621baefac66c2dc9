"""What a window holds back while it is under way: deployments, and the pages of the alarms that it names.

Rollbacks and recoveries are never refused. A deployment in flight continues, as with a freeze. A silenced alarm is
recorded, and shown in chats; if it still lasts when the window ends, it pages then.
"""

from __future__ import annotations

from datetime import datetime

from orchestrator.domain.errors import Refused
from orchestrator.domain.incidents.incident import Incident
from orchestrator.domain.maintenance.schedule import Schedule
from orchestrator.domain.maintenance.window import Window
from orchestrator.domain.names import short_name
from orchestrator.domain.notifications.alarms import SECURITY


def refuse_under_maintenance(schedule: Schedule, deployment: str, now: datetime) -> None:
    """Refuse a deployment while a window is under way that does not allow it.

    Args:
        schedule: of the environment.
        deployment: its id.
        now: the current time.

    Raises:
        Refused: the error names the window, its end and its title, and the remedy.
    """
    window = schedule.under_way(now)
    if window is None or deployment in window.allowed_deployments:
        return
    allowed = ", ".join(window.allowed_deployments)
    passes = f"it allows {allowed} alone" if allowed else "it allows no deployment"
    remedy = f"wait for its end, or end it: `orchestrator maintenance end {window.id}`; {passes}"
    raise Refused("maintenance", window.description, remedy)


def silencing_window(schedule: Schedule, section: str, now: datetime) -> Window | None:
    """Return the window under way that silences the pages of an alarm; None if none does.

    Args:
        schedule: of the environment.
        section: of the alarm runbook.
        now: the current time.
    """
    window = schedule.under_way(now)
    return window if window is not None and section in window.silenced_alarms else None


def silences_incident(schedule: Schedule, incident: Incident, environment: str, now: datetime) -> bool:
    """Return whether the pages of an incident's episode are silenced.

    They are if the episode began in the window, and nothing but silenced alarms signalled in it. What began earlier has
    paged, and goes on; what a person opened, or a rollback, always pages.
    """
    window = schedule.under_way(now)
    if window is None or incident.episode_at < window.start or incident.by_person or not incident.subjects:
        return False
    return all(
        _section(subject, incident.cause, environment) in window.silenced_alarms for subject in incident.subjects
    )


def _section(subject: str, cause: str, environment: str) -> str:
    """Return the section of the alarm runbook of a signal's subject; empty if it is no alarm."""
    kind, _, name = subject.partition(":")
    if kind != "alarm":
        return ""
    return cause if cause in SECURITY else short_name(name, environment)
