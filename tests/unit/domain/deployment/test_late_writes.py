"""What a table accepted after it should have been closed, and what the table in its place gets of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.domain.deployment.late_writes import (
    CHECK,
    MAX_WAITS,
    Item,
    LateChange,
    LateWrite,
    Replay,
    ReplayAction,
    ReplayProgress,
    ReplayRules,
    check_late_writes,
    decide_replay,
    families_of,
    is_last_pass,
    late_changes,
    waits_after_cutover,
)
from orchestrator.domain.recovery.token_sanitization import RevocationLog, client_digest
from orchestrator.domain.verdict import Outcome
from tests.samples import NOW

KEY = "family#f"


def family(generation: int = 1, epoch: int = 0, **more: Any) -> Item:
    return {
        "pk": {"S": KEY},
        "client_id": {"S": "native"},
        "epoch": {"N": str(epoch)},
        "generation": {"N": str(generation)},
        "refresh_hash": {"S": f"hash {generation}"},
        **more,
    }


def change(*states: Item | None, key: str = KEY) -> LateChange:
    return LateChange(key, states)


REVOKED = {"revoked_because": {"S": "request"}}
CLIENT = {"pk": {"S": "client#c"}, "client_name": {"S": "c"}}
LATER = ReplayRules(epoch_shift=1)
"""A restored table is an epoch above the one that it replaces."""

NEW = family(1, 1)


@pytest.mark.parametrize(
    ("states", "there", "expected"),
    [
        # The table holds what the late write is based on.
        ((None, family(1)), None, Replay(ReplayAction.WRITE, NEW)),
        ((family(1), family(2)), family(1, 1), Replay(ReplayAction.WRITE, family(2, 1))),
        ((family(1), family(2), family(3)), family(2, 1), Replay(ReplayAction.WRITE, family(3, 1))),
        ((family(1), None), family(1, 1), Replay(ReplayAction.DELETE)),
        # It is there already.
        ((None, family(1)), NEW, Replay(ReplayAction.ALREADY)),
        ((family(1), None), None, Replay(ReplayAction.ALREADY)),
        # A family that the sanitization ended stays in its epoch.
        ((family(1), family(2)), family(1, 0), Replay(ReplayAction.WRITE, family(2, 0))),
        # It was written later, or the restore dropped what the late write is based on.
        ((family(1), family(2)), family(5, 1), Replay(ReplayAction.KEEP)),
        ((family(4), family(5)), family(1, 1), Replay(ReplayAction.KEEP)),
        ((family(4), family(5)), None, Replay(ReplayAction.KEEP)),
        ((family(4), None), family(5, 1), Replay(ReplayAction.KEEP)),
        # A revocation wins on both sides.
        ((family(1), family(1, **REVOKED)), family(7, 1), Replay(ReplayAction.REVOKE)),
        ((None, family(1), family(1, **REVOKED)), None, Replay(ReplayAction.KEEP_REVOKED)),
        ((family(1), family(2)), family(1, 1, **REVOKED), Replay(ReplayAction.KEEP_REVOKED)),
    ],
)
def test_the_other_table_gets_what_the_service_could_have_written_there(states, there, expected):
    assert decide_replay(change(*states), there, LATER) == expected


@pytest.mark.parametrize(
    "log",
    [
        RevocationLog(revoked=frozenset({"f"})),
        RevocationLog(disowned=frozenset({f"f#{client_digest('native')}"})),
    ],
)
@pytest.mark.parametrize(
    ("there", "action"),
    [(None, ReplayAction.KEEP_REVOKED), (family(1, 1), ReplayAction.REVOKE), (NEW, ReplayAction.REVOKE)],
)
@pytest.mark.parametrize("rules", [LATER, ReplayRules(authoritative=True), ReplayRules(accept_rotated=True)])
def test_a_family_in_the_revocation_log_does_not_come_to_life(log, there, action, rules):
    assert decide_replay(change(None, family(1)), there, replace(rules, log=log)).action is action


def test_a_family_of_the_synthetic_identity_is_found_in_the_log_by_its_prefix():
    log = RevocationLog(revoked=frozenset({"synthetic#f"}))
    found = decide_replay(change(None, family(1), key="synthetic#family#f"), None, ReplayRules(log))
    assert found.action is ReplayAction.KEEP_REVOKED
    assert decide_replay(change(None, family(1)), None, ReplayRules(log)).action is ReplayAction.WRITE


def test_the_log_decides_about_the_families_that_late_writes_have_left_with_their_clients():
    changes = [
        change(None, family(1), family(2)),
        change(family(1), None, key="family#deleted"),
        change(None, family(1), key="synthetic#family#s"),
        change(None, CLIENT, key="client#c"),
    ]
    assert families_of(changes) == {("f", "native"), ("synthetic#s", "native")}


def test_what_is_no_family_is_not_looked_up_in_the_log():
    log = RevocationLog(revoked=frozenset({"client#c"}))
    assert decide_replay(change(None, CLIENT, key="client#c"), None, ReplayRules(log, 1)) == Replay(
        ReplayAction.WRITE, CLIENT
    )


def test_an_epoch_that_was_raised_late_is_raised_by_as_much_in_the_other_table():
    def epoch(number: int) -> Item:
        return {"pk": {"S": "epoch"}, "epoch": {"N": str(number)}}

    for there in (None, epoch(5)):
        assert decide_replay(change(epoch(4), epoch(5), key="epoch"), there, LATER) == Replay(
            ReplayAction.RAISE_EPOCH, epoch=6
        )
    assert decide_replay(change(epoch(4), None, key="epoch"), None, ReplayRules()).epoch == 0
    # A family of the new epoch is of the new epoch there, too.
    assert decide_replay(change(None, family(1, 5)), None, LATER).item == family(1, 6)


def test_before_a_failback_is_promoted_the_tables_that_were_in_use_are_the_truth():
    truth = ReplayRules(authoritative=True)
    assert decide_replay(change(family(4), family(5)), family(1), truth) == Replay(ReplayAction.WRITE, family(5))
    assert decide_replay(change(family(4), None), family(1), truth) == Replay(ReplayAction.DELETE)
    assert decide_replay(change(family(4), family(5)), family(1, **REVOKED), truth).action is ReplayAction.KEEP_REVOKED
    for there in (None, family(1)):
        revoked = decide_replay(change(None, family(5), family(5, **REVOKED)), there, truth)
        assert revoked == Replay(ReplayAction.WRITE, family(5, **REVOKED)), "as it is, and not only revoked"
    without_epoch = {name: value for name, value in family(1).items() if name != "epoch"}
    assert decide_replay(change(None, family(5, 2)), without_epoch, truth).item == family(5, 2)


def test_where_rotated_tokens_are_accepted_the_newer_token_is_taken_over_and_nothing_else():
    accepts = ReplayRules(epoch_shift=1, accept_rotated=True)
    there = family(1, 1, session={"B": "c2Vzc2lvbg=="}, rotated_by={"S": "before"})
    late = family(5, 0, rotated_by={"S": "late"}, unanswered={"S": "salt"})
    found = decide_replay(change(family(4), late), there, accepts)
    assert found.action is ReplayAction.WRITE
    assert found.item == {
        **there,
        **{name: late[name] for name in ("generation", "refresh_hash", "rotated_by", "unanswered")},
    }
    for states, kept in (
        ((family(4), family(5)), family(6, 1)),
        ((family(4), family(5, client_id={"S": "another"})), family(1, 1)),
        ((family(4), family(5)), None),
        ((family(4), None), family(1, 1)),
    ):
        assert decide_replay(change(*states), kept, accepts).action is ReplayAction.KEEP
    other = change(CLIENT, {**CLIENT, "client_name": {"S": "d"}}, key="client#c")
    assert decide_replay(other, {**CLIENT, "client_name": {"S": "e"}}, accepts).action is ReplayAction.KEEP


def write(
    number: int, key: str = KEY, before: Item | None = None, after: Item | None = None, shard: str = "s"
) -> LateWrite:
    return LateWrite(shard, number, NOW, key, before, after)


def test_the_writes_of_an_item_are_one_change_and_rows_that_no_client_writes_are_none():
    writes = [
        write(1, after=family(1)),
        write(2, "heartbeat#001", None, CLIENT),
        write(3, "client#c", None, CLIENT),
        write(4, before=family(1), after=family(2)),
        write(5, "recovery", None, CLIENT),
    ]
    assert late_changes(writes) == (
        LateChange(KEY, (None, family(1), family(2))),
        LateChange("client#c", (None, CLIENT)),
    )


def test_what_a_pass_has_replayed_the_next_one_leaves_out_by_table_and_shard():
    progress = (
        ReplayProgress()
        .next_pass()
        .with_writes("tokens", [write(7), write(3)], [ReplayAction.WRITE, ReplayAction.KEEP, ReplayAction.WRITE])
    )
    assert progress.positions == {"tokens/s": 7}
    assert (progress.passes, progress.found, progress.new) == (1, 2, 2)
    again = [write(3), write(7), write(8), write(1, shard="t")]
    assert progress.unread("tokens", again) == again[2:]
    assert progress.unread("state", again) == again
    later = progress.next_pass().with_writes("tokens", again[2:], [ReplayAction.WRITE])
    assert later.positions == {"tokens/s": 8, "tokens/t": 1}
    assert (later.passes, later.found, later.new) == (2, 4, 2)
    assert later.description == "4 late writes: 3 items replayed, 1 kept as they are"


def test_positions_are_of_one_stream_and_those_of_other_shards_stay():
    progress = ReplayProgress(positions={"tokens/s": 7, "state/s": 3}).with_positions("tokens", {"s": 9, "t/2": 1})
    assert progress.positions == {"tokens/s": 9, "state/s": 3, "tokens/t/2": 1}
    assert progress.positions_of("tokens") == {"s": 9, "t/2": 1}
    assert progress.positions_of("state") == {"s": 3}
    assert ReplayProgress().positions_of("state") == {}


def test_a_restore_looks_again_until_a_pass_finds_nothing_new():
    quiet, busy = ReplayProgress(passes=2), ReplayProgress(passes=2, new=1)
    assert not is_last_pass(quiet, 0), "a host may be later than the first pass"
    assert is_last_pass(quiet, 1)
    assert not is_last_pass(busy, MAX_WAITS - 1)
    assert is_last_pass(busy, MAX_WAITS)


@pytest.mark.parametrize(
    ("passes", "before", "since", "waits"),
    [(2, 1, 29, 0), (2, 1, 30, 0), (3, 1, 29, 0), (3, 1, 30, 1), (1, None, 99, 0)],
)
def test_a_pass_counts_as_a_wait_if_another_came_before_it_and_the_cutover_is_old_enough(passes, before, since, waits):
    left = ReplayProgress(passes=before) if before else None
    assert waits_after_cutover(ReplayProgress(passes=passes), left, since, 30) == waits


def test_what_was_not_read_or_does_not_end_is_no_pass():
    done = ReplayProgress(passes=2, found=3, actions={ReplayAction.WRITE: 2})
    verdict, figures = check_late_writes(done)
    assert verdict.outcome is Outcome.PASS
    assert figures == {"passes": 2, "late_writes": 3, "items_write": 2}
    verdict, _ = check_late_writes(replace(done, unknown="the stream is off"))
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "the stream is off" in verdict.reason
    assert check_late_writes(replace(done, new=1, unknown="also"))[0].outcome is Outcome.FAIL
    assert replace(done, unknown="the stream is off").next_pass().unknown == ""
    assert CHECK == "late-writes"


@pytest.mark.parametrize("left", [{"behind": True}, {"unscanned": {"0": "family#f"}}])
def test_a_pass_that_did_not_reach_the_end_is_not_the_last_one_and_proves_nothing(left):
    done = ReplayProgress(passes=2)
    part = replace(done, **left)
    assert (done.complete, part.complete) == (True, False)
    assert (is_last_pass(done, 1), is_last_pass(part, 1), is_last_pass(part, MAX_WAITS)) == (True, False, True)
    verdict, _ = check_late_writes(part)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.reason.endswith("; more are left")
