"""A restored backup against two exports of its source, between which its content lies."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator.domain.table_comparison.between_exports import compare_between, times_around
from orchestrator.domain.table_comparison.comparison import ItemHash
from tests.samples import NOW

A, B, C = ItemHash(b"a"), ItemHash(b"b"), ItemHash(b"c", 100)
KEY, OTHER = b"key", b"other"


@pytest.mark.parametrize(
    ("earlier", "later", "restored", "found", "either_way"),
    [
        ({KEY: A}, {KEY: A}, {KEY: A}, (0, 0, 0, 0), 0),
        ({KEY: A}, {KEY: A}, {}, (1, 0, 0, 0), 0),
        ({KEY: A}, {KEY: A}, {KEY: B}, (0, 0, 1, 0), 0),
        ({}, {}, {KEY: A}, (0, 1, 0, 0), 0),
        ({KEY: A}, {KEY: B}, {KEY: A}, (0, 0, 0, 0), 1),
        # What it held between two changes is in no export.
        ({KEY: A}, {KEY: B}, {KEY: C}, (0, 0, 0, 0), 1),
        ({KEY: A}, {}, {}, (0, 0, 0, 0), 1),
        ({}, {KEY: A}, {}, (0, 0, 0, 0), 1),
        ({KEY: A, OTHER: B}, {KEY: B, OTHER: B}, {KEY: A}, (1, 0, 0, 0), 1),
        ({KEY: C}, {KEY: C}, {}, (0, 0, 0, 1), 0),
    ],
)
def test_only_keys_that_did_not_change_meanwhile_must_be_the_same(earlier, later, restored, found, either_way):
    differences, changed = compare_between(earlier, later, restored, now=200)
    assert (differences.missing, differences.extra, differences.changed, differences.expired) == found
    assert changed == either_way


@pytest.mark.parametrize("microseconds", [0, 1, 999_999])
def test_the_exports_are_of_whole_seconds_around_the_backup(microseconds):
    at, uncertainty = NOW + timedelta(microseconds=microseconds), timedelta(minutes=1)
    earlier, later = times_around(at, uncertainty)
    assert earlier == NOW - uncertainty
    assert later == NOW + uncertainty + timedelta(seconds=1 if microseconds else 0)
    assert earlier <= at - uncertainty
    assert later >= at + uncertainty
