"""The running tests of a deployment: what is carried from look to look, and how."""

from __future__ import annotations

import json
from math import log

import pytest

from orchestrator.domain.analysis.dispersion import Periods
from orchestrator.domain.analysis.running_tests import ComparedRate, RunningTest, RunningTests
from orchestrator.domain.analysis.sequential_testing import Limit, Margin, Tally
from tests.samples import NOW, seconds

LIMIT = Limit(0.01)
NOTHING = Tally()


def measure(name="token/server_errors", canary=NOTHING, stable=NOTHING, null=LIMIT, weight=1.0):
    return ComparedRate(name, f"{name} says", canary, stable, null, weight=weight)


def test_totals_that_are_seen_twice_are_counted_once():
    once = RunningTests().update(NOW, (measure(canary=Tally(50, 2)),))
    twice = once.update(NOW, (measure(canary=Tally(50, 2)),))
    assert twice.log_evidence == once.log_evidence


def test_what_arrives_late_is_counted_when_it_arrives():
    at_once = RunningTests().update(NOW, (measure(canary=Tally(50, 50)),))
    late = RunningTests().update(NOW, (measure(),)).update(NOW, (measure(canary=Tally(50, 50)),))
    assert late.tests["token/server_errors"].canary == at_once.tests["token/server_errors"].canary == Tally(50, 50)
    assert late.proves_worse(0.01)


def test_totals_that_shrink_are_not_counted_again_when_they_grow_back():
    watch = RunningTest().update(measure(canary=Tally(50, 5)))
    assert watch.update(measure(canary=Tally(40, 4))).update(measure(canary=Tally(50, 5))) == watch.update(
        measure(canary=Tally(40, 4))
    )


def test_a_new_window_starts_at_nothing_and_keeps_the_evidence():
    first = RunningTests().update(NOW, (measure(canary=Tally(50, 5)),))
    second = first.update(NOW + seconds(60), (measure(canary=Tally(10, 0)),))
    watch = second.tests["token/server_errors"]
    assert watch.canary == Tally(10, 0)
    assert watch.stream.evaluations == 2


def test_where_there_is_nothing_to_hold_it_against_nothing_is_bet():
    looked = RunningTests().update(NOW, (measure(canary=Tally(50, 50), null=None),))
    assert looked.tests["token/server_errors"] == RunningTest()
    assert not looked.proves_worse(0.5)


def test_the_worst_measure_is_the_one_with_the_most_evidence():
    bad, good = measure("token/deaths", Tally(50, 25)), measure("token/server_errors", Tally(50, 0))
    looked = RunningTests().update(NOW, (good, bad))
    assert looked.worst_rate((good, bad)) == bad
    assert looked.proves_worse(0.001)
    assert looked.log_evidence >= -log(0.001)


def test_the_ledger_s_form_is_read_back_as_it_was():
    looked = RunningTests().update(NOW, (measure(canary=Tally(50, 5), stable=Tally(500, 3), null=Margin(0.005)),))
    assert RunningTests.from_json(json.loads(json.dumps(looked.to_json()))) == looked


CARRIED = {
    "nothing": (),
    "no errors": ((0,) * 8, (0,) * 8, ()),
    "errors": ((4, 3, 3, 4, 3, 3, 4, 3), (0,) * 6, ()),
    "a burst": ((0, 0, 0, 20, 0, 0, 0, 0), (0, 7, 0, 0, 0, 1), (0, 0, 20, 0, 0)),
    "errors before": ((0, 0, 0), (0, 0, 0), (1, 2, 30, 4)),
}


@pytest.mark.parametrize("counts", CARRIED.values(), ids=CARRIED)
def test_what_a_replay_carries_is_what_the_ledger_carries(counts):
    tests = RunningTests()
    for number in range(3):
        rates = (in_periods(*counts),) if counts else ()
        tests = tests.update(NOW + seconds(60 * (number // 2)), rates)
        carried = RunningTests.from_json(json.loads(json.dumps(tests.to_json())))
        assert tests.carried() == carried
        assert tests.carried().log_evidence == carried.log_evidence


def test_rates_with_the_same_requests_have_the_evidence_that_each_has_alone():
    counts = {"canary": Tally(50, 5), "stable": Tally(500, 3), "null": Margin(0.005)}
    other = measure("c", **{**counts, "null": Margin(0.01)})
    together = RunningTests().update(NOW, (measure("a", **counts), measure("b", **counts), other))
    for rate in (measure("a", **counts), measure("b", **counts), other):
        assert together.tests[rate.name] == RunningTest().update(rate)
    assert together.tests["a"] == together.tests["b"] != together.tests["c"]


def test_rates_that_count_the_same_have_one_test_until_one_of_them_differs():
    counts = {"canary": Tally(50, 0), "stable": Tally(500, 0), "null": Margin(0.005)}
    tests = RunningTests().update(NOW, (measure("a", **counts), measure("b", **counts)))
    tests = tests.carried().update(NOW + seconds(60), (measure("a", **counts), measure("b", **counts)))
    assert tests.tests["a"] is tests.tests["b"]
    worse = measure("b", **{**counts, "canary": Tally(90, 7)})
    apart = tests.update(NOW + seconds(60), (measure("a", **counts), worse)).tests
    assert apart["b"] == tests.tests["b"].update(worse) != apart["a"]
    heavier = tests.update(NOW + seconds(60), (measure("a", **counts), measure("b", **counts, weight=2.0))).tests
    assert [heavier[name].weight for name in ("a", "b")] == [1.0, 2.0]


def spread(*bad, requests=100):
    return Periods(10.0, tuple(Tally(requests, count) for count in bad))


def in_periods(canary, stable=(0,) * 6, before=(), weight=1.0):
    totals = [Tally(100 * len(counts), sum(counts)) for counts in (canary, stable)]
    periods = [spread(*counts) for counts in (canary, stable, before)]
    return ComparedRate("token/server_errors", "fails", *totals, Margin(0.0), *periods, weight)


def test_a_burst_counts_once_and_goes_on_counting_once_in_the_next_window():
    apart = RunningTests().update(NOW, (in_periods((4, 3, 3, 4, 3, 3, 4, 3)),))
    burst = RunningTests().update(NOW, (in_periods((0, 0, 0, 20, 0, 0, 0, 0)),))
    assert burst.log_evidence < log(20) < 10 < apart.log_evidence
    later = burst.update(NOW + seconds(60), (in_periods((0,) * 6),))
    assert later.tests["token/server_errors"].dispersion.value > 10
    assert later.log_evidence < log(20)


def test_bursts_before_the_deployment_count_against_the_evidence_of_all_evaluations():
    rates = {"before": (0, 0, 20, 0, 0, 0, 20, 0, 0)}
    quiet, bursty = (
        RunningTests().update(NOW, (in_periods((4, 3, 3, 4, 3, 3, 4, 3), **known),)) for known in ({}, rates)
    )
    assert bursty.log_evidence < quiet.log_evidence / 5
    again = bursty.update(NOW, (in_periods((4, 3, 3, 4, 3, 3, 4, 3)),))
    assert again.log_evidence == bursty.log_evidence


def test_stable_s_rate_before_the_deployment_is_believed_at_the_first_evaluation():
    known = RunningTests().update(NOW, (in_periods((0, 1, 0, 1, 0, 0, 1), before=(0,) * 60),))
    assert known.log_evidence > RunningTests().update(NOW, (in_periods((0, 1, 0, 1, 0, 0, 1)),)).log_evidence


def test_the_weights_of_the_rates_divide_the_evidence():
    heavy, light = (
        RunningTests().update(NOW, (measure("a", Tally(50, 25), weight=weight), measure("b", Tally(50, 0), weight=1.0)))
        for weight in (9.0, 1.0)
    )
    assert heavy.log_evidence - light.log_evidence == pytest.approx(log(0.9 / 0.5), abs=1e-3)
    assert RunningTests.from_json(json.loads(json.dumps(heavy.to_json()))) == heavy


def test_periods_are_learnt_where_there_is_nothing_to_compare_with_yet():
    idle = in_periods((0, 0, 20, 0, 0), before=(0, 20, 0, 0))._replace(null=None)
    assert RunningTests().update(NOW, (idle,)).tests["token/server_errors"].dispersion.value > 10


@pytest.mark.parametrize("nothing", [None, {}])
def test_before_the_first_look_there_is_nothing_kept(nothing):
    assert RunningTests.from_json(nothing) == RunningTests()


@pytest.mark.parametrize("other", [{"since": "x"}, {"since": "x", "watches": {"a": {}}}])
def test_what_is_something_else_is_refused_and_not_guessed(other):
    with pytest.raises(KeyError):
        RunningTests.from_json(other)
