"""The Mann-Whitney confidence interval of a shift, as Kayenta's judge uses it."""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np

Values = np.ndarray[Any, Any]
BISECTIONS = 40


def confidence_interval(experiment: Values, control: Values, confidence: float) -> tuple[float, float, float] | None:
    """Return the bounds and the estimate of how much larger the experiment's values are; None if all are tied.

    The asymptotic interval with correction for ties and continuity, of R's `wilcox.test(conf.int=TRUE, exact=FALSE)`:
    the shifts at which the standardised rank sum crosses the normal quantiles. The estimate is where it crosses 0.
    """
    low, high = float(experiment.min() - control.max()), float(experiment.max() - control.min())
    if np.ptp(np.concatenate([experiment, control])) == 0:
        return None
    quantile = -NormalDist().inv_cdf((1 - confidence) / 2)

    def crossing(target: float) -> float:
        return _crossing(lambda shift: _standardised(experiment - shift, control) - target, low, high)

    return crossing(quantile), crossing(-quantile), crossing(0.0)


def _crossing(function: Callable[[float], float], low: float, high: float) -> float:
    """Return where a falling function crosses 0, or the bound that is nearest."""
    if function(low) <= 0:
        return low
    if function(high) >= 0:
        return high
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) > 0 else (low, middle)
    return (low + high) / 2


def _standardised(experiment: Values, control: Values) -> float:
    """Return the standardised rank sum of the experiment's values."""
    count, others = len(experiment), len(control)
    values = np.concatenate([experiment, control])
    _, inverse, ties = np.unique(values, return_inverse=True, return_counts=True)
    ranks = np.cumsum(ties) - (ties - 1) / 2
    difference = float(ranks[inverse[:count]].sum()) - count * (count + 1) / 2 - count * others / 2
    both = count + others
    variance = count * others / 12 * (both + 1 - float((ties.astype(float) ** 3 - ties).sum()) / (both * (both - 1)))
    if variance <= 0:
        return 0.0
    return (difference - float(np.sign(difference)) * 0.5) / float(np.sqrt(variance))
