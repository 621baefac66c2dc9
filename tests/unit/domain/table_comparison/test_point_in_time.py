"""What a table held at a point, computed from the changes since."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.table_comparison.comparison import ItemHash
from orchestrator.domain.table_comparison.point_in_time import Change, PointInTimeState

POINT = datetime(2026, 11, 23, 3, 0, 0, tzinfo=UTC)
KEY, OTHER = b"key", b"other"
A, B, C = (ItemHash(name) for name in (b"a", b"b", b"c"))


def seconds(number):
    return timedelta(seconds=number)


def at_point(*changes, fuzzy=timedelta(0)):
    state = PointInTimeState(POINT, fuzzy)
    for key, after_point, before, after in changes:
        state.add_change(Change(key, POINT + seconds(after_point), before, after))
    return state


def test_what_a_key_s_first_change_replaced_is_what_it_held():
    state = at_point((KEY, 5, A, B), (KEY, 9, B, None), (OTHER, 7, None, C))
    assert state.accepted_items == {KEY: {A}, OTHER: {None}}
    assert state.at_the_boundary == 0


def test_changes_well_before_the_point_say_nothing():
    assert at_point((KEY, -2, None, A)).accepted_items == {}
    assert at_point((KEY, -2, None, A), (KEY, 4, A, B)).accepted_items == {KEY: {A}}


def test_within_the_second_of_the_point_either_is_right():
    state = at_point((KEY, -1, A, B), (KEY, 0, B, C), (KEY, 1, C, None), (KEY, 2, None, A))
    assert state.accepted_items == {KEY: {A, B, C, None}}
    assert state.at_the_boundary == 1


def test_a_fuzzy_backup_widens_the_boundary_and_nothing_else():
    changes = [(KEY, -50, A, B), (KEY, 59, B, C), (KEY, 62, C, A)]
    assert at_point(*changes, fuzzy=seconds(60)).accepted_items == {KEY: {A, B, C}}
    assert at_point(*changes).accepted_items == {KEY: {B}}


@given(
    st.lists(
        st.tuples(st.floats(-30, 30), st.sampled_from([KEY, OTHER]), st.sampled_from([A, B, C, None])), max_size=20
    )
)
def test_whatever_was_written_when_the_content_at_the_point_is_among_what_is_accepted(writes):
    held, at_the_point = {}, {}
    state = PointInTimeState(POINT)
    for second, key, entry in sorted(writes, key=lambda write: write[0]):
        at = POINT + seconds(second)
        state.add_change(Change(key, at.replace(microsecond=0), held.get(key), entry))
        held[key] = entry
        if at <= POINT:
            at_the_point = dict(held)
    for key, accepted in state.accepted_items.items():
        assert at_the_point.get(key) in accepted
    for key in held.keys() - state.accepted_items.keys():
        assert held[key] == at_the_point.get(key)
