"""The input of a probe's sequential tests in its evidence, complete enough to run the tests again.

For each rate the ledger has a row in ``figures["rates"]``:

    canary, stable   [trials, bad trials] since the start of the window
    before           the same of stable before the deployment; absent if it was not read
    null             ["margin", points] or ["limit", share]; null if there was nothing to compare with
    clusters         how bad trials cluster in the window, as `Dispersion.to_json`; absent without any

The counts of single periods are not recorded: the tests need their totals, and the dispersion needs their clustering.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from orchestrator.domain.analysis.dispersion import NO_PERIODS, Dispersion, Periods
from orchestrator.domain.analysis.running_tests import ComparedRate, RunningTests
from orchestrator.domain.analysis.sequential_testing import Limit, Margin, Null, Tally
from orchestrator.domain.verdict import Json

RATES = "rates"
"""The key in `Evidence.figures`."""

_NULLS: Mapping[str, type[Null]] = {"margin": Margin, "limit": Limit}


def rates_to_json(tests: RunningTests, rates: tuple[ComparedRate, ...]) -> Mapping[str, Json]:
    """Return the rows of an evaluation.

    Args:
        tests: after the evaluation.
        rates: that they compared in it.
    """
    return {rate.name: _row(rate, tests.tests[rate.name].dispersion) for rate in rates}


class RecordedRow(NamedTuple):
    """What `rates_to_json` wrote of one rate; the attributes are those of the row."""

    canary: Tally
    stable: Tally
    before: Periods
    null: Null | None
    clusters: Dispersion

    @classmethod
    def from_json(cls, row: Any) -> RecordedRow:
        """Read what `rates_to_json` wrote.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: it is another document.
        """
        before = row.get("before")
        return cls(
            _tally(row["canary"]),
            _tally(row["stable"]),
            Periods(tallies=(_tally(before),)) if before else NO_PERIODS,
            _null(row["null"]),
            Dispersion.from_json(row.get("clusters")),
        )

    def rate(self, name: str, description: str, weight: float, null: Null | None) -> ComparedRate:
        """Return the rate with these counts.

        Args:
            name: as `ComparedRate` has it.
            description: as today's code describes it.
            weight: as today's code weighs it.
            null: the null hypothesis of the rate that is returned.
        """
        return ComparedRate(
            name,
            description,
            self.canary,
            self.stable,
            null,
            before_periods=self.before,
            weight=weight,
            clusters=self.clusters,
        )


def _row(rate: ComparedRate, dispersion: Dispersion) -> Mapping[str, Json]:
    row: dict[str, Json] = {
        "canary": [rate.canary.trials, rate.canary.bad],
        "stable": [rate.stable.trials, rate.stable.bad],
        "null": _null_to_json(rate.null),
    }
    before = rate.before_periods.total
    if before.trials:
        row["before"] = [before.trials, before.bad]
    window = Dispersion(before=dispersion.before, canary=dispersion.canary, stable=dispersion.stable)
    clusters = window.to_json()
    if clusters:
        row["clusters"] = clusters
    return row


def _null_to_json(null: Null | None) -> Json:
    if null is None:
        return None
    return ["margin", null.points] if isinstance(null, Margin) else ["limit", null.share]


def _null(document: Any) -> Null | None:
    if document is None:
        return None
    kind, value = document
    return _NULLS[kind](float(value))


def _tally(document: Any) -> Tally:
    trials, bad = document
    return Tally(int(trials), int(bad))
