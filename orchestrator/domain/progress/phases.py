"""The phases of a recovery or of a rollback: what is done, what runs, how long each took, and how long it usually takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from statistics import median

from orchestrator.domain.deployment.record import Deployment
from orchestrator.domain.recovery.record import CUTOVER_CHECK, Recovery, RecoveryOutcome


class PhaseState(StrEnum):
    """Whether a phase has ended."""

    DONE = "done"
    RUNNING = "running"
    PENDING = "pending"


@dataclass(frozen=True)
class PhaseProgress:
    """One phase.

    Attributes:
        elapsed: None before it begins.
        expected: the median of the same phase in earlier runs; None without one.
    """

    name: str
    state: PhaseState
    elapsed: timedelta | None = None
    expected: timedelta | None = None


NEARLY = 0.8
"""The share of an objective from which on it is nearly used."""


class ObjectiveState(StrEnum):
    """Whether an objective is met so far."""

    MET = "MET"
    NEARLY_USED = "NEARLY_USED"
    MISSED = "MISSED"


@dataclass(frozen=True)
class ObjectiveUse:
    """How much of the recovery time objective is used. `used` is None before a restore was requested."""

    used: timedelta | None
    objective: timedelta

    @property
    def share(self) -> float | None:
        """The used part of the objective, 1 for all of it; None if nothing was measured."""
        return None if self.used is None else self.used / self.objective

    @property
    def state(self) -> ObjectiveState:
        """Whether the objective is met so far."""
        share = self.share or 0.0
        if share > 1:
            return ObjectiveState.MISSED
        return ObjectiveState.NEARLY_USED if share >= NEARLY else ObjectiveState.MET


def recovery_phases(recovery: Recovery, earlier: Sequence[Recovery], now: datetime) -> tuple[PhaseProgress, ...]:
    """Return the phases of a recovery: those of its record, the one that runs, and those that usually follow.

    A record names a phase when it ends. So which one runs is known from earlier recoveries of the same kind; without
    one, the phases that follow are not listed.

    Args:
        recovery: its record.
        earlier: recoveries of the ledger, newest first, of any kind.
        now: aware, in UTC.
    """
    alike = [other for other in earlier if _is_alike(recovery, other)]
    expected = _medians([_durations(other) for other in alike])
    took = _durations(recovery)
    last = recovery.phases[-1].name if recovery.phases else ""
    still = bool(last) and _continues(recovery, last)
    phases = [
        PhaseProgress(name, PhaseState.RUNNING, now - recovery.phases[-1].began, expected.get(name))
        if still and name == last and recovery.ended_at is None
        else PhaseProgress(name, PhaseState.DONE, duration, expected.get(name))
        for name, duration in took.items()
    ]
    if recovery.ended_at is not None:
        return tuple(phases)
    following = _following(alike, last, took)
    if not still and following:
        began = recovery.phases[-1].ended if recovery.phases else recovery.requested_at
        running, *following = following
        phases.append(PhaseProgress(running, PhaseState.RUNNING, now - began, expected[running]))
    phases += [PhaseProgress(name, PhaseState.PENDING, expected=expected[name]) for name in following]
    return tuple(phases)


def rollback_phases(deployment: Deployment, earlier: Sequence[Deployment], now: datetime) -> tuple[PhaseProgress, ...]:
    """Return the phases of a deployment's rollback; none without a rollback.

    Args:
        deployment: its record.
        earlier: deployments of the ledger.
        now: aware, in UTC.
    """
    times = _rollback_times(deployment)
    others = [other for other in earlier if other.id != deployment.id and other.rollback and not other.under_way]
    expected = _medians(
        [
            {name: end - began for name, began, end in _rollback_times(other) if began is not None and end is not None}
            for other in others
        ]
    )
    phases = []
    for name, began, end in times:
        if end is not None and began is not None:
            phases.append(PhaseProgress(name, PhaseState.DONE, end - began, expected.get(name)))
        elif began is not None and deployment.under_way:
            phases.append(PhaseProgress(name, PhaseState.RUNNING, now - began, expected.get(name)))
        else:
            phases.append(PhaseProgress(name, PhaseState.PENDING, expected=expected.get(name)))
    return tuple(phases)


def expected_end(phases: Sequence[PhaseProgress], now: datetime) -> datetime | None:
    """Return when the phases usually end; None if nothing runs, or one of them has no earlier run to compare with."""
    left = [phase for phase in phases if phase.state is not PhaseState.DONE]
    if not any(phase.state is PhaseState.RUNNING for phase in left):
        return None
    end = now
    for phase in left:
        if phase.expected is None:
            return None
        end += max(timedelta(0), phase.expected - (phase.elapsed or timedelta(0)))
    return end


def recovery_time_used(recovery: Recovery, now: datetime) -> ObjectiveUse:
    """Return the recovery time so far, from the first requested restore, and its objective."""
    began = [table.started_at for table in recovery.tables if table.started_at]
    used = recovery.measured.recovery_time
    if used is None and began:
        used = (recovery.ended_at or now) - min(began)
    return ObjectiveUse(used, recovery.objectives.recovery_time)


def _is_alike(recovery: Recovery, other: Recovery) -> bool:
    same = other.kind is recovery.kind and bool(other.failback_of) == bool(recovery.failback_of)
    ended = other.ended_at is not None and other.outcome is not RecoveryOutcome.REFUSED
    return same and ended and other.id != recovery.id


def _durations(recovery: Recovery) -> Mapping[str, timedelta]:
    """Return the duration of every phase; one that came again after another counts once."""
    durations: dict[str, timedelta] = {}
    for phase in recovery.phases:
        durations[phase.name] = durations.get(phase.name, timedelta(0)) + phase.took
    return durations


def _medians(runs: Sequence[Mapping[str, timedelta]]) -> Mapping[str, timedelta]:
    names = dict.fromkeys(name for run in runs for name in run)
    return {name: timedelta(seconds=median(run[name].total_seconds() for run in runs if name in run)) for name in names}


def _continues(recovery: Recovery, last: str) -> bool:
    """Return whether the last recorded phase is still waiting, as the record's other facts show."""
    waits = {
        "AwaitRestore": any(table.ready_at is None for table in recovery.tables),
        "AwaitExport": any(table.by_export and table.exported_at is None for table in recovery.tables),
        "AwaitCutover": all(result.check != CUTOVER_CHECK for result in recovery.check_results),
    }
    return waits.get(last, False)


def _following(alike: Sequence[Recovery], last: str, took: Mapping[str, timedelta]) -> list[str]:
    """Return the phases that followed in the newest recovery of this kind that went through the last one."""
    for other in alike:
        names = list(_durations(other))
        if not last or last in names:
            rest = names[names.index(last) + 1 :] if last else names
            return [name for name in rest if name not in took]
    return []


def _rollback_times(deployment: Deployment) -> list[tuple[str, datetime | None, datetime | None]]:
    """Return the phases of a rollback as (name, beginning, end); a time that is not known yet is None."""
    rollback = deployment.rollback
    if rollback is None:
        return []
    ended = None if deployment.under_way else deployment.ended_at
    return [
        ("TakeOverLock", rollback.trigger.at, rollback.locked_at),
        ("RevertAliases", rollback.locked_at, rollback.reverted_at),
        ("VerifyStable", rollback.reverted_at, (rollback.verified_at or ended) if rollback.reverted_at else None),
    ]
