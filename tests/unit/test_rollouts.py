"""The labelled set, the judges on it, and the numpy twin of the sequential test, which must be the product's."""

from __future__ import annotations

import random
from dataclasses import replace
from math import log

import numpy as np
import pytest

from benchmarks import verdict
from benchmarks.rollouts import grid, labelled, mann_whitney, power, rivals, scores
from benchmarks.rollouts.alarm_twin import AlarmTests
from benchmarks.rollouts.check_twin import RepeatedChecks as CheckTwin
from benchmarks.rollouts.errors import Burst, draw_calls, draw_failures
from benchmarks.rollouts.labelled import Answer, Clustering, Rollout, Signal, labelled_set
from benchmarks.rollouts.pipeline import prod_plan, prod_policy, run_product
from benchmarks.rollouts.run import End, RunResult
from benchmarks.rollouts.twin import Dispersions, RateTests, mean_log_evidence
from benchmarks.rollouts.world import CANARY, STABLE, World
from orchestrator.domain.analysis import sequential_testing
from orchestrator.domain.analysis.dispersion import Dispersion, Periods
from orchestrator.domain.analysis.repeated_checks import CheckAnswers, RepeatedChecks
from orchestrator.domain.analysis.sequential_testing import Limit, Margin, SequentialTest, Tally
from orchestrator.domain.rollback.alarm_evaluation import AlarmRate, evaluate_promoted, evaluate_split

THRESHOLDS = prod_policy().limits.thresholds
BROKEN = Rollout(
    0, 5, "handled 5xx", ("token",), ("token",), 5.0, 0.001, signal=Signal.ERRORS, fault_share=1.0, seen_by_checks=True
)  # fmt: skip
EQUAL = replace(BROKEN, kind="equal", signal=Signal.NOTHING, fault_share=0.0)


def drawn(random_, most):
    trials = random_.choice((0, random_.randrange(1, most)))
    return Tally(trials, random_.randint(0, trials) if random_.random() < 0.2 else min(trials, random_.randint(0, 3)))


@pytest.mark.parametrize("null", [Margin(0.0), Margin(0.0002), Margin(0.01), Limit(0.05)])
def test_the_twin_is_the_product_s_test_on_a_thousand_random_looks(null):
    random_, deployments = random.Random(7), 25
    before = [Tally(random_.randrange(5000), 0) for _ in range(deployments)]
    products = [SequentialTest().know_before(known) for known in before]
    twin = RateTests(deployments, 0.0, np.array([float(known.trials) for known in before]))
    kind = {"margin": null.points} if isinstance(null, Margin) else {"limit": null.share}
    for _ in range(40):
        canary, stable = ([drawn(random_, most) for _ in range(deployments)] for most in (500, 5000))
        products = [
            product.update(mine, theirs, null) for product, mine, theirs in zip(products, canary, stable, strict=True)
        ]
        twin.update(*((arrays(one)[0][0], arrays(one)[1][0]) for one in (canary, stable)), **kind)
        for dispersion in (1.0, 7.5):
            expected = [product.log_evidence_at(dispersion) for product in products]
            assert twin.log_evidence(dispersion) == pytest.approx(expected, rel=1e-5, abs=1e-4)


def test_the_twin_s_dispersion_is_the_product_s():
    random_ = random.Random(8)
    for _ in range(60):
        before = [drawn(random_, 900) for _ in range(60)]
        first, second = (
            [[drawn(random_, 90) for _ in range(random_.choice((12, 30, 54)))] for _ in range(2)] for _ in range(2)
        )
        product, twin = Dispersion(), Dispersions(1, grid.sum_pairs(*arrays(before), 60.0))
        for window in (first, second):
            canary, stable = window
            product = product.next_window().update(
                *(present(tallies, 10.0) for tallies in (canary, stable)), present(before, 60.0)
            )
            twin.next_window()
            value = twin.update(np.array([0]), arrays(canary), arrays(stable), 10.0)
            assert value[0] == pytest.approx(product.value, rel=1e-3)


def arrays(tallies):
    return np.array([[one.trials for one in tallies]]), np.array([[one.bad for one in tallies]])


def present(tallies, seconds):
    return Periods(seconds, tuple(one for one in tallies if one.trials))


@pytest.mark.parametrize("promoted", [False, True])
def test_the_twin_s_alarm_evaluation_is_the_product_s(promoted):
    random_ = random.Random(9)
    for _ in range(20):
        before = [Tally(100, random_.randint(0, 2)) for _ in range(60)]
        known = arrays(before)[0].sum(axis=1), arrays(before)[1].sum(axis=1)
        dispersion = random_.choice((1.0, 4.0))
        highest = grid.highest_before(arrays(before), THRESHOLDS.minimum_requests)
        twin = AlarmTests(THRESHOLDS, np.array([dispersion]), known, highest)
        canary, stable = [], []
        for _ in range(15):
            canary.append(Tally(60, random_.randint(0, 4)))
            stable.append(Tally(500, random_.randint(0, 5)))
            sides = [(np.array([one[-1].trials]), np.array([one[-1].bad])) for one in (canary, stable)]
            rolls_back = bool(twin.evaluate(*sides, promoted=promoted)[0])
        rate = AlarmRate("5xx", canary, () if promoted else stable, before, dispersion=dispersion, otherwise=0.05)
        idle = AlarmRate("idle", [Tally()] * 15, () if promoted else [Tally()] * 15, before, otherwise=0.05)
        judge = evaluate_promoted if promoted else evaluate_split
        product = judge([rate, idle, idle, idle], THRESHOLDS)
        capital = twin.promoted if promoted else twin.split
        odds = (np.exp(capital.log_capital[0]) + 3) / 4 / 4
        assert odds == pytest.approx(product.odds, rel=1e-3)
        assert rolls_back == product.rolls_back


def test_the_twin_s_repeated_checks_are_the_product_s():
    random_ = random.Random(10)
    product, twin, everywhere = RepeatedChecks(), CheckTwin(1), np.array([True])
    for _ in range(200):
        if random_.random() < 0.1:
            product = product.begin_episode()
            twin.begin_episode(everywhere)
        canary, stable = random_.randint(0, 1), random_.randint(0, 1)
        product = product.count((CheckAnswers("check", Tally(1, canary), Tally(1, stable), "failed"),))
        twin.count(np.array([canary - stable]), everywhere)
        assert twin.log_evidence[0] == pytest.approx(product.log_evidence)


def test_the_twin_s_mean_is_the_product_s():
    evidence = [(1.5, 20.0), (-0.3, 1.0), (4.0, 2.0)]
    expected = sequential_testing.mean_log_evidence(evidence)
    assert mean_log_evidence([(np.array([one]), weight) for one, weight in evidence])[0] == pytest.approx(expected)


@pytest.mark.parametrize("clustering", list(Clustering))
def test_drawn_failures_have_the_share_and_the_dispersion_that_the_clustering_names(clustering):
    generator, periods = np.random.default_rng(1), 20_000
    requests = np.full((1, periods), 200)
    failed = draw_failures(generator, requests, np.full((1, periods), 0.02), clustering, Burst.none(1))
    assert failed.mean() == pytest.approx(4.0, rel=0.05)
    expected = labelled.DISPERSIONS[clustering]
    assert failed.var() / failed.mean() == pytest.approx(expected, rel=0.1 if expected > 1 else 0.05)


def test_a_burst_outlasts_a_period_and_no_minute():
    class Once:
        def binomial(self, requests, share):
            begun = np.zeros_like(requests)
            begun[0, 0] = 1
            return begun

    requests = np.full((1, 12), 2)
    failed = draw_failures(Once(), requests, np.full((1, 12), 0.1), Clustering.BURSTS_OF_20, Burst.none(1))
    assert failed[0].tolist() == [2] * 6 + [0] * 6


@pytest.mark.parametrize("clustering", [Clustering.INDEPENDENT, Clustering.BURSTS_OF_5])
def test_synthetic_calls_fail_with_the_share_of_the_version(clustering):
    failed = draw_calls(np.random.default_rng(2), np.full(200_000, 8), 0.02, clustering)
    assert failed.mean() / 8 == pytest.approx(0.02, rel=0.1)


def test_the_labelled_set_has_three_hundred_rollouts_of_every_kind_with_their_right_answers():
    tuned, kept = (labelled_set(seed, THRESHOLDS) for seed in (labelled.TUNED_SEED, labelled.HELD_BACK_SEED))
    assert len(tuned) + len(kept) >= 300
    assert {rollout.kind for rollout in kept} == {kind for kind, _ in labelled.KINDS}
    assert tuned == labelled_set(labelled.TUNED_SEED, THRESHOLDS)
    assert not {rollout.seed for rollout in tuned} & {rollout.seed for rollout in kept}
    for rollout in (*tuned, *kept):
        assert (rollout.answer is Answer.PROMOTE) == (rollout.signal is Signal.NOTHING), rollout
    assert {rollout.answer for rollout in kept} == set(Answer)


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        ({"fault_share": 1e-4, "requests_per_second": 100.0}, Answer.EITHER),
        ({"fault_share": 0.05, "requests_per_second": 0.1}, Answer.EITHER),
        ({"fault_share": 0.05, "requests_per_second": 100.0}, Answer.ROLL_BACK),
        ({"fault_share": 1.0, "seen_by_checks": True, "requests_per_second": 0.1}, Answer.ROLL_BACK),
        ({"signal": Signal.LATENCY, "latency_ratio": 1.1, "median_ms": 60.0}, Answer.EITHER),
        ({"signal": Signal.LATENCY, "latency_ratio": 3.0, "requests_per_second": 20.0}, Answer.ROLL_BACK),
        ({"signal": Signal.NOTHING}, Answer.PROMOTE),
    ],
)
def test_the_right_answer_follows_from_what_the_traffic_can_show(changes, answer):
    rollout = (
        replace(BROKEN, seen_by_checks=False, **changes)
        if "seen_by_checks" not in changes
        else replace(BROKEN, **changes)
    )
    assert labelled.right_answer(rollout, THRESHOLDS) is answer


def test_worlds_of_one_rollout_show_all_judges_the_same_requests():
    first, second = World(EQUAL), World(EQUAL)
    for world, periods in ((first, 1), (second, 6)):
        for _ in range(12 // periods):
            world.advance(10, periods)
    for version in (STABLE, CANARY):
        assert [first.series["token", version].sum(name, 0, 12) for name in ("Requests", "ServerErrors")] == [
            second.series["token", version].sum(name, 0, 12) for name in ("Requests", "ServerErrors")
        ]


@pytest.mark.parametrize("judge", list(scores.JUDGES))
def test_every_judge_stops_a_canary_that_always_fails(judge):
    result = scores.JUDGES[judge](BROKEN)
    assert result.end is End.ROLLED_BACK
    assert result.seconds <= 1200


def test_the_product_refuses_it_before_traffic_and_promotes_an_equal_release():
    refused = run_product(BROKEN)
    assert (refused.seconds, refused.harmed) == (0, 0)
    assert run_product(replace(EQUAL, requests_per_second=3.0)).end is End.PROMOTED


@pytest.mark.parametrize(
    ("faulty", "rule", "stopped"),
    [
        ({"fault_share": 0.04}, rivals.argo, False),
        ({"fault_share": 0.2}, rivals.argo, True),
        ({"fault_share": 0.04}, rivals.flagger, True),
        ({"signal": Signal.LATENCY, "latency_ratio": 3.0}, rivals.kayenta, True),
        ({"fault_share": 0.2}, rivals.kayenta, True),
        ({"fault_share": 0.2}, rivals.code_deploy, True),
        ({"fault_share": 0.02}, rivals.code_deploy, False),
        ({"fault_share": 0.2}, rivals.multinomial, True),
    ],
)
def test_the_rules_of_other_tools_act_at_their_thresholds(faulty, rule, stopped):
    rollout = replace(BROKEN, requests_per_second=50.0, **faulty)
    assert rule(rollout).stopped is stopped


def test_argo_ends_a_rollout_without_data_and_flagger_counts_it_as_failed():
    silent = replace(EQUAL, requests_per_second=1e-6)
    assert rivals.argo(silent) == RunResult(End.ROLLED_BACK, 300, 0, "no data")
    assert rivals.flagger(silent) == RunResult(End.ROLLED_BACK, 300, 0, "threshold of failed checks")


def test_the_multinomial_test_is_a_bayes_factor_with_mean_one():
    share, total = 0.1, 12
    mean = sum(
        power.comb(total, mine) * share**mine * (1 - share) ** (total - mine)
        * np.exp(rivals.log_bayes_factor((mine, total - mine), share, 20.0))
        for mine in range(total + 1)
    )  # fmt: skip
    assert mean == pytest.approx(1.0)


def test_the_mann_whitney_interval_contains_the_shift():
    generator = np.random.default_rng(3)
    control = generator.normal(size=30)
    low, high, estimate = mann_whitney.confidence_interval(control + 2, control, 0.98)
    assert low < 2 < high
    assert estimate == pytest.approx(2, abs=0.2)
    assert mann_whitney.confidence_interval(np.ones(4), np.ones(4), 0.98) is None


def test_the_oracle_is_exact_at_its_level_and_no_test_of_requests_is_better():
    alpha = prod_plan().limits.thresholds.false_alarm_probability("request_metrics")
    assert power.oracle_power(power.Case(0.02, 0.02, 60), 10) == pytest.approx(alpha, rel=1e-3)
    counts = power.draw(verdict.THIN, 200, np.random.default_rng(4))
    by_ten = power.product_power(verdict.THIN, counts)[1]
    assert by_ten <= power.oracle_power(verdict.THIN, 10) + 0.15


def test_a_score_counts_what_had_to_be_stopped():
    bad, good = replace(BROKEN, answer=Answer.ROLL_BACK), replace(EQUAL, answer=Answer.PROMOTE)
    either = replace(BROKEN, answer=Answer.EITHER)
    rolled_back, promoted = RunResult(End.ROLLED_BACK, 60, 5, "why"), RunResult(End.PROMOTED, 4980, 900)
    score = scores.score(
        "judge", [bad, bad, good, good, either], [rolled_back, promoted, promoted, rolled_back, rolled_back]
    )
    assert (score.precision, score.recall, score.http_recall) == (0.5, 0.5, 0.5)
    assert (score.detection_seconds, score.harmed) == (60, 452.5)
    assert [rollout for rollout, _ in score.mistakes] == [bad, good]


def test_a_small_grid_rolls_back_no_equal_release_and_names_its_sources():
    cells = [grid.Cell(0.01, 1.0, Clustering.INDEPENDENT, strategy) for strategy in ("all-at-once", "canary-10-50")]
    lines, notes = verdict.measure_grid(30, 2, 1, cells)
    assert all(line.reached for line in lines)
    assert "worst cell" in notes[0]
    assert any("all-at-once" in note for note in notes)


def test_a_grid_cell_with_a_lower_limit_of_evidence_would_be_noticed(monkeypatch):
    """The grid can fail: with a hundred times the tolerated false alarms, equal releases are rolled back."""
    cell = grid.Cell(0.02, 10.0, Clustering.INDEPENDENT, "canary-10-50")
    monkeypatch.setattr(grid, "log", lambda value: log(min(0.9, value * 100)))
    assert grid.simulate(cell, 60, 1).sources["metrics"] > 0.02


def test_a_canary_that_always_fails_is_refused_within_five_seconds():
    assert power.seconds_to_refuse(3) <= verdict.REFUSED_WITHIN_SECONDS


@pytest.mark.proof
def test_the_labelled_part_has_a_row_for_each_limit_and_a_table_of_all_judges():
    lines, notes = verdict.measure_labelled(len(labelled.KINDS), 1)
    assert {line.name for line in lines} == {
        f"{figure}, {half} half" for figure in ("precision", "recall") for half in ("tuned", "kept back")
    }
    assert any("Argo Rollouts" in note for note in notes)


def test_the_figures_are_written_between_their_marks(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{verdict.BEGIN}\nold\n{verdict.END}\nafter\n")
    verdict.write_figures("verdict  \n  a row\n", page)
    assert page.read_text() == f"before\n{verdict.BEGIN}\n```text\nverdict\n  a row\n```\n{verdict.END}\nafter\n"
    assert verdict.BEGIN in verdict.PAGE.read_text()
