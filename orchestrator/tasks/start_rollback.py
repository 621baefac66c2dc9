"""StartRollback: hand over to the rollback machine, as an execution of its own that does not die with this one."""

from __future__ import annotations

from orchestrator.aws.cloud import Cloud
from orchestrator.aws.rollbacks import start_rollback as start
from orchestrator.domain.decision import Action
from orchestrator.domain.ending import cause_of
from orchestrator.domain.records import Trigger
from orchestrator.domain.rollback import TASK_ERROR
from orchestrator.tasks import Answer, Given, go, task


def start_rollback(given: Given, cloud: Cloud) -> Answer:
    """Write the trigger down, then start the rollback under a name derived from the deployment."""
    reason = cause_of(given.error) if given.error else str(given.given["decision"]["reason"])
    source = TASK_ERROR if given.error else "verdict"
    started = start(cloud, given.deployment, Trigger(source, reason, cloud.now()))
    return Answer(given.deployment, given.epoch, go(Action.ROLL_BACK, f"{reason} ({started})"))


handler = task(start_rollback)
