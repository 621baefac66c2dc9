"""Performance: is canary slower than stable, by median and tail? Judged in `orchestrator.domain.latency`."""

from __future__ import annotations

from orchestrator.domain.latency import judge, measures_of
from orchestrator.domain.observation import Compared
from orchestrator.domain.verdict import Evidence
from orchestrator.domain.watch import Watches
from orchestrator.probes.metrics import Watched, nothing_settled
from orchestrator.probes.scene import Scene

PROBE = "performance"


def look(scene: Scene, measured: tuple[Compared, ...]) -> Watched:
    """Judge the latency of the functions that changed."""
    measures = tuple(measure for one in measured for measure in measures_of(one, scene.thresholds))
    watches = Watches.from_json(scene.prior.get(PROBE)).look(scene.window.start, measures)
    verdict = judge(measured, scene.thresholds, watches, measures) if scene.window.length else nothing_settled(scene)
    evidence = Evidence(
        probe=PROBE,
        verdict=verdict,
        versions=scene.versions,
        window=scene.window,
        source=f"cloudwatch {scene.service.metric_namespace} Latency by version, percentiles by period",
        samples=sum(one.canary.requests for one in measured),
        figures={
            "period_seconds": scene.period.total_seconds(),
            "log_evidence": round(watches.log_evidence, 3),
            "periods_over": {
                measure.name: {"over": measure.canary.bad, "judged": measure.canary.trials} for measure in measures
            },
            "functions": {
                one.name: {
                    "stable": {"p50_ms": one.stable.p50_ms, "p99_ms": one.stable.p99_ms},
                    "canary": {"p50_ms": one.canary.p50_ms, "p99_ms": one.canary.p99_ms},
                }
                for one in measured
            },
        },
    )
    return Watched(evidence, watches)
