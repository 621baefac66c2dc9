"""Lambda throttles its control plane while traffic is split, so that no alias can be written."""

from __future__ import annotations

import time

from orchestrator.local import cdk_deploy
from orchestrator.local.rehearsal.split_traffic import canary_weights, split_traffic
from orchestrator.local.rehearsal.stage import Stage
from orchestrator.local.rehearsal_clients import RehearsalFailed

THROTTLED_SECONDS = 600.0
_DEPLOYMENT = "d-throttled"
_END_SECONDS = 300.0


def start_deployment(stage: Stage) -> None:
    """Deploy a good release up to its first step, with half of the traffic."""
    stage.here.deploy_release("good")
    split_traffic(stage.here, _DEPLOYMENT)


def throttle(stage: Stage) -> None:
    """Throttle Lambda's control plane, and let an alarm's stand-in, an operator, abort the deployment meanwhile."""
    stage.here.local.throttle("lambda")
    stage.type(f"orchestrator abort {_DEPLOYMENT} --env ENV", expected=None)


def end_throttle(stage: Stage) -> None:
    """Wait until the throttle has ended, and the rollback with it."""
    time.sleep(THROTTLED_SECONDS)
    if _ended(stage):
        raise RehearsalFailed("the deployment ended although no alias could be written")
    stage.here.local.throttle()
    stage.say(f"the throttle ended after {THROTTLED_SECONDS:g} s")
    stage.wait_until(lambda: _ended(stage) or None, _END_SECONDS, "the end of the rollback")


def verify(stage: Stage) -> str:
    """Verify that every alias is on its stable version, without a weight."""
    record = stage.here.cloud.ledger.find_record(_DEPLOYMENT)
    if record is None or str(record.outcome) != "ROLLED_BACK" or canary_weights(stage.here) != {0}:
        raise RehearsalFailed(f"not rolled back: {record and record.outcome}, weights {canary_weights(stage.here)}")
    stage.deploy_stacks((cdk_deploy.SERVICE,))
    return "the rollback waited, and ended by itself: every alias is on its stable version"


def undo(stage: Stage) -> None:
    """End the throttle and the deployment, and deploy the release that is live."""
    stage.here.local.throttle()
    if stage.here.cloud.ledger.find_record(_DEPLOYMENT) is not None and not _ended(stage):
        stage.run(f"orchestrator abort {_DEPLOYMENT}")
        stage.wait_until(lambda: _ended(stage) or None, _END_SECONDS, "the end of the rollback")
    stage.deploy_stacks((cdk_deploy.SERVICE,))


def _ended(stage: Stage) -> bool:
    record = stage.here.cloud.ledger.find_record(_DEPLOYMENT)
    return record is not None and record.ended_at is not None and not stage.here.cloud.ledger.read_lock().held
