"""Races and lost answers, on MiniStack's DynamoDB: its conditional writes are atomic under threads (moto's are not)."""

from __future__ import annotations

import os
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from service.oauth import credentials, families
from service.oauth.errors import InvalidGrant
from service.oauth.token_request import CodeGrant, RefreshGrant
from service.storage.revocations import RevokingStore
from service.token_issuance import Issuance
from tests.unit.service.conftest import tables_of

ISSUER = "https://auth.example"
REDIRECT = "http://127.0.0.1:5000/callback"
VERIFIER = "v" * 43


class Slow:
    """A DynamoDB client whose every call takes 2 to 20 ms more."""

    def __init__(self, client, seed):
        self._client = client
        self._random = random.Random(seed)

    def __getattr__(self, name):
        operation = getattr(self._client, name)

        def call(**arguments):
            time.sleep(self._random.uniform(0.002, 0.020))
            return operation(**arguments)

        return call


class LosesAnswers:
    """A DynamoDB client that repeats one kind of call, as botocore does when the first answer got lost."""

    def __init__(self, client, operation):
        self._client = client
        self._operation = operation
        self.repeated = 0

    def __getattr__(self, name):
        operation = getattr(self._client, name)

        def call(**arguments):
            if name == self._operation:
                operation(**arguments)
                self.repeated += 1
            return operation(**arguments)

        return call


@pytest.fixture
def issuance(service):
    def make(client=None):
        variables = service.variables
        store = RevokingStore(client or service.aws.dynamodb, *tables_of(variables))
        return Issuance(ISSUER, store, service.signer, os.urandom)

    return make


def _race(contestants, attempt):
    """Run the attempt in so many threads at once; return what came of each."""
    barrier = threading.Barrier(contestants)

    def one(number):
        barrier.wait()
        try:
            return attempt(number)
        except InvalidGrant as error:
            return error

    with ThreadPoolExecutor(contestants) as threads:
        return list(threads.map(one, range(contestants)))


def _winners(results):
    return [result for result in results if not isinstance(result, InvalidGrant)]


@pytest.mark.parametrize("contestants", [2, 3, 5, 8, 16, 32])
def test_one_of_many_parallel_redemptions_wins_and_no_token_lives_after_the_others(service, issuance, aws, contestants):
    code, client, now = service.code(), service.settings.clients["native"], int(service.now)
    contenders = [issuance(Slow(aws.dynamodb, seed)) for seed in range(contestants)]
    grant = CodeGrant(code, REDIRECT, VERIFIER)
    results = _race(contestants, lambda number: contenders[number].redeem(grant, client, now))
    assert len(_winners(results)) == 1
    tokens = _winners(results)[0]
    assert service.userinfo(tokens.access_token).status == 401
    assert service.refresh(tokens.refresh_token).json["error"] == "invalid_grant"
    stored = [item for item in aws.items(service.variables["TOKENS_TABLE"]) if "family#" in item["pk"]["S"]]
    assert all("revoked_because" in item for item in stored)


@pytest.mark.parametrize("contestants", [2, 3, 5, 8, 16, 32])
def test_one_of_many_parallel_refreshes_wins_and_the_family_ends(service, issuance, aws, contestants):
    first, client, now = service.redeem(service.code()).json, service.settings.clients["native"], int(service.now)
    contenders = [issuance(Slow(aws.dynamodb, seed)) for seed in range(contestants)]
    grant = RefreshGrant(first["refresh_token"], None)
    results = _race(contestants, lambda number: contenders[number].refresh(grant, client, now))
    assert len(_winners(results)) == 1
    assert service.refresh(_winners(results)[0].refresh_token).json["error"] == "invalid_grant"


@pytest.mark.parametrize("refreshes", [1, 4, 15])
def test_a_replay_of_the_code_that_races_with_refreshes_ends_the_family(service, issuance, aws, refreshes):
    code, client, now = service.code(), service.settings.clients["native"], int(service.now)
    first = service.redeem(code).json
    contenders = [issuance(Slow(aws.dynamodb, seed)) for seed in range(refreshes + 1)]

    def attempt(number):
        if number == 0:
            return contenders[0].redeem(CodeGrant(code, REDIRECT, VERIFIER), client, now)
        return contenders[number].refresh(RefreshGrant(first["refresh_token"], None), client, now)

    results = _race(refreshes + 1, attempt)
    assert isinstance(results[0], InvalidGrant)
    assert len(_winners(results)) <= 1
    for tokens in _winners(results):
        assert service.userinfo(tokens.access_token).status == 401
        assert service.refresh(tokens.refresh_token).json["error"] == "invalid_grant"
    assert service.userinfo(first["access_token"]).status == 401


@pytest.mark.parametrize("refreshes", [1, 4, 15])
def test_a_revocation_that_races_with_refreshes_ends_the_family(service, issuance, aws, refreshes):
    client, now = service.settings.clients["native"], int(service.now)
    first = service.redeem(service.code()).json["refresh_token"]
    family = credentials.parse(first, credentials.Kind.REFRESH).family
    contenders = [issuance(Slow(aws.dynamodb, seed)) for seed in range(refreshes + 1)]

    def attempt(number):
        if number == 0:
            return contenders[0].store.revoke(family, families.Cause.REQUEST, now, synthetic=False)
        return contenders[number].refresh(RefreshGrant(first, None), client, now)

    results = _race(refreshes + 1, attempt)
    for tokens in _winners(results[1:]):
        assert service.userinfo(tokens.access_token).status == 401
        assert service.refresh(tokens.refresh_token).json["error"] == "invalid_grant"
    assert service.refresh(first).json["error"] == "invalid_grant"


def test_many_parallel_polls_mint_one_code(service, aws):
    transaction = service.transaction()
    service.log_in_upstream(service.login_page(transaction))
    login = aws.items(service.variables["STATE_TABLE"])[0]
    store = service.store
    from service.oauth import codes
    from service.storage import item_codec

    opened = item_codec.decode_login(login["pk"]["S"].partition("#")[2], login, synthetic=False)

    def complete(number):
        code = codes.Code(
            digest=f"code-{number}", synthetic=False, client_id="native", redirect_uri=REDIRECT, scope=(), audience="a",
            subject="s", code_challenge="c", session=None, session_expires_at=1, epoch=0, expires_at=1,
        )  # fmt: skip
        return store.complete_login(opened, code, f"nonce-{number}", int(service.now))

    assert sorted(_race(8, complete)) == [False] * 7 + [True]
    assert len([item for item in aws.items(service.variables["STATE_TABLE"]) if "code#" in item["pk"]["S"]]) == 1


def test_a_redemption_whose_answer_got_lost_is_still_a_success(service, issuance, aws):
    losing = LosesAnswers(aws.dynamodb, "update_item")
    grant = CodeGrant(service.code(), REDIRECT, VERIFIER)
    issued = issuance(losing).redeem(grant, service.settings.clients["native"], int(service.now))
    assert losing.repeated == 2  # the write that decides, and the one that records the answer
    assert service.userinfo(issued.access_token).status == 200


def test_a_new_family_whose_answer_got_lost_is_still_ours(service, issuance, aws):
    losing = LosesAnswers(aws.dynamodb, "put_item")
    grant = CodeGrant(service.code(), REDIRECT, VERIFIER)
    issued = issuance(losing).redeem(grant, service.settings.clients["native"], int(service.now))
    assert losing.repeated == 1
    assert service.refresh(issued.refresh_token).status == 200


def test_a_refresh_whose_answer_got_lost_is_still_a_success(service, issuance, aws):
    first = service.redeem(service.code()).json
    losing = LosesAnswers(aws.dynamodb, "update_item")
    client = service.settings.clients["native"]
    issued = issuance(losing).refresh(RefreshGrant(first["refresh_token"], None), client, int(service.now))
    assert losing.repeated == 2
    assert service.refresh(issued.refresh_token).status == 200


def test_a_login_that_ends_in_a_lost_answer_has_ended_once(service, aws):
    transaction = service.transaction()
    service.log_in_upstream(service.login_page(transaction))
    service.store._client = LosesAnswers(aws.dynamodb, "transact_write_items")
    polled = service.poll(transaction)
    assert service.store._client.repeated == 1
    assert polled.json["redirect"] is not None


def test_a_code_that_a_restore_kills_between_reading_and_writing_is_refused(service, issuance, aws):
    code, client = service.code(), service.settings.clients["native"]

    class RedeemedMeanwhile(RevokingStore):
        def create_family(self, family):
            # The code's item is older than what is asked for by the time of the write.
            key = next(item["pk"] for item in aws.items(service.variables["STATE_TABLE"]) if "code#" in item["pk"]["S"])
            aws.dynamodb.update_item(
                TableName=service.variables["STATE_TABLE"], Key={"pk": key},
                UpdateExpression="SET expires_at = :past", ExpressionAttributeValues={":past": {"N": "1"}},
            )  # fmt: skip
            return super().create_family(family)

    variables = service.variables
    store = RedeemedMeanwhile(aws.dynamodb, *tables_of(variables))
    with pytest.raises(InvalidGrant):
        Issuance(ISSUER, store, service.signer, os.urandom).redeem(
            CodeGrant(code, REDIRECT, VERIFIER), client, int(service.now)
        )
    assert all(
        item["revoked_because"]["S"] == families.Cause.REPLAY.value
        for item in aws.items(variables["TOKENS_TABLE"])
        if "family#" in item["pk"]["S"]
    )


# Requests for one login at once: DynamoDB refuses or cancels writes that overlap with a transaction


CANCELLED = {
    "Error": {"Code": "TransactionCanceledException"},
    "CancellationReasons": [{"Code": "TransactionConflict"}, {"Code": "None"}],
}
REFUSED = {"Error": {"Code": "TransactionConflictException"}}
CONFLICTS = {"transact_write_items": CANCELLED, "update_item": REFUSED}


class Overlapping:
    """A DynamoDB client that refuses one kind of write, because another request's write of the item came just before.

    times: how many writes it refuses. meanwhile: makes the other request, before the first refusal.
    """

    def __init__(self, client, operation, meanwhile=lambda: None, times=1):
        self._client, self._operation, self._meanwhile, self.times = client, operation, meanwhile, times

    def __getattr__(self, name):
        called = getattr(self._client, name)
        if name != self._operation or not self.times:
            return called

        def call(**_):
            self.times -= 1
            meanwhile, self._meanwhile = self._meanwhile, lambda: None
            remaining, self.times = self.times, 0
            meanwhile()
            self.times = remaining
            raise ClientError(CONFLICTS[name], name)

        return call


def deny(service, transaction):
    form = {"transaction": transaction, "decision": "deny"}
    return service.call("authorize", "POST", "/login", form=form, headers={"cookie": service.cookie})


def poll(service, transaction):
    service.now += 1
    return service.poll(transaction)


def overlapping(service, operation, meanwhile=lambda: None, times=1):
    """Have writes of this service overlap; return its pauses."""
    pauses = []
    service.store._client = Overlapping(service.aws.dynamodb, operation, meanwhile, times)
    service.store._sleep = pauses.append
    return pauses


@pytest.fixture
def open_login(service):
    """A login whose user has logged in at the identity provider, and which no request has ended."""
    transaction = service.transaction()
    service.log_in_upstream(service.login_page(transaction))
    return transaction


@pytest.mark.parametrize("times", [1, 99])
def test_a_poll_that_overlaps_with_a_denial_reports_that_the_login_has_ended(service, open_login, capsys, times):
    denials = []
    overlapping(service, "transact_write_items", lambda: denials.append(deny(service, open_login)), times)
    polled = poll(service, open_login)
    assert (polled.status, polled.json) == (200, {"phase": "complete", "redirect": None})
    assert (denials[0].status, denials[0].answered["error"]) == (200, "access_denied")
    assert '"ServerErrors":1' not in capsys.readouterr().out


@pytest.mark.parametrize("times", [1, 99])
def test_a_denial_that_overlaps_with_another_gets_its_outcome(service, open_login, capsys, times):
    overlapping(service, "update_item", lambda: deny(service, open_login), times)
    denied = deny(service, open_login)
    assert (denied.status, denied.answered["error"]) == (200, "access_denied")
    assert '"ServerErrors":1' not in capsys.readouterr().out


@pytest.mark.parametrize("times", [1, 99])
def test_a_denial_that_overlaps_with_the_end_of_the_login_comes_too_late(service, open_login, capsys, times):
    polls = []
    overlapping(service, "update_item", lambda: polls.append(poll(service, open_login)), times)
    assert deny(service, open_login).status == 400
    assert polls[0].json["redirect"]
    assert '"ServerErrors":1' not in capsys.readouterr().out


def test_polls_that_overlap_get_one_code(service, open_login, capsys):
    polls = []
    overlapping(service, "transact_write_items", lambda: polls.append(poll(service, open_login)))
    late = poll(service, open_login)
    assert late.json == polls[0].json
    assert late.json["redirect"]
    assert '"ServerErrors":1' not in capsys.readouterr().out


@pytest.mark.parametrize(("operation", "times"), [("transact_write_items", 5), ("update_item", 5), ("update_item", 1)])
def test_a_write_that_overlaps_is_repeated_after_ever_longer_pauses(service, open_login, operation, times):
    pauses = overlapping(service, operation, times=times)
    assert poll(service, open_login).json["redirect"]
    assert pauses == sorted(pauses)
    assert len(pauses) == times
    assert sum(pauses) < 1


def test_a_poll_whose_write_never_succeeds_is_too_early_and_no_failure(service, open_login, capsys):
    overlapping(service, "update_item", times=99)
    assert poll(service, open_login).status == 429
    overlapping(service, "none")
    assert poll(service, open_login).json["redirect"]
    assert '"ServerErrors":1' not in capsys.readouterr().out
