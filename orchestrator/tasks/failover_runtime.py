"""Run a step of a failover: continue where an earlier execution ended, and record the result.

The output of a task is ``{"failover": …, "decision": {"action": …, "reason": …, "wait_seconds": …}}``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from orchestrator.application.cloud import Cloud
from orchestrator.application.failover.progress import StepDone, StepWaits, begin_step, record_result
from orchestrator.aws.ledger.failovers import FailoverStore, ReadFailover
from orchestrator.domain.failover.decisions import FailoverAction, FailoverDecision, next_decision
from orchestrator.domain.failover.steps import Step
from orchestrator.tasks.runtime import BaseTaskInput, Handler, make_handler


@dataclass(frozen=True)
class FailoverTaskOutput:
    """The next state of a failover."""

    failover: str
    decision: FailoverDecision


@dataclass(frozen=True, kw_only=True)
class FailoverTaskInput(BaseTaskInput):
    """The input of a task of a failover. `failover` is its id: a failover that is resumed has a second execution."""

    failover: str

    @property
    def log_fields(self) -> Mapping[str, object]:
        """The fields that every log line of the task has."""
        return {"failover": self.failover, "state": self.state_name}

    def ledger(self, cloud: Cloud) -> FailoverStore:
        """The ledger; failovers are fenced by their versions, and not by a lock."""
        return cloud.failovers

    def repeat_decision(self) -> FailoverTaskOutput:
        """The output of a task that decides nothing: the decision that led to it."""
        decision = self.state["decision"]
        return FailoverTaskOutput(
            self.failover,
            FailoverDecision(FailoverAction(decision["action"]), decision["reason"], decision["wait_seconds"]),
        )


Perform = Callable[[ReadFailover, Cloud], StepDone | StepWaits]


def failover_task(run: Callable[[FailoverTaskInput, Cloud], FailoverTaskOutput]) -> Handler:
    """Return the Lambda handler of a failover's task."""
    return make_handler(FailoverTaskInput, run)


def step_task(step: Step, perform: Perform) -> Handler:
    """Return the Lambda handler of a step. A step that has a result, or is not the next one, is not performed."""

    def run(task_input: FailoverTaskInput, cloud: Cloud) -> FailoverTaskOutput:
        read = cloud.failovers.read_failover(task_input.failover)
        if read.failover.outcome or read.failover.next_step is not step:
            return continue_with(read, cloud)
        progress = perform(begin_step(read, cloud), cloud)
        if isinstance(progress, StepWaits):
            decision = FailoverDecision(FailoverAction.WAIT, progress.reason, progress.wait_seconds)
            return FailoverTaskOutput(task_input.failover, decision)
        return continue_with(record_result(step, progress, cloud), cloud)

    return failover_task(run)


def continue_with(read: ReadFailover, cloud: Cloud) -> FailoverTaskOutput:
    """Return the output with what the failover does next."""
    return FailoverTaskOutput(read.failover.id, next_decision(read.failover, cloud.now()))


def with_failure(read: ReadFailover, problem: str, cloud: Cloud) -> ReadFailover:
    """Record why a failover stopped; its next step stays, so that it can be resumed."""
    return cloud.failovers.commit(read, replace(read.failover, failed=problem))
