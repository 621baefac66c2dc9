"""Signals and incidents that the tests of incidents start from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from orchestrator.domain.incidents.incident import Draft, Entry, Incident, append, replay
from orchestrator.domain.incidents.paging import due_drafts
from orchestrator.domain.incidents.policy import IncidentPolicy
from orchestrator.domain.incidents.register import Change, Register, after_change, receive_signal
from orchestrator.domain.incidents.rota import Level, Rota
from orchestrator.domain.incidents.signals import SERVICE, Signal
from tests.samples import NOW

ROTA = Rota(
    time_zone="Europe/Berlin",
    handover_day="Mon",
    handover_time=time(9),
    starts=date(2026, 1, 5),
    escalate_minutes=15,
    levels=(Level(("ann", "bob", "cleo")), Level(("dan",), ("pager-2",))),
)
POLICY = IncidentPolicy(rota=ROTA)


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def signal(subject: str, opener: str, at: datetime = NOW, cause: str = SERVICE) -> Signal:
    """A beginning; with an empty opener an end."""
    return Signal(subject, cause, opener, at, f"{subject} {'begins' if opener else 'ends'}", "7.7 % > 5 %")


@dataclass
class Incidents:
    """The incidents of an environment in memory, written as the ledger's are."""

    policy: IncidentPolicy = POLICY
    register: Register = field(default_factory=Register)
    chains: dict[str, list[Entry]] = field(default_factory=dict)
    replayed: dict[str, Incident] = field(default_factory=dict)
    """What was replayed since the last write."""

    def find(self, name: str) -> Incident:
        if name not in self.replayed:
            self.replayed[name] = replay(self.chains[name])
        return self.replayed[name]

    def write(self, change: Change | None, now: datetime = NOW) -> Incident | None:
        if change is None:
            return None
        if not change.drafts:
            self.register = after_change(change, None, now)
            return None
        incident, entries = append(change.incident_id, change.incident, change.drafts, now)
        self.chains.setdefault(change.incident_id, []).extend(entries)
        self.replayed.pop(change.incident_id, None)
        self.register = after_change(change, incident, now)
        return incident

    def receive(self, one: Signal, now: datetime = NOW) -> Incident | None:
        return self.write(receive_signal(one, self.register, self.find, self.policy, now), now)

    def command(self, name: str, drafts: Sequence[Draft], now: datetime = NOW) -> Incident:
        incident = self.write(Change(self.register, name, self.find(name), tuple(drafts)), now)
        assert incident is not None
        return incident

    def tick(self, now: datetime) -> None:
        """What the reconcile handler does once a minute."""
        for name in list(self.register.attended):
            drafts = due_drafts(self.find(name), self.policy, now)
            if drafts:
                self.command(name, drafts, now)

    @property
    def all(self) -> list[Incident]:
        return [self.find(name) for name in sorted(self.chains)]

    def kinds(self, name: str) -> list[str]:
        return [entry.kind.value for entry in self.chains[name]]
