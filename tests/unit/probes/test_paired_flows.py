"""Paired flows: what decides where clients' requests are too few."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.domain.verdict import Outcome
from orchestrator.probes import paired_flows
from orchestrator.probes.context import after_promotion, before_traffic
from orchestrator.probes.ports import ProbeClients
from tests.fakes.two_versions import CANARY, STABLE, TwoVersions
from tests.samples import NOW, cut_over, deployment, seconds

CONTEXT = replace(before_traffic(deployment(), NOW), weight_percent=10)


def run(service, context=CONTEXT):
    clients = ProbeClients(None, None, None, service, service, service, None, service.time.pace)
    return paired_flows.run(context, clients)


def takes(milliseconds):
    return lambda function, _, right: replace(right, elapsed_ms=milliseconds) if function == "token" else None


def test_as_many_flows_of_each_version_run_as_the_minimum_of_requests_needs():
    service = TwoVersions()
    evidence = run(service).evidence
    assert evidence.verdict.outcome is Outcome.PASS
    assert service.calls == {CANARY: 150, STABLE: 150}
    assert evidence.figures["flows_of_each"] == 25
    assert evidence.figures["functions"]["token"]["stable"] == {"flows": 25, "failed": 0, "mean_ms": 60.0}
    many = replace(CONTEXT, thresholds=replace(CONTEXT.thresholds, minimum_requests=10_000))
    assert run(TwoVersions(), many).evidence.figures["flows_of_each"] == paired_flows.MAX_FLOWS


def test_a_slower_canary_is_proved_by_pairs_of_flows_over_two_runs_at_most():
    service = TwoVersions({CANARY: takes(130.0)})
    first = run(service)
    assert first.evidence.verdict.outcome is not Outcome.PASS
    second = run(service, replace(CONTEXT, prior={"flows": first.tests.to_json()}, now=NOW + seconds(60)))
    assert second.evidence.verdict.outcome is Outcome.FAIL
    assert second.evidence.verdict.reason.startswith(
        "token is slower than tolerated in 25 of 25 pairs of flows; evidence"
    )


def test_a_canary_within_the_tolerance_passes():
    """60 ms may become 120 ms (max_latency_ratio 2)."""
    assert run(TwoVersions({CANARY: takes(119.0)})).evidence.verdict.outcome is Outcome.PASS


def test_a_latency_that_is_mostly_over_the_tolerance_is_inconclusive():
    count = [0]

    def often_slow(function, _, right):
        count[0] += function == "token"
        slow = function == "token" and count[0] % 10 < 8
        return replace(right, elapsed_ms=400.0) if slow else None

    evidence = run(TwoVersions({CANARY: often_slow})).evidence
    assert evidence.verdict.outcome in {Outcome.INCONCLUSIVE, Outcome.FAIL}
    assert "token is slower than tolerated in" in evidence.verdict.reason


@pytest.mark.parametrize("fails", [True, False])
def test_after_a_cutover_the_canarys_flows_are_judged_alone(fails):
    context = after_promotion(deployment(cutover=cut_over()), NOW, NOW + seconds(60))
    broken = {CANARY: lambda function, _, right: replace(right, status=500) if function == "token" else None}
    service = TwoVersions(broken if fails else {})
    evidence = run(service, context).evidence
    assert evidence.verdict.outcome is (Outcome.FAIL if fails else Outcome.PASS)
    assert STABLE not in service.calls
    assert evidence.figures["functions"]["token"]["stable"] == {"flows": 0, "failed": 0, "mean_ms": None}
