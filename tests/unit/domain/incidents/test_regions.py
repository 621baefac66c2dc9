"""The loss of a region: one incident of it, that ends with the failover, and that the settings do not open again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator.domain.incidents.commands import assign_role, resolve
from orchestrator.domain.incidents.incident import IncidentState, Role
from orchestrator.domain.incidents.regions import (
    STANDBY,
    forget_losses,
    region_lost,
    region_replaced,
    signal_of_settings,
)
from orchestrator.domain.incidents.register import KEPT, prune
from orchestrator.domain.incidents.severity import IncidentSeverity
from tests.samples import NOW
from tests.unit.domain.incidents.worlds import Incidents, minutes, signal

HOME, OTHER = "us-west-1", "us-east-2"
LOST = region_lost(HOME, NOW, f"failover to {OTHER} began")


@pytest.fixture
def world():
    return Incidents()


def test_a_failover_opens_an_incident_of_the_highest_severity(world):
    incident = world.receive(LOST)
    assert (incident.cause, incident.severity) == ("region-lost", IncidentSeverity.SEV1)
    assert incident.title == "region us-west-1 is lost"


def test_a_second_report_of_the_loss_joins_the_incident(world):
    world.receive(LOST)
    assert world.receive(LOST) is None
    world.receive(region_lost(HOME, NOW + minutes(3), "its probes fail"))
    assert len(world.all) == 1


def test_the_loss_of_each_region_is_a_subject_of_one_cause(world):
    world.receive(LOST)
    world.receive(region_lost(OTHER, NOW + minutes(1), "its probes fail"))
    assert world.register.active_subjects("region-lost") == ("region:us-east-2", "region:us-west-1")
    assert len(world.all) == 1


REPLACED = region_replaced(HOME, NOW + minutes(30), f"the service runs in {OTHER}")


def test_the_end_of_the_failover_resolves_it(world):
    world.receive(LOST)
    assert world.receive(REPLACED, NOW + minutes(30)).state is IncidentState.RESOLVED


def test_a_commander_resolves_it_after_the_failover(world):
    opened = world.receive(LOST)
    world.command(opened.id, assign_role(Role.COMMANDER, "ann", "bob"))
    replaced = world.receive(REPLACED, NOW + minutes(30))
    assert replaced.is_open
    world.write(resolve(replaced, world.register, "announced", "ann", NOW + minutes(40), force=False))
    assert world.all[0].state is IncidentState.RESOLVED


def test_the_settings_open_the_incident_of_a_failover_by_hand(world):
    signal = signal_of_settings(world.register, HOME, OTHER, NOW)
    assert signal is not None
    assert "moved from it to us-east-2" in signal.reason
    world.receive(signal)
    assert signal_of_settings(world.register, HOME, OTHER, NOW + minutes(1)) is None


def test_the_settings_do_not_open_again_what_a_person_resolved(world):
    world.receive(LOST)
    world.write(resolve(world.all[0], world.register, "over", "ann", NOW, force=True))
    later = NOW + KEPT + timedelta(days=30)
    assert signal_of_settings(prune(world.register, later), HOME, OTHER, later) is None


def test_a_region_that_the_settings_no_longer_call_lost_ends(world):
    assert signal_of_settings(world.register, "", HOME, NOW) is None
    world.receive(LOST)
    ended = signal_of_settings(world.register, "", HOME, NOW + minutes(1))
    assert ended is not None
    world.receive(ended, NOW + minutes(1))
    assert world.register.active_subjects("region-lost") == ()
    assert signal_of_settings(world.register, "", HOME, NOW + minutes(2)) is None


def test_the_settings_of_a_standby_region_say_nothing(world):
    assert signal_of_settings(world.register, STANDBY, OTHER, NOW) is None
    world.receive(LOST)
    assert signal_of_settings(world.register, STANDBY, OTHER, NOW + minutes(1)) is None


@pytest.mark.parametrize(("lost", "forgotten"), [("", True), (HOME, False), (STANDBY, False)])
def test_a_loss_that_has_ended_is_forgotten_when_no_region_is_lost(world, lost, forgotten):
    world.receive(LOST)
    world.receive(signal("rollback:d-1", "rollback"))
    assert forget_losses(world.register, lost) is None, "it has not ended"
    world.receive(REPLACED, NOW + minutes(30))
    change = forget_losses(world.register, lost)
    assert (change is not None) == forgotten
    if change is not None:
        assert list(change.register.subjects) == ["rollback:d-1"]
