"""Step 1: break the first creation of the service's stack on purpose, remove what is left, and deploy everything."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from botocore.exceptions import ClientError

from orchestrator.aws.clients import error_code
from orchestrator.aws.failed_stacks import FailedStacks
from orchestrator.domain.names import resource_name
from orchestrator.local.cdk_deploy import SECURITY, SERVICE
from orchestrator.smoke.results import Fact, Verdict
from orchestrator.smoke.steps.shipping import ship_first
from orchestrator.smoke.world import STACKS, DeployFailed, World, broken_copy

TEMPLATE_BYTES = 1_000_000


def run(world: World) -> Iterator[Fact]:
    """Yield whether a failed first deployment can be repeated, templates' sizes, and the outcome of a first release."""
    world.deployer.bootstrap(world.region)
    assembly = world.synthesise()
    largest = max(file.stat().st_size for file in assembly.glob("*.template.json"))
    yield Fact(
        "22",
        Verdict.PASS if largest < TEMPLATE_BYTES * 0.8 else Verdict.FAIL,
        f"the largest template has {largest / TEMPLATE_BYTES:.0%} of CloudFormation's quota",
        {"bytes": largest},
    )
    world.deploy(assembly, SECURITY)
    yield _broken_creation(world, assembly)
    began = time.monotonic()
    world.deploy(assembly, *STACKS[1:])
    yield Fact(
        "2",
        Verdict.PASS,
        "after the failed creation every stack was created",
        {"seconds": round(time.monotonic() - began)},
    )
    yield _anomaly_monitor(world)
    yield ship_first(world)


def _broken_creation(world: World, assembly: Path) -> Fact:
    stack = world.stack(SERVICE)
    broken = broken_copy(assembly, stack, world.folder / "broken")
    try:
        world.deploy(broken, SERVICE)
    except DeployFailed:
        pass
    else:
        return Fact("2", Verdict.FAIL, "the broken creation succeeded, so nothing was shown")
    stacks = FailedStacks(world.clients, time.sleep)
    removals = [(found, stacks.plan(found)) for found in stacks.find(world.name)]
    for _, removal in removals:
        stacks.remove(removal)
    phases = [found.phase for found, _ in removals]
    left = [name for _, removal in removals for name in (*removal.tables, *removal.keys, *removal.log_groups)]
    return Fact(
        "2",
        Verdict.PASS if removals else Verdict.FAIL,
        f"the broken creation ended {', '.join(phases) or 'in no failed stack'} and left {len(left)} resources",
        {"left": left},
    )


def _anomaly_monitor(world: World) -> Fact:
    """Ask for the monitor that `budget.anomaly_monitor` would create."""
    if world.environment.local:
        return Fact("9", Verdict.NOT_RUN, "the local cloud has no Cost Explorer")
    specification = {"Tags": {"Key": "environment", "Values": [world.name], "MatchOptions": ["EQUALS"]}}
    client = world.clients("ce")
    monitor = {
        "MonitorName": resource_name("smoke", world.name),
        "MonitorType": "CUSTOM",
        "MonitorSpecification": specification,
    }
    try:
        arn = client.create_anomaly_monitor(AnomalyMonitor=monitor)["MonitorArn"]
        client.delete_anomaly_monitor(MonitorArn=arn)
    except ClientError as error:
        code = error_code(error)
        return Fact("9", Verdict.MEASURED, f"this account cannot have a cost anomaly monitor of a tag: {code}")
    return Fact("9", Verdict.MEASURED, "this account can have a cost anomaly monitor of a tag")
