"""The freeze switch as kept: of two people at once one wins and the other gets an error; over the fake table and over moto's."""

from __future__ import annotations

import msgspec
import pytest

from orchestrator.aws.ledger.freeze import KEY, FreezeStore
from orchestrator.domain.deployment.freeze import Freeze
from orchestrator.domain.errors import Refused
from tests.fakes.dynamodb import FakeDynamoDB
from tests.samples import NOW, seconds

LATER = NOW + seconds(60)


def not_announced(*values):
    return Freeze(*values, announced=False)


@pytest.fixture(params=["fake", "moto"])
def freezes(request):
    client = FakeDynamoDB() if request.param == "fake" else request.getfixturevalue("moto_table")
    return FreezeStore(client, "ib-oauth-ledger-test")


def test_at_first_nothing_is_frozen(freezes):
    assert freezes.read_freeze() is None
    with pytest.raises(Refused, match="nothing to lift"):
        freezes.unfreeze("ann", "because", NOW)


def test_what_was_frozen_reads_back_and_thaws_with_both_reasons_kept(freezes):
    assert freezes.freeze("ann", "holidays", NOW) == freezes.read_freeze() == not_announced("ann", "holidays", NOW)
    thawed = freezes.unfreeze("bob", "they are over", LATER)
    assert freezes.read_freeze() == thawed == not_announced("ann", "holidays", NOW, "bob", "they are over", LATER)
    assert not thawed.is_active


def test_who_freezes_what_is_frozen_learns_by_whom_and_why(freezes):
    freezes.freeze("ann", "holidays", NOW)
    with pytest.raises(Refused, match=r"frozen by ann .*: holidays"):
        freezes.freeze("bob", "an audit", LATER)
    assert freezes.read_freeze().by == "ann"


def test_a_retry_of_one_s_own_write_is_the_same_freeze(freezes):
    freezes.freeze("ann", "holidays", NOW)
    assert freezes.freeze("ann", "holidays", NOW) == freezes.read_freeze()


def test_what_was_thawed_may_be_frozen_again_and_is_thawed_once(freezes):
    freezes.freeze("ann", "holidays", NOW)
    freezes.unfreeze("bob", "over", LATER)
    with pytest.raises(Refused, match="nothing to lift"):
        freezes.unfreeze("bob", "over", LATER)
    assert freezes.freeze("bob", "an audit", LATER).is_active


def test_a_freeze_that_was_put_on_meanwhile_is_not_lifted_by_who_saw_the_one_before(freezes, monkeypatch):
    seen = freezes.freeze("ann", "holidays", NOW)
    freezes.unfreeze("bob", "over", LATER)
    freezes.freeze("cat", "an audit", LATER)
    reads = iter([seen, freezes.read_freeze()])
    monkeypatch.setattr(freezes, "read_freeze", lambda: next(reads))
    with pytest.raises(Refused, match="changed meanwhile"):
        freezes.unfreeze("dan", "over", LATER)
    monkeypatch.undo()
    assert freezes.read_freeze() == not_announced("cat", "an audit", LATER)


def test_what_was_announced_is_marked_with_its_end_and_without_it(freezes):
    frozen = freezes.mark_announced(freezes.freeze("ann", "holidays", NOW))
    assert freezes.read_freeze() == frozen == Freeze("ann", "holidays", NOW)
    thawed = freezes.unfreeze("bob", "over", LATER)
    assert not thawed.announced
    assert freezes.mark_announced(thawed).announced
    assert freezes.read_freeze() == Freeze("ann", "holidays", NOW, "bob", "over", LATER)


def test_a_mark_of_what_has_changed_since_changes_nothing(freezes):
    frozen = freezes.freeze("ann", "holidays", NOW)
    thawed = freezes.unfreeze("bob", "over", LATER)
    assert freezes.mark_announced(frozen).announced
    assert freezes.read_freeze() == thawed
    later = freezes.freeze("cat", "an audit", LATER)
    for earlier in (frozen, thawed):
        freezes.mark_announced(earlier)
        assert freezes.read_freeze() == later


def test_a_freeze_of_before_the_mark_counts_as_announced(freezes):
    frozen = freezes.freeze("ann", "holidays", NOW)
    stored = msgspec.json.encode({"by": frozen.by, "reason": frozen.reason, "at": frozen.at}).decode()
    item = {**KEY, "body": {"S": stored}, "is_frozen": {"S": "yes"}, "since": {"S": NOW.isoformat()}}
    freezes._client.put_item(TableName="ib-oauth-ledger-test", Item=item)
    assert freezes.read_freeze() == Freeze("ann", "holidays", NOW)
