"""Messages of incidents: a page ends with its incident, and a chat that saw the beginning sees the end."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from orchestrator.domain.notifications.destinations import PAGERS, DestinationKind
from tests.fakes.clock import START
from tests.unit.application.notifications.conftest import World, bus_event
from tests.unit.application.notifications.samples import CHATS


def incident_event(kind, after=0, severity="SEV2", **changes):
    """An event of one incident, which page 1-1 belongs to."""
    at = (START + timedelta(seconds=after)).isoformat()
    detail = {
        "incident": "inc-1", "at": at, "number": after + 1, "episode": 1, "cause": "service", "title": "5xx",
        "severity": severity, "state": "OPEN", "since": START.isoformat(), "by": "ann", "text": "looking at it",
        "pages": ["1-1"], **changes,
    }  # fmt: skip
    return bus_event(kind, after, **detail)


def paged(after=0, severity="SEV2"):
    return incident_event("IncidentPaged", after, severity, page="1-1", person="ann", destinations=[], level=1, round=1)


@pytest.mark.parametrize("kind", sorted(PAGERS))
@pytest.mark.parametrize("ending", ["IncidentAcknowledged", "IncidentResolved"])
def test_a_page_that_arrives_soon_after_its_end_is_ended_and_a_later_one_is_not_sent(kind, ending):
    for severity in ("SEV1", "SEV3"):
        soon, late = World(1, minimum_severity="error"), World(1, minimum_severity="error")
        for world, delay in ((soon, 60), (late, 600)):
            world.put(incident_event(ending, 1, severity))
            world.put(paged(severity="SEV1"), after=delay)
            world.work()
        actions = [text.split(" ")[0] for text in soon.providers[kind].accepted]
        assert actions[0] == "trigger"
        assert len(actions) == 2
        if ending == "IncidentResolved":
            assert not any(soon.providers[kind].alerts.values())
        assert late.providers[kind].accepted == []


@pytest.mark.parametrize("kind", [*CHATS, DestinationKind.EMAIL])
@pytest.mark.parametrize("seed", range(4))
def test_a_chat_that_saw_an_incident_open_sees_its_end_at_a_lower_severity(kind, seed):
    world, chance = World(seed, minimum_severity="error"), random.Random(seed)
    for one in (
        incident_event("IncidentOpened", 0, "SEV1"),
        incident_event("IncidentUpdated", 10, "SEV3"),
        incident_event("IncidentResolved", 20, "SEV3", state="RESOLVED"),
        incident_event("IncidentOpened", 30, "SEV3", episode=2),
        incident_event("IncidentResolved", 40, "SEV3", episode=2, state="RESOLVED"),
    ):
        world.put(one, after=chance.uniform(0, 100))

    world.work()

    accepted = world.providers[kind].accepted
    assert ["opened" in text for text in accepted] == [True, False]
    assert "SEV3 incident resolved by ann" in accepted[1]


@pytest.mark.parametrize("kind", [*CHATS, DestinationKind.EMAIL])
def test_chats_see_what_people_write_after_the_resolution_and_pagers_are_not_called_for_it(kind):
    world = World(5)
    for after, one in enumerate(
        (
            incident_event("IncidentOpened", 0),
            incident_event("IncidentUpdated", 1, text="before"),
            incident_event("IncidentResolved", 2, state="RESOLVED"),
            incident_event("IncidentUpdated", 3, state="RESOLVED", text="first"),
            incident_event("IncidentUpdated", 3, state="RESOLVED", text="first"),
            incident_event("IncidentUpdated", 4, state="RESOLVED", text="second"),
        )
    ):
        world.put(one, after=100 * after)

    world.work()

    assert len([text for text in world.providers[kind].accepted if "resolution" in text]) == 2
    assert len(world.providers[kind].accepted) == 5
    for words in ("first", "second"):
        assert sum(words in text for text in world.providers[kind].texts) <= 1
    assert all(world.providers[pager].accepted == [] for pager in PAGERS)
