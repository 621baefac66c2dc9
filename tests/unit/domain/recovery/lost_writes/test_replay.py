"""Which writes a restore replays, and how far back."""

import re
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from orchestrator.domain.deployment.late_writes import (
    LateChange,
    LateWrite,
    ReplayAction,
    ReplayProgress,
    ReplayRules,
    decide_replay,
    newest_progress,
)
from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.lost_writes.replay import (
    FEW_WRITES,
    KINDS,
    MOST_PASSES,
    STREAM_TIME,
    check_replay,
    chosen_writes,
    is_caught_up,
    kind_of,
    read_corrupted,
    refuse_beyond_streams,
    refuse_without_streams,
)
from orchestrator.domain.recovery.policy import RecoveryPolicy
from orchestrator.domain.recovery.request import read_recovery_request, refuse_restore_options
from orchestrator.domain.verdict import Outcome
from tests.samples import NOW, recovery_table

HOURS = timedelta(hours=1)
POLICY = RecoveryPolicy.parse(recovery_table())


def write(key, at=NOW):
    return LateWrite("shard", 1, at, key, None, {"pk": {"S": key}})


def family(generation, epoch, **more):
    found = {"pk": {"S": "family#f"}, "client_id": {"S": "native"}, "generation": {"N": str(generation)}, **more}
    return {**found, "epoch": {"N": str(epoch)}}


def test_kinds_are_read_once_each_and_in_one_order():
    assert read_corrupted(()) == ()
    assert read_corrupted(["family", "code", "family"]) == ("code", "family")


@pytest.mark.parametrize(
    ("kinds", "value", "remedy"),
    [
        ("family", "family", "give kinds of items: login, code, client, family"),
        ([1], [1], "give kinds of items: login, code, client, family"),
        (["families"], "families", "give kinds of items: login, code, client, family"),
        (list(KINDS), "login, code, client, family", "nothing is left to replay: omit `replay`"),
    ],
)
def test_kinds_that_do_not_exist_or_leave_nothing_are_refused(kinds, value, remedy):
    with pytest.raises(Refused) as refused:
        read_corrupted(kinds)
    assert (refused.value.field, refused.value.value, refused.value.remedy) == ("corrupted", value, remedy)


def test_a_point_that_the_streams_may_have_left_by_then_is_refused_with_the_earliest_one():
    refuse_beyond_streams(NOW - 22 * HOURS, 2 * HOURS, NOW)
    with pytest.raises(Refused) as refused:
        refuse_beyond_streams(NOW - 22 * HOURS - timedelta(seconds=1), 2 * HOURS, NOW)
    assert refused.value.field == "replay"
    assert (NOW - 22 * HOURS).isoformat(timespec="seconds") in refused.value.remedy
    assert "omit `replay`" in refused.value.remedy


def test_a_replay_needs_streams_that_hold_all_writes_since_the_point():
    just = NOW - STREAM_TIME
    refuse_without_streams({"state": NOW - HOURS, "tokens": just}, NOW, by_time=True)
    for streams, why in (
        ({"state": just, "tokens": None}, "tokens has no stream: omit `replay` and lose what was written since"),
        ({"state": NOW + HOURS}, f"state has a stream since {(NOW + HOURS).isoformat(timespec='seconds')} only"),
        ({"state": just + timedelta(milliseconds=400)}, "state has a stream since "),
        ({}, "no original table exists whose stream could be read: omit `replay`"),
    ):
        with pytest.raises(Refused) as refused:
            refuse_without_streams(streams, NOW, by_time=True)
        assert (refused.value.field, refused.value.value) == ("replay", NOW.isoformat(timespec="seconds"))
        assert refused.value.remedy.startswith(why)


def test_the_time_that_a_refused_replay_names_is_accepted():
    began = NOW - STREAM_TIME + timedelta(milliseconds=400)
    with pytest.raises(Refused) as refused:
        refuse_without_streams({"state": began}, NOW, by_time=True)
    (named,) = re.findall(r"give (\S+) or later with `to`", refused.value.remedy)
    assert datetime.fromisoformat(named) - NOW == timedelta(seconds=1)
    refuse_without_streams({"state": began}, datetime.fromisoformat(named), by_time=True)
    with pytest.raises(Refused) as refused:
        refuse_without_streams({"state": began}, NOW, by_time=False)
    assert "`to`" not in refused.value.remedy, "backups refuse it"


def test_writes_are_divided_by_the_kind_of_their_item_and_those_of_no_client_are_neither():
    keys = ["family#1", "synthetic#family#2", "code#3", "epoch", "heartbeat#001", "recovery"]
    replayed, left_out = chosen_writes(map(write, keys), ("family",))
    assert [found.key for found in replayed] == ["code#3", "epoch"]
    assert [found.key for found in left_out] == ["family#1", "synthetic#family#2"]


@pytest.mark.parametrize(
    ("key", "kind"),
    [("login#a", "login"), ("synthetic#code#a", "code"), ("epoch", "epoch"), ("client#https://a#b", "client")],
)
def test_a_key_names_the_kind_of_its_item(key, kind):
    assert kind_of(key) == kind


@pytest.mark.parametrize(
    ("progress", "caught_up"),
    [
        (ReplayProgress(passes=1, new=FEW_WRITES), True),
        (ReplayProgress(passes=1, new=FEW_WRITES + 1), False),
        (ReplayProgress(passes=1, new=0, behind=True), False),
        (ReplayProgress(passes=MOST_PASSES, new=FEW_WRITES + 1, behind=True), True),
    ],
    ids=["few", "many", "heartbeats only", "without an end"],
)
def test_the_cutover_begins_when_little_is_left(progress, caught_up):
    assert is_caught_up(progress) is caught_up


def test_a_replay_passes_with_its_figures_and_one_of_an_unreadable_stream_is_an_error():
    progress = ReplayProgress(passes=2, found=7, actions={ReplayAction.WRITE: 5}, lost=2, lost_at=NOW)
    passed, unknown = check_replay(progress, ("family",)), check_replay(replace(progress, unknown="no stream"), ())
    assert (passed.verdict.outcome, unknown.verdict.outcome) == (Outcome.PASS, Outcome.ERROR)
    assert passed.verdict.reason.endswith("2 lost; left out: family")
    assert passed.figures == {"writes": 7, "lost": 2, "corrupted": ["family"], "items_write": 5}
    assert "no stream" in unknown.verdict.reason


def test_what_is_not_replayed_is_counted_with_the_time_of_its_last_write():
    later = NOW + timedelta(seconds=5)
    first = ReplayProgress().with_lost([write("code#1", later), write("code#2")])
    assert (first.lost, first.lost_at) == (2, later)
    assert (first.with_lost([write("code#3")]).lost, first.with_lost([write("code#3")]).lost_at) == (3, later)
    assert first.with_lost([]) == first


def test_the_progress_with_more_passes_is_the_newer_one():
    one, two = ReplayProgress(passes=1), ReplayProgress(passes=2)
    assert newest_progress(one, two) == newest_progress(two, one) == newest_progress(two, None) == two
    assert newest_progress(None, None) == ReplayProgress()


def test_a_grant_that_the_restore_had_ended_is_as_valid_as_in_its_source_once_all_writes_are_replayed():
    """Its token was rotated since the recovery point, so the sanitization left it in the epoch of before."""
    change = LateChange("family#f", (family(1, 0), family(2, 0)))
    ended = family(1, 0)
    late = decide_replay(change, ended, ReplayRules(epoch_shift=1))
    replayed = decide_replay(change, ended, ReplayRules(epoch_shift=1, since_point=True))
    assert late.item == family(2, 0)
    assert (replayed.action, replayed.item) == (ReplayAction.WRITE, family(2, 1))


def test_a_grant_that_was_over_in_its_source_stays_over():
    """Its epoch was not in force there: two epochs below the restored table's."""
    change = LateChange("family#f", (family(1, 0), family(2, 0)))
    replayed = decide_replay(change, family(1, 0), ReplayRules(epoch_shift=1, since_point=True))
    assert int(replayed.item["epoch"]["N"]) < 2


def test_a_revoked_grant_is_kept_and_is_not_lost():
    change = LateChange("family#f", (family(1, 0), family(2, 0)))
    revoked = family(1, 1, revoked_because={"S": "request"})
    assert decide_replay(change, revoked, ReplayRules(since_point=True)).action is ReplayAction.KEEP_REVOKED


@pytest.mark.parametrize(
    ("body", "replays"),
    [({}, None), ({"replay": True}, ()), ({"replay": True, "corrupted": ["family", "code"]}, ("code", "family"))],
)
def test_a_request_names_the_kinds_that_its_replay_leaves_out(body, replays):
    assert read_recovery_request({"requested_by": "ann", **body}, POLICY, "prod").replays == replays


@pytest.mark.parametrize(
    ("body", "field", "remedy"),
    [
        ({"corrupted": ["code"]}, "corrupted", "it is about a replay: give `replay` as well"),
        ({"corrupted": "code", "replay": True}, "corrupted", "give kinds of items: login, code, client, family"),
        ({"replay": "yes"}, "replay", "true or false"),
        ({"replay": True, "failback_of": "re-1"}, "replay", "omit it: a failback restores nothing"),
    ],
)
def test_a_replay_that_means_nothing_is_refused(body, field, remedy):
    with pytest.raises(Refused) as refused:
        read_recovery_request({"requested_by": "ann", **body}, POLICY, "prod")
    assert refused.value.field == field
    assert remedy in refused.value.remedy


def test_a_drill_replays_nothing():
    request = read_recovery_request({"requested_by": "ann", "replay": True}, POLICY, "prod")
    with pytest.raises(Refused, match="a drill replays nothing"):
        refuse_restore_options(request)
