"""Rollback of twenty aliases under Lambda's control plane limit, with the real adapters, on a simulated clock.

AWS documents a rate of 15 requests a second without a burst. Assumptions: a burst of one second's requests, and 40 to
120 ms a call. Throttled calls back off like botocore's standard mode (exponential from 1 s, full jitter, 5 attempts).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from random import Random
from statistics import quantiles
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from botocore.exceptions import ClientError

from benchmarks import Line
from orchestrator.application import traffic_shifting
from orchestrator.application.cloud import PARALLEL_CALLS
from orchestrator.aws.lambda_.aliases import Aliases
from orchestrator.aws.rate_limiter import RateLimiter
from orchestrator.domain.deployment.plan import Function
from tests.fakes.clock import SimulatedClock
from tests.fakes.intercepted import Intercepted
from tests.fakes.lambda_control_plane import REQUESTS_PER_SECOND, LambdaControlPlane, RequestLimit
from tests.fakes.scheduler import Scheduler

FUNCTIONS, RUNS = 20, 200
BURST_REQUESTS = 15.0
CALL_SECONDS = (0.04, 0.12)
ATTEMPTS, BACKOFF_LIMIT_SECONDS = 5, 20.0
LIMIT_SECONDS, LIMIT_CALLS = 4.0, 2.0


@dataclass(frozen=True)
class RollbackRun:
    """One rollback: simulated seconds until the last alias was confirmed, and effective calls per function."""

    seconds: float
    calls_per_function: float
    throttled: int


def simulate_rollback(seed: int) -> RollbackRun:
    """Simulate one rollback of all aliases."""
    random, clock = Random(seed), SimulatedClock()
    scheduler = Scheduler(lambda names: random.randrange(len(names)), clock)
    limit = RequestLimit(clock, burst=BURST_REQUESTS)
    plane = LambdaControlPlane()
    functions = tuple(_at_a_weight(plane, f"f{number:02}") for number in range(FUNCTIONS))
    revisions = {function.name: plane.functions[function.name].aliases["live"]["RevisionId"] for function in functions}

    def around(_operation: str, _arguments: Mapping[str, Any], call: Callable[[], Any]) -> Any:
        for attempt in range(ATTEMPTS):
            scheduler.pause(random.uniform(*CALL_SECONDS))
            try:
                limit.take()
                return call()
            except ClientError:
                if attempt + 1 == ATTEMPTS:
                    raise
                scheduler.pause(min(BACKOFF_LIMIT_SECONDS, random.random() * 2**attempt))
        raise AssertionError("the last attempt returns or raises")

    cloud = SimpleNamespace(
        aliases=Aliases(
            Intercepted(plane, around),
            "live",
            RateLimiter(clock=clock.seconds, sleep=scheduler.pause).wait,
            scheduler.pause,
        ),
        ledger=SimpleNamespace(fence=lambda _epoch: lambda: scheduler.pause(0.005)),
    )
    deployment = SimpleNamespace(id="d-simulated", functions=functions, revisions=revisions)
    with patch.object(traffic_shifting, "for_each", partial(scheduler.for_each, at_once=PARALLEL_CALLS)):
        writer = scheduler.spawn("rollback", lambda: traffic_shifting.revert(deployment, 7, cloud))  # type: ignore[arg-type]
        scheduler.run()
    if writer.error:
        raise writer.error
    assert all(plane.routing(function.name) == ("1", {}) for function in functions), "every alias points at stable"
    return RollbackRun(clock.seconds(), len(plane.calls) / FUNCTIONS, limit.refused)


def simulated_control_plane() -> tuple[list[Line], list[str]]:
    """Simulate many rollbacks; return the lines and notes."""
    runs = [simulate_rollback(seed) for seed in range(RUNS)]
    p99 = quantiles([rollback.seconds for rollback in runs], n=100, method="inclusive")[-1]
    lines = [
        Line(f"{FUNCTIONS} functions at 15 requests/s, p99 of {RUNS}", p99, "s", LIMIT_SECONDS, "limit"),
        Line(
            "… calls a function, at most",
            max(rollback.calls_per_function for rollback in runs),
            "",
            LIMIT_CALLS,
            "limit",
        ),
    ]
    floor = max(0.0, (FUNCTIONS * 2 - BURST_REQUESTS) / REQUESTS_PER_SECOND)
    throttled = sum(rollback.throttled for rollback in runs) / RUNS
    note = (
        f"simulated: burst {BURST_REQUESTS:.0f} requests (assumed), the limit allows no faster rollback than "
        f"{floor:.2f} s; {throttled:.1f} calls per rollback were throttled and retried"
    )
    return lines, [note]


def _at_a_weight(plane: LambdaControlPlane, name: str) -> Function:
    plane.add(name)
    plane.change(name, "code-2")
    plane.functions[name].versions["2"] = {"FunctionName": name, "Version": "2"}
    plane.functions[name].aliases["live"]["RoutingConfig"] = {"AdditionalVersionWeights": {"2": 0.5}}
    return Function(name, name, "1", "2")
