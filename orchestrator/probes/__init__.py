"""Looks at the service while a release is shifted: one module a probe, each with evidence of its own.

A probe that does not work is evidence, too: its verdict is ERROR and says why. Nothing here raises for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from orchestrator.domain.observation import Compared
from orchestrator.domain.verdict import Evidence, Json, Verdict, worst
from orchestrator.probes import (
    alarms,
    compatibility,
    flows,
    health,
    logs,
    metrics,
    paired,
    performance,
    security,
    stable,
)
from orchestrator.probes.measure import measure
from orchestrator.probes.ports import Instruments
from orchestrator.probes.scene import Scene

__all__ = ["Look", "look_after_cut_over", "look_all", "look_at_flows", "look_at_stable", "look_before_traffic"]


@dataclass(frozen=True)
class Look:
    """What one look came to.

    Attributes:
        verdict: the worst of the evidence's.
        running: the running tests, to be given to the next look as `Deployment.running`.
        excused_alarms: ARNs that rang before the deployment and have not been seen OK since.
    """

    verdict: Verdict
    evidence: tuple[Evidence, ...]
    running: Mapping[str, Json]
    excused_alarms: tuple[str, ...]


def look_all(scene: Scene, instruments: Instruments) -> Look:
    """Look with every probe, side by side.

    The running tests go on only where metrics could be read; otherwise they stay as they were.
    """
    running = dict(scene.prior)
    excused = [tuple(sorted(scene.excused_alarms))]

    with ThreadPoolExecutor(7) as threads:
        measured: Future[tuple[Compared, ...]] = threads.submit(measure, scene, instruments.metrics)

        def watch(probe: Callable[[Scene, tuple[Compared, ...]], metrics.Watched]) -> Evidence:
            watched = probe(scene, measured.result())
            running[watched.evidence.probe] = watched.watches.to_json()
            return watched.evidence

        def hear() -> Evidence:
            heard = alarms.look(scene, instruments.alarms)
            excused[0] = heard.excused
            return heard.evidence

        evidence = _side_by_side(
            scene,
            threads,
            {
                health.PROBE: lambda: health.look(scene, instruments.functions, instruments.web),
                metrics.PROBE: lambda: watch(metrics.look),
                logs.PROBE: lambda: logs.look(scene, measured.result(), instruments.logs),
                security.PROBE: lambda: security.look(scene, instruments.functions, instruments.web),
                performance.PROBE: lambda: watch(performance.look),
                alarms.PROBE: hear,
            },
        )
    return Look(worst(one.verdict for one in evidence), evidence, running, excused[0])


def look_before_traffic(scene: Scene, instruments: Instruments) -> Look:
    """Look at canary while no client can reach it: by direct invocation, alone and in flows together with stable.

    Compatibility comes first: of several failures it is the reason of the others.
    """
    return _look(
        scene,
        {
            compatibility.PROBE: lambda: compatibility.look(scene, instruments.functions),
            health.PROBE: lambda: health.look(scene, instruments.functions, instruments.web, at_the_edge=False),
            security.PROBE: lambda: security.look(scene, instruments.functions, instruments.web, at_the_edge=False),
            flows.PROBE: lambda: flows.look(scene, instruments),
        },
    )


def look_after_cut_over(scene: Scene, instruments: Instruments) -> Look:
    """Look at what clients get from tables that were restored: health, security and whole flows, all of them our own requests, and what
    the new versions answer clients with 5xx.

    Clients' grants are no evidence here: whoever logged in after the time that was restored to is refused, and rightly so. Neither is
    their number: a restore is not undone because the night is quiet. Nor are the service's alarms: they are pooled over versions, and
    ring for the seconds in which the tables were closed.
    """  # noqa: D205 - one thought
    return _look(
        scene,
        {
            health.PROBE: lambda: health.look(scene, instruments.functions, instruments.web),
            security.PROBE: lambda: security.look(scene, instruments.functions, instruments.web),
            flows.PROBE: lambda: flows.look(scene, instruments),
            metrics.PROBE: lambda: metrics.look_alone(scene, measure(scene, instruments.metrics)),
        },
    )


def look_at_flows(scene: Scene, instruments: Instruments) -> Look:
    """Settle by our own flows what too little traffic left open."""
    return _look(scene, {flows.PROBE: lambda: paired.look(scene, instruments)})


def look_at_stable(scene: Scene, instruments: Instruments) -> Look:
    """Look at what clients are back on after a rollback."""
    return _look(scene, {stable.PROBE: lambda: stable.look(scene, instruments.functions, instruments.web)})


def _look(scene: Scene, probes: Mapping[str, Callable[[], Evidence]]) -> Look:
    with ThreadPoolExecutor(len(probes)) as threads:
        evidence = _side_by_side(scene, threads, probes)
    return Look(worst(one.verdict for one in evidence), evidence, scene.prior, tuple(sorted(scene.excused_alarms)))


def _side_by_side(
    scene: Scene, threads: ThreadPoolExecutor, probes: Mapping[str, Callable[[], Evidence]]
) -> tuple[Evidence, ...]:
    looking = {name: threads.submit(probe) for name, probe in probes.items()}
    return tuple(_evidence(scene, name, future) for name, future in looking.items())


def _evidence(scene: Scene, probe: str, future: Future[Evidence]) -> Evidence:
    try:
        return future.result()
    except Exception as error:  # noqa: BLE001 - whatever a probe trips over, the other probes' evidence stands
        reason = f"{type(error).__name__}: {error}"
        return Evidence(probe, Verdict.error(reason), scene.versions, scene.window, "none: the probe failed", 0)
