"""Who may undo a release, and who spent what of the false alarms that a deployment tolerates."""

from __future__ import annotations

from dataclasses import fields
from math import inf, log

import pytest

from orchestrator.domain.analysis.spending import (
    FALSE_ALARM,
    SOURCE_OF_PROBE,
    false_alarm_figures,
    shares_in_words,
    spendings,
)
from orchestrator.domain.deployment.policy import FalseAlarmShares
from orchestrator.domain.verdict import Evidence, Verdict, Window
from tests.samples import NOW, policy

THRESHOLDS = policy().limits.thresholds
SOURCES = [field.name for field in fields(FalseAlarmShares)]


def evidence(probe, figures=None):
    return Evidence(probe, Verdict.passed("fine"), {}, Window(NOW, NOW), "cloudwatch", 60, figures or {})


def spent(probe, odds, probability=0.0075):
    return evidence(probe, {FALSE_ALARM: false_alarm_figures(probability, log(odds))})


def test_a_probe_reports_its_share_its_odds_and_the_odds_that_it_needs():
    assert false_alarm_figures(0.0075, log(4)) == {"percent": 0.75, "evidence": 4.0, "needed": 133.333}


@pytest.mark.parametrize("log_evidence", [50.0, 1e6, inf])
def test_overwhelming_odds_stay_a_number(log_evidence):
    assert false_alarm_figures(0.01, log_evidence)["evidence"] == 1e9


def test_every_source_is_listed_with_its_share_before_any_evidence():
    listed = spendings([evidence("metrics"), evidence("stable")], THRESHOLDS)
    assert [one.source for one in listed] == SOURCES
    assert {(one.probe, one.evidence) for one in listed} == {("", None)}
    assert sum(one.percent for one in listed) == pytest.approx(THRESHOLDS.false_alarm_percent)
    assert [one.needed for one in listed] == pytest.approx([100 / one.percent for one in listed])


def test_the_latest_evidence_of_every_probe_counts():
    listed = spendings([spent("metrics", 2), spent("metrics", 9), spent("health", 1), spent("flows", 3)], THRESHOLDS)
    known = [(one.source, one.probe, one.evidence) for one in listed if one.probe]
    assert known == [("request_metrics", "metrics", 9.0), ("checks", "health", 1.0), ("checks", "flows", 3.0)]
    assert [one.source for one in listed if not one.probe] == ["latency", "logs", "alarms", "custom_checks"]


def test_every_probe_that_spends_has_a_source_of_the_settings():
    assert set(SOURCE_OF_PROBE.values()) == set(SOURCES)


def test_the_division_is_stated_in_words():
    words = shares_in_words(THRESHOLDS)
    assert words.startswith("1 % (request metrics 0.75 %, ")
    assert all(source.replace("_", " ") in words for source in SOURCES)
