"""What a signal does: one open incident a cause, whatever is duplicated, late or reordered."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import pytest

from orchestrator.domain.incidents.commands import assign_role, resolve
from orchestrator.domain.incidents.incident import IncidentState, Role
from orchestrator.domain.incidents.register import (
    KEPT,
    MOST_ENDED,
    CauseState,
    Register,
    Subject,
    announced,
    end_subjects,
    prune,
)
from orchestrator.domain.incidents.severity import IncidentSeverity
from tests.samples import NOW
from tests.unit.domain.incidents.worlds import POLICY, Incidents, minutes, signal

ALARM, ROLLBACK = "alarm:ib-oauth-service-degraded-test", "rollback:d-1"
BEGINS, ENDS = signal(ALARM, "service-degraded"), signal(ALARM, "", NOW + minutes(5))


@pytest.fixture
def world():
    return Incidents()


def test_a_beginning_opens_an_incident_with_the_severity_of_the_settings(world):
    incident = world.receive(BEGINS)
    assert (incident.cause, incident.severity, incident.state) == ("service", IncidentSeverity.SEV2, IncidentState.OPEN)
    assert world.register.causes == {"service": CauseState(incident.id)}
    assert world.register.attended == {incident.id: 0}
    assert incident.id.startswith("inc-20261123T030000Z-")


def test_a_duplicate_changes_nothing(world):
    world.receive(BEGINS)
    before = world.register
    assert world.receive(BEGINS, NOW + minutes(1)) is None
    assert world.register == before
    world.receive(ENDS, NOW + minutes(5))
    assert world.receive(ENDS, NOW + minutes(6)) is None
    assert world.receive(BEGINS, NOW + minutes(7)) is None
    assert [incident.state for incident in world.all] == [IncidentState.RESOLVED]


def test_what_opens_no_incident_by_the_settings_changes_nothing():
    world = Incidents(policy=replace(POLICY, severities={**POLICY.severities, "service-degraded": None}))
    assert world.receive(BEGINS) is None
    assert world.register == Register()


def test_a_second_signal_of_the_cause_joins_the_open_incident_and_it_lasts_until_both_have_ended(world):
    first = world.receive(BEGINS)
    second = world.receive(signal(ROLLBACK, "rollback", NOW + minutes(1)), NOW + minutes(1))
    assert second.id == first.id
    assert world.receive(ENDS, NOW + minutes(5)).is_open
    ended = world.receive(signal(ROLLBACK, "", NOW + minutes(6)), NOW + minutes(6))
    assert (ended.state, ended.resolved_by) == (IncidentState.RESOLVED, "orchestrator")
    assert world.kinds(first.id) == ["OPENED", "SIGNALLED", "CLEARED", "CLEARED", "RESOLVED"]


def test_a_worse_signal_raises_the_severity_and_a_lesser_one_does_not_lower_it(world):
    world.receive(BEGINS)
    raised = world.receive(signal(ROLLBACK, "rollback-failed", NOW + minutes(1)), NOW + minutes(1))
    assert raised.severity is IncidentSeverity.SEV1
    assert world.receive(signal("rollback:d-2", "rollback", NOW), NOW).severity is IncidentSeverity.SEV1


def test_incidents_of_other_causes_are_separate(world):
    world.receive(BEGINS)
    world.receive(signal("alarm:root", "root-account-used", cause="root-account-used"))
    assert sorted(incident.cause for incident in world.all) == ["root-account-used", "service"]


def test_the_same_cause_reopens_its_incident_inside_the_window_and_opens_another_one_after_it(world):
    first = world.receive(BEGINS)
    world.receive(ENDS, NOW + minutes(5))
    again = NOW + minutes(64)
    reopened = world.receive(signal(ALARM, "service-degraded", again), again)
    assert (reopened.id, reopened.episode, reopened.state) == (first.id, 2, IncidentState.OPEN)
    world.receive(signal(ALARM, "", again + minutes(1)), again + minutes(1))
    later = again + minutes(62)
    another = world.receive(signal(ALARM, "service-degraded", later), later)
    assert another.id != first.id
    assert len(world.all) == 2


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_every_order_of_two_beginnings_and_two_ends_leaves_the_incident_resolved(world, order):
    signals = [BEGINS, ENDS, signal(ROLLBACK, "rollback", NOW + minutes(1)), signal(ROLLBACK, "", NOW + minutes(4))]
    for number, index in enumerate(order):
        world.receive(signals[index], NOW + minutes(10 + number))
    assert {incident.state for incident in world.all} == {IncidentState.RESOLVED}
    assert len(world.all) == 1
    assert world.register.active_subjects("service") == ()


def test_a_beginning_after_its_end_is_recorded_and_pages_no_person(world):
    assert world.receive(ENDS, NOW + minutes(5)) is None
    late = world.receive(BEGINS, NOW + minutes(6))
    assert late.state is IncidentState.RESOLVED
    world.tick(NOW + minutes(7))
    assert world.kinds(late.id) == ["OPENED", "RESOLVED"]


def test_a_beginning_after_its_end_is_added_to_an_open_incident_without_reopening_anything(world):
    incident = world.receive(signal(ROLLBACK, "rollback"))
    world.receive(ENDS, NOW + minutes(5))
    world.receive(BEGINS, NOW + minutes(6))
    assert world.kinds(incident.id) == ["OPENED", "SIGNALLED", "CLEARED"]
    assert world.register.active_subjects("service") == (ROLLBACK,)


def test_a_beginning_that_a_resolved_incident_covers_is_added_to_it(world):
    incident = world.receive(signal(ROLLBACK, "rollback"))
    world.receive(ENDS, NOW + minutes(5))
    world.receive(signal(ROLLBACK, "", NOW + minutes(6)), NOW + minutes(6))
    after = world.receive(BEGINS, NOW + minutes(7))
    assert (after.id, after.state) == (incident.id, IncidentState.RESOLVED)
    assert world.kinds(incident.id)[-1] == "UPDATE"


def test_an_incident_that_a_commander_leads_is_resolved_by_a_person_only(world):
    incident = world.receive(BEGINS)
    world.command(incident.id, assign_role(Role.COMMANDER, "ann", "bob"))
    after = world.receive(ENDS, NOW + minutes(5))
    assert after.is_open
    assert world.kinds(incident.id)[-1] == "CLEARED"
    world.write(resolve(after, world.register, "it is over", "ann", NOW, force=False))
    assert world.all[0].resolved_by == "ann"


def test_an_incident_of_a_security_alarm_stays_open_and_is_paged_until_a_person_has_answered(world):
    root = "root-account-used"
    incident = world.receive(signal("alarm:root", root, cause=root))
    after = world.receive(signal("alarm:root", "", NOW + minutes(5), root), NOW + minutes(5))
    assert after.is_open
    world.tick(NOW + minutes(6))
    assert world.kinds(incident.id) == ["OPENED", "CLEARED", "PAGED"]
    ended = world.write(resolve(world.all[0], world.register, "it was our audit", "ann", NOW, force=False))
    assert not ended.is_open


def test_a_security_alarm_that_is_reported_after_its_end_opens_an_incident_all_the_same(world):
    root = "root-account-used"
    world.receive(signal("alarm:root", "", NOW + minutes(5), root), NOW + minutes(5))
    assert world.receive(signal("alarm:root", root, cause=root), NOW + minutes(6)).is_open


def test_an_end_of_what_never_began_changes_the_register_alone(world):
    world.receive(signal(ROLLBACK, "rollback"))
    assert world.receive(ENDS, NOW + minutes(5)) is None
    assert world.register.subjects[ALARM].ended == NOW + minutes(5)


def test_an_earlier_end_that_arrives_late_ends_nothing(world):
    world.receive(signal(ALARM, "service-degraded", NOW + minutes(10)), NOW + minutes(10))
    assert world.receive(ENDS, NOW + minutes(11)) is None
    assert world.all[0].is_open


def test_a_person_who_resolves_by_force_ends_what_is_active(world):
    world.receive(signal(ALARM, "service-degraded", NOW + minutes(2)))
    world.receive(signal("drill", "recovery-drill-failed", cause="recovery-drill"))
    ended = end_subjects(world.register, "service", NOW)
    assert ended.active_subjects("service") == ()
    assert ended.active_subjects("recovery-drill") == ("drill",)


def test_an_entry_of_an_older_incident_leaves_the_newest_one_as_that_of_its_cause(world):
    first = world.receive(BEGINS)
    world.receive(ENDS, NOW + minutes(5))
    later = NOW + timedelta(hours=9)
    second = world.receive(signal(ALARM, "service-degraded", later), later)
    world.command(first.id, assign_role(Role.OPERATIONS, "ann", "bob"), later)
    assert world.register.causes["service"].incident == second.id


def test_an_incident_is_attended_until_everything_is_announced_and_done(world):
    incident = world.receive(BEGINS)
    world.tick(NOW)
    open_one = world.all[0]
    assert announced(world.register, open_one, 0) is None
    after = announced(world.register, open_one, 2)
    assert after.attended == {incident.id: 2}
    world.register = after
    ended = world.receive(ENDS, NOW + minutes(5))
    assert announced(world.register, ended, 3).attended == {incident.id: 3}
    done = announced(world.register, ended, ended.entries)
    assert done.attended == {}
    assert announced(done, ended, ended.entries) is None


def test_an_incident_that_is_attended_again_announces_its_new_entries_alone(world):
    incident = world.receive(BEGINS)
    ended = world.receive(ENDS, NOW + minutes(5))
    world.register = announced(world.register, ended, ended.entries)
    again = NOW + minutes(10)
    world.receive(signal(ALARM, "service-degraded", again), again)
    assert world.register.attended == {incident.id: ended.entries}


def test_what_no_event_can_reach_any_more_is_pruned():
    old, new = NOW - KEPT - minutes(1), NOW - minutes(1)
    register = Register(
        subjects={
            "active": Subject("a", began=old),
            "old": Subject("a", old, old),
            "new": Subject("a", None, new),
            "lost": Subject("a"),
        },
        causes={
            "a": CauseState("inc-1", old),
            "b": CauseState("inc-2", new),
            "c": CauseState("inc-3"),
            "d": CauseState("inc-4", old),
        },
        attended={"inc-4": 2},
    )
    pruned = prune(register, NOW)
    assert set(pruned.subjects) == {"active", "new"}
    assert set(pruned.causes) == {"b", "c", "d"}


def test_a_change_without_an_incident_is_pruned_too(world):
    for number in range(100):
        now = NOW + minutes(60 * number)
        assert world.receive(signal(f"rollback:d-{number}", "", now), now) is None
    assert set(world.register.subjects) == {f"rollback:d-{number}" for number in range(51, 100)}
    assert world.register.causes == {}
    before = world.register
    assert world.receive(signal("rollback:d-60", "", NOW + minutes(60 * 60)), now) is None
    assert world.register == before


def test_of_very_many_ended_subjects_the_newest_are_kept():
    many = {f"s-{number}": Subject("a", None, NOW - timedelta(seconds=number)) for number in range(MOST_ENDED + 5)}
    kept = prune(Register(subjects=many), NOW).subjects
    assert len(kept) == MOST_ENDED
    assert "s-0" in kept
    assert f"s-{MOST_ENDED + 4}" not in kept
