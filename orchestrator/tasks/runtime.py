"""Decode a task's input, run the task, encode its output. Every state machine task is one module with such a handler.

The output of a task becomes the whole state of its state machine:

- deployment, rollback: ``{"deployment": …, "fencing_token": …, "decision": {"action": …, …}}``, `TaskOutput`.
- drill, restore: the same with ``recovery`` in place of ``deployment``, `RecoveryTaskOutput`.

Errors are the classes of `orchestrator.domain.errors`. The state machines catch them by name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import msgspec

from orchestrator.application.cloud import Cloud, logger
from orchestrator.aws.clients import BUSY, translate_errors
from orchestrator.aws.ledger.deployments import Ledger
from orchestrator.aws.ledger.lock import LockedTable
from orchestrator.aws.ledger.records import Records
from orchestrator.domain.deployment.decision import Action, Cursor, Decision
from orchestrator.domain.deployment.record import DecisionBasis, DecisionEntry, Deployment
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.recovery.policy import RecoveryPolicy
from orchestrator.domain.recovery.record import Recovery, RecoveryAction, RecoveryDecision
from orchestrator.domain.verdict import Evidence, Verdict


@dataclass(frozen=True)
class TaskOutput:
    """The next state of a deployment or a rollback."""

    deployment: str
    fencing_token: int
    decision: Decision


@dataclass(frozen=True)
class RecoveryTaskOutput:
    """The next state of a drill or a restore."""

    recovery: str
    fencing_token: int
    decision: RecoveryDecision


class Output(Protocol):
    """The output of a task: what the state machine does next, and why."""

    @property
    def decision(self) -> RoutedDecision:
        """The decision."""


class RoutedDecision(Protocol):
    """A decision that a state machine routes on."""

    @property
    def action(self) -> str:
        """The one field that the state machine reads."""

    @property
    def reason(self) -> str:
        """Why."""


@dataclass(frozen=True, kw_only=True)
class BaseTaskInput(ABC):
    """The input that a state gives its task, whichever state machine it belongs to.

    Attributes:
        execution: ARN of the execution.
        state_name: name of the state.
        entered: when the state was entered, as Step Functions reports it; the same for every retry.
        state: the state of the state machine, or its input before the first task has run.
        token: the task token, if the state waits for one.
    """

    execution: str
    state_name: str
    entered: str
    state: Mapping[str, Any]
    token: str = ""

    @property
    @abstractmethod
    def log_fields(self) -> Mapping[str, object]:
        """The fields that every log line of the task has."""

    @abstractmethod
    def ledger(self, cloud: Cloud) -> LockedTable:
        """The ledger under the lock that the execution takes."""

    @abstractmethod
    def repeat_decision(self) -> Output:
        """The output of a task that decides nothing: the decision that led to it."""

    @property
    def fencing_token(self) -> int:
        """The fencing token of the lock that the execution holds; 0 before it holds one."""
        return int(self.state.get("fencing_token") or 0)

    @property
    def error(self) -> Mapping[str, str]:
        """``Error`` and ``Cause`` of the error that a Catch led here with; empty if no task failed."""
        error: Mapping[str, str] = self.state.get("error") or {}
        return error


@dataclass(frozen=True, kw_only=True)
class TaskInput(BaseTaskInput):
    """The input of a task of a deployment or a rollback."""

    deployment: str

    @property
    def log_fields(self) -> Mapping[str, object]:
        """The fields that every log line of the task has."""
        return {"deployment": self.deployment, "state": self.state_name, "fencing_token": self.fencing_token}

    def ledger(self, cloud: Cloud) -> Ledger:
        """The ledger under the environment lock."""
        return cloud.ledger

    @property
    def cursor(self) -> Cursor:
        """The step of the plan, and the evaluation within it."""
        decision = self.state["decision"]
        return Cursor(step=decision["step"], evaluation=decision["evaluation"])

    @property
    def decision(self) -> Decision:
        """The decision that led to this task; ROLL_BACK with the error's name if an error came before any decision."""
        if "decision" not in self.state:
            return make_decision(Action.ROLL_BACK, self.error.get("Error", "not decided"))
        return msgspec.convert(self.state["decision"], Decision)

    def repeat_decision(self) -> TaskOutput:
        """The output of a task that decides nothing: the decision that led to it."""
        return self.output(self.decision)

    def output(self, decision: Decision) -> TaskOutput:
        """The output with a new decision."""
        return TaskOutput(self.deployment, self.fencing_token, decision)


@dataclass(frozen=True, kw_only=True)
class RecoveryTaskInput(BaseTaskInput):
    """The input of a task of a drill or a restore; `kind` is one of these two."""

    recovery: str
    kind: Kind

    @property
    def log_fields(self) -> Mapping[str, object]:
        """The fields that every log line of the task has."""
        return {"recovery": self.recovery, "state": self.state_name, "fencing_token": self.fencing_token}

    def ledger(self, cloud: Cloud) -> Records[Recovery]:
        """The ledger under the lock that a recovery of this kind takes."""
        return cloud.recoveries(self.kind)

    @property
    def attempt(self) -> int:
        """How often in a row this state has decided to wait; 0 if another state led here."""
        decision = self.state.get("decision") or {}
        return int(decision["attempt"]) if decision.get("action") == RecoveryAction.WAIT else 0

    @property
    def decision(self) -> RecoveryDecision:
        """The decision that led to this task; FAILED with the error's name after an error."""
        if self.error or "decision" not in self.state:
            return RecoveryDecision(RecoveryAction.FAILED, self.error.get("Error", "not decided"))
        return msgspec.convert(self.state["decision"], RecoveryDecision)

    def repeat_decision(self) -> RecoveryTaskOutput:
        """The output of a task that decides nothing: the decision that led to it."""
        return self.output(self.decision)

    def output(self, decision: RecoveryDecision) -> RecoveryTaskOutput:
        """The output with a new decision."""
        return RecoveryTaskOutput(self.recovery, self.fencing_token, decision)


Handler = Callable[[Mapping[str, Any], object], Mapping[str, Any]]
_Input = TypeVar("_Input", bound=BaseTaskInput)
_cloud = Cloud.of_this_function()


def task(run: Callable[[TaskInput, Cloud], TaskOutput]) -> Handler:
    """Return the Lambda handler of a deployment's or a rollback's task."""
    return make_handler(TaskInput, run)


def recovery_task(run: Callable[[RecoveryTaskInput, Cloud], RecoveryTaskOutput]) -> Handler:
    """Return the Lambda handler of a drill's or a restore's task."""
    return make_handler(RecoveryTaskInput, run)


def dispatch(
    for_deployment: Callable[[TaskInput, Cloud], Output],
    for_recovery: Callable[[RecoveryTaskInput, Cloud], Output],
) -> Handler:
    """Return the Lambda handler of a task that both kinds of state machines use."""
    deployment_handler = make_handler(TaskInput, for_deployment)
    recovery_handler = make_handler(RecoveryTaskInput, for_recovery)

    def handler(event: Mapping[str, Any], context: object) -> Mapping[str, Any]:
        return (recovery_handler if "recovery" in event else deployment_handler)(event, context)

    return handler


def make_handler(input_type: type[_Input], run: Callable[[_Input, Cloud], Output]) -> Handler:
    """Return a Lambda handler that decodes the input, runs the task, encodes the output and writes one log line."""

    def handler(event: Mapping[str, Any], _context: object) -> Mapping[str, Any]:
        task_input = msgspec.convert(event, input_type)
        try:
            # What an adapter did not translate: the definitions retry by our names and know none of AWS's.
            with translate_errors(**BUSY):
                output = run(task_input, _cloud)
        except Exception as error:
            # Raised again unchanged: the state machine's Catch decides by the class name.
            fields = {**task_input.log_fields, "error": type(error).__name__, "reason": str(error)}
            logger.error("task failed", extra=fields)
            raise
        decision = output.decision
        logger.info("task done", extra={**task_input.log_fields, "action": decision.action, "reason": decision.reason})
        encoded: Mapping[str, Any] = msgspec.to_builtins(output)
        return encoded

    return handler


def make_decision(action: Action, reason: str, wait_seconds: int = 0) -> Decision:
    """Return a decision that belongs to no step and no evaluation."""
    return Decision(action, 0, 0, wait_seconds, reason)


def append_decision(
    task_input: TaskInput,
    cloud: Cloud,
    deployment: Deployment,
    decision: Decision,
    verdict: Verdict | None = None,
    evidence: tuple[Evidence, ...] = (),
    basis: DecisionBasis | None = None,
) -> TaskOutput:
    """Append a decision with its evidence to the ledger, save the deployment in the same write, and return the output.

    A retry of the same entry of the state returns the decision that the first attempt wrote.

    Raises:
        LockLost: another execution holds the lock; nothing was written.
    """
    entry = DecisionEntry(
        deployment=deployment.id,
        number=0,
        at=cloud.now(),
        state=task_input.state_name,
        entered=task_input.entered,
        decision=decision,
        verdict=verdict,
        evidence=evidence,
        basis=basis,
    )
    written = cloud.ledger.append_decision(entry, deployment, task_input.fencing_token)
    return task_input.output(written.decision)


def decided_before(task_input: TaskInput, cloud: Cloud) -> TaskOutput | None:
    """Return the output of an earlier attempt of this entry of the state; None for the first attempt.

    For tasks that decide by a wait of the record: the first attempt has ended that wait.
    """
    entry = cloud.ledger.decision_of(task_input.deployment, task_input.state_name, task_input.entered)
    return task_input.output(entry.decision) if entry else None


def recovery_policy(cloud: Cloud) -> RecoveryPolicy:
    """Return the environment's recovery policy."""
    return RecoveryPolicy.parse(msgspec.json.decode(cloud.settings["RECOVERY_POLICY"]))


def open_recovery(task_input: RecoveryTaskInput, cloud: Cloud) -> Recovery:
    """Read the recovery, and check that its execution still holds the lock before the task changes anything.

    Raises:
        LockLost: another execution holds the lock.
    """
    ledger = task_input.ledger(cloud)
    recovery = ledger.read_record(task_input.recovery)
    ledger.check_lock(task_input.fencing_token)
    return recovery


def save_and_continue(
    task_input: RecoveryTaskInput,
    cloud: Cloud,
    recovery: Recovery,
    reason: str,
    action: RecoveryAction = RecoveryAction.PROCEED,
    wait_seconds: int = 0,
) -> RecoveryTaskOutput:
    """Save a recovery with the phase that ends here, and return the next decision.

    Raises:
        LockLost: another execution holds the lock; nothing was written.
    """
    finished = recovery.with_phase(task_input.state_name, cloud.now())
    task_input.ledger(cloud).save_record(finished, task_input.fencing_token)
    attempt = task_input.attempt + 1 if action is RecoveryAction.WAIT else 0
    return task_input.output(RecoveryDecision(action, reason, wait_seconds, attempt))
