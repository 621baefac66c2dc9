"""What follows a look. The state machine routes on `Decision.action` and on nothing else.

The rules, first match wins:

1. A person's request: abort rolls back, promote promotes.
2. FAIL rolls back, at any look.
3. Before a step's last look: keep baking, whatever the verdict.
4. PASS at the last look: the next step, or promote after the last step.
5. INCONCLUSIVE or ERROR: keep baking until `max_bake`.
6. After `max_bake`: ERROR rolls back; INCONCLUSIVE does what the plan says.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from orchestrator.domain.plan import Plan, looks_within, wait_before_look
from orchestrator.domain.policy import WhenInconclusive
from orchestrator.domain.verdict import Outcome, Verdict


class Action(StrEnum):
    """What a machine does next; the only thing it routes on."""

    PROCEED = "PROCEED"  # versions are published: verify them
    WARM = "WARM"  # versions are published: wait until they are warm
    BAKE = "BAKE"  # the same step, another look
    ADVANCE = "ADVANCE"  # the next step
    PROMOTE = "PROMOTE"
    CUT_OVER = "CUT_OVER"  # close the tables that are left, then promote
    LEVEL = "LEVEL"  # of a cut-over that goes back: bring the tables level that are entered
    WATCH = "WATCH"  # promoted: look again
    HOLD = "HOLD"
    FINISH = "FINISH"
    REFUSE = "REFUSE"  # nothing was touched
    ROLL_BACK = "ROLL_BACK"
    RESTORE = "RESTORE"  # of a rollback: write the aliases back
    REOPEN = "REOPEN"  # of a cut-over's rollback: open the tables that it closed
    NOTHING = "NOTHING"  # of a rollback: there is nothing to undo


class Request(StrEnum):
    """What a person may ask of a deployment in flight."""

    PROMOTE = "promote"
    RESUME = "resume"
    ABORT = "abort"


@dataclass(frozen=True)
class Cursor:
    """Where in its plan a deployment is: the step and, within it, the look, both from 0."""

    step: int
    look: int


@dataclass(frozen=True)
class Decision:
    """An action, where it leads, how long to wait there first, and why."""

    action: Action
    step: int
    look: int
    wait_seconds: int
    reason: str


def first_decision(plan: Plan) -> Decision:
    """Where a deployment goes once its versions were verified without traffic."""
    if not plan.steps:
        return Decision(Action.PROMOTE, 0, 0, 0, "all at once: the strategy has no step before promotion")
    return _enter(plan, 0, Action.ADVANCE, "verified before traffic")


def cut_over(reason: str) -> Decision:
    """Where a deployment goes that changes the service's tables and was verified without traffic: all at once, behind a closed door."""
    return Decision(Action.CUT_OVER, 0, 0, 0, reason)


def without_traffic(verdict: Verdict) -> Decision:
    """Where a deployment goes whose versions did not pass before traffic: no client ever saw them."""
    return Decision(Action.ROLL_BACK, 0, 0, 0, f"before traffic: {verdict.reason}")


def next_action(  # noqa: PLR0911 - one return a rule, in the order of the docstring
    plan: Plan, cursor: Cursor, verdict: Verdict, baked: timedelta, request: Request | None = None
) -> Decision:
    """Decide what follows a look.

    Args:
        plan: the deployment's plan.
        cursor: which look this was.
        verdict: the worst of the probes.
        baked: how long the step's weight has been served.
        request: what a person asked for since the look before, if anything.
    """
    if request is Request.ABORT:
        return _stay(cursor, Action.ROLL_BACK, "a person aborted it")
    if request is Request.PROMOTE:
        return _stay(cursor, Action.PROMOTE, "a person promoted it")
    if verdict.outcome is Outcome.FAIL:
        return _stay(cursor, Action.ROLL_BACK, verdict.reason)
    step = plan.steps[cursor.step]
    if cursor.look + 1 < looks_within(step.bake, plan.look):
        return _bake(plan, cursor, f"look {cursor.look + 1}: {verdict.reason}")
    if verdict.outcome is Outcome.PASS:
        return advance(plan, cursor, verdict.reason)
    if baked < plan.max_bake:
        return _bake(plan, cursor, f"bake extended: {verdict.reason}")
    if verdict.outcome is Outcome.ERROR or plan.when_inconclusive is WhenInconclusive.ROLL_BACK:
        return _stay(cursor, Action.ROLL_BACK, f"no evidence within the longest bake: {verdict.reason}")
    deadline = _seconds(plan.hold_deadline)
    reason = f"no evidence within the longest bake: {verdict.reason}"
    return Decision(Action.HOLD, cursor.step, cursor.look, deadline, reason)


def advance(plan: Plan, cursor: Cursor, reason: str) -> Decision:
    """Go to the next step, or promote after the last."""
    if cursor.step + 1 < len(plan.steps):
        return _enter(plan, cursor.step + 1, Action.ADVANCE, reason)
    return _stay(cursor, Action.PROMOTE, reason)


def after_promotion(plan: Plan, verdict: Verdict, watched: timedelta) -> Decision:
    """Decide what follows a look at the promoted version. Only PASS finishes; what stays unknown is undone."""
    here = Cursor(max(0, len(plan.steps) - 1), 0)
    if verdict.outcome is Outcome.PASS:
        return _stay(here, Action.FINISH, verdict.reason)
    if verdict.outcome is not Outcome.FAIL and watched < plan.max_bake:
        return Decision(Action.WATCH, here.step, 0, _seconds(plan.look), f"watched longer: {verdict.reason}")
    return _stay(here, Action.ROLL_BACK, verdict.reason)


def after_hold(plan: Plan, cursor: Cursor, request: Request, by: str) -> Decision:
    """What a person's answer to a HOLD means: resume takes the held step as passed."""
    if request is Request.RESUME:
        return advance(plan, cursor, f"resumed by {by}")
    action = Action.PROMOTE if request is Request.PROMOTE else Action.ROLL_BACK
    return _stay(cursor, action, f"{request.value} by {by}")


def wants_synthetic_probes(plan: Plan, cursor: Cursor, verdict: Verdict, baked: timedelta) -> bool:
    """Whether traffic stayed so thin that the strategy lets synthetic flows settle it.

    A step's bake is extended to `max_bake` first: real traffic is better evidence than our own.
    """
    last = cursor.look + 1 >= looks_within(plan.steps[cursor.step].bake, plan.look)
    return last and settles_by_flows(plan, verdict, baked)


def settles_by_flows(plan: Plan, verdict: Verdict, watched: timedelta) -> bool:
    """Whether the evidence stayed too thin for as long as the plan waits, and synthetic flows may settle it."""
    return (
        verdict.outcome is Outcome.INCONCLUSIVE
        and watched >= plan.max_bake
        and plan.when_inconclusive is WhenInconclusive.SYNTHETIC
    )


def _enter(plan: Plan, step: int, action: Action, reason: str) -> Decision:
    return Decision(action, step, 0, _seconds(wait_before_look(plan.steps[step], plan.look, 0)), reason)


def _bake(plan: Plan, cursor: Cursor, reason: str) -> Decision:
    look = cursor.look + 1
    wait = wait_before_look(plan.steps[cursor.step], plan.look, look)
    return Decision(Action.BAKE, cursor.step, look, _seconds(wait), reason)


def _stay(cursor: Cursor, action: Action, reason: str) -> Decision:
    return Decision(action, cursor.step, cursor.look, 0, reason)


def _seconds(wait: timedelta) -> int:
    # A Wait state takes whole seconds; rounding down to 0 would spin.
    return max(1, round(wait.total_seconds()))
