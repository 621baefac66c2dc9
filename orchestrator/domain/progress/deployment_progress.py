"""The figures of a deployment in flight: its traffic by function and version, its evidence, its alarms, who may act.

Everything is from the ledger: the record of the deployment and the evidence of its evaluations, which `explain --json`
prints as well. What no evaluation has recorded is None.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import log
from typing import Any

from orchestrator.domain.analysis.running_tests import RunningTests
from orchestrator.domain.analysis.spending import Spending, spendings
from orchestrator.domain.deployment.gate_decisions import answers
from orchestrator.domain.deployment.gates import Approval, GateKind, missing_approvals
from orchestrator.domain.deployment.plan import Function
from orchestrator.domain.deployment.record import DecisionEntry, Deployment, DeploymentPhase, Side
from orchestrator.domain.verdict import Evidence

METRICS, ALARMS = "metrics", "alarms"
"""The probes whose figures are the traffic and the states of the alarms."""

TESTED = ("metrics", "performance")
"""The probes that divide their evidence among named rates (`RunningTests`)."""

FULL_PERCENT = 100


@dataclass(frozen=True)
class VersionTraffic:
    """The traffic of one version of a function, as the newest evaluation measured it.

    Attributes:
        weight_percent: the share of requests that the alias sends to it now.
        observed_percent: the share of requests that it had.
        grants: token requests by result; None for a function without grants.
    """

    side: Side
    version: str
    weight_percent: int
    observed_percent: float | None = None
    requests: int | None = None
    server_errors: int | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    grants: Mapping[str, int] | None = None


@dataclass(frozen=True)
class FunctionTraffic:
    """Both versions of a function; only one if the deployment publishes no new version of it."""

    name: str
    versions: tuple[VersionTraffic, ...]


@dataclass(frozen=True)
class MeasuredBy:
    """The evaluation whose figures are shown.

    Attributes:
        weight_percent: the canary's weight that it measured.
    """

    at: datetime
    since: datetime
    until: datetime
    weight_percent: int | None


@dataclass(frozen=True)
class Measure:
    """The evidence of one source against the canary.

    Attributes:
        name: the source, such as ``request metrics``; with its probe if several probes divide it.
        odds: how many times more probable the measurements are if the canary is worse; None before the first evidence.
        needed: the odds with which it fails the canary.
        leading: it has come nearest to its threshold.
        rate: the rate that contributes most to it, with its counts; empty if it is not divided, or nothing speaks
            against the canary.
    """

    name: str
    odds: float | None
    needed: float
    leading: bool = False
    rate: str = ""

    @property
    def filled(self) -> float:
        """The part of the way to the threshold, from 0 to 1, on the logarithmic scale of odds."""
        if self.odds is None or self.odds <= 1:
            return 0.0
        return min(1.0, log(self.odds) / log(self.needed))


@dataclass(frozen=True)
class AlarmView:
    """An alarm of the service. `state` is empty before the first evaluation; `preexisting` alarms do not count."""

    name: str
    state: str
    preexisting: bool


def traffic_of(
    deployment: Deployment, decisions: Sequence[DecisionEntry]
) -> tuple[tuple[FunctionTraffic, ...], MeasuredBy | None]:
    """Return the traffic of every function, and the evaluation that measured it; None before the first."""
    found = _newest(decisions, METRICS)
    figures = found[1].figures if found else {}
    functions = figures.get("functions")
    by_name: Mapping[str, Any] = functions if isinstance(functions, Mapping) else {}
    weight = canary_percent(deployment)
    traffic = tuple(
        FunctionTraffic(function.name, _versions(function, by_name.get(function.name) or {}, weight))
        for function in deployment.functions
    )
    if found is None:
        return traffic, None
    entry, evidence = found
    measured_weight = figures.get("weight_percent")
    known = measured_weight if isinstance(measured_weight, int) else None
    return traffic, MeasuredBy(entry.at, evidence.window.start, evidence.window.end, known)


def canary_percent(deployment: Deployment) -> int:
    """Return the weight of the canary that the aliases have now."""
    rollback = deployment.rollback
    if rollback is not None and rollback.reverted_at is not None:
        return FULL_PERCENT if deployment.keeps_canary else 0
    return deployment.shifts[-1].weight_percent if deployment.shifts else 0


def measures_of(deployment: Deployment, decisions: Sequence[DecisionEntry]) -> tuple[Measure, ...]:
    """Return the evidence of every source; the one that has come nearest to its threshold leads."""
    evidence = [one for entry in decisions for one in entry.evidence]
    spent = spendings(evidence, deployment.plan.limits.thresholds)
    measures = [_measure(deployment, one, spent) for one in spent]
    farthest = max((measure.filled for measure in measures), default=0.0)
    leader = next((index for index, measure in enumerate(measures) if farthest and measure.filled == farthest), None)
    return tuple(
        Measure(measure.name, measure.odds, measure.needed, leading=index == leader, rate=measure.rate)
        for index, measure in enumerate(measures)
    )


def alarms_of(deployment: Deployment, decisions: Sequence[DecisionEntry]) -> tuple[AlarmView, ...]:
    """Return the alarms of the service with their states at the newest evaluation."""
    found = _newest(decisions, ALARMS)
    figures = found[1].figures if found else {}
    states, excused = figures.get("states"), figures.get("excused")
    known: Mapping[str, Any] = states if isinstance(states, Mapping) else {}
    before = {_alarm_name(arn) for arn in deployment.preexisting_alarms} | set(
        excused if isinstance(excused, list | tuple) else ()
    )
    names = dict.fromkeys([*map(_alarm_name, deployment.service.alarms), *known])
    return tuple(AlarmView(name, str(known.get(name, "")), name in before) for name in names)


def who_may_act(deployment: Deployment, approvals: Sequence[Approval] = ()) -> str:
    """Return who may act on a deployment now, and with which commands; empty once it has ended.

    Args:
        deployment: its record.
        approvals: of the gate that it waits for.
    """
    if not deployment.under_way:
        return ""
    if deployment.phase is DeploymentPhase.ROLLING_BACK:
        return "the rollback runs by itself"
    waiting = deployment.waiting_gate
    gate = deployment.plan.gates[waiting.gate] if waiting else None
    if gate is not None and gate.kind is GateKind.APPROVE:
        lacks = missing_approvals(gate, approvals, deployment.requested_by, deployment.requested_as)
        return f"{', '.join(gate.approvers)}: approve (lacks {lacks or 'nothing'}); any operator: abort"
    if gate is not None and gate.kind is not GateKind.PAUSE:
        return f"it waits for the {gate.kind} {gate.name}; any operator: abort"
    paused = deployment.phase is DeploymentPhase.PAUSED
    commands = ", ".join(answers(deployment)) if paused else "promote, abort, rollback"
    return f"any operator: {commands}"


def _newest(decisions: Sequence[DecisionEntry], probe: str) -> tuple[DecisionEntry, Evidence] | None:
    """Return the newest evidence of a probe that has figures, with its decision."""
    return next(
        (
            (entry, evidence)
            for entry in reversed(decisions)
            for evidence in entry.evidence
            if evidence.probe == probe and evidence.figures
        ),
        None,
    )


def _versions(function: Function, figures: Mapping[str, Any], weight: int) -> tuple[VersionTraffic, ...]:
    if not function.changed:
        return (VersionTraffic(Side.STABLE, function.stable_version, FULL_PERCENT),)
    observed = figures.get("observed_percent")
    rest = None if observed is None else round(FULL_PERCENT - observed, 1)
    stable, canary = figures.get("stable") or {}, figures.get("canary") or {}
    return (
        _version(Side.STABLE, function.stable_version, FULL_PERCENT - weight, rest, stable),
        _version(Side.CANARY, function.canary_version, weight, observed, canary),
    )


def _version(
    side: Side, version: str, weight: int, observed: float | None, figures: Mapping[str, Any]
) -> VersionTraffic:
    return VersionTraffic(
        side=side,
        version=version,
        weight_percent=weight,
        observed_percent=observed,
        requests=figures.get("requests"),
        server_errors=figures.get("server_errors"),
        p50_ms=figures.get("p50_ms"),
        p99_ms=figures.get("p99_ms"),
        grants=figures.get("grants") or None,
    )


def _measure(deployment: Deployment, spending: Spending, spent: Sequence[Spending]) -> Measure:
    source = spending.source.replace("_", " ")
    shared = sum(other.source == spending.source for other in spent) > 1
    name = f"{source}: {spending.probe}" if shared else source
    return Measure(name, spending.evidence, spending.needed, rate=_leading_rate(deployment, spending))


def _leading_rate(deployment: Deployment, spending: Spending) -> str:
    document = deployment.running.get(spending.probe) if spending.probe in TESTED else None
    tests = RunningTests.from_json(document).tests
    if not tests or (spending.evidence or 0) <= 1:
        return ""
    name, test = max(tests.items(), key=lambda item: item[1].log_evidence)
    counts = (
        f"canary {test.canary.bad} of {test.canary.trials}, stable {test.stable.bad} of {test.stable.trials}"
        if test.canary.trials
        else "counted in an earlier step"
    )
    return f"{name.replace('/', ' ').replace('_', ' ')}: {counts}"


def _alarm_name(arn: str) -> str:
    return arn.rpartition(":")[2]
