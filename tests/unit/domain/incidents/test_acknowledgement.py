"""Acknowledging by a link or in the pager: bound to an episode and a person, and harmless when it comes again."""

from __future__ import annotations

import pytest

from orchestrator.domain.incidents.acknowledgement import (
    LINK_LASTS,
    AcknowledgementSettings,
    PageReference,
    Standing,
    acknowledgement_drafts,
    link_of,
    page_of,
    read_acknowledgement,
    standing_of,
)
from orchestrator.domain.incidents.incident import IncidentState
from orchestrator.domain.schema import EnvironmentRefused, SettingsReader
from tests.samples import NOW
from tests.unit.domain.incidents.worlds import Incidents, minutes, signal

ALARM = "alarm:ib-oauth-service-degraded-test"
BEGINS, ENDS = signal(ALARM, "service-degraded"), signal(ALARM, "", NOW + minutes(5))


@pytest.fixture
def world():
    incidents = Incidents()
    incidents.receive(BEGINS)
    incidents.tick(NOW)
    return incidents


def reference(world, person="ann", episode=1):
    return PageReference(world.all[0].id, episode, "1-1", person)


def acknowledge(world, page, now=NOW):
    drafts = acknowledgement_drafts(world.all[0], page, "the link of the page")
    return world.command(world.all[0].id, drafts, now) if drafts else None


def test_a_link_is_of_one_page_and_expires(world):
    link = link_of(reference(world), NOW)
    assert page_of(link) == reference(world)
    assert link.expires_at == NOW + LINK_LASTS
    assert link == link_of(reference(world), NOW)


def test_an_acknowledgement_stops_the_pages_and_names_the_person(world):
    incident = acknowledge(world, reference(world))
    assert (incident.state, incident.acknowledged_by) == (IncidentState.ACKNOWLEDGED, "ann")
    world.tick(NOW + minutes(60))
    assert len(world.all[0].pages) == 1
    assert world.chains[incident.id][-1].text == "acknowledged by the link of the page (page 1-1)"


def test_the_page_of_an_environment_without_a_rota_is_acknowledged_by_the_operator_on_call(world):
    assert acknowledge(world, reference(world, person=" ")).acknowledged_by == "on-call operator"


def test_a_second_acknowledgement_changes_nothing(world):
    acknowledge(world, reference(world))
    assert standing_of(world.all[0], reference(world)) is Standing.ACKNOWLEDGED
    assert acknowledge(world, reference(world, person="dan")) is None


def test_a_resolved_incident_is_over_for_every_page(world):
    world.receive(ENDS, NOW + minutes(5))
    assert standing_of(world.all[0], reference(world)) is Standing.OVER
    assert acknowledge(world, reference(world)) is None


def test_a_link_of_the_last_episode_does_not_acknowledge_the_next_one(world):
    world.receive(ENDS, NOW + minutes(5))
    world.receive(signal(ALARM, "service-degraded", NOW + minutes(10)), NOW + minutes(10))
    assert standing_of(world.all[0], reference(world)) is Standing.OVER
    assert acknowledge(world, reference(world)) is None
    assert standing_of(world.all[0], reference(world, episode=2)) is Standing.WAITS


def read(**table):
    return read_acknowledgement(SettingsReader("test", {"acknowledgement": table} if table else {}))


def test_without_the_table_there_is_no_endpoint():
    assert read() == AcknowledgementSettings(enabled=False)


def test_the_endpoint_may_have_an_address_of_ones_own():
    assert read(enabled=True) == AcknowledgementSettings(enabled=True)
    found = read(enabled=True, address="https://ack.example.com/")
    assert found.address == "https://ack.example.com"


@pytest.mark.parametrize(("table", "field"), [
    ({"enabled": "yes"}, "test.acknowledgement.enabled"),
    ({"address": "https://ack.example.com"}, "test.acknowledgement.enabled"),
    ({"enabled": True, "address": "ack.example.com"}, "test.acknowledgement.address"),
    ({"enabled": True, "url": "https://ack.example.com"}, "test.acknowledgement.url"),
])  # fmt: skip
def test_a_wrong_setting_is_refused_by_its_name(table, field):
    with pytest.raises(EnvironmentRefused) as refused:
        read(**table)
    assert refused.value.field == field
