"""Random interleavings of alarms, rollbacks, duplicates, people and the clock: no stale incident, no unanswered page.

The events of each alarm and each rollback are delivered late, repeatedly and in any order, as EventBridge may. A person
on call may sleep. Meanwhile at most one incident of a cause is open; at the end, none is open unless a person has to
resolve it, and every page was answered, went to the next level in time, or ended with its incident.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.domain.errors import Refused
from orchestrator.domain.incidents.commands import acknowledge, assign_role, resolve
from orchestrator.domain.incidents.incident import EntryKind, IncidentState, Role, broken_at, replay
from orchestrator.domain.incidents.paging import MOST_ROUNDS, next_page
from orchestrator.domain.incidents.register import resolves_itself
from orchestrator.domain.incidents.severity import IncidentSeverity
from tests.samples import NOW
from tests.unit.domain.incidents.worlds import POLICY, ROTA, Incidents, minutes, signal

SUBJECTS = {
    "alarm:degraded": ("service", "service-degraded"),
    "rollback:d-1": ("service", "rollback"),
    "rollback:d-2": ("service", "rollback-failed"),
    "alarm:root": ("root-account-used", "root-account-used"),
    "drill": ("recovery-drill", "recovery-drill-failed"),
}
HOURS = 6 * 60

episodes = st.lists(
    # subject, minute of its beginning, minutes that it lasts
    st.tuples(st.sampled_from(sorted(SUBJECTS)), st.integers(0, HOURS), st.integers(1, 90)),
    min_size=1,
    max_size=8,
)
people = st.lists(
    st.tuples(st.integers(0, HOURS + 120), st.sampled_from(["acknowledge", "lead", "resolve", "force"])), max_size=8
)


@st.composite
def deliveries(draw):
    """(minute of the delivery, signal), with delays, and with duplicates of some."""
    found = []
    for subject, begins, lasts in draw(episodes):
        cause, opener = SUBJECTS[subject]
        for minute, name in ((begins, opener), (begins + lasts, "")):
            one = signal(subject, name, NOW + minutes(minute), cause)
            found += [(minute + delay, one) for delay in draw(st.lists(st.integers(0, 120), min_size=1, max_size=3))]
    return found


def command(world, what, now):
    for incident in world.all:
        with suppress(Refused):
            if what == "acknowledge":
                world.command(incident.id, acknowledge(incident, "ann", ""), now)
            elif what == "lead" and incident.is_open:
                world.command(incident.id, assign_role(Role.COMMANDER, "ann", "bob"), now)
            elif what in {"resolve", "force"}:
                world.write(resolve(incident, world.register, "over", "ann", now, force=what == "force"), now)


@pytest.mark.strategy("Contact Information: Support escalation")
@settings(max_examples=200, deadline=None)
@given(deliveries(), people)
def test_random_interleavings_leave_no_stale_incident_and_no_unanswered_page(arriving, acting):
    world = Incidents()
    moments = {minute for minute, _ in (*arriving, *acting)} | set(range(0, HOURS + 90 + 120 + 5, 5))
    for minute in sorted(moments):
        now = NOW + minutes(minute)
        delivered = [one for at, one in arriving if at == minute]
        for one in delivered:
            world.receive(one, now)
        for what in (what for at, what in acting if at == minute):
            command(world, what, now)
        if minute % 5 == 0:
            world.tick(now)
        if delivered:
            open_causes = [incident.cause for incident in world.all if incident.is_open]
            assert len(open_causes) == len(set(open_causes)), "one open incident a cause"
    check_pages(world, NOW + minutes(max(minute for minute in moments if minute % 5 == 0)))
    check_quiet(world)


def check_quiet(world):
    """Every signal has ended: what is open waits for a person, who resolves it, and nothing else is left to do."""
    for incident in world.all:
        assert world.register.active_subjects(incident.cause) == ()
        assert not resolves_itself(incident.cause, led=incident.is_led) or incident.state is IncidentState.RESOLVED
        assert broken_at(world.chains[incident.id]) is None
        if incident.is_open:
            world.write(resolve(incident, world.register, "over", "ann", NOW, force=False), NOW)
    assert not any(incident.needs_attention for incident in world.all)


def check_pages(world, end):
    """A page is answered, escalated in time, or its incident ended; and none comes after an acknowledgement."""
    assert all(next_page(incident, POLICY, end) is None for incident in world.all), "nothing is overdue"
    for chain in world.chains.values():
        for number, entry in enumerate(chain):
            before = replay(chain[:number]) if number else None
            if entry.kind is EntryKind.PAGED:
                assert before.state is IncidentState.OPEN
                assert before.severity.at_least(POLICY.page_from)
                assert next_page(before, POLICY, entry.at).details == entry.details
                assert entry.details["round"] <= MOST_ROUNDS
            if entry.kind in {EntryKind.OPENED, EntryKind.REOPENED} and number + 1 < len(chain):
                late = timedelta(minutes=ROTA.escalate_minutes + 5)
                unanswered = replay(chain[: number + 1])
                answer = chain[number + 1]
                paged_in_time = answer.at - entry.at <= late or answer.kind is not EntryKind.PAGED
                assert paged_in_time or not unanswered.severity.at_least(IncidentSeverity.SEV2)
