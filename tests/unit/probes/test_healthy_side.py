"""The comparison of versions before a pooled alarm is obeyed: one read with a deadline, and stable where it fails."""

from __future__ import annotations

import threading
import time

import pytest

from orchestrator.domain.deployment.record import DeploymentPhase, Shift, Side
from orchestrator.domain.errors import Throttled, Unreachable
from orchestrator.probes import analysis_run, healthy_side
from orchestrator.probes.context import COMPARED, for_comparison
from orchestrator.probes.ports import ProbeClients
from tests.fakes.version_metrics import FakeVersionMetrics
from tests.samples import NOW, deployment, seconds

HALF = deployment(phase=DeploymentPhase.SHIFTING, shifts=(Shift(0, 10, NOW), Shift(1, 50, NOW + seconds(60))))
LATER = NOW + seconds(120)


def test_traffic_goes_to_the_version_that_is_healthy_by_the_metrics_of_the_current_step():
    metrics = FakeVersionMetrics(errors={"1": 0.8})
    there = healthy_side.run(for_comparison(HALF, LATER), lambda: metrics)
    assert there.traffic_to is Side.CANARY
    (window,) = metrics.calls  # one call: a rollback waits for it
    assert (window.start, window.end) == (NOW + seconds(60), LATER)


def test_only_the_newest_part_of_a_long_step_is_compared():
    context = for_comparison(HALF, NOW + seconds(7200))
    assert context.window.length == COMPARED
    assert context.window.end == NOW + seconds(7200)
    assert context.baseline_window is None


@pytest.mark.parametrize("error", [Throttled("slow down"), Unreachable("no answer"), KeyError("q1")])
def test_a_comparison_that_fails_sends_traffic_to_stable_and_says_why(error):
    there = healthy_side.run(for_comparison(HALF, LATER), lambda: FakeVersionMetrics(error=error))
    assert there.traffic_to is Side.STABLE
    assert there.why.startswith(f"the versions could not be compared: {type(error).__name__}")


def test_clients_that_cannot_be_opened_send_traffic_to_stable():
    def refuse() -> ProbeClients:
        raise ValueError("no credentials")

    there = analysis_run.compare_versions(for_comparison(HALF, LATER), refuse)
    assert there.traffic_to is Side.STABLE
    assert "ValueError no credentials" in there.why


def test_a_comparison_that_hangs_delays_a_rollback_by_its_deadline_at_most():
    assert seconds(1) < healthy_side.DEADLINE <= seconds(5)
    release = threading.Event()

    class Hanging(FakeVersionMetrics):
        def read_metrics(self, queries, window):
            release.wait(30)
            return super().read_metrics(queries, window)

    started = time.monotonic()
    there = healthy_side.run(for_comparison(HALF, LATER), Hanging, seconds(0.2))
    elapsed = time.monotonic() - started
    release.set()
    assert there.traffic_to is Side.STABLE
    assert "TimeoutError" in there.why
    assert elapsed < 5
