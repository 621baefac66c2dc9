"""Paired synthetic flows: where traffic is too thin to judge canary, our own flows hit both versions alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from math import ceil

from orchestrator.domain import analysis
from orchestrator.domain.latency import judge as judge_latency
from orchestrator.domain.latency import measures_of as latency_measures_of
from orchestrator.domain.observation import GRANTING, Compared, Measurements, Sample
from orchestrator.domain.verdict import Evidence, worst
from orchestrator.domain.watch import Watches
from orchestrator.probes.checks import side_by_side
from orchestrator.probes.flows import (
    ALL_CANARY,
    ALL_STABLE,
    CANARY,
    PROBE,
    SERVER_ERRORS_FROM,
    STABLE,
    Flow,
    Step,
    walk,
)
from orchestrator.probes.ports import Instruments
from orchestrator.probes.scene import Scene

REQUESTS_A_FLOW = 2
"""What one flow sends to every function: authorize and login, redeem and refresh, userinfo twice."""

MOST_FLOWS = 60
"""Of each version. At 60 ms a request and eight side by side this takes some 6 s; a task has 60 s."""


def look(scene: Scene, instruments: Instruments) -> Evidence:
    """Walk through as many flows of canary alone and of stable alone as the minimum of requests asks for, and compare.

    Raises:
        Throttled, Unreachable: Lambda or KMS did not let us.
    """
    wanted = min(MOST_FLOWS, max(1, ceil(scene.thresholds.minimum_requests / REQUESTS_A_FLOW)))
    flows = side_by_side(lambda mixture: walk(scene, instruments, mixture), [ALL_CANARY, ALL_STABLE] * wanted)
    measured = compared(scene, flows)
    thresholds = replace(
        scene.thresholds, minimum_requests=min(scene.thresholds.minimum_requests, wanted * REQUESTS_A_FLOW)
    )
    judged = []
    for measures_of, judge in ((analysis.measures_of, analysis.judge), (latency_measures_of, judge_latency)):
        measures = tuple(measure for one in measured for measure in measures_of(one, thresholds))
        judged.append(judge(measured, thresholds, Watches().look(scene.window.start, measures), measures))
    broken = Counter(flow.told for flow in flows if flow.broke)
    return Evidence(
        probe=PROBE,
        verdict=worst(judged),
        versions=scene.versions,
        window=scene.window,
        source=f"{wanted} synthetic OAuth flows of each version by lambda:Invoke",
        samples=sum(one.canary.requests for one in measured),
        figures={
            "flows_of_each": wanted,
            "broken": dict(broken),
            "functions": {one.name: analysis.figures_of(one) for one in measured},
        },
    )


def compared(scene: Scene, flows: Iterable[Flow]) -> tuple[Compared, ...]:
    """What the flows' requests measured, by function and version, as if it were traffic."""
    steps = [step for flow in flows for step in flow.steps]
    return tuple(
        Compared(
            name=function.name,
            stable=_measured(scene, function.stable_version, _those(steps, function.name, STABLE)),
            canary=_measured(scene, function.canary_version, _those(steps, function.name, CANARY)),
        )
        for function in scene.changed
    )


def _those(steps: list[Step], function: str, side: str) -> list[Step]:
    return [step for step in steps if step.function == function and step.side == side]


def _measured(scene: Scene, version: str, steps: list[Step]) -> Measurements:
    if not steps:
        return Measurements(version)
    times = sorted(step.elapsed_ms for step in steps)
    granted = Counter(step.result for step in steps if step.function == GRANTING)
    sample = Sample(
        start=scene.window.end,
        requests=len(steps),
        server_errors=sum(step.status >= SERVER_ERRORS_FROM for step in steps),
        grants=granted,
        p50_ms=times[len(times) // 2],
        p99_ms=times[-(len(times) // 100) - 1],
    )
    return Measurements(version, (sample,))
