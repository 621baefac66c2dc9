import json

import msgspec
import pytest

from orchestrator.domain.deployment.policy import CHECKLIST
from orchestrator.domain.deployment.request import ANY_RELEASE, read_deployment_request
from orchestrator.domain.deployment.strategy import read_strategy
from orchestrator.domain.errors import Refused
from orchestrator.domain.texts import MAX_NAME, MAX_REFERENCE
from tests.samples import checklist, deployment, policy

POLICY = policy()
DIGEST = f"sha256:{64 * 'a'}"


def test_a_name_is_all_that_is_needed():
    request = read_deployment_request({"requested_by": "ann"}, POLICY)
    assert (request.release, request.strategy, request.checklist) == (ANY_RELEASE, None, {})
    assert (request.force, request.schema_change, request.requested_as) == (False, False, "")


def test_every_field_of_a_request_is_taken():
    request = read_deployment_request(
        {
            "release": DIGEST,
            "strategy": "linear-25",
            "checklist": checklist(),
            "requested_by": "pipeline",
            "idempotency_key": "k",
            "force": True,
            "schema_change": True,
            "outside_calendar": "the fix of an incident",
            "changelog": "Tokens last longer.",
            "requested_as": "arn:aws:sts::123456789012:assumed-role/Pipeline/42",
        },
        policy(checklist=["tests"]),
    )
    assert (request.release, request.strategy, request.requested_by) == (DIGEST, "linear-25", "pipeline")
    assert (request.force, request.schema_change) == (True, True)
    assert request.outside_calendar == "the fix of an incident"
    assert request.changelog == "Tokens last longer."
    assert request.requested_as == "arn:aws:sts::123456789012:assumed-role/Pipeline/42"
    assert request.checklist == checklist()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "requested_by"),
        ({"requested_by": " "}, "requested_by"),
        ({"requested_by": 1}, "requested_by"),
        ({"requested_by": "\ud800"}, "requested_by"),
        ({"requested_by": "a", "\ud800": 1}, "\ud800"),
        ({"requested_by": "a", "idempotency_key": "\ud800"}, "idempotency_key"),
        ({"requested_by": "a", "checklist": {"tests": "\ud800"}}, "checklist.tests"),
        ({"requested_by": "a", "cutover": "\ud800"}, "cutover"),
        ({"requested_by": "a", "surprise": 1}, "surprise"),
        ({"requested_by": "a", "release": "v2"}, "release"),
        ({"requested_by": "a", "release": 2}, "release"),
        ({"requested_by": "a", "release": ""}, "release"),
        ({"requested_by": "a", "release": " "}, "release"),
        ({"requested_by": "a", "idempotency_key": ""}, "idempotency_key"),
        ({"requested_by": "a", "idempotency_key": 1.5}, "idempotency_key"),
        ({"requested_by": "a", "force": "yes"}, "force"),
        ({"requested_by": "a", "schema_change": 1}, "schema_change"),
        ({"requested_by": "a", "outside_calendar": ""}, "outside_calendar"),
        ({"requested_by": "a", "outside_calendar": 1}, "outside_calendar"),
        ({"requested_by": "a", "outside_calendar": "x" * 5000}, "outside_calendar"),
        ({"requested_by": "a", "changelog": " "}, "changelog"),
        ({"requested_by": "a", "changelog": "x" * 1501}, "changelog"),
        ({"requested_by": "a", "requested_as": " "}, "requested_as"),
        ({"requested_by": "a", "requested_as": None}, "requested_as"),
        ({"requested_by": "a", "requested_as": "x" * 2049}, "requested_as"),
        ({"requested_by": "a", "checklist": ["tests"]}, "checklist"),
        ({"requested_by": "a", "checklist": {"coffee": "x"}}, "checklist.coffee"),
        ({"requested_by": "a", "checklist": {"tests": ""}}, "checklist.tests"),
        ({"requested_by": "a", "checklist": {"tests": True}}, "checklist.tests"),
    ],
)
def test_wrong_input_is_refused_by_its_field(body, field):
    with pytest.raises(Refused) as refused:
        read_deployment_request(body, POLICY)
    assert refused.value.field == field
    assert refused.value.remedy
    assert str(refused.value).encode()


def test_evidence_that_the_environment_wants_and_that_is_missing_is_named():
    with pytest.raises(Refused, match="also requires security_review"):
        read_deployment_request(
            {"requested_by": "a", "checklist": {"tests": "x"}}, policy(checklist=["tests", "security_review"])
        )


def test_a_cut_over_is_all_at_once_and_what_speaks_for_it_is_the_restore():
    request = read_deployment_request({"requested_by": "ann", "cutover": "re-1"}, policy(checklist=["tests"]))
    assert (request.cutover, request.strategy, request.checklist) == ("re-1", {"type": "all-at-once"}, {})


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"cutover": 7}, "cutover"),
        ({"cutover": ""}, "cutover"),
        ({"cutover": " "}, "cutover"),
        ({"cutover": "re-1", "strategy": "canary-10-50"}, "strategy"),
    ],
)
def test_a_cut_over_that_makes_no_sense_is_refused(body, field):
    with pytest.raises(Refused) as refused:
        read_deployment_request({"requested_by": "ann", **body}, POLICY)
    assert refused.value.field == field


STEP_FUNCTIONS_INPUT_BYTES, DYNAMODB_ITEM_BYTES = 262_144, 409_600


@pytest.mark.parametrize(
    ("body", "field", "says"),
    [
        ({"release": "sha256:" + "a" * 200_000}, "release", "64 hexadecimal digits"),
        ({"release": "sha256:ab"}, "release", "64 hexadecimal digits"),
        ({"requested_by": "a" * 200_000}, "requested_by", "at most 256 characters instead of 200000"),
        ({"checklist": {"tests": "x" * 300_000}}, "checklist.tests", "at most 4096 characters instead of 300000"),
        ({"checklist": {"x" * 300_000: "y"}}, f"checklist.{'x' * 300_000}", "known items are"),
        ({"strategy": None, "cutover": "r" * 200_000}, "cutover", "id of a restore"),
        ({"x" * 200_000: 1}, "x" * 200_000, "remove it"),
    ],
)
def test_what_no_record_could_hold_is_refused_by_its_field_and_the_refusal_itself_fits(body, field, says):
    with pytest.raises(Refused, match=says) as refused:
        read_deployment_request({"requested_by": "a", **body}, POLICY)
    assert refused.value.field == field
    assert len(str(refused.value)) < 1500


def test_a_strategy_of_any_size_is_refused_with_a_message_that_fits():
    with pytest.raises(Refused, match="name one of") as refused:
        read_strategy("s" * 200_000, POLICY)
    assert len(str(refused.value)) < 1500


def test_the_largest_request_fits_into_an_execution_and_its_record_into_an_item():
    wide = "\N{GRINNING FACE}"
    request = {
        "requested_by": wide * MAX_NAME,
        "release": DIGEST,
        "checklist": dict.fromkeys(CHECKLIST, wide * MAX_REFERENCE),
        "idempotency_key": "k" * 48,
    }
    read = read_deployment_request(request, POLICY)
    assert len(json.dumps(request, ensure_ascii=True).encode()) < STEP_FUNCTIONS_INPUT_BYTES
    record = deployment(requested_by=read.requested_by, checklist=read.checklist)
    assert len(msgspec.json.encode(record)) < DYNAMODB_ITEM_BYTES / 2
