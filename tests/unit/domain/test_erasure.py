"""Whom an erasure is about, how it is named, and what it takes."""

from __future__ import annotations

import pytest

from orchestrator.domain.erasure import Cost, Counts, cost_of, subject_of
from orchestrator.domain.errors import Refused

ADA = "demo:3f6c1f0e-ada"


def test_a_subject_is_named_by_its_hash_and_never_by_itself():
    subject = subject_of(ADA)
    assert subject.text == ADA
    assert subject.hash == subject_of(ADA).hash != subject_of("demo:grace").hash
    for told in (repr(subject), str(subject), f"{[subject]}", subject.hash):
        assert "ada" not in told


@pytest.mark.parametrize(
    "given", ["", "ada", ":", ":ada", "demo:", " demo:ada", "demo:ada\n", f"demo:{'a' * 1024}", "synthetic "]
)
def test_what_is_nobody_s_subject_is_refused_with_the_remedy_and_not_repeated(given):
    with pytest.raises(Refused) as refused:
        subject_of(given)
    assert (refused.value.field, refused.value.value) == ("--subject", "(not repeated)")
    assert "platform:id" in refused.value.remedy
    assert str(refused.value) == str(Refused("--subject", "(not repeated)", refused.value.remedy))


def test_the_synthetic_identity_is_refused():
    with pytest.raises(Refused, match="the synthetic identity is nobody"):
        subject_of("synthetic")


@pytest.mark.parametrize(
    ("table_bytes", "pace", "cost"),
    [(0, 100, Cost(0, 0)), (1, 100, Cost(1, 1)), (4096 * 1000, 100, Cost(1000, 10)), (4097, 1, Cost(2, 2))],
)
def test_the_cost_is_a_read_unit_for_each_4_kib_at_the_pace_given(table_bytes, pace, cost):
    assert cost_of(table_bytes, pace) == cost


def test_counts_add_up_and_know_when_there_was_nothing():
    assert Counts(1, 2) + Counts(3, 4) == Counts(4, 6)
    assert Counts().none
    assert not Counts(0, 1).none
    assert not Counts(1, 0).none
