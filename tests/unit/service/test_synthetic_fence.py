"""The synthetic identity touches nothing but its own items, in the code as in the policies; no user becomes it, and it becomes no user."""

from __future__ import annotations

import pytest

from service.login import flow
from service.login.flow import SYNTHETIC_SUBJECT
from service.login.identity_provider import Profile
from tests.unit.service.conftest import SECRET, Aws, Service
from tests.unit.service.story import REDIRECT, STEPS, SYNTHETIC_REDIRECT, Stage

SYNTHETIC = {"client_id": "synthetic", "redirect_uri": SYNTHETIC_REDIRECT}
NATIVE = {"client_id": "native", "redirect_uri": REDIRECT}
EVERYBODYS = {"epoch", "health", "ring"}


class Keys:
    """A DynamoDB client that takes down the key of every item that is asked for or written."""

    def __init__(self, client):
        self.client, self.seen = client, set()

    def __getattr__(self, operation):
        called = getattr(self.client, operation)

        def call(**arguments):
            self.seen |= set(self.within(arguments))
            return called(**arguments)

        return call

    def within(self, value):
        if isinstance(value, dict):
            if isinstance(value.get("pk"), dict):
                yield value["pk"]["S"]
            for inner in value.values():
                yield from self.within(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from self.within(inner)


@pytest.fixture
def keys_of(aws, variables):
    """The keys that a step asks for or writes, together with those that it needs."""

    def of(step):
        keys = Keys(aws.dynamodb)
        story = Stage(aws, variables).story()[0]
        story.service = Service(Aws(keys, aws.kms, aws.endpoint_url), story.service.variables)
        story.until(step)
        story.tell(step)
        return keys.seen

    return of


@pytest.mark.parametrize("step", [step for step in STEPS if "synthetic" in step])
def test_a_step_of_the_synthetic_identity_reads_no_other_s_items(keys_of, step):
    seen = keys_of(step) - EVERYBODYS
    assert seen
    assert all(key.startswith("synthetic#") for key in seen)


@pytest.mark.parametrize("step", [step for step in STEPS if "synthetic" not in step])
def test_a_step_of_another_subject_reads_none_of_its_items(keys_of, step):
    assert not [key for key in keys_of(step) if key.startswith("synthetic#")]


def test_a_code_of_a_person_is_neither_redeemed_nor_burnt_by_the_synthetic_identity(service):
    code = service.code()
    assert service.redeem(code, **SYNTHETIC).json["error"] == "invalid_grant"
    assert service.redeem(code, **{**NATIVE, "client_id": "synthetic"}).json["error"] == "invalid_grant"
    assert service.redeem(code).status == 200


def test_a_code_of_the_synthetic_identity_is_neither_redeemed_nor_burnt_by_a_client(service):
    code = service.synthetic_code()
    assert service.redeem(code, **NATIVE).json["error"] == "invalid_grant"
    assert service.redeem(code, **{**SYNTHETIC, "client_id": "native"}).json["error"] == "invalid_grant"
    assert service.redeem(code, **SYNTHETIC).status == 200


def test_neither_refreshes_the_other_s_token_and_no_family_ends_by_trying(service):
    person = service.redeem(service.code()).json["refresh_token"]
    ours = service.redeem(service.synthetic_code(), **SYNTHETIC).json["refresh_token"]
    assert service.refresh(person, client_id="synthetic").json["error"] == "invalid_grant"
    assert service.refresh(ours, client_id="native").json["error"] == "invalid_grant"
    assert service.refresh(person).status == 200
    assert service.refresh(ours, client_id="synthetic").status == 200


@pytest.mark.parametrize("ours", [True, False], ids=["the synthetic identity tries", "a client tries"])
def test_who_presents_what_is_not_of_their_kind_is_refused_before_any_item_is_read(service, aws, ours):
    """The answer would be the same without: this is the fence that stands where a policy cannot."""
    if ours:
        code, other = service.code(), service.redeem(service.code()).json["refresh_token"]
    else:
        code, other = (
            service.synthetic_code(),
            service.redeem(service.synthetic_code(), **SYNTHETIC).json["refresh_token"],
        )
    client = SYNTHETIC if ours else NATIVE
    keys = Keys(aws.dynamodb)
    trying = Service(Aws(keys, aws.kms, aws.endpoint_url), service.variables)
    assert trying.redeem(code, **client).json["error"] == "invalid_grant"
    assert trying.refresh(other, client_id=client["client_id"]).json["error"] == "invalid_grant"
    assert keys.seen - EVERYBODYS == set()


WEB = {"client_id": "web", "client_secret": SECRET}


@pytest.fixture
def of_both(service):
    """The tokens of a person, and those of the synthetic identity."""
    return {
        "person": service.redeem(service.code()).json,
        "synthetic": service.redeem(service.synthetic_code(), **SYNTHETIC).json,
    }


def asks(service, path, token, **client):
    return service.call("token", "POST", path, form={"token": token, **client})


@pytest.mark.parametrize("kind", ["refresh_token", "access_token"])
def test_neither_revokes_the_other_s_grant_and_both_are_answered_as_if(service, of_both, kind):
    assert asks(service, "/revoke", of_both["person"][kind], client_id="synthetic").status == 200
    assert asks(service, "/revoke", of_both["synthetic"][kind], client_id="native").status == 200
    assert service.refresh(of_both["person"]["refresh_token"]).status == 200
    assert service.refresh(of_both["synthetic"]["refresh_token"], client_id="synthetic").status == 200


@pytest.mark.parametrize("kind", ["refresh_token", "access_token"])
def test_no_client_learns_anything_about_the_synthetic_identity_s_tokens(service, of_both, kind):
    assert asks(service, "/introspect", of_both["synthetic"][kind], **WEB).json == {"active": False}
    assert (
        asks(service, "/introspect", of_both["person"][kind], client_id="synthetic").json["error"] == "invalid_client"
    )


@pytest.mark.parametrize("path", ["/revoke", "/introspect"])
@pytest.mark.parametrize("kind", ["refresh_token", "access_token"])
def test_who_asks_about_the_other_s_token_has_no_item_of_theirs_looked_at(service, aws, of_both, path, kind):
    keys = Keys(aws.dynamodb)
    asking = Service(Aws(keys, aws.kms, aws.endpoint_url), service.variables)
    asks(asking, path, of_both["synthetic"][kind], **WEB)
    assert not [key for key in keys.seen if key.startswith("synthetic#")]
    keys.seen.clear()
    asks(asking, path, of_both["person"][kind], client_id="synthetic")
    assert not [key for key in keys.seen if key.startswith("family#")]


@pytest.mark.parametrize(("prefix", "respelled"), [("ibrs_", "ibr_"), ("ibcs_", "ibc_")])
def test_a_credential_that_is_respelled_as_a_person_s_names_nothing(service, prefix, respelled):
    code = service.synthetic_code()
    if prefix == "ibcs_":
        answer = service.redeem(code.replace(prefix, respelled), **NATIVE)
    else:
        ours = service.redeem(code, **SYNTHETIC).json["refresh_token"]
        answer = service.refresh(ours.replace(prefix, respelled))
    assert answer.json["error"] == "invalid_grant"


@pytest.mark.parametrize("user_id", [SYNTHETIC_SUBJECT, f"synthetic#{SYNTHETIC_SUBJECT}", ":", "x"])
def test_whatever_a_platform_calls_a_person_it_is_never_the_synthetic_subject(service, monkeypatch, user_id):
    monkeypatch.setattr(flow.identity_provider, "profile", lambda platform, content: Profile(user_id, "A", "B", "", ""))
    person = service.userinfo(service.redeem(service.code()).json["access_token"]).json
    assert person["sub"] == f"demo:{user_id}"
    assert person["sub"] != SYNTHETIC_SUBJECT


def test_the_synthetic_identity_s_tokens_have_an_audience_of_their_own(service):
    from service.oauth import tokens

    ours = service.redeem(service.synthetic_code(), **SYNTHETIC).json["access_token"]
    persons = service.redeem(service.code()).json["access_token"]
    assert tokens.parse_unverified(ours).claims["aud"] == "urn:ib-oauth:synthetic"
    assert tokens.parse_unverified(ours).claims["sub"] == SYNTHETIC_SUBJECT
    assert tokens.parse_unverified(persons).claims["aud"] != "urn:ib-oauth:synthetic"
