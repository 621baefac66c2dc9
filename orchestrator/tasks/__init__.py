"""One module per Lambda task that a state machine names: decode, do, encode.

A task of a deployment or a rollback is given `Given` and answers with `Answer`, which becomes the machine's whole state:
``{"deployment": …, "epoch": …, "decision": {"action": …, …}}``. A task of a drill or a restore is given `Recovering` and answers
with `Recovered`, which is the same with ``recovery``. Errors are the classes of `orchestrator.domain.errors`, whose names the
machines catch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from orchestrator.aws.cloud import Cloud, logger
from orchestrator.domain.decision import Action, Cursor, Decision
from orchestrator.domain.records import DecisionEntry, Deployment, Kind
from orchestrator.domain.recovery import Recovery, RecoveryAction, RecoveryDecision
from orchestrator.domain.verdict import Evidence, Verdict


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """What every state hands its task.

    Attributes:
        execution: ARN of the execution.
        state: the state's name.
        entered: when the state was entered; the same for every retry.
        given: the machine's state, or its input before the first answer.
        token: the task token, where the state waits for one.
    """

    execution: str
    state: str
    entered: str
    given: Mapping[str, Any]
    token: str = ""

    @property
    def facts(self) -> Mapping[str, object]:
        """What a log line of this task names."""
        return {"state": self.state, "epoch": self.epoch}

    @property
    def epoch(self) -> int:
        """The epoch under which the execution holds the claim; 0 before it does."""
        return int(self.given.get("epoch") or 0)

    @property
    def error(self) -> Mapping[str, str]:
        """What a Catch brought here: ``Error`` and ``Cause``; empty where nothing failed."""
        found: Mapping[str, str] = self.given.get("error") or {}
        return found


@dataclass(frozen=True, kw_only=True)
class Given(_Entry):
    """What a state of a deployment or a rollback hands its task."""

    deployment: str

    @property
    def cursor(self) -> Cursor:
        """Where in its plan the deployment is."""
        decision = self.given["decision"]
        return Cursor(step=decision["step"], look=decision["look"])

    @property
    def facts(self) -> Mapping[str, object]:
        """What a log line of this task names."""
        return {"deployment": self.deployment, "state": self.state, "epoch": self.epoch}


@dataclass(frozen=True, kw_only=True)
class Recovering(_Entry):
    """What a state of a drill or a restore hands its task. `kind` says which of the two machines it is."""

    recovery: str
    kind: Kind

    @property
    def attempt(self) -> int:
        """How often this state has waited so far; 0 when it is entered from another one."""
        decision = self.given.get("decision") or {}
        return int(decision["attempt"]) if decision.get("action") == RecoveryAction.WAIT else 0

    @property
    def facts(self) -> Mapping[str, object]:
        """What a log line of this task names."""
        return {"recovery": self.recovery, "state": self.state, "epoch": self.epoch}


@dataclass(frozen=True)
class Answer:
    """The next state of a deployment's or a rollback's machine."""

    deployment: str
    epoch: int
    decision: Decision


@dataclass(frozen=True)
class Recovered:
    """The next state of a drill's or a restore's machine."""

    recovery: str
    epoch: int
    decision: RecoveryDecision


Handler = Callable[[Mapping[str, Any], object], Mapping[str, Any]]
_Hands = TypeVar("_Hands", bound=_Entry)
_cloud = Cloud.of_this_function()


def task(do: Callable[[Given, Cloud], Answer]) -> Handler:
    """Make a Lambda handler of a deployment's or a rollback's task."""
    return framed(Given, do)


def recovery_task(do: Callable[[Recovering, Cloud], Recovered]) -> Handler:
    """Make a Lambda handler of a drill's or a restore's task."""
    return framed(Recovering, do)


def of_either(
    of_deployment: Callable[[Given, Cloud], Answer], of_recovery: Callable[[Recovering, Cloud], Recovered]
) -> Handler:
    """Make a Lambda handler of a task that machines of both kinds name."""
    deploying, recovering = task(of_deployment), recovery_task(of_recovery)

    def handler(event: Mapping[str, Any], context: object) -> Mapping[str, Any]:
        return (recovering if "recovery" in event else deploying)(event, context)

    return handler


def framed(kind: type[_Hands], do: Callable[[_Hands, Cloud], Answer | Recovered]) -> Handler:
    """Decode a task's input, do it, encode its answer, and log one line."""

    def handler(event: Mapping[str, Any], _context: object) -> Mapping[str, Any]:
        given = msgspec.convert(event, kind)
        try:
            answer = do(given, _cloud)
        except Exception as error:
            # Raised again untouched: the state machine's Catch decides by its class name.
            logger.error("task failed", extra={**given.facts, "error": type(error).__name__, "reason": str(error)})
            raise
        decision = answer.decision
        logger.info("task done", extra={**given.facts, "action": decision.action, "reason": decision.reason})
        encoded: Mapping[str, Any] = msgspec.to_builtins(answer)
        return encoded

    return handler


def passed_on(given: Given) -> Decision:
    """The decision that brought us here, for a task that takes none; where an error did, there was none yet."""
    if "decision" not in given.given:
        return go(Action.ROLL_BACK, given.error.get("Error", "not decided"))
    return msgspec.convert(given.given["decision"], Decision)


def go(action: Action, reason: str, wait_seconds: int = 0) -> Decision:
    """A decision outside the loop of looks."""
    return Decision(action, 0, 0, wait_seconds, reason)


def write_down(
    given: Given,
    cloud: Cloud,
    deployment: Deployment,
    decision: Decision,
    verdict: Verdict | None = None,
    evidence: tuple[Evidence, ...] = (),
) -> Answer:
    """Append a decision with its evidence to the ledger, keep the deployment with it, and answer with it.

    Raises:
        ClaimLost: another epoch holds the claim; nothing was written.
    """
    entry = DecisionEntry(
        deployment=deployment.id,
        number=0,
        at=cloud.now(),
        state=given.state,
        entered=given.entered,
        decision=decision,
        verdict=verdict,
        evidence=evidence,
    )
    kept = cloud.ledger.decide(entry, deployment, given.epoch)
    return Answer(deployment.id, given.epoch, kept.decision)


def go_on(
    given: Recovering,
    cloud: Cloud,
    recovery: Recovery,
    reason: str,
    action: RecoveryAction = RecoveryAction.PROCEED,
    wait_seconds: int = 0,
) -> Recovered:
    """Keep a recovery with the phase that ends here, and say what its machine does next.

    Raises:
        ClaimLost: another epoch holds the claim; nothing was written.
    """
    cloud.recoveries(given.kind).keep(recovery.reached(given.state, cloud.now()), given.epoch)
    attempt = given.attempt + 1 if action is RecoveryAction.WAIT else 0
    return Recovered(recovery.id, given.epoch, RecoveryDecision(action, reason, wait_seconds, attempt))


def same_decision(given: Recovering) -> RecoveryDecision:
    """The decision that brought us here, for a task that takes none; where an error did, there is nothing green about it."""
    if given.error or "decision" not in given.given:
        return RecoveryDecision(RecoveryAction.RED, given.error.get("Error", "not decided"))
    return msgspec.convert(given.given["decision"], RecoveryDecision)
