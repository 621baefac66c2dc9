"""Metrics: is canary worse than stable, by version? Judged in `orchestrator.domain.analysis`."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.domain.analysis import figures_of, judge, measures_of
from orchestrator.domain.observation import Compared
from orchestrator.domain.verdict import Evidence, Verdict
from orchestrator.domain.watch import Watches
from orchestrator.probes.scene import Scene

PROBE = "metrics"


@dataclass(frozen=True)
class Watched:
    """A probe's evidence and its running tests after the look."""

    evidence: Evidence
    watches: Watches


def look(scene: Scene, measured: tuple[Compared, ...]) -> Watched:
    """Judge the functions that changed by what they and Lambda say of them."""
    measures = tuple(measure for one in measured for measure in measures_of(one, scene.thresholds))
    watches = Watches.from_json(scene.prior.get(PROBE)).look(scene.window.start, measures)
    verdict = judge(measured, scene.thresholds, watches, measures) if scene.window.length else nothing_settled(scene)
    evidence = Evidence(
        probe=PROBE,
        verdict=verdict,
        versions=scene.versions,
        window=scene.window,
        source=f"cloudwatch {scene.service.metric_namespace} and AWS/Lambda by version",
        samples=sum(one.canary.requests for one in measured),
        figures={
            "weight_percent": scene.weight_percent,
            "log_evidence": round(watches.log_evidence, 3),
            "functions": {one.name: figures_of(one) for one in measured},
        },
    )
    return Watched(evidence, watches)


def nothing_settled(scene: Scene) -> Verdict:
    """The verdict where no data can have arrived yet."""
    asked = scene.window.start.isoformat(timespec="seconds")
    return Verdict.inconclusive(f"nothing has settled yet of what happened since {asked}")
