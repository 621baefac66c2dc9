"""Whether the service could go back to the home region now."""

from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.domain.errors import Refused
from orchestrator.domain.failover.back.readiness import BEFORE_FENCE, BackFacts, evaluate_back, obstacles, refuse_back
from orchestrator.domain.failover.issuing_region import IssuingAssignment, IssuingLease, first_assignment
from orchestrator.domain.failover.steps import STEPS_BACK, Step
from orchestrator.domain.recovery.record import Role
from tests.samples import NOW
from tests.unit.domain.failover.world import GATE, HOME, STANDBY

READY = BackFacts(
    standby=STANDBY,
    home=HOME,
    gate=GATE,
    assignment=IssuingAssignment(2, STANDBY, active=True, failover="fo-1"),
    in_progress="",
    lock="",
    tables={Role.STATE: "restored-state", Role.TOKENS: "restored-tokens"},
    old_tables={Role.STATE: "old-state", Role.TOKENS: "old-tokens"},
    standby_release={"token": "build-1"},
    home_release={"token": "build-1"},
    without_alias=(),
    standby_lease=IssuingLease(2, NOW + timedelta(minutes=14)),
    home_lease=IssuingLease(1, NOW - timedelta(hours=9)),
    data_key="Enabled",
    signing_key="Enabled",
    health=200,
    domain="login.example.com",
    domain_target="d-1.execute-api.us-west-1.amazonaws.com",
    operators=1,
)


def test_two_healthy_regions_after_a_failover_are_ready():
    evaluated = evaluate_back(READY, NOW)
    assert [one.step for one in evaluated] == list(STEPS_BACK)
    assert all(one.ready for one in evaluated)
    reasons = {one.step: one.reason for one in evaluated}
    assert reasons[Step.COPY] == "restored-state, restored-tokens would be copied"
    assert reasons[Step.LIST_ROWS] == "old-state, old-tokens would be compared, and left as they are"
    assert reasons[Step.UPDATE_DNS] == "login.example.com would point at d-1.execute-api.us-west-1.amazonaws.com"
    refuse_back(READY, NOW)


def test_what_does_not_exist_where_it_need_not_is_no_obstacle():
    bare = replace(READY, old_tables={}, data_key=None, domain="", domain_target="", home_lease=None)
    reasons = {one.step: one.reason for one in evaluate_back(bare, NOW) if one.ready}
    assert reasons.keys() == set(STEPS_BACK)
    assert reasons[Step.LIST_ROWS] == "us-west-1 names no old tables"
    assert reasons[Step.UPDATE_DNS] == "the API has no domain of its own: clients use another URL"


CASES = [
    (Step.PREPARE, {"assignment": None}, "assignment: none in us-east-2: nothing failed over"),
    (Step.PREPARE, {"assignment": first_assignment(HOME)}, "region: us-west-1: it issues the tokens already"),
    (Step.PREPARE, {"in_progress": "fo-2 is at RESTORE"}, "failover: fo-2 is at RESTORE: let it end, or cancel it"),
    (
        Step.PREPARE,
        {"assignment": IssuingAssignment(3, STANDBY, active=False, failover="fo-2")},
        "assignment: taken by fo-2 for us-east-2: wait until it is active",
    ),
    (
        Step.PREPARE,
        {"assignment": IssuingAssignment(3, HOME, active=False, failover="fb-2")},
        "assignment: taken by fb-2 for us-west-1: wait until it is active",
    ),
    (Step.PREPARE, {"lock": "deployment d-1 holds that of us-east-2"}, "lock: deployment d-1 holds that of us-east-2"),
    (Step.COPY, {"tables": {Role.STATE: "s"}}, "tables: the live versions in us-east-2 name no table tokens"),
    (Step.COPY, {"data_key": "Disabled"}, "data_key: Disabled in us-west-1: enable it"),
    (Step.COPY, {"data_key": ""}, "data_key: not there in us-west-1"),
    (Step.APPROVE, {"gate": replace(GATE, approvers=("ann",), quorum=2)}, "failover.approvers: 1 are set: 2 may be"),
    (Step.APPROVE, {"gate": replace(GATE, approvers=("ann",), quorum=1)}, "failover.approvers: 1 are set: 2 may be"),
    (
        Step.APPROVE,
        {"gate": replace(GATE, approvers=(), quorum=1, requester_alone=True)},
        "failover.approvers: 0 are set: 1 may be needed",
    ),
    (Step.FENCE, {"standby_lease": None}, "lease: us-east-2 has none: it issues no tokens"),
    (Step.FENCE, {"standby_lease": IssuingLease(2, NOW)}, "lease: us-east-2 has none: it issues no tokens"),
    (
        Step.FENCE,
        {"home_lease": IssuingLease(1, NOW + timedelta(minutes=1))},
        "lease: us-west-1 has one until 2026-11-23 03:01:00 UTC: repeat when it has ended",
    ),
    (Step.DEPLOY_RELEASE, {"without_alias": ("token",)}, "functions: no live alias in us-west-1: token: deploy"),
    (
        Step.DEPLOY_RELEASE,
        {"home_release": {"token": "build-0"}},
        "release: us-west-1 has build-0, us-east-2 serves build-1: deploy the stacks of build-1 to us-west-1",
    ),
    (Step.DEPLOY_RELEASE, {"standby_release": {}, "home_release": {}}, "release: us-west-1 has no release"),
    (Step.CHECK_KEYS, {"signing_key": ""}, "keys: the signing key in us-west-1 is not there: enable it"),
    (Step.VERIFY, {"health": 503}, "health: the service in us-west-1 answers 503"),
    (Step.VERIFY, {"health": 0}, "health: the service in us-west-1 answers nothing"),
    (Step.UPDATE_DNS, {"domain_target": ""}, "api.domain: us-west-1 has no target for login.example.com"),
    (Step.ANNOUNCE, {"operators": 0}, "contacts.operators: none: no operator would be notified"),
    *(
        (step, {"unread": {step: "Unreachable: no answer"}}, f"facts.{step}: Unreachable: no answer: going back needs")
        for step in STEPS_BACK
    ),
]


@pytest.mark.parametrize(("step", "changes", "reason"), CASES)
def test_each_obstacle_names_field_value_and_remedy_and_refuses(step, changes, reason):
    facts = replace(READY, **changes)
    evaluated = {one.step: one for one in evaluate_back(facts, NOW)}
    assert not evaluated[step].ready
    assert evaluated[step].reason.startswith(reason)
    assert [one.step for one in obstacles(facts, NOW)] == [step]
    with pytest.raises(Refused) as refused:
        refuse_back(facts, NOW)
    assert reason.startswith(refused.value.field)
    assert refused.value.remedy


def test_what_only_later_steps_need_does_not_refuse_the_fence():
    facts = replace(READY, operators=0)
    refuse_back(facts, NOW, BEFORE_FENCE)
    with pytest.raises(Refused):
        refuse_back(replace(READY, health=503), NOW, BEFORE_FENCE)
