"""VerifyStable: probe the versions that a rollback sent the traffic to.

The result moves no traffic: there is no third version. A bad one is part of the deployment's reason, of the event and
of the message to the operators, because then neither version is proved healthy.
"""

from __future__ import annotations

from dataclasses import replace

from orchestrator.application.cloud import Cloud
from orchestrator.domain.rollback.destination import functions_at_destination
from orchestrator.domain.verdict import Outcome
from orchestrator.probes import analysis_run
from orchestrator.probes.context import for_stable
from orchestrator.tasks.runtime import TaskInput, TaskOutput, append_decision, task


def verify_stable(task_input: TaskInput, cloud: Cloud) -> TaskOutput:
    """Call every function through its alias, and record the evidence.

    Raises:
        LockLost: a later rollback took over the lock.
    """
    deployment = cloud.ledger.read_record(task_input.deployment)
    there = replace(deployment, functions=functions_at_destination(deployment))
    analysis = analysis_run.verify_stable(for_stable(there, cloud.now()), cloud.probe_clients)
    assert deployment.rollback is not None, "TakeOverLock has recorded it"
    healthy = analysis.verdict.outcome is Outcome.PASS
    rollback = replace(deployment.rollback, verification=analysis.verdict, verified_at=cloud.now() if healthy else None)
    verified = replace(deployment, rollback=rollback)
    return append_decision(task_input, cloud, verified, task_input.decision, analysis.verdict, analysis.evidence)


handler = task(verify_stable)
