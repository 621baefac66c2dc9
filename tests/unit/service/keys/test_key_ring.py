"""The key ring as the functions read it: what they keep, for how long, and what becomes of tokens while keys change."""

from __future__ import annotations

import base64
import json

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from service import settings
from service.keys import key_ring
from service.keys.errors import KeyUnavailable
from service.keys.key_ring import (
    CACHED_SECONDS,
    MIN_REFRESH_SECONDS,
    STALE_SECONDS,
    KeyRing,
    Phase,
    RingKey,
    SingleKeyRing,
)
from service.keys.kms import PublicKeys, Signer
from service.oauth import tokens
from tests.unit.service.faults import Wire

PUBLISHED, SIGNING, RETIRING = Phase.PUBLISHED, Phase.SIGNING, Phase.RETIRING


@pytest.fixture
def new_key(aws):
    def make():
        return aws.new_key("ECC_NIST_P256", "SIGN_VERIFY")

    return make


@pytest.fixture
def turn(aws, variables):
    """`turn((key_id, phase), …)` writes the ring as the orchestrator does."""

    def turn(*keys, schema=1, kids=None):
        entries = [
            {
                "M": {
                    "key_id": {"S": key_id},
                    "kid": {"S": (kids or {}).get(key_id) or kid_of(aws, key_id)},
                    "phase": {"S": phase.value},
                }
            }
            for key_id, phase in keys
        ]
        ring = {"pk": {"S": "ring"}, "schema": {"N": str(schema)}, "keys": {"L": entries}}
        aws.dynamodb.put_item(TableName=variables["KEYS_TABLE"], Item=ring)

    return turn


@pytest.fixture
def wire():
    return Wire()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def ring(aws, variables, wire, clock):
    return KeyRing(wire.over("dynamodb", aws.dynamodb), variables["KEYS_TABLE"], "the-stacks", clock)


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


class Gone:
    """A table that does not answer."""

    def get_item(self, **_):
        raise EndpointConnectionError(endpoint_url="https://aws.invalid")


def kid_of(aws, key_id):
    return tokens.parse_public_key(aws.kms.get_public_key(KeyId=key_id)["PublicKey"]).thumbprint


def kid_in(token):
    header = token.partition(".")[0]
    return json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))["kid"]


def jwks(service):
    return [key["kid"] for key in service.call("public", "GET", "/.well-known/jwks.json").json["keys"]]


def test_without_a_ring_the_stacks_key_signs_alone(service, variables, aws):
    issued = service.redeem(service.code()).json
    own = kid_of(aws, variables["SIGNING_KEY_ID"])
    assert kid_in(issued["access_token"]) == own
    assert jwks(service) == [own]


def test_a_rotation_under_a_running_flow_fails_no_request_and_every_token_verifies_by_a_key_set_kept_for_300_seconds(
    service, turn, new_key, variables
):
    first, second = variables["SIGNING_KEY_ID"], new_key()
    issued = service.redeem(service.code()).json
    kept, signed_with = jwks(service), []
    steps = [
        (60, ()),
        (300, ((first, SIGNING), (second, PUBLISHED))),
        (1800, ()),
        (60, ((first, RETIRING), (second, SIGNING))),
        (60, ()),
        (900, ()),
        (1800, ((second, SIGNING),)),
        (60, ()),
    ]
    living = []
    for seconds, changed in steps:
        if changed:
            turn(*changed)
        for _ in range(2):
            refreshed = service.refresh(issued["refresh_token"])
            assert refreshed.status == 200, refreshed.body
            issued = refreshed.json
            living.append((service.now + issued["expires_in"], issued["access_token"]))
            signed_with.append(kid_in(issued["access_token"]))
            assert signed_with[-1] in kept, "a client that fetched the keys 300 seconds ago does not know this one"
            for expires_at, token in living:
                if service.now < expires_at:
                    assert service.userinfo(token).status == 200
            kept = jwks(service)
            service.now += seconds / 2
    assert len(set(signed_with)) == 2
    assert sorted(set(signed_with), key=signed_with.index) == [kid_of(service.aws, first), kid_of(service.aws, second)]


def test_a_key_that_leaves_takes_its_tokens_along(service, turn, new_key, variables):
    issued = service.redeem(service.code()).json
    assert service.userinfo(issued["access_token"]).status == 200
    turn((new_key(), SIGNING))
    service.now += CACHED_SECONDS
    assert service.userinfo(issued["access_token"]).status == 401
    assert service.userinfo(service.refresh(issued["refresh_token"]).json["access_token"]).status == 200
    assert kid_of(service.aws, variables["SIGNING_KEY_ID"]) not in jwks(service)


def test_a_key_disabled_meanwhile_is_followed_by_its_successor_in_the_same_request(service, turn, new_key, aws):
    leaked, successor = new_key(), new_key()
    turn((leaked, SIGNING), (successor, PUBLISHED))
    issued = service.redeem(service.code(scope="openid")).json
    turn((successor, SIGNING))
    aws.kms.disable_key(KeyId=leaked)
    service.now += MIN_REFRESH_SECONDS
    refreshed = service.refresh(issued["refresh_token"])
    assert refreshed.status == 200, refreshed.body
    assert {kid_in(refreshed.json[name]) for name in ("access_token", "id_token")} == {kid_of(aws, successor)}


def test_a_disabled_key_without_a_successor_is_503_and_burns_nothing(service, turn, new_key, aws):
    only = new_key()
    turn((only, SIGNING))
    issued = service.redeem(service.code()).json
    aws.kms.disable_key(KeyId=only)
    service.now += MIN_REFRESH_SECONDS
    assert service.refresh(issued["refresh_token"]).status == 503
    aws.kms.enable_key(KeyId=only)
    assert service.refresh(issued["refresh_token"]).status == 200


def test_a_token_of_a_key_that_this_process_has_not_heard_of_is_looked_up_once_in_five_seconds(
    service, turn, new_key, variables, wire, aws
):
    first, second = variables["SIGNING_KEY_ID"], new_key()
    clock = Clock()
    public = PublicKeys(aws.kms, key_ring.from_environment(variables, wire.over("dynamodb", aws.dynamodb), clock))
    issued = service.redeem(service.code()).json
    assert public.verifies(tokens.parse_unverified(issued["access_token"]))
    turn((second, SIGNING), (first, RETIRING))
    service.now += CACHED_SECONDS
    unknown = tokens.parse_unverified(service.refresh(issued["refresh_token"]).json["access_token"])
    wire.clear()
    assert not public.verifies(unknown)  # read just now
    assert wire.calls == []
    clock.now += MIN_REFRESH_SECONDS
    assert public.verifies(unknown)
    assert len(wire.calls) == 1
    clock.now += MIN_REFRESH_SECONDS
    made_up = tokens.Signed("made-up", unknown.signing_input, unknown.signature, unknown.claims)
    for _ in range(10):
        assert not public.verifies(made_up)
    assert len(wire.calls) == 2


def test_the_ring_is_read_once_a_minute(ring, turn, new_key, wire, clock):
    key = new_key()
    assert [one.key_id for one in ring.list_keys()] == ["the-stacks"]
    turn((key, SIGNING))
    clock.now += CACHED_SECONDS - 1
    assert [one.key_id for one in ring.list_keys()] == ["the-stacks"]
    clock.now += 1
    assert [one.key_id for one in ring.list_keys()] == [key]
    assert len(wire.calls) == 2


def test_the_ring_last_read_serves_while_none_can_be_read_and_no_longer(ring, clock):
    read = ring.list_keys()
    ring._client = Gone()
    clock.now += STALE_SECONDS - 1
    assert ring.list_keys() == read
    clock.now += 1
    with pytest.raises(KeyUnavailable, match="the key ring cannot be read: EndpointConnectionError"):
        ring.list_keys()


def test_a_table_that_does_not_answer_is_not_read_by_every_request(ring, clock):
    ring.list_keys()
    gone = Gone()
    reads = []
    gone.get_item = lambda **request: reads.append(request) or Gone.get_item(gone)
    ring._client = gone
    clock.now += CACHED_SECONDS
    for _ in range(10):
        ring.list_keys()
    assert len(reads) == 1
    clock.now += MIN_REFRESH_SECONDS
    ring.list_keys()
    assert len(reads) == 2


def test_a_probe_reads_past_the_cache(ring, clock):
    ring.list_keys()
    ring._client = Gone()
    with pytest.raises(KeyUnavailable):
        ring.read_now()


def test_deep_health_says_that_the_ring_cannot_be_read(service, variables, aws):
    assert service.call("public", "GET", "/health/deep").json["checks"]["signing_key"]["healthy"]
    aws.dynamodb.delete_table(TableName=variables["KEYS_TABLE"])
    health = service.call("public", "GET", "/health/deep")
    assert health.status == 503
    assert health.json["checks"]["signing_key"]["error"] == "the key ring cannot be read: ResourceNotFoundException"


def test_keys_are_published_with_the_one_that_signs_first(ring, turn, new_key):
    oldest, signing, coming = new_key(), new_key(), new_key()
    turn((oldest, RETIRING), (coming, PUBLISHED), (signing, SIGNING))
    assert [key.key_id for key in ring.list_keys()] == [signing, coming, oldest]


@pytest.mark.parametrize(
    "item",
    [
        {"schema": {"N": "2"}, "keys": {"L": []}},
        {"schema": {"N": "1"}, "keys": {"L": []}},
        {"schema": {"N": "1"}},
        {"schema": {"N": "1"}, "keys": {"L": [{"M": {"key_id": {"S": "k"}, "kid": {"S": "k"}, "phase": {"S": "new"}}}]}},
    ],
)  # fmt: skip
def test_a_ring_that_cannot_be_read_is_not_guessed_at(ring, aws, variables, item):
    aws.dynamodb.put_item(TableName=variables["KEYS_TABLE"], Item={"pk": {"S": "ring"}, **item})
    with pytest.raises(KeyUnavailable, match="key ring"):
        ring.list_keys()


def test_a_key_that_is_not_what_the_ring_says_is_not_published(service, turn, new_key):
    key = new_key()
    turn((key, SIGNING), kids={key: "another"})
    assert service.call("public", "GET", "/.well-known/jwks.json").status == 503


def test_a_new_key_that_kms_does_not_show_yet_is_left_out_until_it_does(service, turn, new_key, variables, aws):
    first, second = variables["SIGNING_KEY_ID"], new_key()
    turn((first, SIGNING), (second, PUBLISHED))

    class NotYet:
        refuses = True

        def get_public_key(self, KeyId):  # noqa: N803 - botocore's
            if self.refuses and KeyId == second:
                raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "GetPublicKey")
            return aws.kms.get_public_key(KeyId=KeyId)

    kms = NotYet()
    public = PublicKeys(kms, key_ring.from_environment(variables, aws.dynamodb))
    assert [jwk.thumbprint for jwk in public.jwks] == [kid_of(aws, first)]
    kms.refuses = False
    assert [jwk.thumbprint for jwk in public.jwks] == [kid_of(aws, first), kid_of(aws, second)]


def test_a_key_that_signs_or_retires_is_never_left_out(turn, new_key, variables, aws):
    first = variables["SIGNING_KEY_ID"]
    for phase, other in ((RETIRING, SIGNING), (SIGNING, RETIRING)):
        gone = new_key()
        turn((first, other), (gone, phase))
        aws.kms.schedule_key_deletion(KeyId=gone, PendingWindowInDays=7)
        kms = Refusing(aws.kms, gone)
        with pytest.raises(KeyUnavailable):
            PublicKeys(kms, key_ring.from_environment(variables, aws.dynamodb)).jwks  # noqa: B018 - reading it is the test


class Refusing:
    def __init__(self, kms, refused):
        self._kms, self._refused = kms, refused

    def get_public_key(self, KeyId):  # noqa: N803 - botocore's
        if KeyId == self._refused:
            raise ClientError({"Error": {"Code": "KMSInvalidStateException"}}, "GetPublicKey")
        return self._kms.get_public_key(KeyId=KeyId)


def test_a_signer_asks_for_the_stacks_public_key_once(aws, variables, wire, service):
    signer = Signer(wire.over("kms", aws.kms), SingleKeyRing(variables["SIGNING_KEY_ID"]))
    token = tokens.AccessToken("i", "a", "s", "c", ("profile",), "t", "f", 0, 1, 2)
    for _ in range(2):
        signer.sign(token)
    assert [operation for _, operation in wire.calls].count("get_public_key") == 1


def test_a_drill_has_a_key_of_its_own_by_settings_alone(aws, variables, new_key):
    own = new_key()
    found = key_ring.from_environment({**variables, "SIGNING_KEY_ID": own, "KEYS_TABLE": "none"}, aws.dynamodb)
    assert found.list_keys() == found.read_now() == (RingKey(own, None, SIGNING),)


@pytest.mark.parametrize("variable", ["SIGNING_KEY_ID", "KEYS_TABLE"])
def test_a_setting_that_is_missing_is_named(variables, variable):
    del variables[variable]
    with pytest.raises(settings.SettingInvalid, match=f"^{variable} is required"):
        key_ring.from_environment(variables, None)
