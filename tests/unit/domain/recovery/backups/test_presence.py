"""A restored backup whose content nothing can show holds at least as much as its backup had."""

import pytest

from orchestrator.domain.recovery.backups.presence import ENOUGH_BYTES, bytes_expected, judge_presence
from orchestrator.domain.verdict import Outcome


@pytest.mark.parametrize(("size", "expected"), [(0, 1), (1000, 500), (10**12, ENOUGH_BYTES)])
def test_so_much_must_be_read_at_least(size, expected):
    assert bytes_expected(size) == expected


@pytest.mark.parametrize(
    ("size", "items", "found", "outcome", "words"),
    [
        (1000, 8, 1200, Outcome.PASS, "8 items with 1200 bytes"),
        (1000, 1, 300, Outcome.FAIL, "its backup has 1000 bytes"),
        (200, 1, 87, Outcome.PASS, "1 items with 87 bytes"),  # DynamoDB counts more for an item than its content
        (10_000, 20, 3000, Outcome.PASS, "20 items"),  # the size may be six hours old, before expired tokens went
        (10_000, 20, 1000, Outcome.FAIL, "its backup has 10000 bytes"),
        (10**12, 9, ENOUGH_BYTES, Outcome.PASS, "were read"),
        (0, 0, 0, Outcome.FAIL, "it is empty"),
        (0, 1, 30, Outcome.PASS, "1 items"),
    ],
)
def test_too_little_fails(size, items, found, outcome, words):
    verdict = judge_presence("tokens", size, items, found)
    assert verdict.outcome is outcome
    assert words in verdict.reason
