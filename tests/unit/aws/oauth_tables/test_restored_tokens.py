"""A restored copy made safe over real conditions: whom it kills, whom it lets live, and that it goes on wherever it broke off."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest

from orchestrator.aws.dynamodb.batch import KEYS_PER_GET
from orchestrator.aws.oauth_tables import restored_tokens
from orchestrator.aws.oauth_tables.restored_tokens import RestoredTokens
from orchestrator.domain.errors import Throttled
from orchestrator.domain.recovery import token_sanitization
from orchestrator.domain.recovery.token_sanitization import (
    Disposition,
    DispositionCounts,
    KnownEpochs,
    LoggedEpoch,
    RevocationLog,
    RotatedPolicy,
    SanitizationRules,
    SanitizationStage,
    initial_state,
)
from service.oauth import families
from service.oauth.families import Cause
from service.storage import item_codec
from service.storage.revocations import RevokingStore
from tests.fakes.tables import Tables

NOW = 1_800_000_000
COPY, SOURCE, LOG = "copy", "source", "log"
WHOLE = (0, 1)


def family(name, **changes):
    issued = families.Family(
        family_id=name, synthetic=False, client_id="web", scope=("profile",), audience="https://auth.example",
        subject="demo:ada", session=None, epoch=0, generation=1, refresh_hash=f"{name}-1", rotated_by="n",
        expires_at=NOW + 3600,
    )  # fmt: skip
    return replace(issued, **changes)


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

    def put(*arguments):
        for one in arguments:
            for table in (COPY, SOURCE):
                tables.put_item(TableName=table, Item=item_codec.encode_family(one))

    return put


def item_key(name):
    return {"pk": {"S": f"family#{name}"}}


def row(tables, name, table=COPY):
    item = tables.get_item(TableName=table, Key={"pk": {"S": f"family#{name}"}}).get("Item")
    return item_codec.decode_family(name, item, synthetic=False)


def safety(tokens, policy=RotatedPolicy.REVOKE):
    epochs = tokens.read_known_epochs().in_force
    return SanitizationRules(RevocationLog(), policy, epoch=max(epochs) + 1, in_force=max(epochs), now=NOW)


def judge(tokens, policy=RotatedPolicy.REVOKE, *, source_readable=True, by=None):
    by = by or safety(tokens, policy)
    tokens.raise_epoch(by.epoch)
    found, after = tokens.judge_segment(WHOLE, "", by, lambda: False, source_readable=source_readable)
    assert after is None
    return found


def alive(tables, name):
    """Whether the service, over the copy, would rotate the family's token."""
    copy = RevokingStore(tables, "none", COPY, LOG)
    found, epoch = copy.read_family_and_epoch(name, synthetic=False)
    return families.phase(found, NOW, epoch) is families.Phase.LIVE


def test_who_did_not_change_lives_on_and_who_was_revoked_since_does_not(tables, tokens, service, restored):
    restored(family("kept"), family("revoked"), family("lapsed", expires_at=NOW))
    service.revoke("revoked", Cause.REQUEST, NOW, synthetic=False)
    assert judge(tokens) == DispositionCounts({Disposition.ADOPTED: 1, Disposition.LOGGED: 1, Disposition.LAPSED: 1})
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
    assert judge(tokens, RotatedPolicy.ACCEPT) == DispositionCounts({Disposition.LOGGED: 1})


def test_a_token_abandoned_while_its_row_was_lost_stays_dead_when_the_row_comes_back(tables, tokens, service, restored):
    restored(family("its-own"), family("another-s"))
    for name, client in (("its-own", "web"), ("another-s", "other")):
        tables.delete_item(TableName=SOURCE, Key={"pk": {"S": f"family#{name}"}})
        service.record_disowned_token(name, client, NOW)
    assert judge(tokens, RotatedPolicy.ACCEPT) == DispositionCounts({Disposition.DISOWNED: 1, Disposition.ADOPTED: 1})
    assert (alive(tables, "its-own"), alive(tables, "another-s")) == (False, True)


@pytest.mark.parametrize("policy", RotatedPolicy)
def test_a_token_that_was_replaced_since_ends_its_family_or_is_taken_over_as_the_policy_says(
    tables, tokens, service, restored, policy
):
    restored(family("f"))
    assert service.rotate(family("f"), "f-2", "nonce", NOW, 0, salt="salt") is None
    judge(tokens, policy)
    assert alive(tables, "f") is (policy is RotatedPolicy.ACCEPT)
    if policy is RotatedPolicy.ACCEPT:
        assert replace(row(tables, "f"), epoch=0) == row(tables, "f", SOURCE)


def test_a_rotation_that_is_taken_over_leaves_nothing_of_the_one_before(tables, tokens, service, restored):
    restored(family("f"))
    tables.update_item(
        TableName=COPY, Key=item_key("f"), UpdateExpression="SET unanswered = :salt",
        ExpressionAttributeValues={":salt": {"S": "salt of before"}},
    )  # fmt: skip
    assert service.rotate(family("f"), "f-2", "nonce", NOW, 0, salt="salt") is None
    tables.update_item(TableName=SOURCE, Key=item_key("f"), UpdateExpression="REMOVE unanswered")
    judge(tokens, RotatedPolicy.ACCEPT)
    copied = tables.get_item(TableName=COPY, Key=item_key("f"))["Item"]
    assert "unanswered" not in copied
    assert copied["exchanged_by"] == copied["rotated_by"] == {"S": "nonce"}


@pytest.mark.parametrize("policy", RotatedPolicy)
def test_where_the_source_is_gone_the_policy_decides_for_all(tables, tokens, restored, policy):
    restored(family("f"))
    tables.delete_table(TableName=SOURCE)
    assert tokens.read_known_epochs() == KnownEpochs(restored=0, source=None)
    judge(tokens, policy, source_readable=False)
    assert alive(tables, "f") is (policy is RotatedPolicy.ACCEPT)


def test_everything_that_was_ended_at_once_since_stays_so(tables, tokens, restored):
    restored(family("f"))
    tables.put_item(TableName=SOURCE, Item={"pk": {"S": "epoch"}, "epoch": {"N": "1"}})
    assert judge(tokens) == DispositionCounts({Disposition.EARLIER_EPOCH: 1})
    assert item_codec.decode_epoch(tables.get_item(TableName=COPY, Key=restored_tokens.EPOCH_KEY)["Item"]) == 2


def test_an_epoch_that_is_only_in_the_log_counts_too(tables, tokens, restored):
    restored(family("f"))
    tokens.log_epoch(LoggedEpoch(7, "dr-1"))
    tables.delete_table(TableName=SOURCE)
    known = tokens.read_known_epochs()
    assert known == KnownEpochs(0, None, LoggedEpoch(7, "dr-1"))
    assert max(known.in_force) == 7


def test_the_log_keeps_the_epoch_of_the_later_restore(tables, tokens):
    """The task of an earlier restore may outlive its execution, and write late."""
    tables.put_item(TableName=LOG, Item={"pk": {"S": "epoch"}, "epoch": {"N": "9"}})
    assert tokens.read_known_epochs().logged == LoggedEpoch(9), "as an earlier release logged it"
    for logged in (LoggedEpoch(1, "dr-1"), LoggedEpoch(2, "dr-2"), LoggedEpoch(1, "dr-1")):
        tokens.log_epoch(logged)
    assert tokens.read_known_epochs().logged == LoggedEpoch(2, "dr-2")
    tokens.log_epoch(LoggedEpoch(2, "dr-3"))  # a failback, which changes no epoch
    assert tokens.read_known_epochs().logged.recovery == "dr-3"


def test_the_epoch_is_never_lowered(tables, tokens):
    tokens.raise_epoch(5)
    tokens.raise_epoch(4)
    assert tokens.read_known_epochs() == KnownEpochs(restored=5, source=0)


def test_the_synthetic_identity_s_families_are_judged_by_their_own_log_entries(tables, tokens, service):
    for one in (family("f", synthetic=True), family("f")):
        for table in (COPY, SOURCE):
            tables.put_item(TableName=table, Item=item_codec.encode_family(one))
    service.revoke("f", Cause.REQUEST, NOW, synthetic=True)
    log = tokens.read_revocation_log([("synthetic#f", "web"), ("f", "web")])
    assert log == RevocationLog(revoked=frozenset({"synthetic#f"}))
    assert judge(tokens) == DispositionCounts({Disposition.LOGGED: 1, Disposition.ADOPTED: 1})
    assert alive(tables, "f")


class Counting:
    """A client that notes which keys of the revocation log are read, and scans no more of it than one small page."""

    def __init__(self, tables):
        self.tables, self.keys, self.scans = tables, [], 0

    def __getattr__(self, name):
        return getattr(self.tables, name)

    def scan(self, **params):
        if params["TableName"] == LOG:
            self.scans += 1
            assert params["Limit"] <= restored_tokens.LOG_ITEMS, "anyone can make the log grow"
            assert params["ConsistentRead"]
            assert "ExclusiveStartKey" not in params
        return self.tables.scan(**params)

    def batch_get_item(self, **params):
        self.keys += [key["pk"]["S"] for key in params["RequestItems"].get(LOG, {}).get("Keys", [])]
        return self.tables.batch_get_item(**params)


def read_back(tokens, by):
    return tokens.read_back_segment(WHOLE, "", by, lambda: False)


@pytest.mark.parametrize("synthetic", [False, True])
@pytest.mark.parametrize(
    ("use", "result"),
    [
        (lambda tokens, by: judge(tokens, by=by), DispositionCounts({Disposition.ADOPTED: 1})),
        (read_back, (0, [], None)),
        (lambda tokens, _: tokens.revoke_logged(), (0, None)),
        (lambda tokens, by: tokens.revive_logged(by.epoch), 0),
    ],
    ids=["judging", "reading back", "revoking", "reviving"],
)
def test_what_others_make_the_log_hold_is_not_read(tables, use, result, synthetic):
    for table in (COPY, SOURCE):
        tables.put_item(TableName=table, Item=item_codec.encode_family(family("f", synthetic=synthetic)))
    for number in range(10_000):
        tables.put_item(TableName=LOG, Item={"pk": {"S": f"synthetic#disowned#foreign-{number}#digest"}})
    counting = Counting(tables)
    tokens = RestoredTokens(counting, COPY, SOURCE, LOG)
    assert use(tokens, safety(tokens)) == result
    assert len(counting.keys) <= 2
    assert counting.scans <= 1


def test_a_chunk_takes_one_call_for_its_entries_in_the_log_and_families_that_ended_by_themselves_take_none(
    tables, restored, monkeypatch
):
    monkeypatch.setattr(restored_tokens, "LOG_ITEMS", 1)
    for number in range(2):
        tables.put_item(TableName=LOG, Item={"pk": {"S": f"revoked#foreign-{number}"}})
    restored(*(family(f"f{number:04}") for number in range(restored_tokens.CHUNK_ITEMS)))
    restored(family("lapsed", expires_at=NOW))
    counting = Counting(tables)
    tokens = RestoredTokens(counting, COPY, SOURCE, LOG)
    judge(tokens)
    assert len(counting.keys) == len(set(counting.keys)) == 2 * restored_tokens.CHUNK_ITEMS <= KEYS_PER_GET
    assert not [key for key in counting.keys if "lapsed" in key]


def test_a_log_that_fits_into_a_small_page_is_read_once_for_a_page_of_families(tables, service, restored, monkeypatch):
    monkeypatch.setattr(restored_tokens, "CHUNK_ITEMS", 2)
    restored(*(family(f"f{number}") for number in range(9)))
    service.revoke("f3", Cause.REQUEST, NOW, synthetic=False)
    counting = Counting(tables)
    tokens = RestoredTokens(counting, COPY, SOURCE, LOG)
    by = safety(tokens)
    assert judge(tokens, by=by) == DispositionCounts({Disposition.ADOPTED: 8, Disposition.LOGGED: 1})
    assert (counting.scans, counting.keys) == (1, [])
    tokens.revive_logged(by.epoch)
    keys, scans = len(counting.keys), counting.scans
    assert read_back(tokens, by) == (9, ["f3"], None)
    assert (counting.scans, len(counting.keys)) == (scans + 1, keys)


def test_what_is_no_family_is_left_as_it_is(tables, tokens, restored):
    restored(family("f"))
    client = {"pk": {"S": "client#c"}, "schema": {"N": "1"}}
    tables.put_item(TableName=COPY, Item=client)
    assert judge(tokens).families == 1
    assert tables.get_item(TableName=COPY, Key={"pk": client["pk"]})["Item"] == client


def test_it_goes_on_where_it_stopped_page_by_page_and_segment_by_segment(tables, tokens, restored, monkeypatch):
    monkeypatch.setattr(restored_tokens, "PAGE_ITEMS", 2)
    restored(*(family(f"f{number}") for number in range(9)))
    by, found, visits = safety(tokens), DispositionCounts(), count()
    tokens.raise_epoch(by.epoch)
    for segment in ((0, 2), (1, 2)):
        after = ""
        while after is not None:
            part, after = tokens.judge_segment(segment, after, by, lambda: True, source_readable=True)
            found += part
            next(visits)
    assert found == DispositionCounts({Disposition.ADOPTED: 9})
    assert next(visits) > 4
    assert tokens.read_back_segment(WHOLE, "", by, lambda: False) == (9, [], None)


def test_it_looks_at_the_clock_inside_a_page_and_goes_on_within_it(tables, tokens, restored):
    """A page holds thousands of families. On a table with few write units, they take longer than a function may run."""
    families_there = 3 * restored_tokens.CHUNK_ITEMS + 5
    restored(*(family(f"f{number:04}") for number in range(families_there)))
    by, found, after, visits = safety(tokens), DispositionCounts(), "", []
    tokens.raise_epoch(by.epoch)
    while after is not None:
        part, after = tokens.judge_segment(WHOLE, after, by, lambda: True, source_readable=True)
        found, visits = found + part, [*visits, part.families]
    assert found == DispositionCounts({Disposition.ADOPTED: families_there})
    assert max(visits) <= restored_tokens.CHUNK_ITEMS
    assert len(visits) == 4


@pytest.mark.parametrize("items", [1, 7, 10_000])
def test_a_chunk_is_no_larger_than_the_pace_of_the_source_allows(tables, restored, items):
    restored(*(family(f"f{number:04}") for number in range(100)))
    calls = []

    class Pace:
        """A pace that allows so many items a second."""

        def __init__(self):
            self.items = items

        def read_paced(self, request, count):
            response = request(items)
            calls.append(count(response))
            return response

    paced = RestoredTokens(tables, COPY, SOURCE, LOG, source_pace=Pace())
    by = safety(paced)
    part, after = paced.judge_segment(WHOLE, "", by, lambda: True, source_readable=True)
    assert part.families <= min(items, restored_tokens.CHUNK_ITEMS)
    assert after
    assert calls == [part.families]


def test_a_page_that_is_judged_again_because_its_mark_was_lost_comes_to_the_same(tables, tokens, service, restored):
    restored(family("kept"), family("revoked"))
    service.revoke("revoked", Cause.REQUEST, NOW, synthetic=False)
    by = safety(tokens)
    judge(tokens, by=by)
    # the source lives on meanwhile
    assert service.rotate(family("kept"), "kept-2", "nonce", NOW, 0, salt="salt") is None
    assert judge(tokens, by=by) == DispositionCounts({Disposition.KEPT: 1, Disposition.LOGGED: 1})
    assert (alive(tables, "kept"), alive(tables, "revoked")) == (True, False)


def test_a_second_round_kills_what_was_revoked_after_the_first(tables, tokens, service, restored):
    restored(family("f"), family("g"))
    assert judge(tokens) == DispositionCounts({Disposition.ADOPTED: 2})
    service.revoke("f", Cause.REQUEST, NOW, synthetic=False)
    assert judge(tokens) == DispositionCounts({Disposition.LOGGED: 1, Disposition.ADOPTED: 1})
    assert (alive(tables, "f"), alive(tables, "g")) == (False, True)


def test_reading_back_finds_a_family_that_is_alive_and_must_not_be(tables, tokens, service, restored):
    restored(family("kept"), family("revoked"))
    service.revoke("revoked", Cause.REQUEST, NOW, synthetic=False)
    by = safety(tokens)
    judge(tokens, by=by)
    tables.put_item(TableName=COPY, Item=item_codec.encode_family(family("revoked", epoch=by.epoch)))
    assert tokens.read_back_segment(WHOLE, "", by, lambda: False) == (2, ["revoked"], None)


def test_fault_injection_brings_back_what_was_revoked_and_nothing_else(tables, tokens, service, restored):
    restored(family("kept"), family("revoked"))
    tables.put_item(TableName=COPY, Item=item_codec.encode_family(family("revoked", synthetic=True)))
    for synthetic in (False, True):
        service.revoke("revoked", Cause.REQUEST, NOW, synthetic=synthetic)
    service.revoke("never-there", Cause.REQUEST, NOW, synthetic=False)
    by = safety(tokens)
    judge(tokens, by=by)
    assert tokens.revive_logged(by.epoch) == 2
    assert alive(tables, "revoked")


def test_the_mark_is_read_back_as_it_was_written(tokens):
    assert tokens.read_state() is None
    mark = initial_state("dr-1", "SanitizeTokens", [0], RotatedPolicy.ACCEPT, 4, source_readable=True)
    tokens.save_state(replace(mark, dispositions=DispositionCounts({Disposition.LOGGED: 2})))
    assert tokens.read_state() == replace(mark, dispositions=DispositionCounts({Disposition.LOGGED: 2}))
    assert tokens.read_state().stage is SanitizationStage.JUDGING


class LeavesOver:
    """A client that leaves the first batches unprocessed, with HTTP 200."""

    def __init__(self, tables, often, prefix="batch"):
        self.tables, self.often, self.prefix = tables, often, prefix

    def __getattr__(self, name):
        operation = getattr(self.tables, name)

        def call(**params):
            if not name.startswith(self.prefix) or not self.often:
                return operation(**params)
            self.often -= 1
            left = "UnprocessedKeys" if name == "batch_get_item" else "UnprocessedItems"
            return {"Responses": {}, left: params["RequestItems"]}

        return call


def test_what_dynamodb_left_unprocessed_is_requested_again_after_a_pause(tables, restored):
    restored(family("f"))
    pauses = []
    tokens = RestoredTokens(LeavesOver(tables, 3), COPY, SOURCE, LOG, sleep=pauses.append)
    assert judge(tokens) == DispositionCounts({Disposition.ADOPTED: 1})
    assert alive(tables, "f")
    assert pauses == [0.05, 0.1, 0.2]


@pytest.mark.parametrize("operation", ["batch_get_item", "batch_write_item"])
def test_what_stays_unprocessed_is_throttled_and_can_be_repeated(tables, tokens, restored, operation):
    restored(family("f"))
    pauses = []
    spinning = RestoredTokens(LeavesOver(tables, 99, operation), COPY, SOURCE, LOG, sleep=pauses.append)
    with pytest.raises(Throttled, match="unprocessed"):
        judge(spinning)
    assert sum(pauses) == pytest.approx(6.35)
    assert not alive(tables, "f")
    assert judge(tokens, by=replace(safety(tokens), epoch=1, in_force=0)) == DispositionCounts({Disposition.ADOPTED: 1})


def test_the_words_are_those_of_the_service(tables, service, restored):
    assert (
        item_codec.encode_revocation("f", Cause.REUSE, NOW, synthetic=False)["pk"]["S"] == f"{restored_tokens.REVOKED}f"
    )
    assert item_codec.encode_disowned_token("f", "c", NOW)["pk"]["S"].startswith(f"{restored_tokens.DISOWNED}f#")
    assert restored_tokens.EPOCH_KEY["pk"] == {"S": item_codec.EPOCH_KEY}
    item = item_codec.encode_family(family("f"))
    assert restored_tokens.family_of(item).refresh_hash == "f-1"
    restored(family("f"))
    service.rotate(family("f"), "f-2", "nonce", NOW, 0, salt="salt")
    rotated = tables.get_item(TableName=SOURCE, Key=item_key("f"))["Item"]
    assert {name for name, value in rotated.items() if item.get(name) != value} == set(restored_tokens.ROTATION)


def test_what_was_revoked_after_the_copy_was_made_safe_ends_in_it_and_nothing_else_does(
    tables, tokens, service, restored
):
    restored(family("kept"), family("revoked"), family("given-up"))
    judge(tokens)
    service.revoke("revoked", Cause.REQUEST, NOW, synthetic=False)
    tables.put_item(TableName=LOG, Item={"pk": {"S": f"disowned#given-up#{token_sanitization.client_digest('web')}"}})
    tables.put_item(
        TableName=LOG, Item={"pk": {"S": f"disowned#kept#{token_sanitization.client_digest('another client')}"}}
    )
    tables.put_item(TableName=LOG, Item={"pk": {"S": "revoked#never-there"}})
    assert tokens.revoke_logged() == (2, None)
    assert {name: alive(tables, name) for name in ("kept", "revoked", "given-up")} == {
        "kept": True,
        "revoked": False,
        "given-up": False,
    }
    assert row(tables, "given-up").revoked_because is Cause.REQUEST
    assert tokens.revoke_logged() == (0, None)
