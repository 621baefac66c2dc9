"""The compatibility probe: what it asks, and that whatever is not an answer is no pass."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from orchestrator.domain.observation import Answer
from orchestrator.domain.verdict import Outcome
from orchestrator.probes import compatibility, look_before_traffic
from orchestrator.probes.ports import Instruments
from orchestrator.probes.scene import before_traffic
from tests.samples import NOW, deployment, functions

OF_LAYOUT_1 = {"items": {"writes": 1, "reads": [1]}}
OF_LAYOUT_2 = {"items": {"writes": 2, "reads": [1, 2]}}
SCENE = before_traffic(deployment(), NOW)


def answer(document, version, status=200):
    body = document if isinstance(document, str) else json.dumps(document)
    return Answer(status, {"x-ib-oauth-version": (version,)}, body, 1.0, version)


class Functions:
    """Versions of `public` that answer in turn what they are given; stable is 1, canary 2."""

    def __init__(self, stable, canary):
        self.answers = {"1": stable, "2": canary}
        self.asked = []

    def invoke(self, function_name, qualifier, request):
        self.asked.append((function_name, qualifier, request.method, request.path))
        given = self.answers[qualifier]
        return given.pop(0) if isinstance(given, list) else given


def looked(stable, canary, scene=SCENE):
    return compatibility.look(scene, Functions(stable, canary))


def test_both_versions_are_asked_by_direct_invocation_and_the_numbers_are_the_evidence():
    invokes = Functions(answer(OF_LAYOUT_1, "1"), answer(OF_LAYOUT_1, "2"))
    evidence = compatibility.look(SCENE, invokes)
    assert evidence.verdict.outcome is Outcome.PASS
    assert invokes.asked == [
        ("ib-oauth-public-test", "1", "GET", "/version"),
        ("ib-oauth-public-test", "2", "GET", "/version"),
    ]
    assert evidence.figures == {"items": {"stable": OF_LAYOUT_1["items"], "canary": OF_LAYOUT_1["items"]}}
    assert evidence.samples == 2


def test_a_canary_that_writes_what_stable_cannot_read_fails_with_both_layouts():
    evidence = looked(answer(OF_LAYOUT_1, "1"), answer(OF_LAYOUT_2, "2"))
    assert evidence.verdict.outcome is Outcome.FAIL
    assert "stable writes layout 1 and reads 1; canary writes layout 2 and reads 1, 2" in evidence.verdict.reason
    assert evidence.figures == {"items": {"stable": OF_LAYOUT_1["items"], "canary": OF_LAYOUT_2["items"]}}


def test_a_stable_from_before_layouts_were_told_has_the_first():
    assert looked(answer({"function": "public"}, "1"), answer(OF_LAYOUT_1, "2")).verdict.outcome is Outcome.PASS
    assert looked(answer({"function": "public"}, "1"), answer(OF_LAYOUT_2, "2")).verdict.outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("no_answer", "told"),
    [
        (Answer(502, {}, "", 1.0, "2", "ImportError"), "raised ImportError"),
        (answer({}, "2", status=404), "answered 404"),
        (answer(OF_LAYOUT_1, "3"), "says that it is version 3"),
        (Answer(200, {}, "{}", 1.0), "says that it is version unknown"),
        (answer("<html>", "2"), "answered no JSON"),
        (answer([], "2"), "answered no JSON object"),
        (answer({"items": {"writes": 1}}, "2"), "tells items: {'writes': 1} must be"),
    ],
)
def test_what_is_no_answer_is_an_error_that_names_the_version_and_never_a_pass(no_answer, told):
    evidence = looked(answer(OF_LAYOUT_1, "1"), no_answer)
    assert evidence.verdict.outcome is Outcome.ERROR
    assert evidence.verdict.reason.startswith(f"canary (public:2) {told}")
    assert evidence.figures == {"items": {"stable": OF_LAYOUT_1["items"]}}


def test_one_lost_answer_is_asked_for_again():
    evidence = looked([answer({}, "1", status=503), answer(OF_LAYOUT_1, "1")], answer(OF_LAYOUT_1, "2"))
    assert evidence.verdict.outcome is Outcome.PASS


def test_a_service_without_the_function_that_tells_is_an_error():
    scene = replace(SCENE, functions=functions(names=("token",)))
    assert compatibility.look(scene, Functions(None, None)).verdict.outcome is Outcome.ERROR


def test_it_is_looked_at_before_any_traffic():
    """Every other instrument is missing here, so that their probes say ERROR: what counts is that this one is among them."""
    invokes = Functions(answer(OF_LAYOUT_1, "1"), answer(OF_LAYOUT_2, "2"))
    look = look_before_traffic(SCENE, Instruments(None, None, None, invokes, None, None))
    found = {one.probe: one.verdict.outcome for one in look.evidence}
    assert found[compatibility.PROBE] is Outcome.FAIL
    assert look.verdict.outcome is Outcome.FAIL
