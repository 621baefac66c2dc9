"""Tables that are closed to everybody, and opened again."""

from __future__ import annotations

import json

import pytest

from orchestrator.aws.doors import Doors
from orchestrator.domain.cut_over import CLOSED_ACTIONS, WRITES, Table, denies, is_closed
from orchestrator.domain.errors import ClaimLost, DoorAjar, DoorChanged
from tests.fakes.doors import FakeDoors

TABLE = Table("ib-oauth-state-test", "arn:aws:dynamodb:us-west-1:000000000000:table/ib-oauth-state-test")
ANOTHERS = {"Version": "2012-10-17", "Statement": [{"Sid": "Auditors", "Effect": "Allow"}]}


@pytest.fixture
def client():
    return FakeDoors()


def held() -> None:
    """The claim is ours."""


def lost() -> None:
    raise ClaimLost("epoch 1 no longer holds the claim")


def test_a_closed_table_denies_and_an_opened_one_does_not(client):
    doors = Doors(client)
    doors.close(TABLE, held)
    doors.refuse_open(TABLE, 3)
    with pytest.raises(DoorAjar, match="still denies everybody"):
        doors.refuse_closed(TABLE)
    doors.open(TABLE, held)
    doors.refuse_closed(TABLE)
    with pytest.raises(DoorAjar, match="does not deny everybody yet"):
        doors.refuse_open(TABLE, 1)
    assert client.policies == {}


def test_a_table_is_closed_only_once_it_has_denied_as_often_as_asked(client):
    client.follows_after, doors = 2, Doors(client)
    doors.close(TABLE, held)
    for _ in range(2):
        with pytest.raises(DoorAjar):
            doors.refuse_open(TABLE, 3)
    doors.refuse_open(TABLE, 3)
    assert len(client.probed) == 2 + 3


def test_what_others_wrote_into_the_policy_stays(client):
    client.policies[TABLE.arn] = (json.dumps(ANOTHERS), 7)
    doors = Doors(client)
    doors.close(TABLE, held)
    assert is_closed(json.loads(client.policies[TABLE.arn][0]))
    doors.open(TABLE, held)
    assert json.loads(client.policies[TABLE.arn][0]) == ANOTHERS


def test_whoever_lost_the_claim_closes_and_opens_nothing(client):
    doors = Doors(client)
    with pytest.raises(ClaimLost):
        doors.close(TABLE, lost)
    assert client.policies == {}
    doors.close(TABLE, held)
    with pytest.raises(ClaimLost):
        doors.open(TABLE, lost)
    assert is_closed(json.loads(client.policies[TABLE.arn][0]))


def test_a_policy_that_changed_meanwhile_is_not_overwritten(client):
    doors = Doors(client)

    def meanwhile() -> None:
        client.policies[TABLE.arn] = (json.dumps(ANOTHERS), 8)

    with pytest.raises(DoorChanged):
        doors.close(TABLE, meanwhile)
    assert json.loads(client.policies[TABLE.arn][0]) == ANOTHERS


def test_doing_it_twice_writes_once_and_a_table_that_is_gone_has_no_door(client):
    doors = Doors(client)
    doors.close(TABLE, held)
    doors.close(TABLE, lost)
    doors.open(TABLE, held)
    doors.open(TABLE, lost)
    client.gone.add(TABLE.arn)
    doors.open(TABLE, lost)


def test_a_table_that_is_closed_to_writes_is_closed_to_readers_too_when_that_is_asked_for(client):
    doors = Doors(client)
    assert not doors.is_closed(TABLE)
    doors.close(TABLE, held, WRITES)
    assert doors.is_closed(TABLE)
    first = client.policies[TABLE.arn]
    doors.close(TABLE, held, WRITES)
    assert client.policies[TABLE.arn] == first
    doors.close(TABLE, held)
    assert denies(json.loads(client.policies[TABLE.arn][0]), CLOSED_ACTIONS)
    doors.open(TABLE, held)
    assert not doors.is_closed(TABLE)
