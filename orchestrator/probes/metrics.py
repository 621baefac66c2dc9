"""Metrics: is canary worse than stable, by version? Judged in `orchestrator.domain.analysis`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.domain.analysis import figures_of, judge, judge_alone, measures_of
from orchestrator.domain.observation import Compared
from orchestrator.domain.verdict import Evidence, Json, Verdict
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
    figures = {"log_evidence": round(watches.log_evidence, 3)}
    return Watched(_evidence(scene, measured, verdict, figures), watches)


def look_alone(scene: Scene, measured: tuple[Compared, ...]) -> Evidence:
    """Judge canary by its own server errors: after a cut-over, stable says nothing about it."""
    verdict = judge_alone(measured, scene.thresholds) if scene.window.length else nothing_settled(scene)
    return _evidence(scene, measured, verdict, {})


def _evidence(scene: Scene, measured: tuple[Compared, ...], verdict: Verdict, figures: Mapping[str, Json]) -> Evidence:
    return Evidence(
        probe=PROBE,
        verdict=verdict,
        versions=scene.versions,
        window=scene.window,
        source=f"cloudwatch {scene.service.metric_namespace} and AWS/Lambda by version",
        samples=sum(one.canary.requests for one in measured),
        figures={
            "weight_percent": scene.weight_percent,
            **figures,
            "functions": {one.name: figures_of(one) for one in measured},
        },
    )


def nothing_settled(scene: Scene) -> Verdict:
    """The verdict where no data can have arrived yet."""
    asked = scene.window.start.isoformat(timespec="seconds")
    return Verdict.inconclusive(f"nothing has settled yet of what happened since {asked}")
