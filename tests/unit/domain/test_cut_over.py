import pytest

from orchestrator.domain.cut_over import CLOSED_ACTIONS, SID, CutOver, Table, TableChange, closed, is_closed, opened

ARN = "arn:aws:dynamodb:us-west-1:000000000000:table/ib-oauth-state-test"
ANOTHERS = {"Sid": "Auditors", "Effect": "Allow", "Principal": {"AWS": "1"}, "Action": "dynamodb:Scan", "Resource": ARN}
WRITES = {"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "PartiQLInsert", "PartiQLUpdate", "PartiQLDelete"}
POLICIES = [
    None,
    {"Version": "2012-10-17", "Statement": [ANOTHERS]},
    {"Version": "2012-10-17", "Id": "mine", "Statement": ANOTHERS},
]


@pytest.mark.parametrize("policy", POLICIES)
def test_a_closed_table_denies_everybody_everything_about_its_items(policy):
    found = closed(policy, ARN)
    (statement,) = [one for one in found["Statement"] if one.get("Sid") == SID]
    assert statement["Effect"] == "Deny"
    assert statement["Principal"] == {"AWS": "*"}
    assert statement["Resource"] == [ARN, f"{ARN}/index/*"]
    assert "Condition" not in statement
    assert {f"dynamodb:{action}" for action in WRITES} < set(statement["Action"]) == set(CLOSED_ACTIONS)
    assert is_closed(found)


@pytest.mark.parametrize("policy", POLICIES)
def test_closing_twice_is_closing_once(policy):
    assert closed(closed(policy, ARN), ARN) == closed(policy, ARN)


@pytest.mark.parametrize("policy", POLICIES[1:])
def test_opening_leaves_the_statements_of_others_as_they_were(policy):
    assert opened(closed(policy, ARN)) == {**policy, "Statement": [ANOTHERS]}
    assert not is_closed(opened(closed(policy, ARN)))


def test_opening_leaves_no_policy_where_there_was_none():
    assert opened(closed(None, ARN)) is None
    assert opened(None) is None


@pytest.mark.parametrize("policy", [*POLICIES, {"Statement": "nonsense"}, {"Statement": ["nonsense"]}])
def test_a_table_that_nobody_closed_is_open(policy):
    assert not is_closed(policy)


def test_a_table_that_is_gone_cannot_be_closed():
    changes = tuple(
        TableChange(role, Table(role, f"arn/{role}"), Table(f"{role}-2", f"arn/{role}-2"))
        for role in ("state", "tokens")
    )
    found = CutOver("re-1", changes, gone=("state",))
    assert found.to_close == (Table("tokens", "arn/tokens"),)
    assert found.entered == ("state-2", "tokens-2")
