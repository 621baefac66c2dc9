"""Whom an erasure is about, how it is named, and what it takes."""

from __future__ import annotations

import pytest

from orchestrator.domain.errors import Refused
from orchestrator.domain.user_erasure import ErasureCost, ErasureCounts, erasure_cost, parse_subject

ADA = "demo:3f6c1f0e-ada"


def test_a_subject_is_named_by_its_hash_and_never_by_itself():
    subject = parse_subject(ADA)
    assert subject.text == ADA
    assert subject.hash == parse_subject(ADA).hash != parse_subject("demo:grace").hash
    for text in (repr(subject), str(subject), f"{[subject]}", subject.hash):
        assert "ada" not in text


@pytest.mark.parametrize(
    "value", ["", "ada", ":", ":ada", "demo:", " demo:ada", "demo:ada\n", f"demo:{'a' * 1024}", "synthetic "]
)
def test_what_is_no_subject_is_refused_with_the_remedy_and_not_repeated(value):
    with pytest.raises(Refused) as refused:
        parse_subject(value)
    assert (refused.value.field, refused.value.value) == ("--subject", "(not repeated)")
    assert "provider:id" in refused.value.remedy
    assert str(refused.value) == str(Refused("--subject", "(not repeated)", refused.value.remedy))


def test_the_synthetic_identity_is_refused():
    with pytest.raises(Refused, match="the synthetic identity's items expire"):
        parse_subject("synthetic")


@pytest.mark.parametrize(
    ("table_bytes", "pace", "cost"),
    [
        (0, 100, ErasureCost(0, 0)),
        (1, 100, ErasureCost(1, 1)),
        (4096 * 1000, 100, ErasureCost(1000, 10)),
        (4097, 1, ErasureCost(2, 2)),
    ],
)
def test_the_cost_is_a_read_unit_for_each_4_kib_at_the_requested_pace(table_bytes, pace, cost):
    assert erasure_cost(table_bytes, pace) == cost


def test_counts_add_up_and_know_when_there_was_nothing():
    assert ErasureCounts(1, 2) + ErasureCounts(3, 4) == ErasureCounts(4, 6)
    assert ErasureCounts().is_empty
    assert not ErasureCounts(0, 1).is_empty
    assert not ErasureCounts(1, 0).is_empty
