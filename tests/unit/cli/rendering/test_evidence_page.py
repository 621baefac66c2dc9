"""The decisive evaluation for a person: which it is, and the numbers of both versions with their limits."""

from __future__ import annotations

from dataclasses import replace
from math import log

import pytest

from orchestrator.cli.rendering.evidence_page import (
    SPENDING_COLUMNS,
    decisive_entry,
    number_rows,
    probe_rows,
    spending_rows,
    thresholds_line,
)
from orchestrator.domain.analysis.spending import false_alarm_figures, shares_in_words
from orchestrator.domain.deployment.decision import Action, Decision
from orchestrator.domain.deployment.record import DecisionEntry
from orchestrator.domain.verdict import Evidence, Verdict, Window
from tests.samples import NOW, plan

THRESHOLDS = plan().limits.thresholds
STABLE = {"version": "4", "requests": 900, "server_errors": 1, "p50_ms": 16.6666, "p99_ms": 40.0}
CANARY = {"version": "5", "requests": 60, "server_errors": 10, "p50_ms": 80.123, "p99_ms": None}
FIGURES = {"log_evidence": 7.123, "functions": {"token": {"stable": STABLE, "canary": CANARY, "before": None}}}


def evidence(probe, verdict, figures=None):
    return Evidence(probe, verdict, {}, Window(NOW, NOW), "cloudwatch", 60, figures or {})


def entry(verdict=None, action=Action.BAKE, *probes):
    return DecisionEntry("d-1", 1, NOW, "AnalyzeCanary", "t", Decision(action, 0, 0, 0, "r"), verdict, probes)


PASSED = entry(Verdict.passed("a"), Action.BAKE, evidence("metrics", Verdict.passed("a"), FIGURES))
FAILED = entry(
    Verdict.failed("b"),
    Action.ROLL_BACK,
    evidence("health", Verdict.passed("fine")),
    evidence("metrics", Verdict.failed("b"), FIGURES),
)
REVERTED = entry(Verdict.failed("c"), Action.REVERT, evidence("stable", Verdict.failed("c")))


@pytest.mark.parametrize(
    ("decisions", "decisive"),
    [
        ([PASSED, FAILED, PASSED, REVERTED], FAILED),
        ([PASSED, replace(PASSED, number=2), REVERTED, entry()], replace(PASSED, number=2)),
        ([REVERTED, entry()], None),
        ([], None),
    ],
)
def test_the_evaluation_that_failed_explains_a_deployment_or_else_the_last_one(decisions, decisive):
    assert decisive_entry(decisions) == decisive


def test_what_did_not_pass_comes_first():
    assert [row[:2] for row in probe_rows(FAILED)] == [("metrics", "FAIL"), ("health", "PASS")]


def test_numbers_stand_next_to_their_limits_with_their_versions():
    assert number_rows(FAILED, THRESHOLDS) == [
        ("token", "requests", "900 on 4", "60 on 5", "at least 50"),
        ("token", "5xx", "1 (0.11 %)", "10 (17 %)", "at most 5 %, 1 % more than stable"),
        ("token", "p50", "17 ms", "80 ms", "at most 37 ms by stable"),
        ("token", "p99", "40 ms", "-", "at most 80 ms by stable"),
    ]


@pytest.mark.parametrize("figures", [{}, {"functions": []}, {"functions": {"token": {}}}])
def test_evidence_without_numbers_is_shown_as_such(figures):
    rows = number_rows(entry(None, Action.BAKE, evidence("metrics", Verdict.error("x"), figures)), THRESHOLDS)
    assert all(row[2:4] in {("0 on ?", "0 on ?"), ("-", "-")} for row in rows)


def test_all_thresholds_are_shown():
    assert thresholds_line(THRESHOLDS) == (
        "5xx at most 5 % and 1 % more than stable; latency at most 2 times stable's and 20 ms more; "
        "p99 at most 3000 ms; at least 50 canary requests; "
        f"false alarms at most {shares_in_words(THRESHOLDS)}"
    )


def test_the_table_of_the_false_alarms_says_who_may_undo_the_release_and_who_spent_what():
    spent = {"false_alarm": false_alarm_figures(0.0075, log(12.34))}
    later = entry(Verdict.passed("a"), Action.BAKE, evidence("metrics", Verdict.passed("a"), spent))
    rows = spending_rows([FAILED, later], THRESHOLDS)
    assert len(rows[0]) == len(SPENDING_COLUMNS)
    assert rows[0] == ("request metrics", "metrics", "0.75 %", "12 to 1", "130 to 1")
    assert all(row[1] == row[3] == "-" for row in rows[1:])
