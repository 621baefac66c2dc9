"""The decision after an evaluation. The state machine routes on `Decision.action` and on nothing else.

The rules, first match wins:

1. An operator command: abort rolls back, promote promotes.
2. FAIL rolls back, at any evaluation.
3. Before a step's last evaluation: keep baking, whatever the verdict.
4. PASS at the last evaluation: the next step, or promote after the last step.
5. INCONCLUSIVE or ERROR: keep baking until `max_bake`.
6. After `max_bake`: ERROR rolls back; INCONCLUSIVE follows the plan's `when_inconclusive`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from orchestrator.domain.deployment.plan import Plan, evaluations_within, wait_before_evaluation
from orchestrator.domain.deployment.policy import WhenInconclusive
from orchestrator.domain.verdict import Outcome, Verdict


class Action(StrEnum):
    """The next action of a state machine; the only field that it routes on."""

    PROCEED = "PROCEED"  # versions are published: analyze them
    WARM_UP = "WARM_UP"  # versions are published: wait for their provisioned concurrency
    BAKE = "BAKE"  # the same step, another evaluation
    ADVANCE = "ADVANCE"  # the next step
    PROMOTE = "PROMOTE"
    CUT_OVER = "CUT_OVER"  # block the previous tables, then promote
    REPLAY = "REPLAY"  # the previous tables are blocked: replay what they accepted nevertheless
    SYNC_TABLES = "SYNC_TABLES"  # failback: synchronize the original tables
    BLOCK = "BLOCK"  # failback: promoted, block the tables that it left
    WAIT_FOR_METRICS = "WAIT_FOR_METRICS"  # promoted: another evaluation
    PAUSE = "PAUSE"
    WAIT_FOR_WINDOW = "WAIT_FOR_WINDOW"  # a gate opens later
    CALL_HOOK = "CALL_HOOK"  # a gate asks a hook
    FINISH = "FINISH"
    REFUSE = "REFUSE"  # nothing was changed
    ROLL_BACK = "ROLL_BACK"
    REVERT = "REVERT"  # rollback: revert the aliases
    UNBLOCK = "UNBLOCK"  # rollback of a cutover: unblock the tables that it blocked
    NOTHING = "NOTHING"  # rollback: nothing to roll back
    ESCALATE = "ESCALATE"  # rollback: a version to revert to no longer exists, so no alias is written


class OperatorAction(StrEnum):
    """A command that an operator may send to a deployment in flight."""

    PROMOTE = "promote"
    RESUME = "resume"
    ABORT = "abort"
    APPROVE = "approve"  # of a gate; Resume checks the approvals in the ledger


@dataclass(frozen=True)
class Cursor:
    """The position of a deployment in its plan: the step, and the evaluation within it, both from 0."""

    step: int
    evaluation: int


@dataclass(frozen=True)
class Decision:
    """An action, the position it leads to, the wait before that, and the reason."""

    action: Action
    step: int
    evaluation: int
    wait_seconds: int
    reason: str


def first_decision(plan: Plan) -> Decision:
    """Return the decision after the versions passed the analysis before traffic."""
    if not plan.steps:
        return Decision(Action.PROMOTE, 0, 0, 0, "all at once: the strategy has no step before promotion")
    return _enter(plan, 0, Action.ADVANCE, "verified before traffic")


def cutover_decision(reason: str) -> Decision:
    """Return the decision of a cutover after the analysis before traffic: block the tables and promote at once."""
    return Decision(Action.CUT_OVER, 0, 0, 0, reason)


def rejected_before_traffic(verdict: Verdict) -> Decision:
    """Return the decision for versions that failed the analysis before traffic. No client used them."""
    return Decision(Action.ROLL_BACK, 0, 0, 0, f"before traffic: {verdict.reason}")


def next_action(  # noqa: PLR0911 - one return a rule, in the order of the docstring
    plan: Plan, cursor: Cursor, verdict: Verdict, baked: timedelta, request: OperatorAction | None = None
) -> Decision:
    """Decide what follows an evaluation.

    Args:
        plan: the deployment's plan.
        cursor: the step and the evaluation.
        verdict: the worst verdict of the probes.
        baked: how long the step's weight has been in effect.
        request: an operator command since the previous evaluation, if any.
    """
    if request is OperatorAction.ABORT:
        return _stay(cursor, Action.ROLL_BACK, "an operator aborted it")
    if request is OperatorAction.PROMOTE:
        return _stay(cursor, Action.PROMOTE, "an operator promoted it")
    if verdict.outcome is Outcome.FAIL:
        return _stay(cursor, Action.ROLL_BACK, verdict.reason)
    step = plan.steps[cursor.step]
    if cursor.evaluation + 1 < evaluations_within(step.bake, plan.limits.evaluation_interval):
        return _bake(plan, cursor, f"evaluation {cursor.evaluation + 1}: {verdict.reason}")
    if verdict.outcome is Outcome.PASS:
        return advance(plan, cursor, verdict.reason)
    if baked < plan.limits.max_bake:
        return _bake(plan, cursor, f"bake extended: {verdict.reason}")
    if verdict.outcome is Outcome.ERROR or plan.limits.when_inconclusive is WhenInconclusive.ROLL_BACK:
        return _stay(cursor, Action.ROLL_BACK, f"no evidence within the longest bake: {verdict.reason}")
    deadline = _seconds(plan.limits.pause_deadline)
    reason = f"no evidence within the longest bake: {verdict.reason}"
    return Decision(Action.PAUSE, cursor.step, cursor.evaluation, deadline, reason)


def advance(plan: Plan, cursor: Cursor, reason: str) -> Decision:
    """Return the decision for the next step, or for promotion after the last one."""
    if cursor.step + 1 < len(plan.steps):
        return _enter(plan, cursor.step + 1, Action.ADVANCE, reason)
    return _stay(cursor, Action.PROMOTE, reason)


def enter_step(plan: Plan, step: int, reason: str) -> Decision:
    """Return the decision to enter a step, or to promote after the last one: `step` is then the number of steps."""
    if step < len(plan.steps):
        return _enter(plan, step, Action.ADVANCE, reason)
    return Decision(Action.PROMOTE, max(0, len(plan.steps) - 1), 0, 0, reason)


def after_promotion(plan: Plan, verdict: Verdict, elapsed: timedelta, promoted_by: str = "") -> Decision:
    """Decide what follows an evaluation of the promoted version.

    Only PASS finishes; unknown results roll back after `max_bake`. If an operator promoted it, that stands unless the
    verdict is FAIL: the operator knew that evidence was missing.

    Args:
        plan: the deployment's plan.
        verdict: the worst verdict of the probes.
        elapsed: time since the promotion.
        promoted_by: the operator who promoted it; empty if its evidence did.
    """
    cursor = Cursor(max(0, len(plan.steps) - 1), 0)
    if verdict.outcome is Outcome.PASS:
        return _stay(cursor, Action.FINISH, verdict.reason)
    proven_bad = verdict.outcome is Outcome.FAIL
    if not proven_bad and elapsed < plan.limits.max_bake:
        return Decision(
            Action.WAIT_FOR_METRICS,
            cursor.step,
            0,
            _seconds(plan.limits.evaluation_interval),
            f"wait for metrics extended: {verdict.reason}",
        )
    if promoted_by and not proven_bad:
        return _stay(
            cursor, Action.FINISH, f"promoted by {promoted_by}, and nothing proves otherwise: {verdict.reason}"
        )
    return _stay(cursor, Action.ROLL_BACK, verdict.reason)


def after_pause(plan: Plan, cursor: Cursor, request: OperatorAction, by: str) -> Decision:
    """Return the decision for an operator's command to a paused deployment. Resume takes the step as passed."""
    if request is OperatorAction.RESUME:
        return advance(plan, cursor, f"resumed by {by}")
    action = Action.PROMOTE if request is OperatorAction.PROMOTE else Action.ROLL_BACK
    return _stay(cursor, action, f"{request.value} by {by}")


def wants_synthetic_probes(plan: Plan, cursor: Cursor, verdict: Verdict, baked: timedelta) -> bool:
    """Return whether synthetic flows may decide because there is too little traffic.

    A step's bake is extended to `max_bake` first, because real traffic is better evidence.
    """
    last = cursor.evaluation + 1 >= evaluations_within(plan.steps[cursor.step].bake, plan.limits.evaluation_interval)
    return last and may_decide_by_synthetic_flows(plan, verdict, baked)


def may_decide_by_synthetic_flows(plan: Plan, verdict: Verdict, elapsed: timedelta) -> bool:
    """Return whether the evidence stayed inconclusive for `max_bake`, and the plan lets synthetic flows decide."""
    return (
        verdict.outcome is Outcome.INCONCLUSIVE
        and elapsed >= plan.limits.max_bake
        and plan.limits.when_inconclusive is WhenInconclusive.SYNTHETIC
    )


def _enter(plan: Plan, step: int, action: Action, reason: str) -> Decision:
    return Decision(
        action, step, 0, _seconds(wait_before_evaluation(plan.steps[step], plan.limits.evaluation_interval, 0)), reason
    )


def _bake(plan: Plan, cursor: Cursor, reason: str) -> Decision:
    evaluation = cursor.evaluation + 1
    wait = wait_before_evaluation(plan.steps[cursor.step], plan.limits.evaluation_interval, evaluation)
    return Decision(Action.BAKE, cursor.step, evaluation, _seconds(wait), reason)


def _stay(cursor: Cursor, action: Action, reason: str) -> Decision:
    return Decision(action, cursor.step, cursor.evaluation, 0, reason)


def _seconds(wait: timedelta) -> int:
    # A Wait state takes whole seconds; rounding down to 0 would spin.
    return max(1, round(wait.total_seconds()))
