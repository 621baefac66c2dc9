"""Turning the ring over real tables and keys: what is due is done once, whoever dies in between, and the service goes on."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from itertools import count

import botocore.session
import pytest

from orchestrator.aws import rotation
from orchestrator.aws.key_ring import SIGNING_KEY_TAG, KeyRing
from orchestrator.domain.errors import Refused, RingChanged
from orchestrator.domain.key_ring import PUBLISHED_FOR, RETIRES_FOR, Phase
from service.infrastructure_access import SIGNING_KEY_TAG as TAG_OF_THE_SERVICE

# Fixtures are found by their names in this module.
from tests.unit.service.conftest import Service, aws, keys, platform_url, variables  # noqa: F401

ROTATION = timedelta(days=90)
PUBLISHED, SIGNING, RETIRING = Phase.PUBLISHED, Phase.SIGNING, Phase.RETIRING
_SERIAL = count(1)


class Killed(BaseException):
    """The process is gone: nothing after the call takes place, and nothing catches it."""


class Mortal:
    """A client whose process dies right after, or right before, one chosen call."""

    def __init__(self, client):
        self._client, self.dies_after, self.dies_before = client, "", ""

    def __getattr__(self, operation):
        call = getattr(self._client, operation)

        def mortal(**arguments):
            if operation == self.dies_before:
                raise Killed
            answer = call(**arguments)
            if operation == self.dies_after:
                raise Killed
            return answer

        return mortal if callable(call) and operation != "get_paginator" else call


class Ground:
    """An environment with a stack's key, a clock that can be set forward, and clients that can die."""

    def __init__(self, aws, variables):  # noqa: F811 - pytest's way of naming what it gives
        self.aws, self.variables = aws, variables
        self.ahead = timedelta(0)
        self.environment = f"env{next(_SERIAL)}"
        self.stack_key = self.new_key()
        variables["SIGNING_KEY_ID"] = self.stack_key
        self.dynamodb, self.kms = Mortal(aws.dynamodb), Mortal(aws.kms)
        self.ring = self.keys_of(self.dynamodb, self.kms)

    def keys_of(self, dynamodb, kms):
        session = botocore.session.get_session()
        session.set_credentials("test", "test")
        tagging = session.create_client(
            "resourcegroupstaggingapi", region_name="us-west-1", endpoint_url=self.aws.endpoint_url
        )
        table, environment = self.variables["KEYS_TABLE"], self.environment
        return KeyRing(dynamodb, kms, tagging, table=table, stack_key=self.stack_key, environment=environment)

    def new_key(self):
        tags = [{"TagKey": SIGNING_KEY_TAG, "TagValue": self.environment}]
        made = self.aws.kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY", Tags=tags)
        return made["KeyMetadata"]["Arn"]

    def now(self):
        return datetime.now(UTC) + self.ahead

    def advance(self, after=timedelta(0)):
        self.ahead += after
        return rotation.advance(self.ring, self.now, ROTATION)

    def phases(self):
        return [key.phase for key in self.ring.read().keys]

    def states(self):
        found = [self.aws.kms.describe_key(KeyId=key.key_id)["KeyMetadata"]["KeyState"] for key in self.ring.found()]
        return sorted(found)


@pytest.fixture
def ground(aws, variables):  # noqa: F811
    return Ground(aws, variables)


def test_both_sides_know_a_signing_key_by_the_same_tag():
    assert SIGNING_KEY_TAG == TAG_OF_THE_SERVICE


def test_a_young_key_is_left_alone(ground):
    assert ground.advance() == []
    assert ground.ring.read().version == 0


def test_an_old_key_is_followed_by_another_without_anybody_asking(ground):
    ground.advance(ROTATION + timedelta(minutes=1))
    assert ground.phases() == [SIGNING, PUBLISHED]
    ground.advance(PUBLISHED_FOR - timedelta(minutes=1))
    assert ground.phases() == [SIGNING, PUBLISHED]
    ground.advance(timedelta(minutes=2))
    assert ground.phases() == [RETIRING, SIGNING]
    ground.advance(RETIRES_FOR - timedelta(minutes=1))
    assert ground.phases() == [RETIRING, SIGNING]
    ground.advance(timedelta(minutes=2))
    assert ground.phases() == [SIGNING]
    assert ground.states() == ["Disabled", "Enabled"]  # the stack's own is CloudFormation's to delete
    assert ground.advance(timedelta(hours=1)) == []


def test_a_key_that_rotation_made_is_deleted_after_it_left(ground):
    for _ in range(2):
        ground.advance(ROTATION + timedelta(minutes=1))
        ground.advance(PUBLISHED_FOR + timedelta(minutes=1))
        ground.advance(RETIRES_FOR + timedelta(minutes=1))
    assert ground.states() == ["Disabled", "Enabled", "PendingDeletion"]


def test_asked_twice_it_publishes_once(ground):
    rotation.rotate(ground.ring, ground.now)
    with pytest.raises(Refused, match="is published already"):
        rotation.rotate(ground.ring, ground.now)
    assert ground.states() == ["Enabled", "Enabled"]


@pytest.mark.parametrize("moment", ["dies_before", "dies_after"])
@pytest.mark.parametrize("operation", ["create_key", "get_public_key", "put_item"])
def test_whoever_dies_while_publishing_leaves_nothing_that_the_next_one_does_not_take_up(ground, operation, moment):
    client = ground.dynamodb if operation == "put_item" else ground.kms
    if operation == "get_public_key":
        rotation.rotate(ground.ring, ground.now)  # so that the first call is about the new key
        ground.advance(PUBLISHED_FOR + timedelta(seconds=2))
        ground.advance(RETIRES_FOR + timedelta(seconds=2))
    setattr(client, moment, operation)
    ground.ahead += ROTATION + timedelta(minutes=1)
    with pytest.raises(Killed):
        rotation.advance(ground.ring, ground.now, ROTATION)
    setattr(client, moment, "")
    ground.advance(timedelta(minutes=15))
    assert ground.phases() == [SIGNING, PUBLISHED]
    ground.advance(PUBLISHED_FOR + timedelta(minutes=1))
    ground.advance(RETIRES_FOR + timedelta(minutes=1))
    assert ground.phases() == [SIGNING]
    assert ground.states().count("Enabled") == 1


def test_a_key_whose_maker_died_before_the_ring_had_it_is_the_one_that_is_published(ground):
    while ground.now() < ground.ring.stack_key().created_at + timedelta(seconds=1):
        time.sleep(0.02)  # KMS tells the time in seconds, and the stack's key is not made in the same one
    ground.kms.dies_after = "create_key"
    with pytest.raises(Killed):
        rotation.rotate(ground.ring, ground.now)
    ground.kms.dies_after = ""
    (made,) = [key.key_id for key in ground.ring.found() if key.key_id != ground.stack_key]
    rotation.rotate(ground.ring, ground.now)
    assert [key.key_id for key in ground.ring.read().keys] == [ground.stack_key, made]


@pytest.mark.parametrize("moment", ["dies_before", "dies_after"])
@pytest.mark.parametrize("operation", ["put_item", "schedule_key_deletion"])
def test_whoever_dies_while_a_key_leaves_leaves_no_key_that_can_sign(ground, operation, moment):
    rotation.rotate(ground.ring, ground.now)
    leaked = ground.ring.read().keys[-1]
    client = ground.dynamodb if operation == "put_item" else ground.kms
    setattr(client, moment, operation)
    with pytest.raises(Killed):
        rotation.take_out(ground.ring, leaked.kid, ground.now)
    setattr(client, moment, "")
    if (operation, moment) == ("put_item", "dies_before"):
        rotation.take_out(ground.ring, leaked.kid, ground.now)
    ground.advance()
    rotation.rotate(ground.ring, ground.now)
    assert leaked.key_id not in [key.key_id for key in ground.ring.read().keys]
    assert ground.states() == ["Enabled", "Enabled", "PendingDeletion"]


def test_of_two_that_publish_at_once_one_wins_and_the_other_says_so(ground):
    other = ground.keys_of(ground.aws.dynamodb, ground.aws.kms)

    class Overtaken(KeyRing):
        def make(self):
            if other.read().version == 0:
                rotation.rotate(other, ground.now)
            return super().make()

    ground.ring.__class__ = Overtaken
    with pytest.raises(Refused, match="is published already"):
        rotation.rotate(ground.ring, ground.now)
    assert ground.phases() == [SIGNING, PUBLISHED]


def test_a_change_that_is_always_overtaken_says_so(ground):
    class Busy(KeyRing):
        def write(self, ring):
            raise RingChanged("meanwhile")

    ground.ring.__class__ = Busy
    with pytest.raises(RingChanged, match="3 times over"):
        rotation.rotate(ground.ring, ground.now)


def test_an_answer_that_got_lost_is_no_change_by_somebody_else(ground):
    rotation.rotate(ground.ring, ground.now)
    written = ground.ring.read()
    ground.ring.write(written)
    with pytest.raises(RingChanged, match="version 0 to 1"):
        ground.ring.write(type(written)(1, written.changed_at, written.keys[:1]))


def test_a_ring_of_a_later_layout_is_refused(ground):
    item = {"pk": {"S": "ring"}, "schema": {"N": "2"}}
    ground.aws.dynamodb.put_item(TableName=ground.variables["KEYS_TABLE"], Item=item)
    with pytest.raises(Refused, match="a ring of layout 2"):
        ground.ring.read()


def test_without_the_stack_it_says_what_to_do(ground):
    ground.aws.dynamodb.delete_table(TableName=ground.variables["KEYS_TABLE"])
    with pytest.raises(Refused, match="deploy the service stack first"):
        ground.ring.read()


def test_the_service_goes_on_while_the_orchestrator_turns_the_ring(ground):
    service = Service(ground.aws, ground.variables, now=ground.now().timestamp())
    issued = service.redeem(service.code()).json
    kept = []

    def pass_by(minutes):
        nonlocal issued, kept
        for _ in range(minutes // 5):
            kept = [key["kid"] for key in service.call("public", "GET", "/.well-known/jwks.json").json["keys"]]
            ground.advance(timedelta(minutes=5))
            service.now = ground.now().timestamp()
            refreshed = service.refresh(issued["refresh_token"])
            assert refreshed.status == 200, refreshed.body
            assert service.userinfo(issued["access_token"]).status == 200
            issued = refreshed.json

    first = service.signer._ring.known()[0]
    rotation.rotate(ground.ring, ground.now)
    pass_by(65)
    (now_signs,) = ground.ring.read().keys
    assert now_signs.key_id != first.key_id
    assert kept == [now_signs.kid]
    assert service.call("public", "GET", "/health/deep").status == 200


def test_a_leaked_key_that_signs_leaves_and_no_request_fails(ground):
    service = Service(ground.aws, ground.variables, now=ground.now().timestamp())
    rotation.rotate(ground.ring, ground.now)
    issued = service.redeem(service.code()).json
    leaked = ground.ring.read().signing
    rotation.take_out(ground.ring, leaked.kid, ground.now)
    service.now += 5
    refreshed = service.refresh(issued["refresh_token"])
    assert refreshed.status == 200, refreshed.body
    service.now += 60
    assert service.userinfo(issued["access_token"]).status == 401
    assert service.userinfo(refreshed.json["access_token"]).status == 200
    assert ground.aws.kms.describe_key(KeyId=leaked.key_id)["KeyMetadata"]["KeyState"] == "Disabled"
