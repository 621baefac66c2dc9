"""VerifyBeforeTraffic: probe the canary versions directly, and with OAuth flows that mix stable and canary.

During a shift a client may reach stable with one request and the canary with the next, so flows are run in mixtures.
"""

from __future__ import annotations

from dataclasses import replace

from orchestrator.application.cloud import Cloud
from orchestrator.domain.deployment.decision import Action, cutover_decision, first_decision, rejected_before_traffic
from orchestrator.domain.deployment.gate_decisions import pass_gates
from orchestrator.domain.deployment.record import DecisionBasis, DeploymentPhase
from orchestrator.domain.verdict import Outcome
from orchestrator.probes import analysis_run
from orchestrator.probes.context import before_traffic
from orchestrator.tasks.runtime import TaskInput, TaskOutput, append_decision, make_decision, task


def verify_before_traffic(task_input: TaskInput, cloud: Cloud) -> TaskOutput:
    """Evaluate the canary versions while no client can reach them.

    Raises:
        LockLost: another execution holds the lock.
    """
    deployment = cloud.ledger.read_record(task_input.deployment)
    cutover = deployment.cutover
    published = replace(deployment, phase=DeploymentPhase.PUBLISHED)
    if cutover and not cutover.in_sync:
        # A failback: its tables are blocked. VerifySyncedTables probes the canary when they are in sync.
        reason = "its tables are blocked until they are synchronized; it is verified after that"
        decision = make_decision(Action.SYNC_TABLES, reason)
        return append_decision(task_input, cloud, published, decision)
    analysis = analysis_run.verify_before_traffic(before_traffic(deployment, cloud.now()), cloud.probe_clients)
    if analysis.verdict.outcome is not Outcome.PASS:
        decision = rejected_before_traffic(analysis.verdict)
    elif cutover:
        decision = cutover_decision(
            "verified with synchronized tables" if cutover.failback else "verified before traffic"
        )
    else:
        decision = first_decision(deployment.plan)
    # What failed without being proved stays visible, and its tests continue in every evaluation.
    notes = [note for note in analysis.notes if note not in decision.reason]
    noted = replace(decision, reason="; ".join([decision.reason, *notes]))
    now = cloud.now()
    verified, held = pass_gates(replace(published, running=analysis.running), noted, now)
    return append_decision(task_input, cloud, verified, held, analysis.verdict, analysis.evidence, DecisionBasis(now))


handler = task(verify_before_traffic)
