"""Odds are added without overflow, and written without false precision."""

from __future__ import annotations

from math import exp, inf, isclose, log

import pytest

from orchestrator.domain.analysis.odds import bounded_odds_text, log_sum, odds_in_words, odds_of_log


def test_the_logarithm_of_a_sum_is_that_of_the_numbers_and_survives_large_ones():
    assert isclose(log_sum([log(2.0), log(3.0)]), log(5.0))
    assert log_sum([1000.0, -inf]) == 1000.0
    assert log_sum([-inf, -inf]) == -inf


def test_odds_that_prove_enough_are_not_computed():
    assert odds_of_log(log(3.0)) == pytest.approx(3.0)
    assert odds_of_log(1e6) == exp(50.0)
    assert odds_of_log(1e6, 20.0) == exp(20.0)


@pytest.mark.parametrize(
    ("odds", "plain", "words"),
    [
        (0.123, "0.12", "0.12"),
        (2345.0, "2300", "2,300"),
        (2e9, "more than 1000000000", "more than 1,000,000,000"),
    ],
)
def test_odds_have_two_digits_and_a_bound(odds, plain, words):
    assert bounded_odds_text(odds) == plain
    assert odds_in_words(odds) == words
