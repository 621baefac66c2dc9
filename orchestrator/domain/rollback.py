"""What a rollback finds, and whether there is something to undo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from orchestrator.domain.decision import Action, Decision
from orchestrator.domain.records import Claim, Deployment, Ending, Kind, Phase, Trigger

DEAD_EXECUTION = "execution"
"""The source of a trigger that says that an execution died."""

TASK_ERROR = "error"
"""The source of a trigger that says that a task failed."""

MISHAPS = frozenset({DEAD_EXECUTION, TASK_ERROR})
"""Sources that tell of our own machinery and are no judgement on the release."""

UNTOUCHED = frozenset({Phase.PLANNED, Phase.CLAIMED})
"""Phases before a deployment knows, under the claim, that what it planned from is still so."""


def judge_rollback(  # noqa: PLR0911 - a reason a return
    deployment: Deployment, newest: Deployment, claim: Claim, trigger: Trigger, *, holder_alive: bool
) -> Decision:
    """Decide whether a rollback writes aliases.

    Args:
        deployment: the one to undo.
        newest: the newest deployment that shifted traffic, often the same.
        claim: as read from the ledger, consistently.
        trigger: what asked for the rollback.
        holder_alive: whether the execution that the claim names still runs; ourselves do not count.
    """
    if claim.held and claim.deployment != deployment.id:
        return _nothing(f"{claim.kind.value} {claim.deployment} holds the claim")
    if claim.held and claim.kind is Kind.ROLLBACK and holder_alive:
        return _nothing(f"{claim.execution} rolls it back already")
    if newest.id != deployment.id and newest.requested_at > deployment.requested_at:
        return _nothing(f"deployment {newest.id} shifted traffic since; roll that one back")
    if deployment.ending is Ending.SUCCEEDED and trigger.source in MISHAPS:
        return _nothing("the deployment had succeeded before its execution failed")
    if deployment.ending not in {None, Ending.SUCCEEDED}:
        return _nothing(f"the deployment ended {deployment.ending}: {deployment.reason}")
    if tables := kept_by_its_tables(deployment):
        return _nothing(tables)
    if deployment.phase in UNTOUCHED:
        # Its stable versions were read before it held the claim: somebody may have promoted others since.
        return _nothing(f"the deployment had touched nothing yet: {trigger.reason}")
    return Decision(Action.RESTORE, 0, 0, 0, trigger.reason)


def kept_by_its_tables(deployment: Deployment) -> str:
    """Why aliases alone do not undo a deployment: it has changed the tables. Empty where that is no reason."""
    if deployment.cut_over is None or deployment.ending is not Ending.SUCCEEDED:
        return ""
    # What was written since would be lost with the tables that it was written to.
    return (
        "its tables are in use, and aliases alone would lose what was written since: "
        f"`orchestrator restore --back {deployment.cut_over.recovery}` takes that along"
    )


def takes_claim(deployment: Deployment, claim: Claim, decision: Decision, *, holder_alive: bool) -> bool:
    """Whether a rollback takes the claim: to restore, to give back what a dead execution left, to stop what has not begun."""
    if decision.action is Action.RESTORE:
        return True
    if not claim.held or claim.deployment != deployment.id:
        return False
    not_begun = claim.kind is Kind.DEPLOYMENT and deployment.ending is None and deployment.phase in UNTOUCHED
    return not holder_alive or not_begun


def after_restoring(deployment: Deployment, decision: Decision) -> Decision:
    """What follows once the aliases are back: the tables that a cut-over has closed are opened again."""
    return replace(decision, action=Action.REOPEN) if deployment.cut_over else decision


def cause_among(triggers: Sequence[Trigger]) -> Trigger | None:
    """The trigger that explains a rollback: the earliest judgement on the release, or else the earliest of all."""
    judgements = [trigger for trigger in triggers if trigger.source not in MISHAPS]
    return next(iter([*judgements, *triggers]), None)


def _nothing(why: str) -> Decision:
    return Decision(Action.NOTHING, 0, 0, 0, why)
