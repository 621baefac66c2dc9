"""A restored copy made safe over real conditions: whom it kills, whom it lets live, and that it goes on wherever it broke off."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest

from orchestrator.aws import restored_tokens
from orchestrator.aws.restored_tokens import RestoredTokens
from orchestrator.domain import token_safety
from orchestrator.domain.errors import Throttled
from orchestrator.domain.token_safety import Counted, Fate, Log, RotatedPolicy, Safety, Stage, begun
from service import items
from service.oauth import families
from service.oauth.families import Cause
from service.revocations import RevokingStore
from tests.fakes.tables import Tables

NOW = 1_800_000_000
COPY, SOURCE, LOG = "copy", "source", "log"
WHOLE = (0, 1)


def family(name, **changes):
    given = families.Family(
        family_id=name, synthetic=False, client_id="web", scope=("profile",), audience="https://auth.example",
        subject="demo:ada", session=None, epoch=0, generation=1, refresh_hash=f"{name}-1", rotated_by="n",
        expires_at=NOW + 3600,
    )  # fmt: skip
    return replace(given, **changes)


@pytest.fixture
def tables():
    return Tables(COPY, SOURCE, LOG)


@pytest.fixture
def tokens(tables):
    return RestoredTokens(tables, COPY, SOURCE, LOG)


@pytest.fixture
def service(tables):
    """The service over the source."""
    return RevokingStore(tables, "none", SOURCE, LOG)


@pytest.fixture
def restored(tables):
    """`restored(families)` puts families into source and copy, as they were at the point."""

    def put(*given):
        for one in given:
            for table in (COPY, SOURCE):
                tables.put_item(TableName=table, Item=items.of_family(one))

    return put


def item_key(name):
    return {"pk": {"S": f"family#{name}"}}


def row(tables, name, table=COPY):
    item = tables.get_item(TableName=table, Key={"pk": {"S": f"family#{name}"}}).get("Item")
    return items.to_family(name, item, synthetic=False)


def safety(tokens, policy=RotatedPolicy.REVOKE):
    epochs, _ = tokens.known_epochs()
    return Safety(tokens.log(), policy, epoch=max(epochs) + 1, in_force=max(epochs), now=NOW)


def judge(tokens, policy=RotatedPolicy.REVOKE, *, source_readable=True, by=None):
    by = by or safety(tokens, policy)
    tokens.raise_epoch(by.epoch)
    found, after = tokens.judge(WHOLE, "", by, lambda: False, source_readable=source_readable)
    assert after is None
    return found


def alive(tables, name):
    """Whether the service, over the copy, would rotate the family's token."""
    copy = RevokingStore(tables, "none", COPY, LOG)
    found, epoch = copy.family_and_epoch(name, synthetic=False)
    return families.phase(found, NOW, epoch) is families.Phase.LIVE


def test_who_did_not_change_lives_on_and_who_was_revoked_since_does_not(tables, tokens, service, restored):
    restored(family("kept"), family("revoked"), family("lapsed", expires_at=NOW))
    service.revoke("revoked", Cause.REQUEST, NOW, synthetic=False)
    assert judge(tokens) == Counted({Fate.ADOPTED: 1, Fate.LOGGED: 1, Fate.LAPSED: 1})
    assert (alive(tables, "kept"), alive(tables, "revoked"), alive(tables, "lapsed")) == (True, False, False)
    assert replace(row(tables, "kept"), epoch=0) == family("kept")


def test_until_it_is_judged_everything_is_dead(tables, tokens, restored):
    restored(family("kept"))
    tokens.raise_epoch(1)
    assert not alive(tables, "kept")


def test_a_revocation_that_the_source_has_lost_is_in_the_log(tables, tokens, service, restored):
    restored(family("f"))
    service.revoke("f", Cause.REUSE, NOW, synthetic=False)
    tables.delete_item(TableName=SOURCE, Key={"pk": {"S": "family#f"}})
    assert judge(tokens, RotatedPolicy.ACCEPT) == Counted({Fate.LOGGED: 1})


def test_a_token_given_up_while_its_row_was_lost_stays_dead_when_the_row_comes_back(tables, tokens, service, restored):
    restored(family("its-own"), family("another-s"))
    for name, client in (("its-own", "web"), ("another-s", "other")):
        tables.delete_item(TableName=SOURCE, Key={"pk": {"S": f"family#{name}"}})
        service.disown(name, client, NOW, synthetic=False)
    assert judge(tokens, RotatedPolicy.ACCEPT) == Counted({Fate.DISOWNED: 1, Fate.ADOPTED: 1})
    assert (alive(tables, "its-own"), alive(tables, "another-s")) == (False, True)


@pytest.mark.parametrize("policy", RotatedPolicy)
def test_a_token_that_was_replaced_since_ends_its_family_or_is_taken_over_as_the_policy_says(
    tables, tokens, service, restored, policy
):
    restored(family("f"))
    assert service.rotate(family("f"), "f-2", "nonce", NOW, 0) is None
    judge(tokens, policy)
    assert alive(tables, "f") is (policy is RotatedPolicy.ACCEPT)
    if policy is RotatedPolicy.ACCEPT:
        assert replace(row(tables, "f"), epoch=0) == row(tables, "f", SOURCE)


@pytest.mark.parametrize("policy", RotatedPolicy)
def test_where_the_source_is_gone_the_policy_decides_for_all(tables, tokens, restored, policy):
    restored(family("f"))
    tables.delete_table(TableName=SOURCE)
    epochs, readable_ = tokens.known_epochs()
    assert (epochs, readable_) == ([0, 0], False)
    judge(tokens, policy, source_readable=False)
    assert alive(tables, "f") is (policy is RotatedPolicy.ACCEPT)


def test_everything_that_was_ended_at_once_since_stays_so(tables, tokens, restored):
    restored(family("f"))
    tables.put_item(TableName=SOURCE, Item={"pk": {"S": "epoch"}, "epoch": {"N": "1"}})
    assert judge(tokens) == Counted({Fate.EARLIER_EPOCH: 1})
    assert items.to_epoch(tables.get_item(TableName=COPY, Key=restored_tokens.EPOCH)["Item"]) == 2


def test_an_epoch_that_is_only_in_the_log_counts_too(tables, tokens, restored):
    restored(family("f"))
    tokens.log_epoch(7)
    tables.delete_table(TableName=SOURCE)
    assert tokens.known_epochs() == ([0, 7], False)


def test_the_epoch_is_never_lowered(tables, tokens):
    tokens.raise_epoch(5)
    tokens.raise_epoch(4)
    assert tokens.known_epochs() == ([5, 0, 0], True)


def test_the_synthetic_identity_s_families_are_judged_by_their_own_log_entries(tables, tokens, service):
    for one in (family("f", synthetic=True), family("f")):
        for table in (COPY, SOURCE):
            tables.put_item(TableName=table, Item=items.of_family(one))
    service.revoke("f", Cause.REQUEST, NOW, synthetic=True)
    assert tokens.log() == Log(revoked=frozenset({"synthetic#f"}))
    assert judge(tokens) == Counted({Fate.LOGGED: 1, Fate.ADOPTED: 1})
    assert alive(tables, "f")


def test_what_is_no_family_is_left_as_it_is(tables, tokens, restored):
    restored(family("f"))
    client = {"pk": {"S": "client#c"}, "schema": {"N": "1"}}
    tables.put_item(TableName=COPY, Item=client)
    assert judge(tokens).families == 1
    assert tables.get_item(TableName=COPY, Key={"pk": client["pk"]})["Item"] == client


def test_it_goes_on_where_it_stopped_page_by_page_and_segment_by_segment(tables, tokens, restored, monkeypatch):
    monkeypatch.setattr(restored_tokens, "PAGE_ITEMS", 2)
    restored(*(family(f"f{number}") for number in range(9)))
    by, found, visits = safety(tokens), Counted(), count()
    tokens.raise_epoch(by.epoch)
    for segment in ((0, 2), (1, 2)):
        after = ""
        while after is not None:
            part, after = tokens.judge(segment, after, by, lambda: True, source_readable=True)
            found += part
            next(visits)
    assert found == Counted({Fate.ADOPTED: 9})
    assert next(visits) > 4
    assert tokens.prove(WHOLE, "", by, lambda: False) == (9, [], None)


def test_a_page_that_is_judged_again_because_its_mark_was_lost_comes_to_the_same(tables, tokens, service, restored):
    restored(family("kept"), family("revoked"))
    service.revoke("revoked", Cause.REQUEST, NOW, synthetic=False)
    by = safety(tokens)
    judge(tokens, by=by)
    assert service.rotate(family("kept"), "kept-2", "nonce", NOW, 0) is None  # the source lives on meanwhile
    assert judge(tokens, by=by) == Counted({Fate.KEPT: 1, Fate.LOGGED: 1})
    assert (alive(tables, "kept"), alive(tables, "revoked")) == (True, False)


def test_a_second_round_kills_what_was_revoked_after_the_first(tables, tokens, service, restored):
    restored(family("f"), family("g"))
    assert judge(tokens) == Counted({Fate.ADOPTED: 2})
    service.revoke("f", Cause.REQUEST, NOW, synthetic=False)
    assert judge(tokens) == Counted({Fate.LOGGED: 1, Fate.ADOPTED: 1})
    assert (alive(tables, "f"), alive(tables, "g")) == (False, True)


def test_reading_back_finds_whoever_is_alive_and_must_not_be(tables, tokens, service, restored):
    restored(family("kept"), family("revoked"))
    service.revoke("revoked", Cause.REQUEST, NOW, synthetic=False)
    by = safety(tokens)
    judge(tokens, by=by)
    tables.put_item(TableName=COPY, Item=items.of_family(family("revoked", epoch=by.epoch)))
    assert tokens.prove(WHOLE, "", by, lambda: False) == (2, ["revoked"], None)


def test_a_saboteur_brings_back_what_was_revoked_and_nothing_else(tables, tokens, service, restored):
    restored(family("kept"), family("revoked"))
    tables.put_item(TableName=COPY, Item=items.of_family(family("revoked", synthetic=True)))
    for synthetic in (False, True):
        service.revoke("revoked", Cause.REQUEST, NOW, synthetic=synthetic)
    service.revoke("never-there", Cause.REQUEST, NOW, synthetic=False)
    by = safety(tokens)
    judge(tokens, by=by)
    assert tokens.revive(tokens.log().revoked, by.epoch) == 2
    assert alive(tables, "revoked")


def test_the_mark_is_read_back_as_it_was_written(tokens):
    assert tokens.mark() is None
    mark = begun("dr-1", "MakeTokensSafe", [0], RotatedPolicy.ACCEPT, 4, source_readable=True)
    tokens.keep(replace(mark, fates=Counted({Fate.LOGGED: 2})))
    assert tokens.mark() == replace(mark, fates=Counted({Fate.LOGGED: 2}))
    assert tokens.mark().stage is Stage.JUDGING


class LeavesOver:
    """A client whose batches are answered in part, so often."""

    def __init__(self, tables, often):
        self.tables, self.often = tables, often

    def __getattr__(self, name):
        operation = getattr(self.tables, name)

        def call(**asked):
            if not name.startswith("batch") or not self.often:
                return operation(**asked)
            self.often -= 1
            left = "UnprocessedKeys" if name == "batch_get_item" else "UnprocessedItems"
            return {"Responses": {}, left: asked["RequestItems"]}

        return call


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(restored_tokens, "_PAUSE_SECONDS", 0)


@pytest.mark.usefixtures("impatient")
def test_what_dynamodb_leaves_over_is_asked_for_again(tables, restored):
    restored(family("f"))
    assert judge(RestoredTokens(LeavesOver(tables, 3), COPY, SOURCE, LOG)) == Counted({Fate.ADOPTED: 1})
    assert alive(tables, "f")


@pytest.mark.usefixtures("impatient")
def test_what_is_left_over_again_and_again_is_an_error_that_is_retried(tables, tokens, restored):
    restored(family("f"))
    with pytest.raises(Throttled, match="left over"):
        judge(RestoredTokens(LeavesOver(tables, 99), COPY, SOURCE, LOG))
    assert not alive(tables, "f")
    assert judge(tokens, by=replace(safety(tokens), epoch=1, in_force=0)) == Counted({Fate.ADOPTED: 1})


def test_the_words_are_those_of_the_service(tables, service, restored):
    assert items.of_revocation("f", Cause.REUSE, NOW, synthetic=False)["pk"]["S"] == f"{restored_tokens.REVOKED}f"
    assert items.of_disowning("f", "c", NOW, synthetic=False)["pk"]["S"].startswith(f"{restored_tokens.DISOWNED}f#")
    assert restored_tokens.EPOCH["pk"] == {"S": items.EPOCH_KEY}
    item = items.of_family(family("f"))
    assert restored_tokens.family_of(item).refresh_hash == "f-1"
    restored(family("f"))
    service.rotate(family("f"), "f-2", "nonce", NOW, 0)
    rotated = tables.get_item(TableName=SOURCE, Key=item_key("f"))["Item"]
    assert {name for name, value in rotated.items() if item.get(name) != value} == set(restored_tokens.ROTATION)


def test_what_was_revoked_after_the_copy_was_made_safe_ends_in_it_and_nothing_else_does(
    tables, tokens, service, restored
):
    restored(family("kept"), family("revoked"), family("given-up"))
    judge(tokens)
    service.revoke("revoked", Cause.REQUEST, NOW, synthetic=False)
    tables.put_item(TableName=LOG, Item={"pk": {"S": f"disowned#given-up#{token_safety.digest('web')}"}})
    tables.put_item(TableName=LOG, Item={"pk": {"S": f"disowned#kept#{token_safety.digest('another client')}"}})
    tables.put_item(TableName=LOG, Item={"pk": {"S": "revoked#never-there"}})
    assert tokens.end_logged() == 2
    assert {name: alive(tables, name) for name in ("kept", "revoked", "given-up")} == {
        "kept": True,
        "revoked": False,
        "given-up": False,
    }
    assert row(tables, "given-up").revoked_because is Cause.REQUEST
    assert tokens.end_logged() == 0
