"""The compatibility probe: what it requests, and that no response or a wrong one is never a PASS."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from orchestrator.domain.analysis.observations import HttpResponse
from orchestrator.domain.analysis.repeated_checks import BURST_CALLS
from orchestrator.domain.verdict import Outcome
from orchestrator.probes import compatibility
from orchestrator.probes.analysis_run import verify_before_traffic
from orchestrator.probes.context import before_traffic
from orchestrator.probes.ports import Pace, ProbeClients
from tests.samples import NOW, deployment, functions

SCHEMA_1 = {"items": {"writes": 1, "reads": [1]}}
SCHEMA_2 = {"items": {"writes": 2, "reads": [1, 2]}}
CONTEXT = before_traffic(deployment(), NOW)
AT_ONCE = Pace(sleep=lambda _: None)


def answer(document, version, status=200):
    body = document if isinstance(document, str) else json.dumps(document)
    return HttpResponse(status, {"x-ib-oauth-version": (version,)}, body, 1.0, version)


class Functions:
    """Versions of `public` that return their responses in turn; stable is 1, the canary 2."""

    def __init__(self, stable, canary):
        self.answers = {"1": stable, "2": canary}
        self.requested = []

    def invoke(self, function_name, qualifier, request):
        self.requested.append((function_name, qualifier, request.method, request.path))
        response = self.answers[qualifier]
        return response.pop(0) if isinstance(response, list) else response


def evidence_of(stable, canary, context=CONTEXT):
    return compatibility.run(context, Functions(stable, canary), AT_ONCE)


def test_both_versions_are_queried_by_direct_invocation_and_the_numbers_are_the_evidence():
    invoker = Functions(answer(SCHEMA_1, "1"), answer(SCHEMA_1, "2"))
    evidence = compatibility.run(CONTEXT, invoker)
    assert evidence.verdict.outcome is Outcome.PASS
    assert invoker.requested == [
        ("ib-oauth-public-test", "1", "GET", "/version"),
        ("ib-oauth-public-test", "2", "GET", "/version"),
    ]
    assert evidence.figures == {"items": {"stable": SCHEMA_1["items"], "canary": SCHEMA_1["items"]}}
    assert evidence.samples == 2


def test_a_canary_that_writes_what_stable_cannot_read_fails_with_both_layouts():
    evidence = evidence_of(answer(SCHEMA_1, "1"), answer(SCHEMA_2, "2"))
    assert evidence.verdict.outcome is Outcome.FAIL
    assert (
        "stable writes schema version 1 and reads 1; canary writes schema version 2 and reads 1, 2"
        in evidence.verdict.reason
    )
    assert evidence.figures == {"items": {"stable": SCHEMA_1["items"], "canary": SCHEMA_2["items"]}}


def test_a_stable_from_before_layouts_were_reported_has_the_first():
    assert evidence_of(answer({"function": "public"}, "1"), answer(SCHEMA_1, "2")).verdict.outcome is Outcome.PASS
    assert evidence_of(answer({"function": "public"}, "1"), answer(SCHEMA_2, "2")).verdict.outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("response", "problem"),
    [
        (HttpResponse(502, {}, "", 1.0, "2", "ImportError"), "raised ImportError"),
        (answer({}, "2", status=404), "returned 404"),
        (answer(SCHEMA_1, "3"), "identifies itself as version 3"),
        (HttpResponse(200, {}, "{}", 1.0), "identifies itself as version unknown"),
        (answer("<html>", "2"), "returned no JSON"),
        (answer([], "2"), "returned no JSON object"),
        (answer({"items": {"writes": 1}}, "2"), "reports items: {'writes': 1} must be"),
    ],
)
def test_what_is_no_answer_is_an_error_that_names_the_version_and_never_a_pass(response, problem):
    evidence = evidence_of(answer(SCHEMA_1, "1"), response)
    assert evidence.verdict.outcome is Outcome.ERROR
    assert evidence.verdict.reason.startswith(f"canary (public:2) {problem}")
    assert evidence.figures == {"items": {"stable": SCHEMA_1["items"]}}


@pytest.mark.parametrize("lost", [1, 2, 5, BURST_CALLS])
def test_answers_that_are_lost_in_a_burst_are_requested_again(lost):
    stable = [*[answer({}, "1", status=503)] * lost, answer(SCHEMA_1, "1")]
    assert evidence_of(stable, answer(SCHEMA_1, "2")).verdict.outcome is Outcome.PASS


def test_a_service_without_the_function_that_reports_is_an_error():
    context = replace(CONTEXT, functions=functions(names=("token",)))
    assert compatibility.run(context, Functions(None, None)).verdict.outcome is Outcome.ERROR


def test_it_is_looked_at_before_any_traffic():
    """Every other client is missing here, so the other probes return ERROR: this one must be among them."""
    invoker = Functions(answer(SCHEMA_1, "1"), answer(SCHEMA_2, "2"))
    analysis = verify_before_traffic(CONTEXT, ProbeClients(None, None, None, invoker, None, None, None, AT_ONCE))
    outcomes = {one.probe: one.verdict.outcome for one in analysis.evidence}
    assert outcomes[compatibility.PROBE] is Outcome.FAIL
    assert analysis.verdict.outcome is Outcome.FAIL
