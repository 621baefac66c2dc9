"""The health, security and flow probes on a simulated service.

The probes are the product's. Only what crosses the network is replaced: a call fails with the share that the version's
requests fail with, in bursts of consecutive calls where the rollout has bursts, and a flow is six calls in a row. Calls
are sent one after the other instead of in threads, so that a seed repeats them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from random import Random
from typing import Any, Protocol
from unittest.mock import patch

from benchmarks.rollouts.errors import BURSTS
from benchmarks.rollouts.labelled import Rollout, Signal
from benchmarks.rollouts.world import CANARY, STABLE, START
from orchestrator.domain.analysis.observations import VERSION_HEADER, Certificate, HttpRequest, HttpResponse
from orchestrator.domain.verdict import Json, Verdict
from orchestrator.probes import checks, health, oauth_flows, paired_flows, security
from orchestrator.probes.checks import ProbeRun
from orchestrator.probes.context import ProbeContext
from orchestrator.probes.ports import Pace, ProbeClients

FLOW_STEPS = (
    ("authorize", "authorize", "authorize"),
    ("login", "login", "authorize"),
    ("redeem", "token", "token"),
    ("userinfo", "userinfo", "public"),
    ("refresh", "refresh", "token"),
    ("userinfo after refresh", "userinfo_again", "public"),
)
"""Name of a step, the field of its mixture, and the function that serves it."""

EDGE_CALLS = 2
CALL_SECONDS = 0.06


class Service(Protocol):
    """What the synthetic calls reach."""

    @property
    def rollout(self) -> Rollout:
        """The rollout, which says which functions are changed and how errors cluster."""

    def failing_share(self, function: str, version: str) -> float:
        """Return the share of calls that fail by 5xx, an exception or a timeout."""

    def refusing_share(self, function: str, version: str) -> float:
        """Return the share of grants that get a wrong OAuth result."""


class SyntheticClient:
    """Calls the service of one rollout, as the probes' invoker, HTTP client and clock."""

    def __init__(self, service: Service, random: Random) -> None:
        self.service, self.random = service, random
        self.seconds = 0.0
        self._pending: dict[tuple[str, str], int] = {}
        self._weight_percent = 0
        nothing: Any = None  # the flows are simulated as a whole, so no client is called
        self.clients = ProbeClients(
            metrics=nothing,
            logs=nothing,
            alarms=nothing,
            functions=nothing,
            web=nothing,
            macs=nothing,
            checks=nothing,
            pace=Pace(lambda: self.seconds, self._sleep),
        )

    def run(self, probe: str, context: ProbeContext) -> tuple[Verdict, Json]:
        """Run a probe by name; return its verdict and its tests for the next evaluation."""
        self._weight_percent = context.weight_percent
        self._pending.clear()  # no burst lasts from one evaluation to the next
        at_the_edge = bool(context.weight_percent)
        with self._simulated_calls():
            runs: dict[str, Callable[[], ProbeRun]] = {
                health.PROBE: lambda: health.run(context, self, self, self.clients.pace, at_the_edge=at_the_edge),
                security.PROBE: lambda: security.run(context, self, self, self.clients.pace, at_the_edge=at_the_edge),
                oauth_flows.PROBE: lambda: oauth_flows.run(context, self.clients),
                "paired": lambda: paired_flows.run(context, self.clients),
            }
            result = runs[probe]()
        return result.evidence.verdict, result.tests.to_json()

    def invoke(self, function_name: str, qualifier: str, request: HttpRequest) -> HttpResponse:  # noqa: ARG002
        """Send a check to a version."""
        function = function_name.removeprefix("ib-oauth-").removesuffix("-test")
        return self._respond(function, qualifier)

    def send(self, base_url: str, request: HttpRequest) -> HttpResponse:  # noqa: ARG002
        """Send a check through the API, which draws the version."""
        function = next((name for name, known in health.EDGE_REQUESTS.items() if known == request), "public")
        changed = function in self.service.rollout.changed
        to_canary = changed and self.random.random() * 100 < self._weight_percent
        return self._respond(function, CANARY if to_canary else STABLE)

    def certificate(self, url: str) -> Certificate:  # noqa: ARG002
        """Return a certificate that is valid for long."""
        return Certificate("TLSv1.3", datetime.max.replace(tzinfo=START.tzinfo) - timedelta(days=1))

    def _respond(self, function: str, version: str) -> HttpResponse:
        status = 500 if self._fails(function, version) else 200
        return HttpResponse(status, {VERSION_HEADER: (version,)}, "", 0.0, version)

    def _fails(self, function: str, version: str) -> bool:
        rollout, key = self.service.rollout, (function, version)
        if self._pending.get(key, 0):
            self._pending[key] -= 1
            return True
        size = BURSTS.get(rollout.clustering, 1)
        failed = self.random.random() < self.service.failing_share(function, version) / size
        self._pending[key] = size - 1 if failed else 0
        return failed

    def _run_flow(self, _context: Any, _clients: Any, mixture: oauth_flows.Mixture) -> oauth_flows.Flow:
        steps, changed = [], self.service.rollout.changed
        self.seconds += CALL_SECONDS
        for name, field, function in FLOW_STEPS:
            side = getattr(mixture, field)
            version = CANARY if side == oauth_flows.CANARY and function in changed else STABLE
            failed = self._fails(function, version)
            refused = not failed and function == "token" and self._is_refused(version)
            status = 500 if failed else 400 if refused else 200
            step = oauth_flows.FlowStep(name, function, side, version, status, self._elapsed_ms(function, version))
            steps.append(step)
            if status != 200:
                return oauth_flows.Flow(mixture.name, tuple(steps), f"returned {status}")
        return oauth_flows.Flow(mixture.name, tuple(steps))

    def _is_refused(self, version: str) -> bool:
        return self.random.random() < self.service.refusing_share("token", version)

    def _elapsed_ms(self, function: str, version: str) -> float:
        rollout = self.service.rollout
        slow = version == CANARY and function in rollout.faulty and rollout.signal is Signal.LATENCY
        return (
            rollout.median_ms * (rollout.latency_ratio if slow else 1.0) * self.random.lognormvariate(0, rollout.sigma)
        )

    def _check_edge(self, context: ProbeContext, http: Any) -> tuple[security.EdgeCheck, ...]:
        responses = [http.send(context.service.api_url, HttpRequest("GET", "/")) for _ in range(EDGE_CALLS)]
        return tuple(
            security.EdgeCheck("headers", response.version, response.status, _problem(response))
            for response in responses
        )

    @contextmanager
    def _simulated_calls(self) -> Iterator[None]:
        replaced = (
            (checks, "run_in_parallel", _in_turn),
            (health, "run_in_parallel", _in_turn),
            (oauth_flows, "run_in_parallel", _in_turn),
            (checks, "find_problem", lambda _check, _version, response: _problem(response)),
            (oauth_flows, "run_patiently", self._run_flow),
            (security, "check_edge", self._check_edge),
        )
        with ExitStack() as stack:
            for module, name, substitute in replaced:
                stack.enter_context(patch.object(module, name, substitute))
            yield

    def _sleep(self, seconds: float) -> None:
        self.seconds += seconds


def _problem(response: HttpResponse) -> str:
    return "returned 500" if response.status >= checks.SERVER_ERRORS_FROM else ""


def _in_turn(call: Callable[[Any], Any], items: Sequence[Any], *_at_once: object, **__: object) -> list[Any]:
    return [call(item) for item in items]
