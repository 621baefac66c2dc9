"""Complete flows of what is live: `orchestrator verify --flows`."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from orchestrator.domain.verdict import Outcome
from orchestrator.probes import checks, oauth_flows
from orchestrator.probes.context import for_stable
from tests.fakes.two_versions import STABLE, TwoVersions
from tests.samples import NOW, deployment
from tests.unit.probes.test_repeated_probes import OneThread, clients


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setattr(checks, "ThreadPoolExecutor", OneThread)


def run(service, count):
    return oauth_flows.run_live(for_stable(deployment(), NOW), clients(service), count)


def failing(*numbers):
    """A fault of the token endpoint in its calls of these numbers, from 0; in all if there are none."""
    calls = itertools.count()

    def fault(function, _, right):
        if function != "token" or (next(calls) not in numbers and numbers):
            return None
        return replace(right, status=500, body="")

    return {STABLE: fault}


def test_flows_that_complete_pass_and_each_has_every_step():
    evidence = run(TwoVersions(), 3)
    assert evidence.verdict.outcome is Outcome.PASS
    assert evidence.verdict.reason == "3 flows completed from login to refreshed token"
    steps = [[step["step"] for step in flow["steps"]] for flow in evidence.figures["flows"]]
    assert len(steps) == 3
    assert all({"redeem", "userinfo", "refresh"} <= set(one) for one in steps)


def test_a_flow_that_fails_once_is_run_once_more():
    evidence = run(TwoVersions(failing(0)), 2)
    assert evidence.verdict.outcome is Outcome.PASS
    assert evidence.verdict.reason == "2 flows completed from login to refreshed token; 1 at the second attempt"
    assert len(evidence.figures["flows"]) == 3


@pytest.mark.strategy("Deployment Steps: npm run test:integration")
def test_flows_that_fail_twice_fail_and_the_step_is_named():
    verdict = run(TwoVersions(failing()), 2).verdict
    assert verdict.outcome is Outcome.FAIL
    assert verdict.reason.startswith(
        "2 of 2 flows failed twice, the first with all stable: redeem by stable (token:1) returned"
    )
