"""The health probe at the edge: responses through the API are tallied by version, over the whole deployment."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from orchestrator.domain.verdict import Outcome
from orchestrator.probes import health, security
from orchestrator.probes.context import after_promotion, before_traffic
from tests.fakes.two_versions import CANARY, STABLE, TwoVersions
from tests.samples import NOW, deployment, seconds

SHIFTED = replace(before_traffic(deployment(), NOW), weight_percent=50)
PROMOTED = after_promotion(deployment(), NOW, NOW + seconds(60))


class Edge(TwoVersions):
    """The API sends every second request of a function to the canary, and breaks what a test says."""

    def __init__(self, breaks, versions=(CANARY, STABLE)):
        super().__init__()
        self.breaks, self.versions, self.sent = breaks, versions, Counter()

    def send(self, base_url, request):
        function = {"/token": "token", "/authorize": "authorize"}.get(request.path, "public")
        self.sent[function] += 1
        version = self.versions[self.sent[function] % len(self.versions)]
        return self.breaks(function, version, self._answer(function, version, request))


def fails_on(*versions, function="token"):
    return lambda name, version, right: (
        replace(right, status=503) if (name, version) in {(function, one) for one in versions} else right
    )


def evaluate(edge, context, probe=health, evaluations=1):
    outcomes = []
    for _ in range(evaluations):
        run = probe.run(context, edge, edge, edge.time.pace)
        outcomes.append(run.evidence.verdict.outcome)
        context = replace(context, prior={run.evidence.probe: run.tests.to_json()})
    return outcomes, run.evidence


def test_single_5xx_of_the_canary_through_the_api_prove_nothing():
    outcomes, evidence = evaluate(Edge(fails_on(CANARY)), SHIFTED)
    assert outcomes == [Outcome.PASS]
    assert evidence.figures["edge"]["server_errors"] == {"token:2": 1}


def test_a_canary_that_fails_through_the_api_alone_is_proved_over_several_evaluations():
    outcomes, evidence = evaluate(Edge(fails_on(CANARY)), SHIFTED, evaluations=12)
    assert outcomes[0] is Outcome.PASS
    assert outcomes[-1] is Outcome.FAIL
    assert evidence.verdict.reason.startswith(
        "through the API, token:2 returned 5xx in 18 of 18, stable 0 of 18; evidence"
    )
    assert evidence.figures["false_alarm"]["evidence"] >= evidence.figures["false_alarm"]["needed"]


def test_what_stable_does_as_often_through_the_api_proves_nothing():
    outcomes, _ = evaluate(Edge(fails_on(CANARY, STABLE)), SHIFTED, evaluations=12)
    assert set(outcomes) == {Outcome.PASS}


def test_a_promoted_canary_is_held_to_the_highest_allowed_rate_through_the_api():
    outcomes, evidence = evaluate(Edge(fails_on(CANARY), (CANARY,)), PROMOTED, evaluations=6)
    assert outcomes[-1] is Outcome.FAIL
    assert "through the API, token:2 returned 5xx in" in evidence.verdict.reason


def test_an_unchanged_functions_errors_are_not_the_canarys():
    functions = tuple(
        replace(function, canary_version=function.stable_version) if function.name == "token" else function
        for function in SHIFTED.functions
    )
    edge = Edge(
        lambda name, _, right: (
            replace(right, status=503, headers={**right.headers, "x-ib-oauth-version": (STABLE,)})
            if name == "token"
            else right
        )
    )
    outcomes, _ = evaluate(edge, replace(SHIFTED, functions=functions), evaluations=12)
    assert set(outcomes) == {Outcome.PASS}


def test_responses_without_a_version_cannot_be_judged():
    edge = Edge(lambda name, _, right: replace(right, status=502, headers={}) if name == "public" else right)
    outcomes, evidence = evaluate(edge, SHIFTED)
    assert outcomes == [Outcome.INCONCLUSIVE]
    assert evidence.verdict.reason == (
        "cannot tell the versions apart: responses without a version: public 502, public 502, public 502"
    )


def test_an_api_that_still_reaches_stable_after_the_promotion_is_inconclusive():
    outcomes, evidence = evaluate(Edge(fails_on()), PROMOTED)
    assert outcomes == [Outcome.INCONCLUSIVE]
    assert "promoted, but the API still reaches authorize:1, public:1, token:1" in evidence.verdict.reason


# --- the security probe's checks of the API --------------------------------------------------------------


def without_headers(*versions):
    return lambda _, version, right: (
        replace(right, headers={"x-ib-oauth-version": (version,)}) if version in versions else right
    )


def test_one_bad_response_through_the_api_is_sent_once_more():
    edge = Edge(without_headers(CANARY))
    checked = security.check_edge(SHIFTED, edge)
    assert [one.problem for one in checked] == ["", ""]
    assert edge.sent["public"] in {3, 4}


def test_headers_that_the_api_removes_from_both_versions_are_inconclusive():
    outcomes, evidence = evaluate(Edge(without_headers(CANARY, STABLE)), SHIFTED, security, evaluations=8)
    assert set(outcomes) == {Outcome.INCONCLUSIVE}
    assert "through the API, but not proved to be the canary's: public:" in evidence.verdict.reason
    assert "headers at the edge: Strict-Transport-Security is missing" in evidence.verdict.reason


def test_headers_that_only_the_canary_lacks_through_the_api_are_proved():
    """Each check is sent twice to the canary and then to stable: every check of it that is counted fails."""
    edge = Edge(without_headers(CANARY), (CANARY, CANARY, STABLE))
    outcomes, evidence = evaluate(edge, SHIFTED, security, evaluations=30)
    assert Outcome.FAIL in outcomes
    assert "through the API, public:2 fails its checks in" in evidence.verdict.reason


@pytest.mark.parametrize(("protocol", "outcome"), [("TLSv1.3", Outcome.PASS), ("TLSv1.1", Outcome.FAIL)])
def test_the_apis_certificate_is_judged_by_its_protocol(protocol, outcome):
    edge = Edge(fails_on())
    certificate = edge.certificate("")
    edge.certificate = lambda _: replace(certificate, protocol=protocol)
    outcomes, evidence = evaluate(edge, SHIFTED, security)
    assert outcomes == [outcome]
    assert protocol in evidence.verdict.reason
    assert evidence.figures["tls"]["protocol"] == protocol
