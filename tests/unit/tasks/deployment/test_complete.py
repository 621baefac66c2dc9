"""The end of a deployment: its record, its count and its event say the same, and a rollback's end is left to it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from orchestrator.aws.cloudwatch.embedded_metrics import EmbeddedMetrics
from orchestrator.domain.deployment.record import (
    Deployment,
    DeploymentOutcome,
    DeploymentPhase,
    Rollback,
    RollbackTrigger,
)
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.errors import LockLost
from orchestrator.tasks.deployment.complete import complete
from orchestrator.tasks.runtime import TaskInput, TaskOutput
from tests.fakes.clock import SimulatedClock
from tests.fakes.clouds import cloud_over, execution_arn
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.lambda_control_plane import LambdaControlPlane
from tests.fakes.messages import FakeEvents
from tests.samples import NOW, deployment

DEPLOYMENT, ROLLBACK = execution_arn("deployment", "d-1"), execution_arn("rollback", "rollback-d-1-1")
VERIFIED = deployment(execution=DEPLOYMENT, phase=DeploymentPhase.VERIFIED, fencing_token=1)
REFUSED = {"error": {"Error": "Refused", "Cause": "the release is barred"}}
ROLLING_BACK = Rollback(RollbackTrigger("alarm", "it fired", NOW), ROLLBACK, NOW)


class World:
    """A ledger with a deployment, whose task Complete runs."""

    def __init__(self, record: Deployment | None, holder: str = DEPLOYMENT, kind: Kind = Kind.DEPLOYMENT) -> None:
        self.events, self.measured, clock = FakeEvents(), list[str](), SimulatedClock()
        clients = {"dynamodb": FakeDynamoDB(), "events": self.events, "lambda": LambdaControlPlane()}
        self.cloud = cloud_over(clients, clock.now)
        vars(self.cloud)["embedded_metrics"] = EmbeddedMetrics("test", clock.now, self.measured.append)
        if record is not None:
            self.cloud.ledger.create_record(record)
        if holder:
            self.cloud.ledger.acquire_lock(self.cloud.ledger.read_lock(), holder, "d-1", kind, NOW)

    def complete(self, **state: object) -> TaskOutput:
        """Run the task."""
        task_input = TaskInput(
            execution=DEPLOYMENT, deployment="d-1", state_name="Complete", entered="t", state=state
        )  # fmt: skip
        return complete(task_input, self.cloud)

    @property
    def counted(self) -> list[str]:
        """The outcomes that were counted."""
        return [json.loads(line)["outcome"] for line in self.measured]

    @property
    def announced(self) -> list[str]:
        """The kinds of the events, in their order."""
        return [kind for kind, _ in self.events.put]


def test_a_verified_deployment_that_holds_its_lock_has_succeeded_and_a_retry_counts_it_once():
    world = World(VERIFIED)
    assert world.complete().decision == world.complete().decision
    assert world.cloud.ledger.read_record("d-1").outcome is DeploymentOutcome.SUCCEEDED
    assert world.counted == ["SUCCEEDED"]
    assert set(world.announced) == {"DeploymentSucceeded"}


@pytest.mark.parametrize("record", [None, replace(VERIFIED, phase=DeploymentPhase.PLANNED, fencing_token=0)])
def test_a_deployment_that_never_held_the_lock_is_refused_also_while_another_execution_holds_it(record):
    world = World(record, execution_arn("deployment", "d-0"))
    assert world.complete(**REFUSED).decision.reason == "REFUSED: the release is barred"
    assert world.counted == ["REFUSED"]
    assert world.announced == ["DeploymentRefused"]


@pytest.mark.parametrize(
    ("holder", "kind"),
    [(ROLLBACK, Kind.ROLLBACK), (execution_arn("deployment", "d-2"), Kind.DEPLOYMENT), ("", Kind.DEPLOYMENT)],
    ids=["its rollback", "another deployment", "none"],
)
@pytest.mark.parametrize("state", [{}, REFUSED], ids=["verified", "refused"])
def test_a_deployment_whose_lock_was_taken_over_ends_nothing_and_announces_nothing(holder, kind, state):
    world = World(VERIFIED, holder, kind)
    with pytest.raises(LockLost, match=holder or "no execution"):
        world.complete(**state)
    assert world.cloud.ledger.read_record("d-1") == VERIFIED
    assert (world.counted, world.announced) == ([], [])


@pytest.mark.parametrize(
    "record",
    [
        replace(VERIFIED, outcome=DeploymentOutcome.ROLLED_BACK, rollback=ROLLING_BACK),
        replace(VERIFIED, outcome=DeploymentOutcome.NOT_ROLLED_BACK, rollback=ROLLING_BACK),
        replace(VERIFIED, outcome=DeploymentOutcome.REFUSED),
        # It had succeeded, and is being rolled back now.
        replace(VERIFIED, outcome=DeploymentOutcome.SUCCEEDED, rollback=ROLLING_BACK),
    ],
    ids=lambda record: record.outcome,
)
def test_a_record_that_another_execution_has_ended_is_announced_by_that_one_only(record):
    ended = replace(record, phase=DeploymentPhase.ENDED, ended_at=NOW)
    world = World(ended, ROLLBACK, Kind.ROLLBACK)
    with pytest.raises(LockLost, match=record.outcome):
        world.complete()
    assert world.cloud.ledger.read_record("d-1") == ended
    assert (world.counted, world.announced) == ([], [])
