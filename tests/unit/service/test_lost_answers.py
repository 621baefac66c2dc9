"""Requests whose answers are lost, sent again: the same client gets the same outcome, and no two refresh tokens are alive."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from service.oauth.families import Cause
from service.storage.conditional_writes import StoreUnavailable
from tests.unit.service.conftest import SECRET, Service
from tests.unit.service.faults import ANSWER_LOST, CUT_OFF, DYNAMODB
from tests.unit.service.story import SELF_DESCRIBED, Stage

WEB = {"client_id": "web", "client_secret": SECRET}
DECIDING = {"redeem": 1, "refresh": 0}
"""The number of the update, among all updates and puts of a request, that decides."""
LOST = tuple(fault for fault in DYNAMODB if fault.takes_effect)


@pytest.fixture
def stage(aws, variables):
    return Stage(aws, variables)


@pytest.fixture(params=[10, 60])
def graced(request, aws, variables):
    """A service with a grace period."""
    return Service(aws, {**variables, "REFRESH_GRACE_SECONDS": str(request.param)})


def at_the_write(stage, step, number, fault):
    """Return a story whose next step fails at one of its writes, and what goes to AWS."""
    story, wire = stage.at(step)
    story.tell(step)
    writes = [index for index, (_, operation) in enumerate(wire.calls) if operation in {"put_item", "update_item"}]
    story, wire = stage.at(step)
    wire.fail(writes[number], fault)
    return story, wire


def alive(story, tokens):
    """Whether a client can use these tokens."""
    refreshed = story.service.refresh(tokens["refresh_token"]).status == 200
    assert refreshed is (story.service.userinfo(tokens["access_token"]).status == 200)
    return refreshed


# The deciding write


@pytest.mark.parametrize("step", DECIDING)
def test_a_deciding_write_whose_answer_is_lost_is_found_by_its_nonce(stage, step):
    story, _ = at_the_write(stage, step, DECIDING[step], ANSWER_LOST)
    answer = story.tell(step)
    assert answer.status == 200, answer.body
    assert alive(story, answer.json)


@pytest.mark.parametrize("step", DECIDING)
@pytest.mark.parametrize("seconds", [0, 1, 59])
def test_the_same_request_again_gets_the_same_refresh_token_for_a_minute(stage, step, seconds):
    story, wire = at_the_write(stage, step, DECIDING[step], CUT_OFF)
    lost = story.tell(step)
    assert (lost.status, lost.header("retry-after")) == (503, "1")
    assert "not known" in lost.json["error_description"]
    wire.clear()
    stored = current_hash(stage, story)
    story.service.now += seconds
    again = story.tell(step)
    assert again.status == 200, again.body
    assert current_hash(stage, story) == stored  # not another token: the one whose answer was lost
    assert alive(story, again.json)


@pytest.mark.parametrize("step", DECIDING)
def test_after_a_minute_the_same_request_is_a_replay(stage, step):
    story, wire = at_the_write(stage, step, DECIDING[step], CUT_OFF)
    assert story.tell(step).status == 503
    wire.clear()
    story.service.now += 60
    assert story.tell(step).json["error"] == "invalid_grant"
    assert all("revoked_because" in item for item in families(stage, story))


@pytest.mark.parametrize("step", DECIDING)
def test_a_request_that_was_answered_at_the_second_sending_is_a_replay_at_the_third(stage, step):
    story, wire = at_the_write(stage, step, DECIDING[step], CUT_OFF)
    assert story.tell(step).status == 503
    wire.clear()
    tokens = story.tell(step).json
    assert story.tell(step).json["error"] == "invalid_grant"
    assert not alive(story, tokens)


@pytest.mark.parametrize("step", DECIDING)
def test_a_retry_that_is_cut_off_too_may_be_sent_again(stage, step):
    story, wire = at_the_write(stage, step, DECIDING[step], CUT_OFF)
    assert story.tell(step).status == 503
    for fault in LOST:
        wire.fail(0, fault)
        assert story.tell(step).status == 503
    wire.clear()
    assert alive(story, story.tell(step).json)


@pytest.mark.parametrize(
    "changes",
    [
        WEB,
        {"code_verifier": "x" * 43},
        {"redirect_uri": "http://127.0.0.1:5001/callback"},
    ],
)
def test_no_other_client_gets_the_outcome_of_a_code_whose_answer_was_lost(stage, changes):
    story, wire = at_the_write(stage, "redeem", DECIDING["redeem"], CUT_OFF)
    assert story.tell("redeem").status == 503
    wire.clear()
    assert story.service.redeem(story.code, **changes).json["error"] == "invalid_grant"
    assert alive(story, story.tell("redeem").json)


def test_no_other_client_gets_the_outcome_of_a_refresh_whose_answer_was_lost(stage):
    story, wire = at_the_write(stage, "refresh", DECIDING["refresh"], CUT_OFF)
    assert story.tell("refresh").status == 503
    wire.clear()
    assert story.service.refresh(story.tokens["refresh_token"], **WEB).json["error"] == "invalid_grant"
    assert alive(story, story.tell("refresh").json)


def test_a_retry_gets_no_tokens_of_a_grant_that_was_revoked(stage):
    story, wire = at_the_write(stage, "redeem", DECIDING["redeem"], CUT_OFF)
    assert story.tell("redeem").status == 503
    wire.clear()
    (family,) = families(stage, story)
    story.service.store.revoke(
        family["pk"]["S"].removeprefix("family#"), Cause.REQUEST, int(story.service.now), synthetic=False
    )
    assert story.tell("redeem").json["error"] == "invalid_grant"


def test_a_code_whose_tokens_are_in_use_is_a_replay_although_its_answer_was_not_recorded(stage):
    """The answer's own record was lost, with all that came after it; the client got the tokens."""
    story, wire = at_the_write(stage, "redeem", 2, CUT_OFF)
    tokens = story.tell("redeem").json
    wire.clear()
    code = next(item for item in stage.state(story) if item["pk"]["S"].startswith("code#"))
    stage.aws.dynamodb.update_item(
        TableName=story.service.variables["STATE_TABLE"], Key={"pk": code["pk"]},
        UpdateExpression="SET unanswered = :salt", ExpressionAttributeValues={":salt": {"S": "a salt"}},
    )  # fmt: skip
    later = story.service.refresh(tokens["refresh_token"]).json
    assert story.tell("redeem").json["error"] == "invalid_grant"
    assert not alive(story, later)


@pytest.mark.parametrize("step", ["redeem", "refresh"])
def test_what_is_stored_of_an_answered_request_derives_no_token(stage, step):
    story, _ = stage.at(step)
    assert story.tell(step).status == 200
    stored = [*stage.state(story), *families(stage, story)]
    assert not [item for item in stored if "unanswered" in item]


# The grace period


def test_the_preceding_refresh_token_gets_another_one_and_the_unused_one_is_dead(graced):
    first = graced.redeem(graced.code()).json["refresh_token"]
    unused = graced.refresh(first).json["refresh_token"]
    graced.now += graced.settings.refresh_grace_seconds - 1
    again = graced.refresh(first)
    assert again.status == 200
    successor = again.json["refresh_token"]
    assert len({first, unused, successor}) == 3
    assert graced.refresh(successor).status == 200
    assert graced.refresh(unused).json["error"] == "invalid_grant"


@pytest.mark.parametrize("presented", ["unused", "preceding"])
def test_whatever_is_not_the_preceding_token_in_time_is_reuse_and_ends_the_family(graced, presented):
    first = graced.redeem(graced.code()).json["refresh_token"]
    unused = graced.refresh(first).json["refresh_token"]
    successor = graced.refresh(first).json["refresh_token"]
    if presented == "preceding":
        graced.now += graced.settings.refresh_grace_seconds
    assert graced.refresh({"unused": unused, "preceding": first}[presented]).json["error"] == "invalid_grant"
    assert graced.refresh(successor).json["error"] == "invalid_grant"


def test_a_token_that_is_two_exchanges_old_ends_the_family_at_once(graced):
    first = graced.redeem(graced.code()).json["refresh_token"]
    second = graced.refresh(first).json["refresh_token"]
    third = graced.refresh(second).json["refresh_token"]
    assert graced.refresh(first).json["error"] == "invalid_grant"
    assert graced.refresh(third).json["error"] == "invalid_grant"


def test_presenting_it_again_and_again_does_not_extend_the_grace_period(graced):
    first = graced.redeem(graced.code()).json["refresh_token"]
    assert graced.refresh(first).status == 200
    half = graced.settings.refresh_grace_seconds // 2
    graced.now += half
    assert graced.refresh(first).status == 200
    graced.now += half
    assert graced.refresh(first).json["error"] == "invalid_grant"


def test_another_client_has_no_grace_and_the_owner_loses_nothing(graced):
    first = graced.redeem(graced.code()).json["refresh_token"]
    second = graced.refresh(first).json["refresh_token"]
    assert graced.refresh(first, **WEB).json["error"] == "invalid_grant"
    assert graced.refresh(second).status == 200


def test_a_grant_that_was_abandoned_has_no_grace(graced):
    first = graced.redeem(graced.code()).json["refresh_token"]
    second = graced.refresh(first).json["refresh_token"]
    assert graced.call("token", "POST", "/revoke", form={"client_id": "native", "token": second}).status == 200
    assert graced.refresh(first).json["error"] == "invalid_grant"


def test_the_preceding_token_is_inactive_and_its_scope_can_be_narrowed_as_ever(graced):
    code = graced.code(client="web", redirect="https://web.example/cb?x=1")
    first = graced.redeem(code, redirect_uri="https://web.example/cb?x=1", **WEB).json["refresh_token"]
    graced.refresh(first, **WEB)
    introspected = graced.call("token", "POST", "/introspect", form={"token": first, **WEB})
    assert introspected.json == {"active": False}
    assert graced.refresh(first, scope="profile", **WEB).json["scope"] == "profile"
    assert graced.refresh(first, scope="profile admin", **WEB).json["error"] == "invalid_scope"


def test_an_exchange_by_an_earlier_release_has_no_grace(graced):
    """It rotates without recording which token it exchanged, and leaves what this release recorded before."""
    first = graced.redeem(graced.code()).json["refresh_token"]
    second = graced.refresh(first).json["refresh_token"]
    (family,) = [item for item in graced.aws.items(graced.variables["TOKENS_TABLE"]) if "refresh_hash" in item]
    graced.aws.dynamodb.update_item(
        TableName=graced.variables["TOKENS_TABLE"], Key={"pk": family["pk"]},
        UpdateExpression="SET refresh_hash = :next, rotated_by = :nonce, rotated_at = :now ADD generation :one",
        ExpressionAttributeValues={
            ":next": {"S": "next"}, ":nonce": {"S": "nonce"}, ":now": {"N": str(int(graced.now))}, ":one": {"N": "1"},
        },
    )  # fmt: skip
    assert graced.refresh(second).json["error"] == "invalid_grant"
    (family,) = [item for item in graced.aws.items(graced.variables["TOKENS_TABLE"]) if "refresh_hash" in item]
    assert family["revoked_because"] == {"S": "reuse"}


# Other conditional writes


def test_a_registration_whose_answer_is_lost_is_the_client_s_own(aws, variables):
    stage = Stage(aws, variables)
    story, _ = at_the_write(stage, "register", 0, ANSWER_LOST)
    answer = story.tell("register")
    assert answer.status == 201, answer.body
    clients = [item for item in aws.items(story.service.variables["TOKENS_TABLE"]) if "client#" in item["pk"]["S"]]
    assert [item["client_id"]["S"] for item in clients] == [answer.json["client_id"]]


def test_another_registration_under_the_same_id_is_never_taken_for_one_s_own(aws, variables):
    service = Service(aws, {**variables, **SELF_DESCRIBED})
    story, _ = Stage(aws, variables).story()
    assert json.loads(story.tell("register").body)["client_id"]
    (item,) = [one for one in aws.items(story.service.variables["TOKENS_TABLE"]) if "client#" in one["pk"]["S"]]
    registered = story.service.client_store.read_registration(item["client_id"]["S"], int(service.now))
    other = replace(registered, secret_sha256="0" * 64)
    with pytest.raises(StoreUnavailable, match="already exists"):
        story.service.client_store.store_registration(other)


@pytest.mark.parametrize(("decision", "write"), [("deny", "update_item"), ("poll", "transact_write_items")])
def test_a_login_whose_end_is_not_answered_is_found_by_its_nonce(stage, decision, write):
    story, wire = stage.at(decision)
    story.tell(decision)
    number = [operation for _, operation in wire.calls].index(write)
    story, wire = stage.at(decision)
    wire.fail(number, ANSWER_LOST)
    answer = story.tell(decision)
    assert answer.status in {200, 303}, answer.body
    assert "access_denied" in str(answer.headers) + answer.body if decision == "deny" else answer.json["redirect"]


def current_hash(stage, story):
    """The digest of the grant's current refresh token."""
    (family,) = [item for item in families(stage, story) if "revoked_because" not in item]
    return family["refresh_hash"]["S"]


def families(stage, story):
    return [item for item in stage.aws.items(story.service.variables["TOKENS_TABLE"]) if "refresh_hash" in item]
