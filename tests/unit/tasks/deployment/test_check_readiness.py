"""Before the first change: an alias that was moved since the plan is refused, one stale read of it is not."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest

from orchestrator.aws.lambda_.aliases import Aliases
from orchestrator.domain.deployment.cutover import Cutover
from orchestrator.domain.deployment.record import DeploymentPhase
from orchestrator.domain.errors import Refused
from orchestrator.domain.failover.issuing_region import IssuingLease
from orchestrator.domain.maintenance.schedule import Schedule
from orchestrator.tasks.deployment.check_readiness import check_readiness
from orchestrator.tasks.runtime import TaskInput
from tests.fakes.intercepted import Intercepted
from tests.fakes.lambda_control_plane import LambdaControlPlane
from tests.samples import NOW, deployment, functions


class Ledger:
    """The ledger of one deployment."""

    def __init__(self, record):
        self.record = record

    def read_record(self, _):
        return self.record

    def append_decision(self, entry, record, _token):
        self.record = record
        return entry

    def __getattr__(self, _name):
        return lambda *_arguments: None


def ready_cloud(stale_reads):
    """Return a cloud that is ready for a deployment; the first reads of its alias show an earlier revision."""
    plane = LambdaControlPlane()
    (function,) = functions(names=("token",))
    plane.add(function.function_name)
    planned = plane.get_alias(FunctionName=function.function_name, Name="live")
    stale = [{**planned, "RevisionId": "of an earlier write"}] * stale_reads

    def lag(_operation, _arguments, call):
        return stale.pop() if stale else call()

    record = deployment(functions=(function,), revisions={"token": planned["RevisionId"]})
    cloud = SimpleNamespace(
        aliases=Aliases(Intercepted(plane, lag), "live", sleep=lambda _seconds: None),
        versions=SimpleNamespace(describe_version=lambda *_: SimpleNamespace(ready=True)),
        point_in_time_recovery=SimpleNamespace(is_enabled=lambda _table: True),
        alarms=SimpleNamespace(read_states=lambda arns: {arn: SimpleNamespace(state="OK") for arn in arns}),
        freezes=SimpleNamespace(read_freeze=lambda: None),
        maintenance=SimpleNamespace(read_schedule=Schedule),
        ledger=Ledger(record),
        now=lambda: NOW,
        announce=lambda *_, **__: None,
        settings={},
    )
    state = {"fencing_token": 1, "decision": {"step": 0, "evaluation": 0}}
    return cloud, TaskInput(execution="e", state_name="CheckReadiness", entered="now", state=state, deployment="d-1")


@pytest.mark.parametrize(
    ("stale_reads", "expected"),
    [(0, nullcontext()), (1, nullcontext()), (2, pytest.raises(Refused, match="it was moved while"))],
)
def test_an_alias_counts_as_moved_only_if_two_reads_say_so(stale_reads, expected):
    cloud, task_input = ready_cloud(stale_reads)
    with expected as refused:
        check_readiness(task_input, cloud)
    assert (cloud.ledger.record.phase is DeploymentPhase.READY) is (refused is None)


LEASES = {
    "none": (None, "the region never had one"),
    "ended": (IssuingLease(3, NOW), "it ended at"),
    "valid": (IssuingLease(3, NOW + timedelta(seconds=1)), ""),
}


@pytest.mark.parametrize(("lease", "why"), LEASES.values(), ids=LEASES)
def test_a_release_that_signs_with_a_lease_is_refused_in_a_region_without_one(lease, why):
    cloud, task_input = ready_cloud(0)
    cloud.settings["ISSUING_LEASE"] = "on"
    cloud.issuing_lease = SimpleNamespace(read_lease=lambda: lease)
    with pytest.raises(Refused, match=why) if why else nullcontext():
        check_readiness(task_input, cloud)


def test_a_cutover_to_restored_tables_needs_no_lease():
    cloud, task_input = ready_cloud(0)
    cloud.settings["ISSUING_LEASE"] = "on"
    cloud.issuing_lease = SimpleNamespace(read_lease=lambda: None)
    cloud.ledger.record = replace(cloud.ledger.record, cutover=Cutover("dr-1", ()))
    check_readiness(task_input, cloud)
    assert cloud.ledger.record.phase is DeploymentPhase.READY
