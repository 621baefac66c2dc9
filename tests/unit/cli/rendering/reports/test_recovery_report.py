"""The report of a drill or a restore: its phases, its objectives and its check results."""

from __future__ import annotations

import pytest

from orchestrator.cli.actions.reports.report import render
from orchestrator.cli.rendering.reports.recovery_report import recovery_report
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.recovery.record import CheckResult
from orchestrator.domain.verdict import Verdict
from tests.samples import recovery, seconds
from tests.unit.domain.evidence.test_report import CONTENT, NOW, drilled


def test_a_drill_s_report_has_its_phases_with_the_limit_of_its_time():
    found = recovery_report(drilled(CONTENT))
    (gantt,) = found.plots
    assert [(bar.name, bar.words) for bar in gantt.bars] == [("await restore", "30.0 s"), ("conclude", "1800.0 s")]
    assert gantt.limit.at == NOW + seconds(1 + 2 * 3600)
    assert (found.outcome, found.tone) == ("SUCCEEDED", "good")
    assert "recovery time 1829 s, objective 7200 s" in found.sentence
    facts = {fact.name: (fact.value, fact.details) for fact in found.facts}
    assert facts["Recovery time"] == ("30 min 29 s", "objective 2 h 0 min")
    assert facts["Checks that passed"][0] == "3 of 3"
    for form in ("html", "md", "json"):
        assert "conclude" in render(found, form)


def test_a_failed_check_comes_first_and_is_text():
    failed = CheckResult("content.tokens", Verdict.failed("<b>3 items</b> differ"))
    found = recovery_report(drilled(failed))
    assert (found.outcome, found.tone) == ("FAILED", "bad")
    rows = next(one for one in found.tables if one.title == "Check results").rows
    assert rows[0][:2] == ("content.tokens", "FAIL")
    assert "<b>3" not in render(found, "html")


def test_a_recovery_that_runs_says_so():
    found = recovery_report(recovery())
    assert (found.outcome, found.headline) == ("RUNNING", "dr-1 is running")
    assert found.plots == ()
    assert "No phase is recorded yet" in render(found, "html")
    begun = recovery(kind=Kind.RESTORE).with_phase("PlanRecovery", NOW + seconds(2))
    assert recovery_report(begun).plots[0].limit is None
    assert recovery_report(begun).kind == "restore"


@pytest.mark.parametrize("form", ["html", "md"])
def test_nothing_measured_is_said_and_not_guessed(form):
    found = recovery_report(recovery().with_phase("PlanRecovery", NOW + seconds(2)))
    assert "not measured" in render(found, form)
