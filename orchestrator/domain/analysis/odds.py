"""Odds, which are the capital of bets, and how they are added and written. Most are handled as natural logarithms."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, inf, log

from orchestrator.domain.texts import two_digits

MOST_ODDS_SHOWN = 1e9
LARGEST_LOG_ODDS = 50.0
"""Odds above this are proof under any setting; they are not computed, because they may be no number any more."""
MOST_LOG_ODDS_IN_REASONS = 20.0
"""Above these odds a reason says no more than that there is no doubt."""


def odds_of_log(log_odds: float, most: float = LARGEST_LOG_ODDS) -> float:
    """Return the odds of a natural logarithm, of which no more than `most` counts."""
    return exp(min(log_odds, most))


def log_sum(logs: Sequence[float]) -> float:
    """Return the natural logarithm of the sum of numbers above or equal to 0, given as their logarithms."""
    top = max(logs)
    return top + log(sum([exp(value - top) for value in logs])) if top > -inf else -inf


def bounded_odds_text(odds: float) -> str:
    """Return odds with two significant digits, or that they are more than the most that are shown."""
    return f"more than {two_digits(MOST_ODDS_SHOWN)}" if odds > MOST_ODDS_SHOWN else two_digits(odds)


def odds_in_words(odds: float) -> str:
    """Return odds with two significant digits and thousands separators; the highest recorded value is a bound."""
    if odds >= MOST_ODDS_SHOWN:
        return f"more than {MOST_ODDS_SHOWN:,.0f}"
    digits = two_digits(odds)
    return f"{int(digits):,}" if digits.isdigit() else digits
