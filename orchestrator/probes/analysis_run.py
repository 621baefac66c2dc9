"""Analysis run: evaluate the service with all probes; one module a probe, each with evidence of its own.

A probe that does not work is evidence, too: its verdict is ERROR with the reason. Nothing here raises for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from orchestrator.domain.analysis.observations import VersionComparison
from orchestrator.domain.rollback.destination import Destination
from orchestrator.domain.verdict import Evidence, Json, Outcome, Verdict, verdict_of
from orchestrator.probes import (
    alarms,
    compatibility,
    custom_checks,
    health,
    healthy_side,
    logs,
    metrics,
    oauth_flows,
    paired_flows,
    performance,
    security,
    stable_versions,
)
from orchestrator.probes.checks import ProbeRun
from orchestrator.probes.context import ProbeContext
from orchestrator.probes.metric_queries import LATENCY_LINES, latency_lines_to_json, measure_versions
from orchestrator.probes.ports import ProbeClients
from orchestrator.probes.sequential_tests import SequentialEvidence

__all__ = [
    "AnalysisRun",
    "analyze_canary",
    "compare_versions",
    "run_flows",
    "verify_after_cutover",
    "verify_before_traffic",
    "verify_stable",
]


@dataclass(frozen=True)
class AnalysisRun:
    """The result of one evaluation.

    Attributes:
        verdict: the worst verdict of the evidence.
        running: the running tests, passed to the next evaluation as `Deployment.running`.
        preexisting_alarms: ARNs that were in ALARM before the deployment and have not been OK since.
        notes: what failed on the canary without being proved, by probe; a decision's reason contains it.
    """

    verdict: Verdict
    evidence: tuple[Evidence, ...]
    running: Mapping[str, Json]
    preexisting_alarms: tuple[str, ...]
    notes: tuple[str, ...] = ()


def analyze_canary(context: ProbeContext, clients: ProbeClients) -> AnalysisRun:
    """Run every probe, in parallel.

    The running tests continue only if the metrics could be read; otherwise they stay as they were.
    """
    running, notes = dict(context.prior), dict[str, str]()
    preexisting = [tuple(sorted(context.preexisting_alarms))]

    with ThreadPoolExecutor(8) as threads:
        measured: Future[tuple[VersionComparison, ...]] = threads.submit(measure_versions, context, clients.metrics)

        def run_tested(
            probe: Callable[[ProbeContext, tuple[VersionComparison, ...]], SequentialEvidence],
        ) -> Evidence:
            result = probe(context, measured.result())
            running[result.evidence.probe] = result.tests.to_json()
            return result.evidence

        def run_repeated(probe: Callable[..., ProbeRun]) -> Evidence:
            result = probe(context, clients.functions, clients.web, clients.pace)
            return _keep(result, running, notes)

        def run_performance() -> Evidence:
            running[LATENCY_LINES] = latency_lines_to_json(measured.result())
            return run_tested(performance.run)

        def run_logs() -> Evidence:
            result = logs.run(context, measured.result(), clients.logs)
            running[logs.PROBE] = result.tests.to_json()
            return result.evidence

        def run_alarms() -> Evidence:
            result = alarms.run(context, clients.alarms, clients.metrics)
            preexisting[0] = result.preexisting
            return result.evidence

        def run_custom_checks() -> Evidence:
            result = custom_checks.run(context, clients.checks, clients.pace)
            running[custom_checks.PROBE] = result.running
            return result.evidence

        evidence = _run_in_parallel(
            context,
            threads,
            {
                health.PROBE: lambda: run_repeated(health.run),
                metrics.PROBE: lambda: run_tested(metrics.run),
                logs.PROBE: run_logs,
                security.PROBE: lambda: run_repeated(security.run),
                performance.PROBE: run_performance,
                alarms.PROBE: run_alarms,
                **({custom_checks.PROBE: run_custom_checks} if context.checks else {}),
            },
        )
    return AnalysisRun(
        _with_notes(verdict_of(evidence), notes), evidence, running, preexisting[0], tuple(notes.values())
    )


def verify_before_traffic(context: ProbeContext, clients: ProbeClients) -> AnalysisRun:
    """Evaluate the canary while no client can reach it: by direct invocation, alone and in flows mixed with stable.

    Compatibility comes first, because an incompatible schema causes the failures of the other probes.
    """
    calls = (context, clients.functions, clients.web, clients.pace)
    return _run_probes(
        context,
        {
            compatibility.PROBE: lambda: compatibility.run(context, clients.functions, clients.pace),
            health.PROBE: lambda: health.run(*calls, at_the_edge=False),
            security.PROBE: lambda: security.run(*calls, at_the_edge=False),
            oauth_flows.PROBE: lambda: oauth_flows.run(context, clients),
        },
        not_judged=("client traffic", "logs", "latency", "alarms"),
    )


def verify_after_cutover(context: ProbeContext, clients: ProbeClients) -> AnalysisRun:
    """Evaluate the live version on restored tables: health, security and complete flows with our own requests.

    The 5xx rate of the canary's client requests counts, too. Three signals do not:

    - The results of clients' grants: users who logged in after the recovery point are rightly refused.
    - The number of requests: a restore is not rolled back because traffic is low at night.
    - The service's alarms: they are pooled over versions, and fire while the original tables are blocked.
    """
    return _run_probes(
        context,
        {
            health.PROBE: lambda: health.run(context, clients.functions, clients.web, clients.pace),
            security.PROBE: lambda: security.run(context, clients.functions, clients.web, clients.pace),
            oauth_flows.PROBE: lambda: oauth_flows.run(context, clients),
            metrics.PROBE: lambda: metrics.run_without_stable(context, measure_versions(context, clients.metrics)),
        },
        not_judged=("clients' grants", "the number of requests", "alarms"),
    )


def run_flows(context: ProbeContext, clients: ProbeClients) -> AnalysisRun:
    """Decide by synthetic flows what too little traffic left open."""
    return _run_probes(
        context, {oauth_flows.PROBE: lambda: paired_flows.run(context, clients)}, not_judged=("client traffic", "logs")
    )


def compare_versions(context: ProbeContext, open_clients: Callable[[], ProbeClients]) -> Destination:
    """Return where a rollback that a pooled alarm started sends the traffic. Nothing is raised."""
    return healthy_side.run(context, lambda: open_clients().metrics)


def verify_stable(context: ProbeContext, clients: ProbeClients) -> AnalysisRun:
    """Evaluate the stable versions after a rollback."""
    return _run_probes(
        context,
        {stable_versions.PROBE: lambda: stable_versions.run(context, clients.functions, clients.web, clients.pace)},
        not_judged=("client traffic", "logs", "latency"),
    )


def _run_probes(
    context: ProbeContext, probes: Mapping[str, Callable[[], Evidence | ProbeRun]], not_judged: Sequence[str]
) -> AnalysisRun:
    running, notes = dict(context.prior), dict[str, str]()

    def run_probe(probe: Callable[[], Evidence | ProbeRun]) -> Evidence:
        result = probe()
        return _keep(result, running, notes) if isinstance(result, ProbeRun) else result

    with ThreadPoolExecutor(len(probes)) as threads:
        evidence = _run_in_parallel(
            context, threads, {name: partial(run_probe, probe) for name, probe in probes.items()}
        )
    preexisting = tuple(sorted(context.preexisting_alarms))
    verdict = _with_notes(verdict_of(evidence, not_judged), notes)
    return AnalysisRun(verdict, evidence, running, preexisting, tuple(notes.values()))


def _keep(result: ProbeRun, running: dict[str, Json], notes: dict[str, str]) -> Evidence:
    """Keep a probe's tests for the next evaluation, and its note for the reason; return its evidence."""
    running[result.evidence.probe] = result.tests.to_json()
    if result.note and result.evidence.verdict.outcome is not Outcome.FAIL:
        notes[result.evidence.probe] = result.note
    return result.evidence


def _with_notes(verdict: Verdict, notes: Mapping[str, str]) -> Verdict:
    """Return PASS with what failed without being proved; any other verdict states its own reason."""
    if verdict.outcome is not Outcome.PASS or not notes:
        return verdict
    return Verdict.passed("; ".join([verdict.reason, *(f"{probe} {note}" for probe, note in sorted(notes.items()))]))


def _run_in_parallel(
    context: ProbeContext, threads: ThreadPoolExecutor, probes: Mapping[str, Callable[[], Evidence]]
) -> tuple[Evidence, ...]:
    futures = {name: threads.submit(probe) for name, probe in probes.items()}
    return tuple(_evidence_of(context, name, future) for name, future in futures.items())


def _evidence_of(context: ProbeContext, probe: str, future: Future[Evidence]) -> Evidence:
    try:
        return future.result()
    except Exception as error:  # noqa: BLE001 - any error of one probe leaves the evidence of the others in place
        reason = f"{type(error).__name__}: {error}"
        return Evidence(probe, Verdict.error(reason), context.versions, context.window, "none: the probe failed", 0)
