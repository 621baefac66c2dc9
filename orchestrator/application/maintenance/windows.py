"""Changes of maintenance windows: read the schedule, decide, write in one transaction; and, by the minute, announce."""

from __future__ import annotations

from collections.abc import Callable

from botocore.exceptions import ClientError

from orchestrator.application.cloud import Cloud
from orchestrator.domain.errors import OrchestratorError, Throttled
from orchestrator.domain.maintenance.announcements import (
    EVENT_TYPES,
    event_detail,
    message_to_clients,
    next_lease,
    note,
    release,
)
from orchestrator.domain.maintenance.schedule import Change, Schedule, advance
from orchestrator.domain.maintenance.window import Announcement, Window

ATTEMPTS = 10
"""How often a change is decided again because another writer was faster."""

Decide = Callable[[Schedule], Change | None]


def change_schedule(cloud: Cloud, decide: Decide) -> Change | None:
    """Write a change and return it; None if `decide` changes nothing.

    Args:
        cloud: the environment.
        decide: decides from the schedule, and is called again if another writer was faster.

    Raises:
        Refused: `decide` refuses it.
        Throttled: other writers were always faster.
    """
    for _ in range(ATTEMPTS):
        change = decide(cloud.maintenance.read_schedule())
        if change is None or cloud.maintenance.commit(change):
            return change
    raise Throttled(f"the maintenance schedule could not be changed in {ATTEMPTS} attempts: other writers were faster")


def attend_maintenance(cloud: Cloud) -> str:
    """Start and end windows at their times, and send what is due; return what failed.

    A second run at the same time changes nothing and sends nothing. A failure of one window does not keep the others
    waiting.
    """
    failures: list[str] = []
    try:
        change_schedule(cloud, lambda schedule: _if_any(advance(schedule, cloud.now())))
        while _announce_next(cloud, failures):
            pass
    except (OrchestratorError, ClientError) as error:
        failures.append(f"{type(error).__name__}: {error}")
    return "; ".join(failures)


def _if_any(change: Change) -> Change | None:
    return change if change.windows else None


def _announce_next(cloud: Cloud, failures: list[str]) -> bool:
    """Send the next announcement that is due, or add why it was not sent; return whether there was one."""
    leased: list[tuple[Window, Announcement]] = []

    def lease(schedule: Schedule) -> Change | None:
        found = next_lease(schedule, cloud.now())
        leased[:] = [found[1:]] if found else []
        return found[0] if found else None

    if change_schedule(cloud, lease) is None:
        return False
    ((window, announcement),) = leased
    try:
        _send(cloud, window, announcement)
    except (OrchestratorError, ClientError) as error:
        failures.append(f"{window.id}: {error}")
        change_schedule(cloud, lambda schedule: release(schedule, window.id, announcement, cloud.now()))
        return True
    change_schedule(cloud, lambda schedule: note(schedule, window.id, announcement))
    return True


def _send(cloud: Cloud, window: Window, announcement: Announcement) -> None:
    detail = event_detail(window, announcement, cloud.now())
    cloud.bus.put_event(EVENT_TYPES[announcement], {"environment": cloud.environment, **detail})
    message = message_to_clients(window, announcement)
    # After the event: chats recognize a repetition of it, and a reader of e-mail does not.
    if message is not None:
        cloud.topics.publish(cloud.settings["CLIENTS_TOPIC"], *message)
