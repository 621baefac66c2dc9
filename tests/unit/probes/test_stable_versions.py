"""The stable probe: after a rollback, a single 5xx of stable is no news, and a broken stable is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.domain.verdict import Outcome
from orchestrator.probes import stable_versions
from orchestrator.probes.context import for_stable
from tests.fakes.two_versions import STABLE, TwoVersions
from tests.samples import NOW, deployment

CONTEXT = for_stable(deployment(), NOW)


def run(service):
    return stable_versions.run(CONTEXT, service, service, service.time.pace)


def fails(calls):
    left = [calls]

    def fault(function, _, right):
        if function != "token" or not left[0]:
            return None
        left[0] -= 1
        return replace(right, status=503)

    return fault


def test_each_function_is_called_by_its_alias_and_through_the_api():
    evidence = run(TwoVersions())
    assert (evidence.verdict.outcome, evidence.samples) == (Outcome.PASS, 12)
    assert evidence.verdict.reason == "12 responses, each from its function's stable version"


@pytest.mark.parametrize("calls", [1, 3, 8])
def test_a_burst_of_5xx_is_named_and_passed(calls):
    evidence = run(TwoVersions({STABLE: fails(calls)}))
    assert evidence.verdict.outcome is Outcome.PASS
    assert "; 5xx from token:1 through" in evidence.verdict.reason


def test_a_stable_that_returns_5xx_to_most_calls_is_broken():
    service = TwoVersions({STABLE: fails(10_000)})
    evidence = run(service)
    assert evidence.verdict.outcome is Outcome.FAIL
    assert evidence.verdict.reason == (
        "stable itself returns 5xx: token:1 through Lambda in 25 of 25, token:1 through the API in 27 of 27"
    )
    assert service.time.seconds < 10


def test_an_api_that_alone_fails_is_found_although_the_function_responds():
    service = TwoVersions()
    send = service.send
    service.send = lambda url, request: (
        replace(send(url, request), status=502, headers={}) if request.path == "/token" else send(url, request)
    )
    evidence = run(service)
    assert evidence.verdict.outcome is Outcome.FAIL
    assert evidence.verdict.reason == "stable itself returns 5xx: token:1 through the API in 27 of 27"


@pytest.mark.parametrize(("version", "name"), [("2", "token:2"), ("", "token")])
def test_a_response_of_another_version_is_a_failure_at_once(version, name):
    service = TwoVersions()
    send = service.send
    other = {"x-ib-oauth-version": (version,)} if version else {}
    service.send = lambda url, request: (
        replace(send(url, request), headers=other) if request.path == "/token" else send(url, request)
    )
    assert run(service).verdict.reason == f"responses came from {name}, not from stable"
