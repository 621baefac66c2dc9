"""Gates as settings, and who may approve."""

import pytest

from orchestrator.domain.deployment.gates import (
    Approval,
    Gate,
    GateKind,
    is_approver,
    missing_approvals,
)
from orchestrator.domain.deployment.strategy import read_strategy
from orchestrator.domain.errors import Refused
from tests.samples import NOW, plan, policy, seconds

ROLE = "arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/Approvers"
ANN = "arn:aws:sts::123456789012:assumed-role/Approvers/ann"
BEN = "arn:aws:sts::123456789012:assumed-role/Approvers/ben"
PAUSE = {"type": "pause", "deadline_seconds": 600}
APPROVE = {"type": "approve", "approvers": [ROLE], "quorum": 2, "deadline_seconds": 600}
WINDOW = {"type": "window", "windows": ["Mon-Thu 08:00-16:00"], "deadline_seconds": 600}


def step(weight_percent: int) -> dict:
    return {"weight_percent": weight_percent, "bake_seconds": 20}


def gates(*entries: dict) -> tuple[Gate, ...]:
    return plan({"type": "canary", "steps": list(entries)}).gates


def test_a_gate_stands_before_the_step_that_follows_it_and_the_last_ones_before_the_promotion():
    found = gates(WINDOW, step(10), PAUSE, APPROVE, step(50), {**PAUSE, "name": "last"})
    assert [(gate.name, gate.before_step) for gate in found] == [
        ("window", 0),
        ("pause", 1),
        ("approve", 1),
        ("last", 2),
    ]
    assert found[2] == Gate(GateKind.APPROVE, "approve", 1, seconds(600), (ROLE,), 2)
    assert [gate.skipped_by_promotion for gate in found] == [True, True, False, True]
    assert [gate.description for gate in found[:3]] == [
        "window: Mon-Thu 08:00-16:00 UTC", "pause: until it is resumed", f"approve: 2 of {ROLE}",
    ]  # fmt: skip


def test_a_linear_strategy_names_the_weight_that_a_gate_stands_before():
    linear = {"type": "linear", "step_percent": 25, "bake_seconds": 20}
    entries = [{**PAUSE, "before_percent": 100}, {**APPROVE, "before_percent": 50}]
    found = read_strategy({**linear, "gates": entries}, policy()).gates
    assert [(gate.name, gate.before_step) for gate in found] == [("approve", 1), ("pause", 3)]
    with pytest.raises(Refused, match="give one of 25, 50, 75, 100") as refused:
        read_strategy({**linear, "gates": [{**PAUSE, "before_percent": 60}]}, policy())
    assert refused.value.field == "strategy.gates[0].before_percent"


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ({"type": "sleep"}, "type"),
        ({"type": "pause"}, "deadline_seconds"),
        ({**PAUSE, "deadline_seconds": 0}, "deadline_seconds"),
        ({**PAUSE, "deadline_seconds": 518_401}, "deadline_seconds"),
        ({**PAUSE, "weight_percent": 10}, "weight_percent"),
        ({**PAUSE, "approvers": ["ann"]}, "approvers"),
        ({**PAUSE, "name": "Two Words"}, "name"),
        ({**APPROVE, "approvers": []}, "approvers"),
        ({**APPROVE, "approvers": ["arn:aws:iam::123456789012:root"]}, "approvers"),
        ({**APPROVE, "approvers": ["a b"]}, "approvers"),
        ({**APPROVE, "quorum": 0}, "quorum"),
        ({**APPROVE, "quorum": 21}, "quorum"),
        ({**APPROVE, "requester_may_approve_alone": "yes"}, "requester_may_approve_alone"),
        ({**WINDOW, "windows": []}, "windows"),
        *(({**WINDOW, "windows": [window]}, "windows") for window in (
            "Mon", "Mon 8:00-16:00", "mon 08:00-16:00", "Mon 16:00-08:00", "Mon 08:00-08:00", "Mon 08:00-24:01",
            "Mon-Thu-Fri 08:00-16:00", "Mon 24:00-24:00",
        )),
    ],
)  # fmt: skip
def test_a_wrong_gate_is_refused_by_the_field_that_is_wrong(entry, field):
    with pytest.raises(Refused) as refused:
        gates(step(10), entry)
    assert refused.value.field == f"strategy.steps[1].{field}"
    assert refused.value.remedy


def test_gates_that_may_wait_longer_than_an_execution_runs_are_refused():
    with pytest.raises(Refused, match="its gates may wait for 1036800 s"):
        gates(step(10), {**PAUSE, "deadline_seconds": 518_400}, {**PAUSE, "deadline_seconds": 518_400})


def test_each_gate_adds_three_transitions_to_a_plan():
    with_gates, without = (plan({"type": "canary", "steps": entries}) for entries in ([step(10), PAUSE], [step(10)]))
    assert with_gates.transitions - without.transitions == with_gates.max_transitions - without.max_transitions == 3


def gate(*approvers: str, quorum: int = 1, requester_alone: bool = False) -> Gate:
    return Gate(GateKind.APPROVE, "approve", 1, seconds(600), approvers, quorum, requester_alone)


@pytest.mark.parametrize(
    ("approver", "person", "expected"),
    [
        (ROLE, ANN, True),
        ("arn:aws:iam::123456789012:role/Approvers", ANN, True),
        ("arn:aws:iam::210987654321:role/Approvers", ANN, False),
        ("arn:aws:iam::123456789012:role/Others", ANN, False),
        ("arn:aws:iam::123456789012:user/Approvers", ANN, False),
        ("arn:aws:iam::123456789012:user/staff/ann", "arn:aws:iam::123456789012:user/staff/ann", True),
        (ANN, ANN, True),
        (ANN, BEN, False),
        ("ann", "ann", True),
        ("ann", "ben", False),
        # The name of a session is chosen by the caller.
        ("ann", "arn:aws:sts::123456789012:assumed-role/Anything/ann", False),
    ],
)
def test_an_approver_is_a_role_a_user_a_session_or_a_name_of_the_local_cloud(approver, person, expected):
    assert is_approver(gate(approver), person) is expected


@pytest.mark.parametrize(
    ("requester", "expected"),
    [
        ("ann", True),
        (ANN, True),
        (f"{ROLE}/ann", True),
        ("Ann", True),
        ("ann@example.com", True),
        (f"{ROLE}/ANN@example.org", True),
        ("ben", False),
        (BEN, False),
        ("", False),
        ("@example.com", False),
        ("an", False),
    ],
)
def test_a_requester_is_recognised_by_its_last_name_without_case_and_domain(requester, expected):
    for person in (ANN, f"{ANN}@example.com"):
        assert bool(missing_approvals(gate(person), [Approval(person, NOW)], requester)) is expected


@pytest.mark.parametrize(
    ("required_gate", "people", "missing"),
    [
        (gate(ROLE), [], "1 of 1 approvals"),
        (gate(ROLE), [BEN], ""),
        (gate(ROLE), [ANN], "an approval by another person than the requester, ann"),
        (gate(ROLE, requester_alone=True), [ANN], ""),
        (gate(ROLE, quorum=2), [ANN], "1 of 2 approvals"),
        (gate(ROLE, quorum=2), [BEN, BEN], "1 of 2 approvals"),
        (gate(ROLE, quorum=2), [ANN, BEN], ""),
        (gate(ROLE, quorum=1), ["mallory"], "1 of 1 approvals"),
    ],
)
def test_an_approval_lacks_people_until_its_quorum_without_duplicates_strangers_or_the_requester_alone(
    required_gate, people, missing
):
    assert missing_approvals(required_gate, [Approval(person, NOW) for person in people], "ann") == missing


ANN_USER = "arn:aws:iam::123456789012:user/staff/Ann@example.com"
OTHER_SESSION = "arn:aws:sts::123456789012:assumed-role/Operators/ann"


@pytest.mark.parametrize("requested_by", ["ann", "bob", "pipeline 42"])
@pytest.mark.parametrize("person", [ANN, f"{ANN}@example.com", f"{ROLE}/Ann"])
def test_a_requester_under_another_name_is_recognised_by_the_credentials_of_the_request(requested_by, person):
    required_gate = gate(ROLE, person)
    lacks = missing_approvals(required_gate, [Approval(person, NOW)], requested_by, OTHER_SESSION)
    assert lacks == f"an approval by another person than the requester, {requested_by} ({OTHER_SESSION})"
    both = [Approval(person, NOW), Approval(BEN, NOW)]
    assert missing_approvals(required_gate, both, requested_by, OTHER_SESSION) == ""


def test_the_name_of_a_request_still_counts_if_its_credentials_are_of_another_person():
    pipeline = "arn:aws:sts::123456789012:assumed-role/Pipeline/GitHubActions"
    lacks = missing_approvals(gate(ROLE), [Approval(ANN, NOW)], "ann", pipeline)
    assert lacks.startswith("an approval by another person than the requester, ann")


@pytest.mark.parametrize("second", [ANN_USER, OTHER_SESSION, ANN.upper().replace("ARN:AWS:STS", "arn:aws:sts")])
def test_one_person_with_two_identities_is_one_approval(second):
    required_gate = gate(ROLE, second, quorum=2)
    approvals = [Approval(ANN, NOW), Approval(second, NOW)]
    assert missing_approvals(required_gate, approvals, "cleo") == "1 of 2 approvals"
    assert missing_approvals(required_gate, [*approvals, Approval(BEN, NOW)], "cleo") == ""
