"""Two regions, their clocks and leases, the assignment, and failovers whose writers die or are late at any point.

Every read, effect and write is an event of its own, so that another writer's events come in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random

from orchestrator.domain.deployment.gates import Approval, Gate, GateKind
from orchestrator.domain.errors import Refused
from orchestrator.domain.failover import decisions, issuing_region
from orchestrator.domain.failover.decisions import FailoverAction
from orchestrator.domain.failover.issuing_region import IssuingAssignment, IssuingLease
from orchestrator.domain.failover.record import CopiedTable, Failover
from orchestrator.domain.failover.steps import Direction, Step
from orchestrator.domain.recovery.record import Role
from tests.samples import NOW

HOME, STANDBY = "us-west-1", "us-east-2"
LEASE = timedelta(minutes=5)
LONGEST_REQUEST_SECONDS = 30
CLOCK_SECONDS = 10
"""How far a region's clock may be off, either way."""

MOST_WRITERS = 5

GATE = Gate(GateKind.APPROVE, "failover", 0, timedelta(hours=2), approvers=("ann", "bob", "eve"), quorum=2)


def failover(**changes) -> Failover:
    fields = {
        "id": "fo-1",
        "environment": "prod",
        "home": HOME,
        "region": STANDBY,
        "requested_by": "ann",
        "reason": "the region is lost",
        "requested_at": NOW,
        "gate": GATE,
        "lease": LEASE,
        "tables": tuple(
            CopiedTable(role, f"arn:{role}", NOW - timedelta(hours=number), f"ib-oauth-restored-fo-1-{role}-prod")
            for number, role in enumerate(Role, 1)
        ),
    }
    return Failover(**fields | changes)


@dataclass
class Region:
    """A region: its clock, its lease, and whether its functions run and reach the assignment."""

    name: str
    clock_off: timedelta
    alive: bool = True
    reaches_assignment: bool = True
    lease: IssuingLease | None = None


@dataclass
class TwoRegions:
    """The world. `issued` has every token: (region, epoch, when the lease was checked, when it was sent)."""

    seed: int
    due: Callable[[datetime, timedelta], datetime] = issuing_region.activation_due
    now: datetime = NOW
    issued: list[tuple[str, int, datetime, datetime]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.regions = {name: Region(name, self._skew()) for name in (HOME, STANDBY)}
        self.assignment, self.assignment_version = issuing_region.first_assignment(HOME), 0
        self.records: dict[str, Failover] = {}
        self.versions: dict[str, int] = {}
        self.approvals: dict[str, list[Approval]] = {}
        self.writers: list[Iterator[None]] = []

    def _skew(self) -> timedelta:
        return timedelta(seconds=self.random.uniform(-CLOCK_SECONDS, CLOCK_SECONDS))

    def time_in(self, region: str) -> datetime:
        return self.now + self.regions[region].clock_off

    # --- stores with conditional writes ------------------------------------------------------------------

    def write_assignment(self, seen: int, assignment: IssuingAssignment, record_id: str, seen_record: int) -> bool:
        """Write the assignment if neither it nor the record has changed: one transaction."""
        if seen != self.assignment_version or seen_record != self.versions[record_id]:
            return False
        self.assignment, self.assignment_version = assignment, seen + 1
        return True

    def write_record(self, seen: int, record: Failover) -> bool:
        if seen != self.versions.get(record.id, 0):
            return False
        self.records[record.id], self.versions[record.id] = record, seen + 1
        return True

    # --- writers: each `yield` is a place where others run, or where the writer dies -----------------------

    def renew(self, region: Region) -> Iterator[None]:
        began = self.time_in(region.name)
        yield
        assignment = self.assignment if region.reaches_assignment else None
        yield
        lease = issuing_region.grant_lease(assignment, region.name, began, LEASE)
        if lease is not None:
            region.lease = lease

    def issue(self, region: Region) -> Iterator[None]:
        if region.alive and region.lease and region.lease.allows(self.time_in(region.name)):
            checked = self.now
            took = timedelta(seconds=self.random.uniform(0, LONGEST_REQUEST_SECONDS))
            self.issued.append((region.name, region.lease.epoch, checked, checked + took))
        yield

    def execute(self, record_id: str) -> Iterator[None]:
        """One task of an execution: it reads, has its effect, and writes the record."""
        record, seen = self.records[record_id], self.versions[record_id]
        here = record.region
        yield
        if record.next_step is Step.APPROVE:
            passed = decisions.pass_approvals(record, self.approvals[record_id], self.time_in(here))
            yield
            self.write_record(seen, passed)
            return
        decision = decisions.next_decision(record, self.time_in(here))
        yield
        if decision.action is FailoverAction.WAIT:
            if self.time_in(here) < self.due(record.assignment_taken_at, record.lease):
                return
        elif decision.action in {FailoverAction.SUCCEEDED, FailoverAction.CANCELLED}:
            return
        step = record.next_step
        try:
            done = yield from self._perform(step, record, seen)
        except Refused:
            return
        yield
        if done:
            if step is Step.FENCE:
                record = replace(record, assignment_taken_at=self.time_in(here))
            self.write_record(seen, record.begun(self.now).with_result(step, "done", self.now))

    def _perform(self, step: Step, record: Failover, seen: int) -> Iterator[None]:
        assignment, version = self.assignment, self.assignment_version
        yield
        if step is Step.FENCE:
            taken = issuing_region.take_assignment(assignment, record.region, record.id)
            return self.write_assignment(version, taken, record.id, seen)
        if step is Step.TAKE_OVER:
            active = issuing_region.activate_assignment(assignment, record.region, record.id)
            return self.write_assignment(version, active, record.id, seen)
        return True

    def cancel(self, record_id: str) -> Iterator[None]:
        record, seen = self.records[record_id], self.versions[record_id]
        assignment, version = self.assignment, self.assignment_version
        yield
        try:
            cancelled = decisions.cancel(record, "ann", self.now)
            returned = issuing_region.return_assignment(assignment, record.home, record_id)
        except Refused:
            return
        yield
        if self.write_assignment(version, returned, record_id, seen):  # and the record, in the same transaction
            self.write_record(seen, cancelled)

    # --- what happens ------------------------------------------------------------------------------------

    def start(self, record_id: str, home: str, region: str) -> None:
        # A failover from the standby region goes back, as a rule; it can be a failover as well.
        back = home == STANDBY and self.random.random() < 0.7
        direction = Direction.BACK if back else Direction.AWAY
        record = failover(id=record_id, home=home, region=region, requested_at=self.now, direction=direction)
        self.write_record(0, record)
        self.approvals[record_id] = []

    def happen(self) -> None:
        """One event, and some time."""
        home, standby = self.regions[HOME], self.regions[STANDBY]
        # Usually the events follow each other closely; sometimes for long none comes.
        self.now += timedelta(seconds=self.random.uniform(0, 60 if self.random.random() < 0.03 else 1))
        event = self.random.random()
        if len(self.writers) > MOST_WRITERS or (event < 0.40 and self.writers):
            self._advance(self.random.randrange(len(self.writers)))
        elif event < 0.42 and self.writers:
            self.writers.pop(self.random.randrange(len(self.writers)))  # it dies
        elif event < 0.60:
            self.writers.append(self.renew(self.random.choice([home, standby])))
        elif event < 0.75:
            self._advance_new(self.issue(self.random.choice([home, standby])))
        elif event < 0.77:
            home.alive = home.reaches_assignment = self.random.random() < 0.5  # it is lost, or returns
        elif event < 0.79:
            home.reaches_assignment = home.alive and self.random.random() < 0.7
        elif (
            event < 0.80
            and len(self.records) < 3
            and all(one.outcome or not one.next_step for one in self.records.values())
        ):
            away = STANDBY if self.assignment.region == HOME else HOME
            self.start(f"fo-{len(self.records) + 1}", self.assignment.region, away)
        elif self.records:
            record_id = self.random.choice(sorted(self.records))
            self._of_a_failover(record_id)

    def _of_a_failover(self, record_id: str) -> None:
        event = self.random.random()
        if event < 0.25:
            by = self.random.choice([*GATE.approvers, "stranger"])
            self.approvals[record_id].append(Approval(by, self.now))
        elif event < 0.26:
            self.writers.append(self.cancel(record_id))
        else:
            self.writers.append(self.execute(record_id))

    def _advance_new(self, writer: Iterator[None]) -> None:
        self.writers.append(writer)
        self._advance(len(self.writers) - 1)

    def _advance(self, index: int) -> None:
        try:
            next(self.writers[index])
        except StopIteration:
            self.writers.pop(index)

    def settle(self) -> None:
        """No more faults: every writer ends, each failover is cancelled or completed, and both regions renew."""
        for region in self.regions.values():
            region.alive = region.reaches_assignment = True
        while self.writers:
            self._advance(0)
        for record_id in sorted(self.records):
            self.approvals[record_id] += [Approval(by, self.now) for by in GATE.approvers]
            for _ in range(40):
                self.now += timedelta(seconds=60)
                self._run(self.execute(record_id))
        for region in self.regions.values():
            self._run(self.renew(region))

    def _run(self, writer: Iterator[None]) -> None:
        for _ in writer:
            pass

    def regions_that_may_issue(self) -> set[str]:
        return {
            name for name, region in self.regions.items() if region.lease and region.lease.allows(self.time_in(name))
        }

    def overlaps(self) -> list[tuple[str, datetime, datetime]]:
        """Tokens that were sent when another region had already begun to issue by a later assignment."""
        first: dict[tuple[str, int], datetime] = {}
        for region, epoch, checked, _ in self.issued:
            first[region, epoch] = min(checked, first.get((region, epoch), checked))
        return [
            (region, checked, sent)
            for region, epoch, checked, sent in self.issued
            if any(other != region and later > epoch and sent > began for (other, later), began in first.items())
        ]
