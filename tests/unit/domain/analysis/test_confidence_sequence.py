"""Confidence sequences: they hold at every look together, and narrow with what was counted."""

from __future__ import annotations

import random

import pytest

from orchestrator.domain.analysis.confidence_sequence import confidence_interval
from orchestrator.domain.analysis.sequential_testing import Tally


@pytest.mark.parametrize(
    "tally", [Tally(1, 0), Tally(1, 1), Tally(10, 3), Tally(1000, 5), Tally(50, 50), Tally(10**9, 10**6)], ids=str
)
def test_the_observed_share_is_inside_and_both_ends_are_shares(tally):
    low, high = confidence_interval(tally, 0.05)
    assert 0 <= low <= tally.share <= high <= 1
    assert high - low < 1


def test_without_trials_any_rate_is_possible():
    assert confidence_interval(Tally(), 0.05) == (0.0, 1.0)


def test_one_trial_has_the_border_that_can_be_computed_by_hand():
    # The mixture gives 0 of 1 the probability 1/2, so rates are excluded from (1 - p) = 1/2 · 0.05 on.
    assert confidence_interval(Tally(1, 0), 0.05) == (0.0, pytest.approx(0.975))
    assert confidence_interval(Tally(1, 1), 0.05) == (pytest.approx(0.025), 1.0)


def test_more_requests_and_more_tolerance_narrow_the_interval():
    width = [high - low for low, high in (confidence_interval(Tally(n, n // 10), 0.05) for n in (10, 100, 1000))]
    assert width == sorted(width, reverse=True)
    low, high = confidence_interval(Tally(100, 10), 0.5)
    assert high - low < width[1]


def test_all_intervals_of_a_sequence_hold_the_rate_as_often_as_they_promise():
    generator, missed, runs = random.Random(5), 0, 300
    for _ in range(runs):
        bad = 0
        for number in range(1, 200):
            bad += generator.random() < 0.1
            low, high = confidence_interval(Tally(number, bad), 0.05) if number % 10 == 0 else (0, 1)
            if not low <= 0.1 <= high:
                missed += 1
                break
    assert missed <= 0.05 * runs
