"""How fast is the road back?

On the local cloud: a deployment in flight at 50 %, an alarm set to ALARM, and the time until every alias was read back on stable. Warm, and
with every Lambda worker ended before, so that each task function starts cold. Beside it, when canary served its last response.

On a simulated control plane: twenty functions under Lambda's limit of 15 requests a second (benchmarks/simulated.py).
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import quantiles

from benchmarks import Line, report
from benchmarks.simulated import simulated_control_plane
from orchestrator.aws.routing import shift
from orchestrator.domain.plan import Plan
from orchestrator.domain.records import Deployment, Kind, Phase, Shift
from orchestrator.local.stage import ENVIRONMENT, Stage, stage
from orchestrator.local.traffic import Traffic

WARM_RUNS, COLD_RUNS = 50, 10
WARM_LIMIT_SECONDS, COLD_LIMIT_SECONDS = 1.0, 3.0
WEIGHT_PERCENT = 50
ALARM = f"ib-oauth-token-server-errors-{ENVIRONMENT}"
RECONCILE_RULE = f"ib-oauth-intake-reconcile-{ENVIRONMENT}"
PATIENCE_SECONDS = 30.0
RATE_PER_SECOND = 12.0


def p95(values: list[float]) -> float:
    """The 95th percentile, interpolated."""
    return quantiles(values, n=20, method="inclusive")[-1]


def open_deployment(here: Stage, model: Deployment, number: int) -> Deployment:
    """Bring the environment to where a deployment in flight has it: claim held, canary at a weight, all of it in the ledger."""
    cloud, now = here.cloud, datetime.now(UTC)
    name = f"d-bench-{number:03}"
    holder = model.execution.replace(model.id, name)
    claim = cloud.ledger.take_claim(cloud.ledger.claim(), holder, name, Kind.DEPLOYMENT, now)
    revisions = {one.name: cloud.aliases.read(one.function_name).revision for one in model.functions}
    fresh = replace(
        model, id=name, execution=holder, epoch=claim.epoch, requested_at=now, revisions=revisions, phase=Phase.SHIFTING,
        shifts=(), rollback=None, ending=None, ended_at=None, alarms_at_start=(), excused_alarms=(), running={},
    )  # fmt: skip
    cloud.ledger.open(fresh)
    revisions = dict(shift(fresh, WEIGHT_PERCENT, claim.epoch, cloud))
    # The shift is dated back by a second: an alarm's time has a precision of a millisecond, and ours rings at once.
    shifted = Shift(0, WEIGHT_PERCENT, now - timedelta(seconds=1))
    return cloud.ledger.keep(replace(fresh, revisions=revisions, shifts=(shifted,)), claim.epoch)


def ring(here: Stage, state: str) -> float:
    """Set the alarm's state; returns when, epoch seconds."""
    at = time.time()
    here.cloud.clients("cloudwatch").set_alarm_state(AlarmName=ALARM, StateValue=state, StateReason="benchmark")
    return at


def one_run(here: Stage, model: Deployment, number: int, traffic: Traffic) -> tuple[float, float]:
    """Seconds from alarm to all aliases restored, and to canary's last response."""
    opened = open_deployment(here, model, number)
    rang = ring(here, "ALARM")
    ended = here.ended(opened.id, PATIENCE_SECONDS)
    ring(here, "OK")
    assert ended.rollback is not None
    assert ended.rollback.restored_at is not None
    canaries = {one.name: one.canary_version for one in model.functions}
    served = [one.at for one in traffic.responses(rang) if one.version == canaries.get(one.function)]
    return ended.rollback.restored_at.timestamp() - rang, max(served, default=rang) - rang


def end_workers(server: int) -> int:
    """Kill our own server's workers of the orchestrator's functions, so that each starts cold; returns how many.

    The service's workers live on: clients keep asking while a rollback starts cold.
    """
    workers = [int(folder.name) for folder in Path("/proc").glob("[0-9]*") if _ours(folder, server)]
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    return len(workers)


def _ours(process: Path, server: int) -> bool:
    if _parent(process) != server:
        return False
    try:
        variables = (process / "environ").read_bytes().split(b"\0")
    except OSError:  # it ended meanwhile
        return False
    return any(
        one.startswith((b"AWS_LAMBDA_FUNCTION_NAME=ib-oauth-task-", b"AWS_LAMBDA_FUNCTION_NAME=ib-oauth-intake-"))
        for one in variables
    )


def _parent(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def local_cloud() -> tuple[list[Line], list[str]]:
    """Measure on the local cloud."""
    with tempfile.TemporaryDirectory() as folder, stage(Path(folder)) as here:
        # The reconciler would find our deployments without an execution, and be right to.
        here.cloud.clients("events").disable_rule(Name=RECONCILE_RULE)
        here.put_into_latest("good")
        here.start("d-model", strategy="all-at-once")
        with Traffic(here.api_url, here.platform_url, rate_per_second=RATE_PER_SECOND) as traffic:
            model = here.ended("d-model", 180)
            assert isinstance(model.plan, Plan)
            back_at_stable(here, model)
            warm = [one_run(here, model, number, traffic) for number in range(WARM_RUNS)]
            cold = []
            for number in range(WARM_RUNS, WARM_RUNS + COLD_RUNS):
                end_workers(here.local.pid)
                cold.append(one_run(here, model, number, traffic))
    restored, last = [run[0] for run in warm], [run[1] for run in warm]
    cold_restored = [run[0] for run in cold]
    lines = [
        Line(
            f"alarm to all aliases restored, warm, p95 of {WARM_RUNS}", p95(restored), "s", WARM_LIMIT_SECONDS, "limit"
        ),
        Line(f"… every function cold, p95 of {COLD_RUNS}", p95(cold_restored), "s", COLD_LIMIT_SECONDS, "limit"),
    ]
    notes = [
        f"warm: median {sorted(restored)[len(restored) // 2]:.3f} s, worst {max(restored):.3f} s",
        f"last response of canary after the alarm, warm: p95 {p95(last):.3f} s",
    ]
    return lines, notes


def back_at_stable(here: Stage, model: Deployment) -> None:
    """Undo the model deployment's promotion, as every run's rollback leaves it."""
    cloud = here.cloud
    for one in model.functions:
        cloud.clients("lambda").update_alias(
            FunctionName=one.function_name, Name="live", FunctionVersion=one.stable_version, RoutingConfig={}
        )


def main() -> int:
    """Run both parts."""
    simulated_lines, simulated_notes = simulated_control_plane()
    lines, notes = local_cloud()
    return report("rollback", [*lines, *simulated_lines], [*notes, *simulated_notes])


if __name__ == "__main__":
    sys.exit(main())
