"""A table or a key that fails at any call of any request: 503 with a time to try again, and the same request again succeeds.

A write that took effect and whose answer was lost is found by its nonce: then nothing has failed.


The calls are those that a request really makes, so that a call that is added is covered without being named here.
"""

from __future__ import annotations

import pytest

from service.storage.conditional_writes import StoreUnavailable
from service.storage.revocations import RevokingStore
from tests.unit.service.faults import faults_of
from tests.unit.service.story import STEPS, Stage, missing, steps_of

HEALTH = "GET /health/deep"
"""It reports to monitoring which check failed, and monitoring asks again by itself."""
KINDS = {
    **dict.fromkeys(("GET /authorize", "POST /authorize", "POST /login"), "text/html"),
    **dict.fromkeys(("POST /token", "POST /register", "POST /revoke", "POST /introspect"), "application/json"),
}
"""How a failure is reported: to people as a page, to clients as OAuth has it, and to all others as a problem."""
OPEN = {"GET /health", "GET /version"}
"""They say that the function runs, and need nothing for it."""
ISSUING = {"redeem": "native", "refresh": "native", "redeem as synthetic": "synthetic"}
"""The steps that give tokens, and to whom."""


@pytest.fixture
def stage(aws, variables):
    return Stage(aws, variables)


def living(stage, story):
    """The ids of the families that a code was redeemed for and that live: those whose tokens a client may hold."""
    named = {item["family_id"]["S"] for item in stage.state(story) if "family_id" in item}
    families = {
        item["pk"]["S"].partition("family#")[2]: item
        for item in stage.aws.items(story.service.variables["TOKENS_TABLE"])
        if "family#" in item["pk"]["S"]
    }
    return {name for name in named if name in families and "revoked_because" not in families[name]}


def hold_unavailable(step, answer):
    assert answer.status == 503, (answer.status, answer.body)
    if step == HEALTH:
        assert answer.json["healthy"] is False
        return
    assert answer.header("retry-after") == "1"
    kind = KINDS.get(STEPS[step].route if step in STEPS else step, "application/problem+json")
    assert answer.header("content-type").startswith(kind)
    if kind == "application/json":
        assert answer.json["error"] == "temporarily_unavailable"
    assert "The request was not completed" in answer.body or kind == "application/json"


def test_every_route_is_in_the_story(stage):
    story, _ = stage.story()
    assert missing(story.service) == set()


@pytest.mark.strategy("Lambda Functions: Enhanced error handling")
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.proof)], ids=["kinds", "every"])
def test_a_call_that_fails_is_reported_as_503_and_afterwards_all_is_decided(stage, step, every):
    story, wire = stage.at(step)
    good = story.tell(step)
    assert good.status < 400, good.body
    calls = list(wire.calls)
    assert calls, "a step that needs nothing belongs among those that are always answered"
    for index, (service, operation) in enumerate(calls):
        for fault in faults_of(service, operation, every=every):
            hold_decided(stage, step, index, fault, good.status)


def hold_decided(stage, step, index, fault, good_status):
    """Have one call fail once: the request succeeds all the same, or is 503 and succeeds when it is sent again."""
    story, wire = stage.at(step)
    wire.fail(index, fault)
    first = story.tell(step)
    case = f"{step}: call {index}, {wire.calls[index][1]}, {fault.name}"
    succeeded = (fault.takes_effect or fault.passes) and first.status == good_status
    assert succeeded or not fault.passes, f"{case}: {first.status} {first.body}"
    if not succeeded:
        hold_unavailable(step, first)
    wire.clear()
    story.service.now += 1
    again = first if succeeded else story.tell(step)
    assert again.status == good_status, f"{case}: then {again.status} {again.body}"
    if step == "poll":
        codes = [item for item in stage.state(story) if item["pk"]["S"].startswith("code#")]
        assert len(codes) == 1, case
        assert again.json["redirect"], case
    if step in ISSUING:
        assert len(living(stage, story)) == 1, case
        assert story.service.refresh(again.json["refresh_token"], client_id=ISSUING[step]).status == 200, case


def test_routes_that_take_nothing_are_503_where_they_need_something_and_else_need_nothing(stage):
    story, _ = stage.story()
    bare = [step for step in steps_of(story.service) if step not in STEPS]
    assert HEALTH in bare
    for step in bare:
        story, wire = stage.at(step)
        assert story.tell(step).status == 200, step
        calls = list(wire.calls)
        assert not calls or step not in OPEN
        for index, (service, operation) in enumerate(calls):
            for fault in (
                one for one in faults_of(service, operation, every=False) if not (one.takes_effect or one.passes)
            ):
                again, wired = stage.at(step)
                wired.fail(index, fault)
                hold_unavailable(step, again.tell(step))
                wired.clear()
                assert again.tell(step).status == 200, (step, fault.name)


def test_a_store_that_takes_a_failure_for_a_success_would_be_found(stage, monkeypatch):
    found = RevokingStore.create_family

    def careless(self, family):
        try:
            return found(self, family)
        except StoreUnavailable:
            return True

    monkeypatch.setattr(RevokingStore, "create_family", careless)
    with pytest.raises(AssertionError):
        test_a_call_that_fails_is_reported_as_503_and_afterwards_all_is_decided(stage, "redeem", every=False)
