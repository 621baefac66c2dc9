"""Decide a recorded deployment again, from its recorded evidence, with its own settings or with others.

With its own settings, every decision on an evaluation is the same, bit for bit; if not, today's rules differ from those
that decided. With other settings the replay ends at the first decision with another action: what follows was measured
at weights that these settings would not have set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from orchestrator.domain.deployment.decision import (
    Action,
    Cursor,
    Decision,
    OperatorAction,
    after_promotion,
    first_decision,
    may_decide_by_synthetic_flows,
    next_action,
    rejected_before_traffic,
    wants_synthetic_probes,
)
from orchestrator.domain.deployment.gate_decisions import pass_gates
from orchestrator.domain.deployment.policy import DeliveryLimits
from orchestrator.domain.deployment.record import DecisionBasis, DecisionEntry, Deployment
from orchestrator.domain.errors import Refused
from orchestrator.domain.replay.evidence_replay import RunningReplay, Settings
from orchestrator.domain.verdict import Evidence, Outcome, Verdict, verdict_of

BEFORE_TRAFFIC, CANARY, PROMOTED = "VerifyBeforeTraffic", "AnalyzeCanary", "VerifyAfterPromotion"
EVALUATING = (BEFORE_TRAFFIC, CANARY, PROMOTED)
FLOWS = "flows"
STOPS = frozenset({Action.ROLL_BACK})


class Result(StrEnum):
    """What the replayed settings would have done, compared with the record."""

    SAME = "same"
    EARLIER = "earlier"  # rolled back at an earlier evaluation
    LATER = "later"  # the same end, but not yet at this evaluation: it would have gone on baking
    MISSED = "missed"  # proved worse in the record, and passed by the replayed settings
    NOT_ROLLED_BACK = "not rolled back"  # rolled back without a proof in the record, and passed now
    ROLLED_BACK = "rolled back"  # not rolled back in the record
    DIFFERENT = "different"  # another decision, none of which rolls back


@dataclass(frozen=True)
class ReplayedDecision:
    """One decision on an evaluation, as it was recorded and as it is now."""

    number: int
    at: datetime
    state: str
    recorded: Decision
    replayed: Decision
    recorded_verdict: Verdict
    verdict: Verdict

    @property
    def same(self) -> bool:
        """Whether the decision and its verdict are the same, with their reasons."""
        return (self.recorded, self.recorded_verdict) == (self.replayed, self.verdict)

    @property
    def same_action(self) -> bool:
        """Whether the deployment goes on in the same way."""
        return self.recorded.action is self.replayed.action


@dataclass(frozen=True)
class Replay:
    """The replay of a deployment.

    Attributes:
        decisions: all decisions on evaluations, up to the first with another action.
        minutes: by how much it would have been rolled back earlier (below 0) or at least later; None if it does not
            apply.
        reason: what the first different decision says; empty if there is none.
    """

    deployment: str
    result: Result
    decisions: tuple[ReplayedDecision, ...]
    minutes: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Replayed:
    """A deployment and its replay.

    Attributes:
        recorded: its recorded outcome, or its phase while it has none.
    """

    deployment: str
    recorded: str
    requested_at: datetime
    replay: Replay


@dataclass(frozen=True)
class NotReplayed:
    """A deployment that could not be replayed, and why."""

    deployment: str
    why: str


def replay_deployment(deployment: Deployment, entries: Sequence[DecisionEntry], limits: DeliveryLimits) -> Replay:
    """Decide a deployment again.

    Args:
        deployment: its record.
        entries: its decisions, in order.
        limits: the settings to decide by; those of its plan for a plain replay.

    Raises:
        Refused: it is a cutover, or the record lacks an input of a decision.
    """
    if deployment.cutover is not None:
        remedy = "name a release: a cutover is decided by checks alone, whose verdicts are taken as given"
        raise Refused("deployment", deployment.id, remedy)
    settings = Settings(deployment.plan.limits.thresholds, limits.thresholds)
    planned = replace(deployment, plan=replace(deployment.plan, limits=limits))
    running, cursor = RunningReplay(), Cursor(0, 0)
    replayed: list[ReplayedDecision] = []
    for entry in entries:
        if entry.state in EVALUATING and entry.evidence:
            running, one = _replay_entry(planned, entry, cursor, running, settings)
            replayed.append(one)
            if not one.same_action:
                break
        cursor = Cursor(entry.decision.step, entry.decision.evaluation)
    if not replayed:
        raise Refused("deployment", deployment.id, "name one whose canary was evaluated: it has no evidence to replay")
    return _compared(deployment, entries, replayed)


def _replay_entry(
    deployment: Deployment, entry: DecisionEntry, cursor: Cursor, running: RunningReplay, settings: Settings
) -> tuple[RunningReplay, ReplayedDecision]:
    where = f"decision {entry.number} of {deployment.id}"
    if entry.basis is None or entry.verdict is None:
        remedy = "replay a deployment of a release that records it"
        raise Refused(where, "no time of the evaluation", remedy)
    judged: list[Evidence] = []
    for one in entry.evidence:
        running, verdict = running.judge(one, settings, where)
        judged.append(one if verdict is one.verdict else replace(one, verdict=verdict))
    if entry.state == BEFORE_TRAFFIC:
        verdict = _noted(verdict_of(judged), entry.verdict)
        decision = _decide_before_traffic(deployment, verdict, entry, entry.basis)
    elif entry.state == CANARY:
        verdict, decision = _decide_canary(deployment, entry, entry.basis, cursor, judged, where)
    else:
        elapsed = entry.basis.now - deployment.shifts[-1].at
        own, flows = _split(judged)
        wanted = may_decide_by_synthetic_flows(deployment.plan, verdict_of(own), elapsed)
        verdict = _noted(_deciding(own, flows, wanted=wanted, where=where), entry.verdict)
        decision = after_promotion(deployment.plan, verdict, elapsed, deployment.promoted_by)
        decision = _through_gates(deployment, decision, entry.basis, deployment.promoted_by)
    return running, ReplayedDecision(
        entry.number, entry.at, entry.state, entry.decision, decision, entry.verdict, verdict
    )


def _decide_before_traffic(
    deployment: Deployment, verdict: Verdict, entry: DecisionEntry, basis: DecisionBasis
) -> Decision:
    passed = verdict.outcome is Outcome.PASS
    decision = first_decision(deployment.plan) if passed else rejected_before_traffic(verdict)
    decision = _through_gates(deployment, decision, basis, deployment.promoted_by)
    # The reason ends with what the checks, which are taken as given, found without proving it.
    noted = entry.decision.reason.startswith(decision.reason)
    return replace(decision, reason=entry.decision.reason) if noted else decision


def _decide_canary(
    deployment: Deployment,
    entry: DecisionEntry,
    basis: DecisionBasis,
    cursor: Cursor,
    judged: Sequence[Evidence],
    where: str,
) -> tuple[Verdict, Decision]:
    own, flows = _split(judged)
    assert entry.verdict is not None, "the caller has checked"
    shifted_at = deployment.shifted_at(cursor.step)
    if shifted_at is None:
        raise Refused(where, "no shift of its step", "replay a deployment whose shifts are recorded")
    baked = basis.now - shifted_at
    wanted = wants_synthetic_probes(deployment.plan, cursor, verdict_of(own), baked)
    verdict = _noted(_deciding(own, flows, wanted=wanted, where=where), entry.verdict)
    request = OperatorAction(basis.request) if basis.request else None
    decision = next_action(deployment.plan, cursor, verdict, baked, request)
    promoted_by = basis.by if request is OperatorAction.PROMOTE else ""
    return verdict, _through_gates(deployment, decision, basis, promoted_by)


def _through_gates(deployment: Deployment, decision: Decision, basis: DecisionBasis, promoted_by: str) -> Decision:
    """Return the decision, or the wait for the gate that it reaches; earlier gates have passed."""
    if not deployment.plan.gates:
        return decision
    reached = tuple(gate for gate in deployment.gates if gate.reached_at < basis.now)
    return pass_gates(replace(deployment, gates=reached, promoted_by=promoted_by), decision, basis.now)[1]


def _deciding(own: Sequence[Evidence], flows: Sequence[Evidence], *, wanted: bool, where: str) -> Verdict:
    if wanted and not flows:
        remedy = "leave max_bake_seconds and when_inconclusive as they are: the flows that decide did not run"
        raise Refused(where, "no synthetic flows", remedy)
    return verdict_of(flows if wanted else own)


def _split(judged: Sequence[Evidence]) -> tuple[list[Evidence], list[Evidence]]:
    """Return the evidence of the client traffic, and that of the synthetic flows that decided for lack of it."""
    return [one for one in judged if one.probe != FLOWS], [one for one in judged if one.probe == FLOWS]


def _noted(verdict: Verdict, recorded: Verdict) -> Verdict:
    """Return a verdict with what its reason also named: what was not judged, and what was not proved."""
    same = verdict.outcome is recorded.outcome and recorded.reason.startswith(verdict.reason)
    return recorded if same else verdict


def _compared(deployment: Deployment, entries: Sequence[DecisionEntry], replayed: Sequence[ReplayedDecision]) -> Replay:
    last = replayed[-1]
    decisions = tuple(replayed)
    if last.same_action:
        return Replay(deployment.id, Result.SAME, decisions)
    was, now = last.recorded.action in STOPS, last.replayed.action in STOPS
    ended_by = next((entry.at for entry in entries if entry.decision.action in STOPS), None)
    rolled_back_at = deployment.rollback.trigger.at if deployment.rollback is not None else ended_by
    reason = last.replayed.reason
    if now and rolled_back_at is not None:
        minutes = (last.at - rolled_back_at).total_seconds() / 60
        return Replay(deployment.id, Result.EARLIER, decisions, minutes, reason)
    if now:
        return Replay(deployment.id, Result.ROLLED_BACK, decisions, None, reason)
    if last.replayed.action is Action.BAKE:
        return Replay(deployment.id, Result.LATER, decisions, last.replayed.wait_seconds / 60, reason)
    if was:
        proved = last.recorded_verdict.outcome is Outcome.FAIL
        return Replay(deployment.id, Result.MISSED if proved else Result.NOT_ROLLED_BACK, decisions, None, reason)
    return Replay(deployment.id, Result.DIFFERENT, decisions, None, reason)
