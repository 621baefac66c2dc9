"""The result of a rehearsed scenario. Without measured evidence it is never PASS."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.domain.rehearsal.scenario import End, Scenario
from orchestrator.domain.verdict import Outcome, Verdict


@dataclass(frozen=True)
class Step:
    """Something that happened, in seconds since the fault was injected."""

    seconds: float
    what: str


@dataclass(frozen=True)
class Rehearsal:
    """What one run of a scenario measured.

    Attributes:
        scenario: its name.
        started_at: when the fault was injected.
        steps: what happened, in order.
        commands: what was typed in a person's place.
        ended: the end; None if the service did not recover.
        problem: why the run ended early, or what was not as it must be; empty if nothing.
        recovery_seconds: from the fault until every flow succeeded; None if it was not measured.
        loss_seconds: the time in which acknowledged writes were lost; None if it was not measured.
        alarm_seconds: from the fault until the scenario's alarm fired; None if it did not, or has none.
        flows, failed_flows: flows after the fault.
        writes, lost_writes: writes that the service acknowledged, and those of them that were missing at the end.
        logins, ended_logins: logins of before the fault that were tried at the end, and those of them that had ended: their
            users log in again. None if none was tried.
    """

    scenario: str
    started_at: datetime
    steps: tuple[Step, ...]
    commands: tuple[str, ...]
    ended: End | None
    problem: str
    recovery_seconds: float | None
    loss_seconds: float | None
    alarm_seconds: float | None
    flows: int
    failed_flows: int
    writes: int
    lost_writes: int
    logins: int | None = None
    ended_logins: int | None = None


def end_of(took: timedelta | None, *, commands: bool) -> End:
    """Return the end of a run whose service works.

    Args:
        took: the recovery time; zero if no flow failed, None if it was not measured.
        commands: whether commands were typed in a person's place.
    """
    if took == timedelta():
        return End.THROUGHOUT
    return End.COMMANDS if commands else End.UNAIDED


def verdict_of(scenario: Scenario, run: Rehearsal) -> Verdict:
    """Return the verdict on a run: PASS only if the end is the expected one and everything was measured."""
    if run.problem:
        return Verdict(Outcome.ERROR if run.ended is None else Outcome.FAIL, run.problem)
    if run.ended is not scenario.expected:
        ended = run.ended or "not in service"
        return Verdict.failed(f"it ended {ended}, expected {scenario.expected}")
    if run.recovery_seconds is None or run.loss_seconds is None:
        missing = "recovery time" if run.recovery_seconds is None else "data loss"
        return Verdict.inconclusive(f"the {missing} was not measured")
    if scenario.alarm and run.alarm_seconds is None:
        return Verdict.failed(f"the alarm {scenario.alarm} did not fire")
    for name, seconds, objective in (
        ("recovery time", run.recovery_seconds, scenario.objectives.recovery_time.total_seconds()),
        ("data loss", run.loss_seconds, scenario.objectives.data_loss.total_seconds()),
    ):
        if not 0 <= seconds <= objective:
            return Verdict.failed(f"{name} {seconds:.1f} s, objective {objective:g} s")
    return Verdict.passed(
        f"{scenario.expected}: recovery time {run.recovery_seconds:.1f} s, data loss {run.loss_seconds:.1f} s, "
        f"{run.failed_flows} of {run.flows} flows failed, {run.lost_writes} of {run.writes} writes are lost, "
        f"{describe_logins(run)}"
    )


def describe_logins(run: Rehearsal) -> str:
    """Return how many logins of before the fault had ended at the end."""
    if not run.logins:
        return "logins were not measured"
    consequence = ": every user logs in again" if run.ended_logins == run.logins else ""
    return f"{run.ended_logins} of {run.logins} logins ended{consequence}"
