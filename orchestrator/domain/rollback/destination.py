"""Decide which version gets the traffic when a rollback starts: stable, or the canary if stable is the broken one.

An alarm is pooled over versions: it says that the service is degraded, not which version is. While both versions serve
clients, their measurements are therefore compared before an alarm is obeyed. Traffic goes to the canary only if

1. stable is proved worse than the canary, in some function, by the tests that judge a canary (with the roles swapped);
2. the canary passes the same judgement in every such function, with enough requests;
3. the canary fails it in no other function.

Everything else goes to stable: a fault of the canary, two broken versions, too few requests, and evidence that could not
be read. A rollback never waits for evidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from orchestrator.domain.analysis.latency import SHARE_OVER_P99, judge_latency, latency_rates
from orchestrator.domain.analysis.observations import Measurements, VersionComparison
from orchestrator.domain.analysis.request_metrics import (
    REFUSED_WITHOUT_BASELINE,
    judge_request_metrics,
    request_rates,
)
from orchestrator.domain.analysis.running_tests import RunningTests
from orchestrator.domain.deployment.decision import Action
from orchestrator.domain.deployment.plan import Function
from orchestrator.domain.deployment.policy import Thresholds
from orchestrator.domain.deployment.record import (
    DecisionEntry,
    Deployment,
    RollbackTrigger,
    Side,
)
from orchestrator.domain.deployment.strategy import FULL_PERCENT
from orchestrator.domain.rollback.decision import ALARM, VERDICT
from orchestrator.domain.verdict import Outcome, Verdict, worst

ALARMS_PROBE = "alarms"
"""The probe that reads the pooled alarms."""

JUDGES = ((request_rates, judge_request_metrics), (latency_rates, judge_latency))


@dataclass(frozen=True)
class Destination:
    """Where a rollback sends the traffic, and why: the numbers of both versions, or why there are none."""

    traffic_to: Side
    why: str
    neither_healthy: bool = False


@dataclass(frozen=True)
class _Standing:
    """How one function's versions stand to each other.

    Attributes:
        canary, stable: the judgement on each, compared with the other.
        canary_broken, stable_broken: what is over an absolute limit, in words; empty if nothing is.
    """

    canary: Verdict
    stable: Verdict
    canary_broken: str
    stable_broken: str


def needs_comparison(deployment: Deployment, trigger: RollbackTrigger, decisions: Sequence[DecisionEntry]) -> bool:
    """Return whether a rollback was started by nothing but pooled alarms, while both versions serve clients.

    Args:
        deployment: the deployment to roll back.
        trigger: the cause of the rollback.
        decisions: the deployment's decisions so far, in order.
    """
    if deployment.outcome is not None or deployment.cutover is not None or not deployment.shifts:
        return False
    if deployment.shifts[-1].weight_percent >= FULL_PERCENT:
        return False
    return trigger.source == ALARM or (trigger.source == VERDICT and _only_alarms_failed(decisions))


def choose_destination(
    functions: Sequence[VersionComparison], thresholds: Thresholds, window_start: datetime
) -> Destination:
    """Return where the traffic goes, by the measurements of both versions.

    Args:
        functions: the changed functions, measured while both versions served clients.
        thresholds: the plan's thresholds of a canary.
        window_start: start of the measurements.
    """
    standings = [_compare(function, thresholds, window_start) for function in functions]
    worse = [standing for standing in standings if standing.stable.outcome is Outcome.FAIL]
    sound = all(standing.canary.outcome is Outcome.PASS for standing in worse) and not any(
        standing.canary.outcome is Outcome.FAIL or standing.canary_broken for standing in standings
    )
    if worse and sound:
        return Destination(Side.CANARY, f"stable is broken and the canary is healthy: {worse[0].stable.reason}")
    stable_broken = [standing.stable_broken for standing in standings if standing.stable_broken]
    canary_broken = [standing.canary_broken for standing in standings if standing.canary_broken]
    if stable_broken and canary_broken:
        reason = f"neither version is healthy: {', '.join([*stable_broken, *canary_broken])}"
        return Destination(Side.STABLE, reason, neither_healthy=True)
    failed = [standing.canary.reason for standing in standings if standing.canary.outcome is Outcome.FAIL]
    if failed:
        return Destination(Side.STABLE, f"the canary is the broken version: {failed[0]}")
    compared = "; ".join(standing.canary.reason for standing in standings) or "nothing was measured"
    return Destination(Side.STABLE, f"the comparison proves no version broken: {compared}")


def unread_destination(error: str) -> Destination:
    """Return the destination if the measurements could not be read in time."""
    return Destination(Side.STABLE, f"the versions could not be compared: {error}")


def functions_at_destination(deployment: Deployment) -> tuple[Function, ...]:
    """Return the functions with the version that the rollback sends the traffic to as their stable version."""
    if not deployment.keeps_canary:
        return deployment.functions
    return tuple(replace(function, stable_version=function.canary_version) for function in deployment.functions)


def _compare(function: VersionComparison, thresholds: Thresholds, window_start: datetime) -> _Standing:
    swapped = replace(function, stable=function.canary, canary=function.stable, before=None)
    return _Standing(
        canary=_judge(function, thresholds, window_start),
        stable=_judge(swapped, thresholds, window_start),
        canary_broken=_over_limit(function.name, function.canary, thresholds),
        stable_broken=_over_limit(function.name, function.stable, thresholds),
    )


def _judge(function: VersionComparison, thresholds: Thresholds, window_start: datetime) -> Verdict:
    """Judge the version in the canary's place by one look at the window."""
    lines = function.lines
    if lines is not None and all(sample.start < lines.fixed_at for sample in function.canary.samples):
        # The lines were fixed from these requests, so they judge none of them. The absolute limit does.
        lines = None
    judged = replace(function, lines=lines)
    verdicts = []
    for rates_of, judge in JUDGES:
        rates = rates_of(judged, thresholds)
        verdicts.append(judge((judged,), thresholds, RunningTests().update(window_start, rates), rates))
    failed = [verdict for verdict in verdicts if verdict.outcome is Outcome.FAIL]
    return failed[0] if failed else Verdict(worst(verdicts).outcome, "; ".join(one.reason for one in verdicts))


def _over_limit(name: str, measured: Measurements, thresholds: Thresholds) -> str:
    """Return what is over its absolute limit, with its numbers; empty if nothing is, or there are too few requests."""
    limit_ms = thresholds.max_p99_ms
    limits = (
        ("5xx", measured.errors, thresholds.max_error_percent / 100),
        ("exceptions and timeouts", measured.function_failures, thresholds.max_error_percent / 100),
        ("refused known grants", measured.known_grants, REFUSED_WITHOUT_BASELINE),
        (f"over {limit_ms:g} ms", measured.slower_than(limit_ms).total, SHARE_OVER_P99),
    )
    over = [
        f"{tally.bad} of {tally.trials} {what}"
        for what, tally, limit in limits
        if tally.trials >= thresholds.minimum_requests and tally.share > limit
    ]
    return f"{name}:{measured.version} {', '.join(over)}" if over else ""


def _only_alarms_failed(decisions: Sequence[DecisionEntry]) -> bool:
    """Return whether the evaluation that rolls back failed by the pooled alarms alone."""
    rejecting = next((entry for entry in reversed(decisions) if entry.decision.action is Action.ROLL_BACK), None)
    if rejecting is None:
        return False
    failed = {one.probe for one in rejecting.evidence if one.verdict.outcome is Outcome.FAIL}
    return failed == {ALARMS_PROBE}
