"""One module per Lambda task that a state machine names: decode, do, encode.

A task is given `Given` and answers with `Answer`, which becomes the machine's whole state:
``{"deployment": …, "epoch": …, "decision": {"action": …, …}}``. Its errors are the classes of
`orchestrator.domain.errors`, whose names the machines catch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from orchestrator.aws.cloud import Cloud, logger
from orchestrator.domain.decision import Action, Cursor, Decision
from orchestrator.domain.records import DecisionEntry, Deployment
from orchestrator.domain.verdict import Evidence, Verdict


@dataclass(frozen=True)
class Given:
    """What every state hands its task.

    Attributes:
        execution: ARN of the execution.
        deployment: the deployment's id.
        state: the state's name.
        entered: when the state was entered; the same for every retry.
        given: the machine's state, or its input before the first answer.
        token: the task token, where the state waits for one.
    """

    execution: str
    deployment: str
    state: str
    entered: str
    given: Mapping[str, Any]
    token: str = ""

    @property
    def epoch(self) -> int:
        """The epoch under which the execution holds the claim; 0 before it does."""
        return int(self.given.get("epoch") or 0)

    @property
    def cursor(self) -> Cursor:
        """Where in its plan the deployment is."""
        decision = self.given["decision"]
        return Cursor(step=decision["step"], look=decision["look"])

    @property
    def error(self) -> Mapping[str, str]:
        """What a Catch brought here: ``Error`` and ``Cause``; empty where nothing failed."""
        found: Mapping[str, str] = self.given.get("error") or {}
        return found


@dataclass(frozen=True)
class Answer:
    """The machine's next state."""

    deployment: str
    epoch: int
    decision: Decision


Handler = Callable[[Mapping[str, Any], object], Mapping[str, Any]]
_cloud = Cloud.of_this_function()


def task(do: Callable[[Given, Cloud], Answer]) -> Handler:
    """Make a Lambda handler of a task: decode its input, do it, encode its answer, and log one line."""

    def handler(event: Mapping[str, Any], _context: object) -> Mapping[str, Any]:
        given = msgspec.convert(event, Given)
        facts = {"deployment": given.deployment, "state": given.state, "epoch": given.epoch}
        try:
            answer = do(given, _cloud)
        except Exception as error:
            # Raised again untouched: the state machine's Catch decides by its class name.
            logger.error("task failed", extra={**facts, "error": type(error).__name__, "reason": str(error)})
            raise
        logger.info("task done", extra={**facts, "action": answer.decision.action, "reason": answer.decision.reason})
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
