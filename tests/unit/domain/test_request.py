import pytest

from orchestrator.domain.errors import Refused
from orchestrator.domain.request import ANY_RELEASE, read_request
from tests.samples import checklist, policy

POLICY = policy()


def test_a_name_is_all_that_is_needed():
    request = read_request({"requested_by": "ann"}, POLICY)
    assert (request.release, request.strategy, request.checklist) == (ANY_RELEASE, None, {})
    assert (request.force, request.changes_items) == (False, False)


def test_everything_that_is_given_is_taken():
    request = read_request(
        {
            "release": "sha256:ab",
            "strategy": "linear-25",
            "checklist": checklist(),
            "requested_by": "pipeline",
            "idempotency_key": "k",
            "force": True,
            "changes_items": True,
        },
        policy(checklist=["tests"]),
    )
    assert (request.release, request.strategy, request.requested_by) == ("sha256:ab", "linear-25", "pipeline")
    assert (request.force, request.changes_items) == (True, True)
    assert request.checklist == checklist()


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "requested_by"),
        ({"requested_by": " "}, "requested_by"),
        ({"requested_by": 1}, "requested_by"),
        ({"requested_by": "a", "surprise": 1}, "surprise"),
        ({"requested_by": "a", "release": "v2"}, "release"),
        ({"requested_by": "a", "release": 2}, "release"),
        ({"requested_by": "a", "force": "yes"}, "force"),
        ({"requested_by": "a", "changes_items": 1}, "changes_items"),
        ({"requested_by": "a", "checklist": ["tests"]}, "checklist"),
        ({"requested_by": "a", "checklist": {"coffee": "x"}}, "checklist.coffee"),
        ({"requested_by": "a", "checklist": {"tests": ""}}, "checklist.tests"),
        ({"requested_by": "a", "checklist": {"tests": True}}, "checklist.tests"),
    ],
)
def test_wrong_input_is_refused_by_its_field(given, field):
    with pytest.raises(Refused) as refused:
        read_request(given, POLICY)
    assert refused.value.field == field
    assert refused.value.remedy


def test_evidence_that_the_environment_wants_and_nobody_gave_is_named():
    with pytest.raises(Refused, match="wants evidence of security_review"):
        read_request({"requested_by": "a", "checklist": {"tests": "x"}}, policy(checklist=["tests", "security_review"]))


def test_a_cut_over_is_all_at_once_and_what_speaks_for_it_is_the_restore():
    request = read_request({"requested_by": "ann", "cut_over": "re-1"}, policy(checklist=["tests"]))
    assert (request.cut_over, request.strategy, request.checklist) == ("re-1", {"type": "all-at-once"}, {})


@pytest.mark.parametrize(
    ("given", "field"),
    [({"cut_over": 7}, "cut_over"), ({"cut_over": "re-1", "strategy": "canary-10-50"}, "strategy")],
)
def test_a_cut_over_that_makes_no_sense_is_refused(given, field):
    with pytest.raises(Refused) as refused:
        read_request({"requested_by": "ann", **given}, POLICY)
    assert refused.value.field == field
