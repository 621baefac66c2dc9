"""The dispersion of errors: 1 for independent errors, the size of the bursts for bursts, and never a guess from chance."""

from __future__ import annotations

import json
import random

import pytest

from orchestrator.domain.analysis.dispersion import (
    LARGEST_BURST,
    LARGEST_DISPERSION,
    Clustering,
    Dispersion,
    PairSums,
    Periods,
    measure_clustering,
)
from orchestrator.domain.analysis.sequential_testing import Tally

QUIET = Tally(100, 0)


def periods(*bad, requests=100, seconds=10.0):
    return Periods(seconds, tuple(Tally(requests, count) for count in bad))


def bursts(random_, count, size, chance, requests=100):
    """Periods in which a burst of `size` errors happens with this chance."""
    return periods(*(size * (random_.random() < chance) for _ in range(count)), requests=requests)


def independent(random_, count, requests, rate):
    return periods(*(sum(random_.random() < rate for _ in range(requests)) for _ in range(count)), requests=requests)


def test_without_errors_there_is_no_dispersion():
    assert measure_clustering(periods(0, 0, 0)) == Clustering()
    assert Dispersion().update(Periods(), Periods(), Periods()).value == 1.0


def test_one_burst_among_quiet_periods_has_its_own_size_as_dispersion():
    clustering = measure_clustering(periods(0, 0, 0, 20, 0, 0))
    assert clustering.dispersion == pytest.approx(20, rel=0.1)
    assert clustering.errors_a_cluster == 20


@pytest.mark.parametrize("size", [2, 5, 20])
def test_bursts_of_a_size_have_that_dispersion(size):
    random_ = random.Random(size)
    estimates = [measure_clustering(bursts(random_, 360, size, 0.05)).dispersion for _ in range(30)]
    assert 0.8 * size < sum(estimates) / len(estimates) < 1.5 * size


@pytest.mark.parametrize(("requests", "rate"), [(1, 0.05), (10, 0.01), (100, 0.001), (100, 0.02), (90, 0.3)])
def test_independent_errors_lose_little_evidence(requests, rate):
    random_ = random.Random(requests)
    estimates = [measure_clustering(independent(random_, 60, requests, rate)).dispersion for _ in range(100)]
    assert sum(estimates) / len(estimates) < 1.2
    assert sum(estimate == 1 for estimate in estimates) > 60


def test_two_errors_that_meet_are_no_burst():
    clustering = measure_clustering(periods(*[0] * 20, 2, *[0] * 20))
    assert (clustering.dispersion, clustering.errors_a_cluster) == (1.0, 1.0)


def test_a_rate_that_drifts_slowly_is_no_dispersion():
    assert measure_clustering(periods(*(20 + minute // 6 for minute in range(60)))).dispersion == 1.0


def test_a_version_that_always_fails_is_not_dispersed():
    assert measure_clustering(periods(*[100] * 6)).dispersion == 1.0


def test_a_burst_that_stretches_over_periods_shows_in_longer_blocks():
    thin = periods(*[0] * 20, *[1] * 16, *[0] * 20, requests=1)
    assert measure_clustering(thin).dispersion > 5


def test_a_burst_that_is_cut_by_two_periods_shows_all_the_same():
    cut = measure_clustering(periods(0, 0, 0, 8, 12, 0, 0, 0))
    assert cut.dispersion > 4
    assert cut.errors_a_cluster == 20


def test_blocks_are_no_longer_than_a_burst_may_be():
    busy, thin = periods(*[1] * 60), periods(*[1] * 60, requests=2)
    assert len(measure_clustering(busy).pairs) == 4, "10, 20, 40 and 80 s"
    assert len(measure_clustering(thin).pairs) == 5, "up to 32 requests, of which there are no two pairs more"
    minutes = periods(*[1] * 60, seconds=60.0)
    assert len(measure_clustering(minutes).pairs) == 1


def test_neighbours_of_very_different_size_are_not_compared():
    assert measure_clustering(Periods(60.0, (Tally(1000, 5), Tally(50, 0)))).pairs == (PairSums(),)


def test_errors_of_consecutive_periods_are_one_cluster_up_to_the_largest_burst():
    assert measure_clustering(periods(4, 4, 4, 0, 1, 0, 2)).clusters == 1 + 1 + 2
    few = measure_clustering(Periods(10.0, (Tally(5, 5), Tally(), Tally(5, 5))))
    assert few.errors_a_cluster == 10, "a period without requests does not end a burst"
    assert measure_clustering(periods(LARGEST_BURST + 1)).errors_a_cluster == 1


def test_the_largest_estimate_of_both_versions_and_of_the_time_before_counts():
    burst, quiet = periods(0, 0, 0, 10, 0, 0), periods(0, 1, 0, 0, 0, 1)
    for position in range(3):
        series = [quiet, quiet, quiet]
        series[position] = burst
        assert Dispersion().update(*series).value == pytest.approx(10, rel=0.2)
    assert Dispersion().update(periods(0, 900, 0, 0), quiet, quiet).value == LARGEST_DISPERSION


def test_only_the_canary_s_few_errors_may_be_one_burst():
    few = periods(5, 0, 0, requests=1000)
    assert Dispersion().update(few, Periods(), Periods()).value == 5
    assert Dispersion().update(few, Periods(), Periods()).of_neighbours < 5
    assert Dispersion().update(Periods(), few, Periods()).value < 5


def test_a_burst_is_remembered_in_the_next_windows():
    burst = Dispersion().update(periods(0, 0, 0, 10, 0, 0), QUIET_PERIODS, Periods())
    later = burst.next_window()
    assert (later.canary, later.value) == (Clustering(), burst.value)
    assert later.update(periods(0, 0, 1, 0), QUIET_PERIODS, Periods()).value > 5
    assert later.update(Periods(), Periods(), Periods()) == later


QUIET_PERIODS = Periods(10.0, (QUIET,) * 6)


def test_windows_of_different_lengths_add_up():
    short, long = measure_clustering(periods(0, 3)), measure_clustering(periods(*[0] * 20, 3, *[0] * 20))
    assert (short + long).errors == 6
    assert (short + long) == (long + short)
    assert len((short + long).pairs) == len(long.pairs)


def test_the_ledger_s_form_is_read_back_as_it_was():
    known = Dispersion().update(periods(0, 3, 0, 0, 1), periods(0, 0, 7), periods(1, 0, seconds=60.0)).next_window()
    known = known.update(periods(0, 2), Periods(), Periods())
    assert Dispersion.from_json(json.loads(json.dumps(known.to_json()))) == known
    assert Dispersion().to_json() == {}
