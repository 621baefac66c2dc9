"""VerifyAfterPromotion: evaluate the promoted version, which now serves all clients."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.application.cloud import Cloud
from orchestrator.domain.deployment.decision import Action, may_decide_by_synthetic_flows
from orchestrator.domain.deployment.decision import after_promotion as decide
from orchestrator.domain.deployment.gate_decisions import pass_gates
from orchestrator.domain.deployment.record import DecisionBasis, DeploymentPhase
from orchestrator.probes import analysis_run
from orchestrator.probes.context import after_promotion
from orchestrator.tasks.runtime import TaskInput, TaskOutput, append_decision, task


def verify_after_promotion(task_input: TaskInput, cloud: Cloud) -> TaskOutput:
    """Run the probes and decide: finish, evaluate again later, or roll back.

    Raises:
        LockLost: another execution holds the lock.
    """
    cloud.ledger.check_lock(task_input.fencing_token)
    deployment, now = cloud.ledger.read_record(task_input.deployment), cloud.now()
    promoted_at = deployment.shifts[-1].at
    context = after_promotion(deployment, promoted_at, now)
    verify = analysis_run.verify_after_cutover if deployment.cutover else analysis_run.analyze_canary
    analysis = verify(context, cloud.probe_clients)
    verdict, evidence, running = analysis.verdict, analysis.evidence, analysis.running
    if may_decide_by_synthetic_flows(deployment.plan, verdict, now - promoted_at):
        synthetic = analysis_run.run_flows(replace(context, prior=running), cloud.probe_clients)
        verdict, evidence = synthetic.verdict, (*evidence, *synthetic.evidence)
        running = synthetic.running
    decision = decide(deployment.plan, verdict, now - promoted_at, deployment.promoted_by)
    analyzed = replace(deployment, running=running, preexisting_alarms=analysis.preexisting_alarms)
    verified, decision = pass_gates(analyzed, decision, now)
    if decision.action is Action.FINISH:
        verified = replace(verified, phase=DeploymentPhase.VERIFIED)
    return append_decision(task_input, cloud, verified, decision, verdict, evidence, DecisionBasis(now))


handler = task(verify_after_promotion)
