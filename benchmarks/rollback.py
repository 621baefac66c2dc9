"""Duration of a rollback.

On the local cloud: a deployment in progress at 50 % whose canary fails by its metrics, an alarm that changes to ALARM, and
the time until every alias is confirmed on stable. That includes the evaluation of the alarm. Measured with warm functions and with cold ones, whose Lambda workers are killed before. The notes
show when the canary sent its last response.

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
from orchestrator.application.traffic_shifting import shift
from orchestrator.domain.deployment.plan import Plan
from orchestrator.domain.deployment.record import Deployment, DeploymentPhase, Shift
from orchestrator.domain.environment_lock import Kind
from orchestrator.local.deployed_environment import ENVIRONMENT, LocalEnvironment, local_environment
from orchestrator.local.traffic_generator import Traffic

WARM_RUNS, COLD_RUNS = 50, 10
WARM_LIMIT_SECONDS, COLD_LIMIT_SECONDS = 1.0, 3.0
WEIGHT_PERCENT = 50
ALARM = f"ib-oauth-token-server-errors-{ENVIRONMENT}"
RECONCILE_RULE = f"ib-oauth-event-reconcile-{ENVIRONMENT}"
TIMEOUT_SECONDS = 30.0
FAILED_REQUESTS = 200
RATE_PER_SECOND = 12.0


def p95(values: list[float]) -> float:
    """Return the 95th percentile, interpolated."""
    return quantiles(values, n=20, method="inclusive")[-1]


def open_deployment(here: LocalEnvironment, model: Deployment, number: int) -> Deployment:
    """Put the environment into the state of a deployment in progress, with the lock, a canary weight and a record."""
    cloud, now = here.cloud, datetime.now(UTC)
    name = f"d-bench-{number:03}"
    holder = model.execution.replace(model.id, name)
    lock = cloud.ledger.acquire_lock(cloud.ledger.read_lock(), holder, name, Kind.DEPLOYMENT, now)
    revisions = {
        function.name: cloud.aliases.read_alias(function.function_name).revision for function in model.functions
    }
    fresh = replace(
        model,
        id=name,
        execution=holder,
        fencing_token=lock.fencing_token,
        requested_at=now,
        revisions=revisions,
        phase=DeploymentPhase.SHIFTING,
        shifts=(),
        rollback=None,
        outcome=None,
        ended_at=None,
        preexisting_alarms=(),
        running={},
    )
    cloud.ledger.create_record(fresh)
    revisions = dict(shift(fresh, WEIGHT_PERCENT, lock.fencing_token, cloud))
    # The shift is dated back by a second, because alarm times have millisecond precision and ours fires at once.
    shifted = Shift(0, WEIGHT_PERCENT, now - timedelta(seconds=1))
    return cloud.ledger.save_record(replace(fresh, revisions=revisions, shifts=(shifted,)), lock.fencing_token)


def set_alarm_state(here: LocalEnvironment, state: str) -> float:
    """Set the alarm's state; return the time in epoch seconds."""
    at = time.time()
    here.cloud.clients("cloudwatch").set_alarm_state(AlarmName=ALARM, StateValue=state, StateReason="benchmark")
    return at


def publish_failures(here: LocalEnvironment, deployment: Deployment) -> None:
    """Count requests of the canary that it answered with 5xx: an alarm rolls back only a deployment that is to blame."""
    canary = next(function for function in deployment.functions if function.name == "token")
    values = {"environment": ENVIRONMENT, "function": canary.name, "version": canary.canary_version}
    dimensions = [{"Name": name, "Value": value} for name, value in values.items()]
    data = [
        {"MetricName": name, "Dimensions": dimensions, "Value": FAILED_REQUESTS, "StorageResolution": 1}
        for name in ("Requests", "ServerErrors")
    ]
    here.cloud.clients("cloudwatch").put_metric_data(Namespace=deployment.service.metric_namespace, MetricData=data)


def measure_rollback(here: LocalEnvironment, model: Deployment, number: int, traffic: Traffic) -> tuple[float, float]:
    """Return the seconds from the alarm to all aliases on stable, and to the canary's last response."""
    deployment = open_deployment(here, model, number)
    publish_failures(here, deployment)
    fired_at = set_alarm_state(here, "ALARM")
    ended = here.wait_for_deployment(deployment.id, TIMEOUT_SECONDS)
    set_alarm_state(here, "OK")
    assert ended.rollback is not None
    assert ended.rollback.reverted_at is not None
    canaries = {function.name: function.canary_version for function in model.functions}
    served = [
        response.at for response in traffic.responses(fired_at) if response.version == canaries.get(response.function)
    ]
    return ended.rollback.reverted_at.timestamp() - fired_at, max(served, default=fired_at) - fired_at


def end_workers(server: int) -> int:
    """Kill our own server's workers of the orchestrator's functions, so that each starts cold; return their number.

    The service's workers keep running, because clients send requests during a cold rollback.
    """
    workers = [int(folder.name) for folder in Path("/proc").glob("[0-9]*") if _is_orchestrator_worker(folder, server)]
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    return len(workers)


def _is_orchestrator_worker(process: Path, server: int) -> bool:
    if _parent(process) != server:
        return False
    try:
        variables = (process / "environ").read_bytes().split(b"\0")
    except OSError:  # the process ended
        return False
    return any(
        variable.startswith((b"AWS_LAMBDA_FUNCTION_NAME=ib-oauth-task-", b"AWS_LAMBDA_FUNCTION_NAME=ib-oauth-event-"))
        for variable in variables
    )


def _parent(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def local_cloud() -> tuple[list[Line], list[str]]:
    """Measure on the local cloud; return the lines and notes."""
    with tempfile.TemporaryDirectory() as folder, local_environment(Path(folder)) as here:
        # The reconciler would roll back our deployments, which have no execution.
        here.cloud.clients("events").disable_rule(Name=RECONCILE_RULE)
        here.deploy_release("good")
        here.start_deployment("d-model", strategy="all-at-once")
        with Traffic(here.api_url, here.platform_url, rate_per_second=RATE_PER_SECOND) as traffic:
            model = here.wait_for_deployment("d-model", 180)
            assert isinstance(model.plan, Plan)
            revert_promotion(here, model)
            warm = [measure_rollback(here, model, number, traffic) for number in range(WARM_RUNS)]
            cold = []
            for number in range(WARM_RUNS, WARM_RUNS + COLD_RUNS):
                end_workers(here.local.pid)
                cold.append(measure_rollback(here, model, number, traffic))
    durations, last_responses = [run[0] for run in warm], [run[1] for run in warm]
    cold_durations = [run[0] for run in cold]
    lines = [
        Line(
            f"alarm to all aliases on stable, warm, p95 of {WARM_RUNS}",
            p95(durations),
            "s",
            WARM_LIMIT_SECONDS,
            "limit",
        ),
        Line(f"… every function cold, p95 of {COLD_RUNS}", p95(cold_durations), "s", COLD_LIMIT_SECONDS, "limit"),
    ]
    notes = [
        f"warm: median {sorted(durations)[len(durations) // 2]:.3f} s, worst {max(durations):.3f} s",
        f"last response of the canary after the alarm, warm: p95 {p95(last_responses):.3f} s",
    ]
    return lines, notes


def revert_promotion(here: LocalEnvironment, model: Deployment) -> None:
    """Revert the promotion of the model deployment, which is the state after every run's rollback."""
    cloud = here.cloud
    for function in model.functions:
        cloud.clients("lambda").update_alias(
            FunctionName=function.function_name, Name="live", FunctionVersion=function.stable_version, RoutingConfig={}
        )


def main() -> int:
    """Run both parts and print the report."""
    simulated_lines, simulated_notes = simulated_control_plane()
    lines, notes = local_cloud()
    return report("rollback", [*lines, *simulated_lines], [*notes, *simulated_notes])


if __name__ == "__main__":
    sys.exit(main())
