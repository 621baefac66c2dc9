"""Turning the ring over real tables and keys: what is due is done once, whichever process dies in between, and the service goes on."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from itertools import count

import botocore.session
import pytest
from botocore.exceptions import ClientError

from infrastructure.service.iam import SIGNING_KEY_TAG as TAG_OF_THE_SERVICE
from orchestrator.application import key_rotation
from orchestrator.aws.oauth_tables.signing_keys import DENIED, SIGNING_KEY_TAG, KeyRing
from orchestrator.domain.errors import KeyNotYetUsable, KeyRingConflict, Refused
from orchestrator.domain.signing_keys import PUBLICATION_PERIOD, RETIREMENT_PERIOD, TAGS_APPLY_WITHIN, KeyPhase
from tests.fakes.errors import client_error
from tests.fakes.intercepted import Intercepted

# Fixtures are found by their names in this module.
from tests.unit.service.conftest import Service, aws, keys, platform_url, variables  # noqa: F401

ROTATION = timedelta(days=90)
PUBLISHED, SIGNING, RETIRING = KeyPhase.PUBLISHED, KeyPhase.SIGNING, KeyPhase.RETIRING
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
        return KeyRing(
            dynamodb, kms, tagging, table=table, stack_key=self.stack_key, environment=environment, now=self.now
        )

    def deny_new_keys(self, age):
        """KMS denies every call on a key that rotation made until the key has this age."""
        created = {}

        def deny(operation, arguments, call):
            if operation == "create_key":
                answer = call()
                created[answer["KeyMetadata"]["Arn"]] = self.now()
            elif arguments.get("KeyId") in created:
                if self.now() < created[arguments["KeyId"]] + age:
                    raise client_error(DENIED, operation)
                answer = call()
            else:
                return call()
            if metadata := answer.get("KeyMetadata"):
                metadata["CreationDate"] = created[metadata["Arn"]]  # the emulator's clock stands still
            return answer

        self.ring = self.keys_of(self.aws.dynamodb, Intercepted(self.aws.kms, deny))
        return created

    def new_key(self):
        tags = [{"TagKey": SIGNING_KEY_TAG, "TagValue": self.environment}]
        made = self.aws.kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY", Tags=tags)
        return made["KeyMetadata"]["Arn"]

    def now(self):
        return datetime.now(UTC) + self.ahead

    def advance(self, after=timedelta(0)):
        self.ahead += after
        return key_rotation.advance_rotation(self.ring, self.now, ROTATION)

    def phases(self):
        return [key.phase for key in self.ring.read_ring().keys]

    def states(self):
        found = [
            self.aws.kms.describe_key(KeyId=key.key_id)["KeyMetadata"]["KeyState"] for key in self.ring.find_keys()
        ]
        return sorted(found)


@pytest.fixture
def ground(aws, variables):  # noqa: F811
    return Ground(aws, variables)


def test_both_sides_know_a_signing_key_by_the_same_tag():
    assert SIGNING_KEY_TAG == TAG_OF_THE_SERVICE


def test_a_young_key_is_left_alone(ground):
    assert ground.advance() == []
    assert ground.ring.read_ring().version == 0


def test_an_old_key_is_followed_by_another_without_a_request(ground):
    ground.advance(ROTATION + timedelta(minutes=1))
    assert ground.phases() == [SIGNING, PUBLISHED]
    ground.advance(PUBLICATION_PERIOD - timedelta(minutes=1))
    assert ground.phases() == [SIGNING, PUBLISHED]
    ground.advance(timedelta(minutes=2))
    assert ground.phases() == [RETIRING, SIGNING]
    ground.advance(RETIREMENT_PERIOD - timedelta(minutes=1))
    assert ground.phases() == [RETIRING, SIGNING]
    ground.advance(timedelta(minutes=2))
    assert ground.phases() == [SIGNING]
    assert ground.states() == ["Disabled", "Enabled"]  # the stack's own is CloudFormation's to delete
    assert ground.advance(timedelta(hours=1)) == []


def test_a_key_that_rotation_made_is_deleted_after_it_left(ground):
    for _ in range(2):
        ground.advance(ROTATION + timedelta(minutes=1))
        ground.advance(PUBLICATION_PERIOD + timedelta(minutes=1))
        ground.advance(RETIREMENT_PERIOD + timedelta(minutes=1))
    assert ground.states() == ["Disabled", "Enabled", "PendingDeletion"]


def test_requested_twice_it_publishes_once(ground):
    key_rotation.publish_new_key(ground.ring, ground.now)
    with pytest.raises(Refused, match="is already published"):
        key_rotation.publish_new_key(ground.ring, ground.now)
    assert ground.states() == ["Enabled", "Enabled"]


@pytest.mark.parametrize("moment", ["dies_before", "dies_after"])
@pytest.mark.parametrize("operation", ["create_key", "get_public_key", "put_item"])
def test_a_process_that_dies_while_publishing_leaves_nothing_that_the_next_one_does_not_take_up(
    ground, operation, moment
):
    client = ground.dynamodb if operation == "put_item" else ground.kms
    if operation == "get_public_key":
        key_rotation.publish_new_key(ground.ring, ground.now)  # so that the first call is about the new key
        ground.advance(PUBLICATION_PERIOD + timedelta(seconds=2))
        ground.advance(RETIREMENT_PERIOD + timedelta(seconds=2))
    setattr(client, moment, operation)
    ground.ahead += ROTATION + timedelta(minutes=1)
    with pytest.raises(Killed):
        key_rotation.advance_rotation(ground.ring, ground.now, ROTATION)
    setattr(client, moment, "")
    ground.advance(timedelta(minutes=15))
    assert ground.phases() == [SIGNING, PUBLISHED]
    ground.advance(PUBLICATION_PERIOD + timedelta(minutes=1))
    ground.advance(RETIREMENT_PERIOD + timedelta(minutes=1))
    assert ground.phases() == [SIGNING]
    assert ground.states().count("Enabled") == 1


def test_a_key_whose_maker_died_before_the_ring_had_it_is_the_one_that_is_published(ground):
    while ground.now() < ground.ring.read_stack_key().created_at + timedelta(seconds=1):
        time.sleep(0.02)  # KMS reports the time in seconds, and the stack's key is not made in the same one
    ground.kms.dies_after = "create_key"
    with pytest.raises(Killed):
        key_rotation.publish_new_key(ground.ring, ground.now)
    ground.kms.dies_after = ""
    (made,) = [key.key_id for key in ground.ring.find_keys() if key.key_id != ground.stack_key]
    key_rotation.publish_new_key(ground.ring, ground.now)
    assert [key.key_id for key in ground.ring.read_ring().keys] == [ground.stack_key, made]


@pytest.mark.parametrize("moment", ["dies_before", "dies_after"])
@pytest.mark.parametrize("operation", ["put_item", "schedule_key_deletion"])
def test_a_process_that_dies_while_a_key_leaves_leaves_no_key_that_can_sign(ground, operation, moment):
    key_rotation.publish_new_key(ground.ring, ground.now)
    leaked = ground.ring.read_ring().keys[-1]
    client = ground.dynamodb if operation == "put_item" else ground.kms
    setattr(client, moment, operation)
    with pytest.raises(Killed):
        key_rotation.remove_key(ground.ring, leaked.kid, ground.now)
    setattr(client, moment, "")
    if (operation, moment) == ("put_item", "dies_before"):
        key_rotation.remove_key(ground.ring, leaked.kid, ground.now)
    ground.advance()
    key_rotation.publish_new_key(ground.ring, ground.now)
    assert leaked.key_id not in [key.key_id for key in ground.ring.read_ring().keys]
    assert ground.states() == ["Enabled", "Enabled", "PendingDeletion"]


def test_of_two_that_publish_at_once_one_wins_and_the_other_says_so(ground):
    other = ground.keys_of(ground.aws.dynamodb, ground.aws.kms)

    class Overtaken(KeyRing):
        def create_key(self):
            if other.read_ring().version == 0:
                key_rotation.publish_new_key(other, ground.now)
            return super().create_key()

    ground.ring.__class__ = Overtaken
    with pytest.raises(Refused, match="is already published"):
        key_rotation.publish_new_key(ground.ring, ground.now)
    assert ground.phases() == [SIGNING, PUBLISHED]


def test_a_new_key_that_kms_denies_is_reported_and_published_by_a_later_run(ground):
    created = ground.deny_new_keys(timedelta(minutes=5))
    (first,) = ground.advance(ROTATION + timedelta(minutes=1))
    (made,) = created
    assert first.startswith(f"{made} was made and is not yet usable")
    (again,) = ground.advance(timedelta(minutes=4))
    assert again == first
    assert len(created) == 1
    (published,) = ground.advance(timedelta(minutes=2))
    assert published.endswith(" is published")
    assert [key.key_id for key in ground.ring.read_ring().keys] == [ground.stack_key, made]


def test_an_operator_learns_that_the_new_key_has_to_be_waited_for(ground):
    while ground.now() < ground.ring.read_stack_key().created_at + timedelta(seconds=1):
        time.sleep(0.02)  # as below: a second of KMS's own
    created = ground.deny_new_keys(timedelta(minutes=5))
    with pytest.raises(KeyNotYetUsable, match="repeat this in some minutes"):
        key_rotation.publish_new_key(ground.ring, ground.now)
    ground.ahead += timedelta(minutes=6)
    ring = key_rotation.publish_new_key(ground.ring, ground.now)
    assert [ring.keys[-1].key_id] == list(created)


def test_a_key_that_left_before_its_tags_apply_is_disabled_by_a_later_run(ground):
    ground.deny_new_keys(timedelta(0))
    key_rotation.publish_new_key(ground.ring, ground.now)
    left = ground.ring.read_ring().keys[-1]

    def deny(operation, arguments, call):
        if operation == "schedule_key_deletion":
            raise client_error(DENIED, operation)
        return call()

    ground.ring = ground.keys_of(ground.aws.dynamodb, Intercepted(ground.aws.kms, deny))
    with pytest.raises(KeyNotYetUsable):
        key_rotation.remove_key(ground.ring, left.kid, ground.now)
    assert [sentence for sentence in ground.advance() if left.key_id in sentence]
    ground.ring = ground.keys_of(ground.aws.dynamodb, ground.aws.kms)
    assert ground.advance() == [f"{left.key_id} is disabled and scheduled for deletion"]


def test_a_key_that_is_denied_for_longer_than_tags_take_is_an_error(ground):
    created = ground.deny_new_keys(timedelta(days=1))
    ground.advance(ROTATION + timedelta(minutes=1))
    assert created
    with pytest.raises(ClientError, match=DENIED):
        ground.advance(TAGS_APPLY_WITHIN + timedelta(seconds=1))


def test_a_change_that_is_always_overtaken_says_so(ground):
    class Busy(KeyRing):
        def write_ring(self, ring):
            raise KeyRingConflict("meanwhile")

    ground.ring.__class__ = Busy
    with pytest.raises(KeyRingConflict, match="3 times in a row"):
        key_rotation.publish_new_key(ground.ring, ground.now)


def test_an_answer_that_got_lost_is_no_change_by_another_writer(ground):
    key_rotation.publish_new_key(ground.ring, ground.now)
    written = ground.ring.read_ring()
    ground.ring.write_ring(written)
    with pytest.raises(KeyRingConflict, match="version 0 to 1"):
        ground.ring.write_ring(type(written)(1, written.changed_at, written.keys[:1]))


def test_a_ring_of_a_later_layout_is_refused(ground):
    item = {"pk": {"S": "ring"}, "schema": {"N": "2"}}
    ground.aws.dynamodb.put_item(TableName=ground.variables["KEYS_TABLE"], Item=item)
    with pytest.raises(Refused, match="a key ring of schema 2"):
        ground.ring.read_ring()


def test_without_the_stack_it_says_what_to_do(ground):
    ground.aws.dynamodb.delete_table(TableName=ground.variables["KEYS_TABLE"])
    with pytest.raises(Refused, match="deploy the service stack first"):
        ground.ring.read_ring()


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

    first = service.signer._ring.list_keys()[0]
    key_rotation.publish_new_key(ground.ring, ground.now)
    pass_by(65)
    (now_signs,) = ground.ring.read_ring().keys
    assert now_signs.key_id != first.key_id
    assert kept == [now_signs.kid]
    assert service.call("public", "GET", "/health/deep").status == 200


def test_a_leaked_key_that_signs_leaves_and_no_request_fails(ground):
    service = Service(ground.aws, ground.variables, now=ground.now().timestamp())
    key_rotation.publish_new_key(ground.ring, ground.now)
    issued = service.redeem(service.code()).json
    leaked = ground.ring.read_ring().signing
    key_rotation.remove_key(ground.ring, leaked.kid, ground.now)
    service.now += 5
    refreshed = service.refresh(issued["refresh_token"])
    assert refreshed.status == 200, refreshed.body
    service.now += 60
    assert service.userinfo(issued["access_token"]).status == 401
    assert service.userinfo(refreshed.json["access_token"]).status == 200
    assert ground.aws.kms.describe_key(KeyId=leaked.key_id)["KeyMetadata"]["KeyState"] == "Disabled"


def test_the_state_that_kms_has_of_each_key_is_read(ground):
    ring = ground.ring.read_ring()
    assert ground.ring.read_states(ring) == {ground.stack_key: "Enabled"}
    ground.aws.kms.schedule_key_deletion(KeyId=ground.stack_key, PendingWindowInDays=7)
    assert ground.ring.read_states(ring) == {ground.stack_key: "PendingDeletion"}


def test_the_state_of_a_key_that_kms_does_not_show_yet_is_missing_and_any_other_failure_is_raised(ground):
    ring = ground.ring.read_ring()
    refusals = {"code": DENIED}

    def deny(operation, arguments, call):
        if operation == "describe_key":
            raise client_error(refusals["code"])
        return call()

    refused = ground.keys_of(ground.dynamodb, Intercepted(ground.aws.kms, deny))
    assert refused.read_states(ring) == {}
    refusals["code"] = "InvalidArnException"
    with pytest.raises(ClientError):
        refused.read_states(ring)


@pytest.mark.parametrize(
    ("code", "state"), [("DisabledException", "Disabled"), ("KMSInvalidStateException", "PendingDeletion")]
)
def test_a_key_that_cannot_sign_is_refused_with_its_state_and_the_command_that_enables_it(ground, code, state):
    def unusable(operation, arguments, call):
        if operation == "get_public_key":
            raise client_error(code)
        if operation == "describe_key":
            return {"KeyMetadata": {**call()["KeyMetadata"], "KeyState": state}}
        return call()

    refused = ground.keys_of(ground.dynamodb, Intercepted(ground.aws.kms, unusable))
    with pytest.raises(Refused, match=f"{state}.*aws kms enable-key --key-id {ground.stack_key}.*rotate-signing-keys"):
        refused.read_ring()
