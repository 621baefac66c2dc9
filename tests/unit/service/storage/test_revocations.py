"""The log of revocations: written before the family is revoked, with hashes only, and never missing what was acknowledged."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from service.oauth import credentials
from service.oauth.credentials import Kind
from service.oauth.families import Cause
from service.storage import item_codec
from tests.unit.service.conftest import Aws, Service
from tests.unit.service.faults import faults_of
from tests.unit.service.story import NOT_THERE

FAULTS = faults_of("dynamodb", "put_item", every=False)


@dataclass
class Writes:
    """A DynamoDB client that notes which table is written, and fails at writes of one of them."""

    client: Any
    written: list[str] = field(default_factory=list)
    fails_at: str = ""
    fault: Any = None

    def __getattr__(self, operation):
        called = getattr(self.client, operation)

        def call(**arguments):
            table = arguments.get("TableName", "")
            if operation in {"put_item", "update_item"}:
                self.written.append(table)
                if table == self.fails_at:
                    return self.fault.makes(operation, lambda: called(**arguments))
            return called(**arguments)

        return call

    def fail(self, table, fault):
        self.written.clear()
        self.fails_at, self.fault = table, fault


@pytest.fixture
def writes(aws):
    return Writes(aws.dynamodb)


@pytest.fixture
def service(aws, variables, writes):
    return Service(Aws(writes, aws.kms, aws.endpoint_url), variables)


@pytest.fixture
def log(aws, variables):
    return lambda: {item["pk"]["S"]: item for item in aws.items(variables["REVOCATIONS_TABLE"])}


@pytest.fixture
def revoked(aws, variables):
    return lambda: {
        item["pk"]["S"].removeprefix("family#")
        for item in aws.items(variables["TOKENS_TABLE"])
        if "revoked_because" in item
    }


def family_of(tokens):
    return credentials.parse(tokens["refresh_token"], Kind.REFRESH).family


def give_up(service, token, client="native"):
    return service.call("token", "POST", "/revoke", form={"client_id": client, "token": token})


def by_request(service):
    tokens = service.redeem(service.code()).json
    return tokens, lambda: give_up(service, tokens["refresh_token"])


def by_reuse(service):
    tokens = service.redeem(service.code()).json
    assert service.refresh(tokens["refresh_token"]).status == 200
    return tokens, lambda: service.refresh(tokens["refresh_token"])


def by_replay(service):
    code = service.code()
    return service.redeem(code).json, lambda: service.redeem(code)


ENDS = {"request": (by_request, 200), "reuse": (by_reuse, 400), "replay": (by_replay, 400)}


@pytest.mark.parametrize("cause", ENDS)
def test_every_end_of_a_family_is_in_the_log_by_its_hash_and_cause_before_it_is_in_the_table(
    service, writes, variables, log, revoked, cause
):
    begin, status = ENDS[cause]
    tokens, end = begin(service)
    writes.written.clear()
    assert end().status == status
    # What comes after is about the refusal, and changes nothing about the family.
    assert writes.written[:2] == [variables["REVOCATIONS_TABLE"], variables["TOKENS_TABLE"]]
    family = family_of(tokens)
    assert revoked() == {family}
    assert log() == {
        f"revoked#{family}": item_codec.encode_revocation(family, Cause(cause), int(service.now), synthetic=False)
    }


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
@pytest.mark.parametrize("cause", ENDS)
def test_where_the_log_is_not_written_nothing_is_revoked_and_the_answer_is_503(
    service, writes, variables, log, revoked, cause, fault
):
    begin, status = ENDS[cause]
    _, end = begin(service)
    writes.fail(variables["REVOCATIONS_TABLE"], fault)
    assert end().status == 503
    assert revoked() == set()
    assert len(log()) == int(fault.takes_effect)
    writes.fail("", None)
    assert end().status == status
    assert len(log()) == len(revoked()) == 1


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
@pytest.mark.parametrize("cause", ENDS)
def test_where_the_family_is_not_written_the_answer_is_503_and_the_log_is_ahead(
    service, writes, variables, log, revoked, cause, fault
):
    begin, status = ENDS[cause]
    _, end = begin(service)
    writes.fail(variables["TOKENS_TABLE"], fault)
    assert end().status == 503
    assert len(log()) == 1
    writes.fail("", None)
    assert end().status == status
    assert len(log()) == len(revoked()) == 1


def test_the_loser_of_a_race_for_a_code_has_its_own_family_logged_too(service, aws, variables, log, revoked):
    code = service.code()
    found = service.store.create_family

    def meanwhile(family):
        service.store.create_family = found
        assert service.redeem(code).status == 200
        return found(family)

    service.store.create_family = meanwhile
    assert service.redeem(code).json["error"] == "invalid_grant"
    assert len(revoked()) == 2
    assert log().keys() == {f"revoked#{family}" for family in revoked()}


def test_a_revocation_that_is_repeated_is_logged_once_with_its_first_cause(service, log):
    tokens, _ = by_reuse(service)
    service.refresh(tokens["refresh_token"])
    family, first = family_of(tokens), log()
    service.store.revoke(family, Cause.REQUEST, int(service.now) + 9, synthetic=False)
    assert log() == first
    assert first[f"revoked#{family}"]["cause"] == {"S": "reuse"}


@pytest.mark.parametrize("kind", ["refresh_token", "access_token"])
def test_a_token_that_is_abandoned_while_its_family_s_row_is_lost_is_logged_with_who_abandoned_it(
    service, aws, variables, log, kind
):
    tokens = service.redeem(service.code()).json
    family = family_of(tokens)
    aws.dynamodb.delete_item(TableName=variables["TOKENS_TABLE"], Key={"pk": {"S": f"family#{family}"}})
    assert give_up(service, tokens[kind]).status == 200
    assert log() == {
        f"disowned#{family}#{credentials.digest('native')}": item_codec.encode_disowned_token(
            family, "native", int(service.now)
        )
    }


def test_without_the_log_a_token_of_a_family_that_is_not_there_is_not_said_to_be_abandoned(service, writes, variables):
    writes.fail(variables["REVOCATIONS_TABLE"], FAULTS[0])
    assert give_up(service, NOT_THERE).status == 503


@pytest.mark.parametrize("token", ["", "no token", "ibc_" + "s" * 43, f"ibrs_{'h' * 22}.{'s' * 43}"])
def test_what_can_be_no_token_of_the_client_leaves_no_trace(service, log, token):
    give_up(service, token)
    assert log() == {}


def test_tokens_that_anyone_can_invent_for_the_synthetic_identity_do_not_make_the_log_grow(service, log):
    """Its id is public. For another public client, a token may be of a family whose row is lost."""
    for number in range(10):
        assert give_up(service, f"ibrs_{number:022}.{'s' * 43}", client="synthetic").status == 200
    assert log() == {}
    assert give_up(service, f"ibr_{'h' * 22}.{'s' * 43}").status == 200
    assert len(log()) == 1


def test_another_client_s_attempt_to_revoke_leaves_no_trace(service, log):
    tokens = service.redeem(service.code()).json
    assert give_up(service, tokens["refresh_token"], client="synthetic").status == 200
    assert log() == {}


def test_the_synthetic_identity_s_entries_have_its_prefix(service, log):
    grant = {"client_id": "synthetic", "redirect_uri": "https://synthetic.invalid/callback"}
    tokens = service.redeem(service.synthetic_code(), **grant).json
    assert give_up(service, tokens["refresh_token"], client="synthetic").status == 200
    assert [key.partition("#")[0] for key in log()] == ["synthetic"]


def test_nothing_of_the_log_names_a_person_or_secret(service, log):
    tokens, end = by_request(service)
    end()
    give_up(service, NOT_THERE)
    revocation, disowning = (next(item for key, item in log().items() if key.startswith(kind)) for kind in ("r", "d"))
    assert revocation.keys() == {"pk", "schema", "expires_at", "delete_at", "cause", "revoked_at"}
    assert disowning.keys() == revocation.keys() - {"cause"}
    text = repr([revocation, disowning])
    secrets = (tokens["access_token"], tokens["refresh_token"], NOT_THERE, "native", "ada", "demo")
    assert not [secret for secret in secrets if secret in text]


def test_what_gives_tokens_neither_reads_nor_writes_the_log(service, writes, variables):
    tokens = service.redeem(service.code()).json
    assert service.refresh(tokens["refresh_token"]).status == 200
    assert variables["REVOCATIONS_TABLE"] not in writes.written
