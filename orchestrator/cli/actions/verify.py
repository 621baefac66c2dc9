"""The command `verify`: run the probes against the live versions, and compare these with the ledger."""

from __future__ import annotations

from orchestrator import environments
from orchestrator.application.live_state import LiveState, read_live_state
from orchestrator.cli.context import Context
from orchestrator.cli.rendering.output import console, print_json
from orchestrator.domain.deployment.outcome import with_live_versions
from orchestrator.domain.errors import Refused
from orchestrator.domain.verdict import Evidence, Outcome, Verdict, worst
from orchestrator.probes import oauth_flows
from orchestrator.probes.analysis_run import verify_stable
from orchestrator.probes.context import ProbeContext, for_stable

HEALTHY, UNHEALTHY = 0, 1


def verify(context: Context, *, flows: int = 0, json: bool) -> int:
    """Verify the live versions; return the exit code: 0 if they are healthy, else 1.

    Args:
        context: of the environment.
        flows: so many complete OAuth flows are run, too. The caller needs `kms:GenerateMac` for the synthetic key then.
        json: whether to print JSON.

    Raises:
        Refused: there was no deployment yet, so the ledger does not describe the service.
    """
    cloud = context.cloud
    functions = {name: context.function_name(name) for name in environments.FUNCTIONS}
    state = read_live_state(functions, cloud.ledger.read_lock(), cloud)
    recorded = state.recorded or next(iter(cloud.ledger.newest_records(1)), None)
    if recorded is None:
        raise Refused("deployment", "the newest", "deploy once: the first plan records the service's functions")
    probes = for_stable(with_live_versions(recorded), cloud.now())
    live = _live_state_evidence(state, probes)
    flow_evidence = (oauth_flows.run_live(probes, cloud.probe_clients, flows),) if flows else ()
    evidence_found = (*verify_stable(probes, cloud.probe_clients).evidence, *flow_evidence, live)
    verdict = worst(evidence.verdict for evidence in evidence_found)
    if json:
        print_json({"verdict": verdict, "evidence": evidence_found})
    else:
        screen = console()
        for evidence in evidence_found:
            screen.print(f"{evidence.probe:<12} {evidence.verdict.outcome:<13} {evidence.verdict.reason}", markup=False)
        screen.print(f"{verdict.outcome}: {verdict.reason}", style="bold", markup=False)
    return HEALTHY if verdict.outcome is Outcome.PASS else UNHEALTHY


def _live_state_evidence(state: LiveState, probes: ProbeContext) -> Evidence:
    """Return the evidence that the aliases are where the ledger recorded them, and that all serve one release."""
    verdict = (
        Verdict.failed("; ".join(state.problems))
        if state.problems
        else Verdict.passed("nothing is wrong with the live state")
    )
    return Evidence(
        probe="live-state",
        verdict=verdict,
        versions=probes.versions,
        window=probes.window,
        source="lambda:GetAlias and the ledger",
        samples=len(state.functions),
    )
