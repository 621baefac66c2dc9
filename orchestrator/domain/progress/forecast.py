"""When a deployment is evaluated next, and when it may end: from its plan and from the times of its decisions so far.

The forecast assumes that every evaluation passes. A wait that an operator, an approver or a hook ends has no known
length: the time after it is the earliest possible one, and the forecast names what it waits for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

from orchestrator.domain.deployment.calendar import next_opening
from orchestrator.domain.deployment.decision import Action
from orchestrator.domain.deployment.gates import GateKind
from orchestrator.domain.deployment.plan import evaluations_within, wait_before_evaluation
from orchestrator.domain.deployment.record import DecisionEntry, Deployment, DeploymentPhase, PauseToken

NOTHING = timedelta(0)

BEFORE_TRAFFIC = "the checks before traffic"
"""What a deployment waits for until its first shift. No wait of its plan says how long that takes."""

TIMED = frozenset({Action.BAKE, Action.ADVANCE, Action.WAIT_FOR_METRICS})
"""Decisions after which an evaluation follows when their wait is over."""


@dataclass(frozen=True)
class Forecast:
    """The next times of a deployment.

    Attributes:
        next_evaluation: None if none is scheduled.
        ends_at: None if it has ended, is being rolled back, or waits for an answer.
        waits_for: the first wait of unknown length before the end, in words; empty if there is none. `ends_at` is then
            the earliest possible time.
        deadline: when the wait in which it is now rolls it back; None if it is in none.
    """

    next_evaluation: datetime | None = None
    ends_at: datetime | None = None
    waits_for: str = ""
    deadline: datetime | None = None


def forecast(
    deployment: Deployment, decisions: Sequence[DecisionEntry], pause: PauseToken | None, now: datetime
) -> Forecast:
    """Return the next times of a deployment.

    Args:
        deployment: its record.
        decisions: all so far, oldest first.
        pause: the pause in which it waits; None if it does not.
        now: aware, in UTC.
    """
    if deployment.ended_at is not None or deployment.phase is DeploymentPhase.ROLLING_BACK:
        return Forecast()
    if pause is not None:
        return Forecast(waits_for=pause.reason, deadline=pause.deadline)
    course = _Course(deployment, _overhead(decisions), now)
    last = decisions[-1] if decisions else None
    if last is not None and last.decision.action in TIMED:
        return course.after_evaluation(last)
    waiting = deployment.waiting_gate
    if waiting is not None and last is not None:
        gate = deployment.plan.gates[waiting.gate]
        course.advance_to(last.at + timedelta(seconds=last.decision.wait_seconds))
        return course.from_step(gate.before_step, deadline=waiting.reached_at + gate.deadline)
    if last is not None and last.decision.action in {Action.PROMOTE, Action.CUT_OVER, Action.FINISH}:
        return course.from_step(len(deployment.plan.steps) + (last.decision.action is Action.FINISH))
    course.wait_for(BEFORE_TRAFFIC)
    return course.from_step(len(deployment.plan.steps) if deployment.cutover else 0)


def _overhead(decisions: Sequence[DecisionEntry]) -> timedelta:
    """Return how much later than planned an evaluation decided, by the median of those so far."""
    late = [
        (after.at - before.at).total_seconds() - before.decision.wait_seconds
        for before, after in pairwise(decisions)
        if before.decision.action in TIMED and after.verdict is not None
    ]
    return timedelta(seconds=max(0.0, median(late))) if late else NOTHING


class _Course:
    """The rest of a deployment, walked in the order of the state machine; `_at` is the time that it has reached."""

    def __init__(self, deployment: Deployment, overhead: timedelta, now: datetime) -> None:
        self._plan, self._overhead, self._now, self._at = deployment.plan, overhead, now, now
        self._passed = {record.gate for record in deployment.gates if record.passed_at is not None}
        self._promoted = bool(deployment.promoted_by)
        self._waits_for: list[str] = []

    def advance_to(self, at: datetime) -> None:
        """Continue at a time; one that has passed is now."""
        self._at = max(self._now, at)

    def wait_for(self, reason: str) -> None:
        """Wait for a time that is not known."""
        self._waits_for.append(reason)

    def after_evaluation(self, last: DecisionEntry) -> Forecast:
        """Return the forecast while the wait before an evaluation runs."""
        decision, limits = last.decision, self._plan.limits
        self.advance_to(last.at + timedelta(seconds=decision.wait_seconds) + self._overhead)
        next_evaluation = self._at
        if decision.action is Action.WAIT_FOR_METRICS:
            return self._end(next_evaluation)
        step = self._plan.steps[decision.step]
        for evaluation in range(decision.evaluation + 1, evaluations_within(step.bake, limits.evaluation_interval)):
            self._at += wait_before_evaluation(step, limits.evaluation_interval, evaluation) + self._overhead
        return self.from_step(decision.step + 1, next_evaluation)

    def from_step(
        self, first: int, next_evaluation: datetime | None = None, deadline: datetime | None = None
    ) -> Forecast:
        """Return the forecast from before a step on; the number of steps is the promotion, one more is the end.

        Args:
            first: the step.
            next_evaluation: the evaluation that is scheduled already; None if none is.
            deadline: of the gate that the deployment waits for; None if it waits for none.
        """
        limits, steps = self._plan.limits, self._plan.steps
        for number in range(first, len(steps)):
            self._pass_gates(number)
            if self._promoted:
                continue
            for evaluation in range(evaluations_within(steps[number].bake, limits.evaluation_interval)):
                self._at += wait_before_evaluation(steps[number], limits.evaluation_interval, evaluation)
                self._at += self._overhead
                next_evaluation = next_evaluation or self._first_evaluation()
        if first <= len(steps):
            self._pass_gates(len(steps))
            self._at += limits.after_bake + self._overhead
            next_evaluation = next_evaluation or self._first_evaluation()
        return self._end(next_evaluation, deadline)

    def _end(self, next_evaluation: datetime | None, deadline: datetime | None = None) -> Forecast:
        self._pass_gates(len(self._plan.steps) + 1)
        return Forecast(next_evaluation, self._at, next(iter(self._waits_for), ""), deadline)

    def _first_evaluation(self) -> datetime | None:
        """Return the time that the course has reached, unless it is not known because of an earlier wait."""
        return None if self._waits_for else self._at

    def _pass_gates(self, before: int) -> None:
        for index, gate in enumerate(self._plan.gates):
            if gate.before_step != before or index in self._passed or (self._promoted and gate.skipped_by_promotion):
                continue
            opens = (
                next_opening(gate.windows, self._at, gate.time_zone, gate.blackouts)
                if gate.kind is GateKind.WINDOW
                else None
            )
            if opens:
                self._at = opens
            else:
                self.wait_for(gate.description)
