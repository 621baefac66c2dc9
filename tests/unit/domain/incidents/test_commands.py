"""What people do with incidents, and what is refused."""

from __future__ import annotations

from datetime import date

import pytest

from orchestrator.domain.errors import Refused
from orchestrator.domain.incidents import commands
from orchestrator.domain.incidents.commands import (
    MAX_ACTIONS,
    acknowledge,
    add_action,
    assign_role,
    cause_of_title,
    complete_action,
    open_incident,
    resolve,
    update,
)
from orchestrator.domain.incidents.incident import IncidentState, Role
from orchestrator.domain.incidents.register import Opening
from orchestrator.domain.incidents.severity import IncidentSeverity
from orchestrator.domain.texts import MAX_REASON
from tests.samples import NOW
from tests.unit.domain.incidents.worlds import POLICY, Incidents, minutes, signal

SEV1, SEV2, SEV3 = IncidentSeverity
OPENING = Opening("upstream", "The upstream fails", SEV2, "clients report it", "ann")
DUE = date(2026, 12, 1)


@pytest.fixture
def world():
    return Incidents()


def opened(world, opening=OPENING, now=NOW):
    return world.write(open_incident(opening, world.register, world.find, POLICY, now), now)


def test_a_person_opens_an_incident_which_a_person_resolves(world):
    incident = opened(world)
    assert (incident.title, incident.severity, incident.by_person) == ("The upstream fails", SEV2, True)
    assert world.chains[incident.id][0].by == "ann"
    after = world.write(resolve(incident, world.register, "it answers", "bob", NOW, force=False))
    assert (after.state, after.resolved_by) == (IncidentState.RESOLVED, "bob")


def test_a_second_incident_of_an_open_cause_is_refused_and_inside_the_window_it_is_reopened(world):
    first = opened(world)
    with pytest.raises(Refused, match=f"'upstream' is refused: {first.id} is open for it"):
        opened(world)
    world.write(resolve(first, world.register, "it answers", "bob", NOW, force=False))
    again = opened(world, now=NOW + minutes(30))
    assert (again.id, again.episode) == (first.id, 2)


@pytest.mark.parametrize(
    ("opening", "message"),
    [
        (Opening("Up!", "t", SEV2, "r", "ann"), "--cause: 'Up!' is refused: give up to 64 lower-case letters"),
        (Opening("up", " ", SEV2, "r", "ann"), "TITLE: ' ' is refused: give a text"),
        (Opening("up", "t", SEV2, "", "ann"), "--reason: '' is refused: give a text"),
        (Opening("up", "t" * 201, SEV2, "r", "ann"), "give at most 200 characters instead of 201"),
    ],
)
def test_an_incident_without_a_cause_a_title_or_a_reason_is_refused(world, opening, message):
    with pytest.raises(Refused) as error:
        opened(world, opening)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("title", "cause"),
    [
        ("The upstream fails!", "the-upstream-fails"),
        ("Logins fail: 5xx", "logins-fail-5xx"),
        (f"{'a' * 63} b", "a" * 63),
        ("A" * 70, "a" * 64),
    ],
)
def test_a_title_in_ascii_gives_a_cause_that_can_be_read(title, cause):
    assert cause_of_title(title) == cause
    assert commands.CAUSE.fullmatch(cause)


def test_titles_that_are_not_in_latin_letters_have_different_causes():
    cyrillic = ("Вход не работает", "Токены не выдаются")
    titles = (*cyrillic, "ログインできません", "¿?", "???", "!", f"{'a' * 70} é", f"{'a' * 70} è", "Störung", "Stërung")
    causes = [cause_of_title(title) for title in titles]
    assert len(set(causes)) == len(titles)
    assert [cause for cause in causes if not commands.CAUSE.fullmatch(cause)] == []
    assert causes[0].startswith("incident-")
    assert causes[-2].startswith("st-rung-")


def test_the_same_title_has_the_same_cause_in_either_case_and_form():
    assert cause_of_title(" ВХОД не работает") == cause_of_title("Вход не  работает")
    assert cause_of_title("Sto\u0308rung") == cause_of_title("St\u00f6rung")


def test_incidents_of_two_cyrillic_titles_are_open_at_the_same_time(world):
    first, second = (
        opened(world, Opening(cause_of_title(title), title, SEV2, "r", "ann"))
        for title in ("Вход не работает", "Токены не выдаются")
    )
    assert first.id != second.id
    assert first.cause != second.cause


def test_an_acknowledgement_names_who_acknowledged_and_a_second_one_is_refused(world):
    incident = opened(world)
    after = world.command(incident.id, acknowledge(incident, "ann", "on my way"))
    assert (after.state, after.acknowledged_by) == (IncidentState.ACKNOWLEDGED, "ann")
    with pytest.raises(Refused, match="ann acknowledged it at 2026-11-23 03:00 UTC"):
        acknowledge(after, "bob", "")
    with pytest.raises(Refused, match="instead of 1025"):
        acknowledge(incident, "bob", "n" * (MAX_REASON + 1))


def test_an_update_may_change_the_severity(world):
    incident = opened(world)
    after = world.command(incident.id, update(incident, "it is worse", "ann", SEV1))
    assert after.severity is SEV1
    assert world.kinds(incident.id) == ["OPENED", "UPDATE", "SEVERITY"]
    assert len(update(after, "still", "ann", SEV1)) == 1
    assert len(update(after, "still", "ann", None)) == 1
    with pytest.raises(Refused, match="give a text"):
        update(after, "", "ann", None)


def test_the_severity_of_a_resolved_incident_cannot_be_changed(world):
    incident = opened(world)
    ended = world.write(resolve(incident, world.register, "over", "bob", NOW, force=False))
    world.command(incident.id, update(ended, "what we learned", "ann", None))
    with pytest.raises(Refused, match="the incident is RESOLVED"):
        world.command(incident.id, update(ended, "what we learned", "ann", SEV1))


def test_a_role_needs_a_person(world):
    incident = opened(world)
    after = world.command(incident.id, assign_role(Role.COMMUNICATIONS, "cleo", "ann"))
    assert after.roles == {Role.COMMUNICATIONS: "cleo"}
    with pytest.raises(Refused, match="PERSON"):
        assign_role(Role.COMMANDER, "", "ann")


def test_an_incident_whose_signal_lasts_is_resolved_by_force_alone(world):
    incident = world.receive(signal("rollback:d-1", "rollback"))
    with pytest.raises(Refused, match=r"rollback:d-1 has not ended: wait until it has, or .* --force"):
        resolve(incident, world.register, "we know why", "ann", NOW, force=False)
    world.write(resolve(incident, world.register, "we know why", "ann", NOW, force=True))
    assert world.register.active_subjects("service") == ()
    with pytest.raises(Refused, match="ann resolved it at 2026-11-23 03:00 UTC"):
        resolve(world.all[0], world.register, "again", "bob", NOW, force=True)
    with pytest.raises(Refused, match="--reason"):
        resolve(incident, world.register, " ", "bob", NOW, force=True)


def test_action_items_have_an_owner_and_a_due_date_and_are_completed_once(world):
    incident = opened(world)
    after = world.command(incident.id, add_action(incident, "add a test", "bob", DUE, "ann"))
    assert [(one.number, one.owner, one.due) for one in after.actions] == [(1, "bob", DUE)]
    done = world.command(incident.id, complete_action(after, 1, "bob"))
    assert done.open_actions == ()
    with pytest.raises(Refused, match=r"NUMBER: 1 is refused: name an open action item of .*: none"):
        complete_action(done, 1, "bob")
    with pytest.raises(Refused, match=r"NUMBER: 7 is refused: name an open action item of .*: 1"):
        complete_action(after, 7, "bob")
    with pytest.raises(Refused, match="--owner"):
        add_action(incident, "add a test", "", DUE, "ann")


def test_the_number_of_action_items_is_limited(world):
    incident = opened(world)
    for number in range(MAX_ACTIONS):
        incident = world.command(incident.id, add_action(incident, f"a {number}", "bob", DUE, "ann"))
    with pytest.raises(Refused, match="it has 100 action items"):
        add_action(incident, "one more", "bob", DUE, "ann")
