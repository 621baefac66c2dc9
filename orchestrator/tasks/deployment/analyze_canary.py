"""AnalyzeCanary: evaluate the canary while it serves traffic, and decide the next action."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.application.cloud import Cloud
from orchestrator.domain.deployment.decision import OperatorAction, next_action, wants_synthetic_probes
from orchestrator.domain.deployment.gate_decisions import pass_gates
from orchestrator.domain.deployment.record import DecisionBasis, DeploymentPhase
from orchestrator.probes import analysis_run
from orchestrator.probes.context import for_step
from orchestrator.tasks.runtime import TaskInput, TaskOutput, append_decision, task


def analyze_canary(task_input: TaskInput, cloud: Cloud) -> TaskOutput:
    """Run every probe and decide: keep baking, advance, promote, pause or roll back.

    Raises:
        LockLost: another execution holds the lock.
    """
    cloud.ledger.check_lock(task_input.fencing_token)
    deployment, cursor, now = cloud.ledger.read_record(task_input.deployment), task_input.cursor, cloud.now()
    context = for_step(deployment, cursor.step, cursor.evaluation, now)
    analysis = analysis_run.analyze_canary(context, cloud.probe_clients)
    verdict, evidence, running = analysis.verdict, analysis.evidence, analysis.running
    baked = now - (deployment.shifted_at(cursor.step) or now)
    if wants_synthetic_probes(deployment.plan, cursor, verdict, baked):
        synthetic = analysis_run.run_flows(replace(context, prior=running), cloud.probe_clients)
        verdict, evidence = synthetic.verdict, (*evidence, *synthetic.evidence)
        running = synthetic.running
    command = cloud.ledger.pending_command(task_input.deployment)
    operator_action = OperatorAction(command.request) if command else None
    decision = next_action(deployment.plan, cursor, verdict, baked, operator_action)
    analyzed = replace(
        deployment,
        phase=DeploymentPhase.SHIFTING,
        running=running,
        preexisting_alarms=analysis.preexisting_alarms,
        promoted_by=command.by if command and operator_action is OperatorAction.PROMOTE else deployment.promoted_by,
    )
    analyzed, decision = pass_gates(analyzed, decision, now)
    cloud.announce(
        "CanaryAnalyzed",
        deployment.id,
        step=cursor.step,
        evaluation=cursor.evaluation,
        verdict=verdict.outcome,
        action=decision.action,
        reason=decision.reason,
    )
    basis = DecisionBasis(now, command.request, command.by) if command else DecisionBasis(now)
    return append_decision(task_input, cloud, analyzed, decision, verdict, evidence, basis)


handler = task(analyze_canary)
