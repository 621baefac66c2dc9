"""Announcements and subscribers that tests start from."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.domain.notifications.notification import EventKind, Transition
from orchestrator.domain.subscribers.announcements import Announcement
from orchestrator.domain.subscribers.subscriber import Channel, Subscriber
from tests.samples import NOW


def announcement(**changes) -> Announcement:
    """The opening of an incident of the component `login`."""
    at = changes.get("at", NOW)
    one = Announcement(
        id="i-1-1",
        key="incident:i-1-1",
        transition=Transition.TRIGGER,
        kind=EventKind.INCIDENT,
        step="investigating",
        title="Problem with Login",
        text="We are investigating a problem with Login.",
        components=("login",),
        names="Login",
        path="incidents/i-1.html",
        at=at,
        began_at=at,
    )
    return replace(one, **changes)


def subscriber(**changes) -> Subscriber:
    one = Subscriber("0" * 32, Channel.EMAIL, "reader@example.org", (), NOW, NOW)
    return replace(one, **changes)
