"""Alarms, acknowledgements, rollbacks, maintenance and the loss of a region at random, together.

200 random afternoons: events come late, twice and in any order; people press buttons of old and new messages, pagers send
their webhooks again, windows silence alarms, a region is lost and replaced. At every step the page must say what is true
by a second, simpler rule. At the end there is no stale incident, no unanswered page and no wrong state.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.domain.errors import Refused
from orchestrator.domain.incidents.acknowledgement import PageReference, acknowledgement_drafts
from orchestrator.domain.incidents.commands import acknowledge, assign_role, resolve, update
from orchestrator.domain.incidents.incident import EntryKind, Incident, IncidentState, Role, broken_at, replay
from orchestrator.domain.incidents.paging import PAGES, due_drafts, next_page
from orchestrator.domain.incidents.regions import region_lost, region_replaced, signal_of_settings
from orchestrator.domain.incidents.register import resolves_itself
from orchestrator.domain.incidents.severity import IncidentSeverity
from orchestrator.domain.incidents.signals import SERVICE, Signal
from orchestrator.domain.maintenance.effects import silences_incident
from orchestrator.domain.maintenance.policy import MaintenancePolicy
from orchestrator.domain.maintenance.schedule import plan
from orchestrator.domain.status_page.component_state import ComponentState
from orchestrator.domain.status_page.evidence import Evidence, component_status, components_of_alarm
from orchestrator.domain.status_page.maintenance import published_window
from orchestrator.domain.status_page.published_incidents import publish_incident
from orchestrator.domain.status_page.settings import StatusPageSettings
from tests.samples import NOW
from tests.unit.domain.incidents.worlds import POLICY, Incidents, minutes, signal
from tests.unit.domain.maintenance.worlds import Maintenance, request

LAST, STEP = 6 * 60, 3
HOME, OTHER = "us-west-1", "us-east-2"
DEGRADED = "alarm:ib-oauth-service-degraded-test"
SUBJECTS = {
    DEGRADED: ("service", "service-degraded"),
    "rollback:d-1": ("service", "rollback"),
    "rollback:d-2": ("service", "rollback-failed"),
    "alarm:ib-oauth-root-account-used-test": ("root-account-used", "root-account-used"),
}
PAGE = StatusPageSettings(enabled=True, address="https://status.example.com")
EVERY = tuple(component.id for component in PAGE.components)
SHOWN = {"service", "region-lost"}
"""The causes of incidents that the page shows."""

episodes = st.lists(
    st.tuples(st.sampled_from(sorted(SUBJECTS)), st.integers(0, LAST), st.integers(1, 90)), min_size=1, max_size=6
)
delays = st.lists(st.integers(0, 120), min_size=1, max_size=3)
people = st.lists(
    st.tuples(
        st.integers(0, LAST + 120),
        st.sampled_from(["command", "link", "old link", "webhook", "lead", "severity", "resolve"]),
        st.integers(0, 9),
    ),
    max_size=10,
)
windows = st.lists(st.tuples(st.integers(1, LAST), st.integers(10, 120)), max_size=2)
losses = st.none() | st.tuples(st.integers(0, LAST), st.integers(1, 90), st.booleans())


@dataclass
class World:
    """An environment: its incidents, its maintenance, and which alarms really fire."""

    incidents: Incidents = field(default_factory=Incidents)
    maintenance: Maintenance = field(default_factory=Maintenance)
    firing: list[tuple[int, int]] = field(default_factory=list)
    lost: tuple[int, int] = (0, 0)
    by_hand: bool = False
    removed: datetime | None = None
    monitored: set[tuple[str, int]] = field(default_factory=set)

    def is_away(self, minute: int) -> bool:
        return self.lost[0] <= minute < self.lost[1]

    def fires(self, minute: int) -> bool:
        return any(start <= minute < end for start, end in self.firing)

    def receive(self, one: Signal, now: datetime) -> None:
        """Deliver a signal, and note whether the open incident of the service is only monitored from now on."""
        before = self.open_service_incident()
        self.incidents.receive(one, now)
        after = self.open_service_incident()
        if after is None or before is None or after.entries == before.entries or one.cause != SERVICE:
            self.removed = self.removed if before and after else None
            return
        if one.removes_cause:
            self.removed = one.at
        elif one.begins and self.removed and one.at > self.removed:
            self.removed = None
            self.monitored.discard((after.id, after.episode))
        active = self.incidents.register.active_subjects(SERVICE)
        if one.subject not in active and set(active) <= {DEGRADED} and self.removed:
            self.monitored.add((after.id, after.episode))

    def open_service_incident(self) -> Incident | None:
        return next((one for one in self.incidents.all if one.is_open and one.cause == SERVICE), None)

    def tick(self, now: datetime, minute: int) -> None:
        """What the reconcile handler does: what the settings say, windows, and pages that no window silences."""
        if self.by_hand:
            found = signal_of_settings(self.incidents.register, HOME if self.is_away(minute) else "", OTHER, now)
            if found:
                self.incidents.receive(found, now)
        self.maintenance.tick(now)
        for name in list(self.incidents.register.attended):
            incident = self.incidents.find(name)
            drafts = due_drafts(incident, POLICY, now)
            if silences_incident(self.maintenance.schedule, incident, "test", now):
                drafts = tuple(draft for draft in drafts if draft.kind not in PAGES)
            if drafts:
                self.incidents.command(name, drafts, now)

    def act(self, what: str, number: int, now: datetime) -> None:
        """A person does something with every incident, or a pager reports it."""
        for incident in self.incidents.all:
            with suppress(Refused):
                match what:
                    case "command":
                        self.incidents.command(incident.id, acknowledge(incident, "ann", ""), now)
                    case "lead" if incident.is_open:
                        self.incidents.command(incident.id, assign_role(Role.COMMANDER, "ann", "bob"), now)
                    case "severity" if incident.is_open and incident.severity is not IncidentSeverity.SEV1:
                        worse = update(incident, "it is worse", "ann", IncidentSeverity.SEV1)
                        self.incidents.command(incident.id, worse, now)
                        self.monitored.discard((incident.id, incident.episode))
                    case "resolve":
                        register = self.incidents.register
                        self.incidents.write(resolve(incident, register, "over", "ann", now, force=False), now)
                    case "link" | "old link" | "webhook":
                        episode = incident.episode - (what == "old link")
                        page = incident.pages[number % len(incident.pages)].key if incident.pages else "1-1"
                        self.press(PageReference(incident.id, episode, page, "ann"), what, now)

    def press(self, page: PageReference, what: str, now: datetime) -> None:
        before = self.incidents.find(page.incident)
        drafts = acknowledgement_drafts(before, page, what)
        assert not drafts or before.episode == page.episode, "a message of another episode acknowledges nothing"
        if drafts:
            after = self.incidents.command(page.incident, drafts, now)
            assert acknowledgement_drafts(after, page, what) == (), "a replay changes nothing"

    def states(self, now: datetime, minute: int) -> set[ComponentState]:
        """What the page says of its components. The monitoring of a lost region does not answer."""
        evidence = Evidence(alarms=None if self.is_away(minute) else {"api-server-errors": self.fires(minute)})
        incidents = [
            publish_incident(chain, PAGE, lambda name: components_of_alarm(name, PAGE.components))
            for chain in self.incidents.chains.values()
        ]
        found = [one for one in incidents if one]
        shown = [published_window(one, PAGE.components, now) for one in self.maintenance.windows.values()]
        return {component_status(one, evidence, found, shown, (), now).state for one in PAGE.components}

    def expected(self, now: datetime, minute: int) -> ComponentState:
        """What is true of every component, by a rule of its own: all signals here are about all components."""
        shown = [one for one in self.incidents.all if one.is_open and one.cause in SHOWN]
        severities = {one.severity for one in shown if (one.id, one.episode) not in self.monitored}
        if any(one.is_under_way(now) for one in self.maintenance.windows.values()):
            return ComponentState.MAINTENANCE
        if IncidentSeverity.SEV1 in severities:
            return ComponentState.MAJOR_OUTAGE
        if self.fires(minute) and not self.is_away(minute):
            return ComponentState.PARTIAL_OUTAGE
        if severities:
            return ComponentState.DEGRADED
        return ComponentState.UNKNOWN if self.is_away(minute) else ComponentState.OPERATIONAL


@st.composite
def afternoons(draw):
    """A world, and (minute, signal) of each delivery."""
    world, arriving = World(), []
    for subject, begins, lasts in draw(episodes):
        cause, opener = SUBJECTS[subject]
        if subject == DEGRADED:
            world.firing.append((begins, begins + lasts))
        verified = subject.startswith("rollback:") and draw(st.booleans())
        for minute, name in ((begins, opener), (begins + lasts, "")):
            one = signal(subject, name, NOW + minutes(minute), cause)
            one = replace(one, removes_cause=verified and not name)
            arriving += [(minute + delay, one) for delay in draw(delays)]
    loss = draw(losses)
    if loss:
        begins, lasts, world.by_hand = loss
        world.lost = (begins, begins + lasts)
        if not world.by_hand:
            began = region_lost(HOME, NOW + minutes(begins), f"failover to {OTHER}")
            ended = region_replaced(HOME, NOW + minutes(begins + lasts), f"the service runs in {OTHER}")
            for minute, one in ((begins, began), (begins + lasts, ended)):
                arriving += [(minute + delay, one) for delay in draw(delays)]
    for begins, lasts in draw(windows):
        wanted = request(minutes(begins), minutes(lasts), silenced=("service-degraded",), components=EVERY)
        with suppress(Refused):
            world.maintenance.write(plan(world.maintenance.schedule, wanted, MaintenancePolicy(notice_hours=0), NOW))
    return world, arriving


@settings(max_examples=200, deadline=None)
@given(afternoons(), people)
def test_together_they_leave_no_stale_incident_no_unanswered_page_and_no_wrong_state(afternoon, acting):
    world, arriving = afternoon
    end = LAST + 90 + 120 + 3 * STEP
    for minute in range(0, end, STEP):
        now, step = NOW + minutes(minute), range(minute, minute + STEP)
        for one in (one for at, one in arriving if at in step):
            world.receive(one, now + minutes(STEP - 1))
        for what, number in ((what, number) for at, what, number in acting if at in step):
            world.act(what, number, now + minutes(STEP - 1))
        world.tick(now + minutes(STEP - 1), minute)
        assert world.states(now, minute) == {world.expected(now, minute)}
    check_end(world, NOW + minutes(end), end)


def check_end(world: World, now: datetime, minute: int) -> None:
    incidents = world.incidents
    for incident in incidents.all:
        assert incidents.register.active_subjects(incident.cause) == (), "everything has ended"
        assert not (incident.is_open and resolves_itself(incident.cause, led=incident.is_led)), "it is stale"
        assert next_page(incident, POLICY, now) is None or now - incident.pages[-1].at <= minutes(STEP + 15), "overdue"
        assert broken_at(incidents.chains[incident.id]) is None
    for chain in incidents.chains.values():
        for number, entry in enumerate(chain):
            if entry.kind is EntryKind.PAGED:
                before = replay(chain[:number])
                assert before.state is IncidentState.OPEN, "no page after an acknowledgement or the end"
                assert before.severity.at_least(POLICY.page_from)
    waits = any(
        one.is_open and one.cause in SHOWN and (one.id, one.episode) not in world.monitored for one in incidents.all
    )
    assert waits or world.states(now, minute) == {ComponentState.OPERATIONAL}
