"""A maintenance window silences the pages of alarms that it names, and is announced once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.domain.maintenance.announcements import EVENT_TYPES, event_detail
from orchestrator.domain.maintenance.policy import MaintenancePolicy
from orchestrator.domain.maintenance.schedule import Schedule, end, plan
from orchestrator.domain.maintenance.window import Announcement, WindowState
from orchestrator.domain.notifications.destinations import PAGERS, DestinationKind
from tests.fakes.clock import START
from tests.unit.application.notifications.conftest import World, alarm_event, bus_event
from tests.unit.application.notifications.samples import ALARMS, CHATS, NAME
from tests.unit.domain.maintenance.worlds import only, planned, request

MAINTENANCE = timedelta(hours=2)


def silence(world, *sections):
    """A window that is under way from the start on, for `MAINTENANCE`."""
    window_request = request(starts_at=START, ends_at=START + MAINTENANCE, silenced=sections, urgent="now")
    change = plan(Schedule(), window_request, MaintenancePolicy(), START - timedelta(minutes=1))
    assert world.cloud.maintenance.commit(change)
    return change.windows[0]


@pytest.mark.parametrize("kind", sorted(PAGERS))
def test_an_alarm_that_maintenance_silences_is_shown_in_chats_and_pages_when_the_window_ends(world, kind):
    silence(world, "recovery-drill-failed")
    world.put(ALARMS[0], after=6)

    world.work()

    pager, chat = world.providers[kind], world.providers[DestinationKind.SLACK]
    assert [text.split(" ")[0] for text in pager.accepted] == ["trigger"]
    assert min(pager.times) >= START + MAINTENANCE
    assert max(pager.times) < START + MAINTENANCE + timedelta(minutes=2)
    assert len(chat.accepted) == 1
    assert max(chat.times) < START + timedelta(minutes=2)


@pytest.mark.parametrize("kind", sorted(PAGERS))
def test_a_silenced_alarm_that_ends_before_the_window_never_pages(world, kind):
    silence(world, "recovery-drill-failed")
    world.put(ALARMS[0], after=6)
    world.put(ALARMS[1], after=31)

    world.work()

    assert not [text for text in world.providers[kind].accepted if text.startswith("trigger")]
    assert not any(world.providers[kind].alerts.values())
    assert len(world.providers[DestinationKind.SLACK].accepted) == 2


@pytest.mark.parametrize("kind", sorted(PAGERS))
def test_a_window_that_a_person_ends_lets_the_alarm_page_within_the_hour(world, kind):
    window = silence(world, "recovery-drill-failed")
    world.put(ALARMS[0], after=6)
    world.work(START + timedelta(minutes=5))
    early = START + timedelta(minutes=10)
    assert world.cloud.maintenance.commit(end(world.cloud.maintenance.read_schedule(), window.id, "ann", "", early))

    world.work()

    assert len(world.providers[kind].accepted) == 1
    assert max(world.providers[kind].times) <= START + timedelta(minutes=62)


@pytest.mark.parametrize("kind", sorted(PAGERS))
def test_an_alarm_that_the_window_does_not_name_or_that_began_before_it_pages_at_once(world, kind):
    silence(world, "recovery-drill-failed")
    world.put(ALARMS[4], after=15)
    world.put(alarm_event(NAME, "ALARM", "OK", -5, -500, "recovery-drill-failed"), after=1)

    world.work()

    assert len(world.providers[kind].accepted) == 2
    assert max(world.providers[kind].times) < START + timedelta(minutes=2)


def test_maintenance_is_one_message_an_announcement_whatever_is_repeated():
    world = World(9)
    window = only(planned(urgent="now"))
    for number, announcement in enumerate((Announcement.IN_72_HOURS, Announcement.STARTED, Announcement.ENDED)):
        seen = {Announcement.STARTED: WindowState.UNDER_WAY, Announcement.ENDED: WindowState.ENDED}
        announced = tuple(Announcement)[:number]
        now = replace(window, state=seen.get(announcement, WindowState.PLANNED), announced=announced)
        detail = event_detail(now, announcement, START)
        for delay in (0, 40):
            world.put(bus_event(EVENT_TYPES[announcement], 0, **detail), after=100 * number + delay)

    world.work()

    for kind in CHATS:
        accepted = world.providers[kind].accepted
        assert [sum(words in text for text in accepted) for words in ("is planned", "has begun", "has ended")] == [
            1,
            1,
            1,
        ]
    assert all(world.providers[kind].accepted == [] for kind in PAGERS)
