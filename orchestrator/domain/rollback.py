"""What a rollback finds, and whether there is something to undo."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.domain.decision import Action, Decision
from orchestrator.domain.records import Claim, Deployment, Ending, Kind, Trigger

DEAD_EXECUTION = "execution"
"""The source of a trigger that is no judgement on the release: its execution died."""


def judge_rollback(
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
    if claim.held and claim.deployment != deployment.id and holder_alive:
        return _nothing(f"{claim.kind.value} {claim.deployment} holds the claim")
    if claim.held and claim.kind is Kind.ROLLBACK and holder_alive:
        return _nothing(f"{claim.execution} rolls it back already")
    if newest.id != deployment.id and newest.requested_at > deployment.requested_at:
        return _nothing(f"deployment {newest.id} shifted traffic since; roll that one back")
    if deployment.ending is Ending.SUCCEEDED and trigger.source == DEAD_EXECUTION:
        return _nothing("the deployment had succeeded before its execution died")
    if deployment.ending not in {None, Ending.SUCCEEDED}:
        return _nothing(f"the deployment ended {deployment.ending}: {deployment.reason}")
    return Decision(Action.RESTORE, 0, 0, 0, trigger.reason)


def cause_among(triggers: Sequence[Trigger]) -> Trigger | None:
    """The trigger that explains a rollback: the earliest judgement on the release, or else the earliest of all."""
    judgements = [trigger for trigger in triggers if trigger.source != DEAD_EXECUTION]
    return next(iter([*judgements, *triggers]), None)


def _nothing(why: str) -> Decision:
    return Decision(Action.NOTHING, 0, 0, 0, why)
