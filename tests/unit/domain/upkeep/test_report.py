"""The report: the most severe first, since when each finding lasts, and when it is overdue."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.domain.errors import Refused
from orchestrator.domain.upkeep.finding import Finding, Owner, Severity
from orchestrator.domain.upkeep.html_page import render_page
from orchestrator.domain.upkeep.report import (
    compile_report,
    read_first_seen,
    report_document,
    report_object,
)
from orchestrator.domain.upkeep.result import CheckResult, Status, found, not_applicable, not_checked

NOW = datetime(2026, 11, 30, 6, tzinfo=UTC)
DAY = timedelta(days=1)


def finding(subject="a", severity=Severity.LOW, check="alarms", **more):
    return Finding(check, subject, severity, Owner.OPERATORS, "it is <b>", {"age_days": 3}, "do x", **more)


def report(*findings, results=(), first_seen=None):
    return compile_report("prod", NOW, [found("alarms", findings, "read"), *results], first_seen or {})


def test_the_most_severe_is_first_then_the_overdue_then_the_largest_saving():
    compiled = report(
        finding("small", saving_usd_per_month=1.0),
        finding("large", saving_usd_per_month=9.0),
        finding("late", since=NOW - 91 * DAY),
        finding("urgent", Severity.CRITICAL),
    )
    assert [one.finding.subject for one in compiled.findings] == ["urgent", "late", "large", "small"]
    assert compiled.saving_usd_per_month == 10.0
    assert [one.finding.subject for one in compiled.needing_action] == ["urgent", "late"]


@pytest.mark.parametrize(
    ("severity", "days"), [(Severity.CRITICAL, 2), (Severity.HIGH, 7), (Severity.MEDIUM, 30), (Severity.LOW, 90)]
)
def test_a_finding_is_overdue_after_the_days_of_its_severity(severity, days):
    def overdue(since):
        return report(finding(severity=severity, since=since)).findings[0].overdue

    assert not overdue(NOW - days * DAY)
    assert overdue(NOW - days * DAY - timedelta(seconds=1))


def test_a_finding_lasts_since_the_first_kept_report_that_has_it():
    first = report(finding(severity=Severity.MEDIUM))
    kept = read_first_seen(report_document(first))
    assert kept == {"alarms:a": NOW}
    later = compile_report("prod", NOW + 31 * DAY, [found("alarms", [finding(severity=Severity.MEDIUM)], "")], kept)
    assert (later.findings[0].since, later.findings[0].overdue, later.outcome) == (NOW, True, "FAILED")


@pytest.mark.parametrize(
    ("compiled", "outcome"),
    [
        (report(), "SUCCEEDED"),
        (report(finding()), "SUCCEEDED"),
        (report(results=[not_applicable("cost", "no bill")]), "SUCCEEDED"),
        (report(results=[not_checked("cost", "denied", "allow it")]), "INCOMPLETE"),
        (report(finding(severity=Severity.HIGH), results=[not_checked("cost", "denied", "allow it")]), "FAILED"),
        (report(results=[not_checked("cost", "old", "x", [finding(check="cost", severity=Severity.HIGH)])]), "FAILED"),
    ],
)
def test_what_was_not_checked_is_no_success(compiled, outcome):
    assert compiled.outcome == outcome
    assert not compiled.unreachable


def test_a_check_that_aws_did_not_answer_is_said():
    result = CheckResult("cost", Status.NOT_CHECKED, "no answer", "repeat", unreachable=True)
    assert report(results=[result]).unreachable


def test_two_results_of_a_check_and_two_findings_with_one_id_are_refused():
    with pytest.raises(ValueError, match="two results of a check"):
        report(results=[found("alarms", (), "")])
    with pytest.raises(ValueError, match="two findings with an id"):
        report(finding(), finding())


def test_the_document_has_every_figure_and_the_summary_counts():
    content = report_object(report(finding(setting="[prod] a = 1", saving_usd_per_month=2.5)))
    assert content["findings"] == [
        {
            "id": "alarms:a", "check": "alarms", "subject": "a", "severity": "low", "owner": "operators",
            "summary": "it is <b>", "evidence": {"age_days": 3}, "since": NOW.isoformat(),
            "due_at": (NOW + 90 * DAY).isoformat(), "overdue": False, "remedy": "do x", "setting": "[prod] a = 1",
            "saving_usd_per_month": 2.5,
        }
    ]  # fmt: skip
    assert content["summary"] == (
        "1 findings of 1 checks (1 low), 0 overdue, 0 checks not completed; the recommendations save 2.50 USD a month"
    )
    assert report().summary.startswith("0 findings of 1 checks, 0 overdue")


def document(**changes):
    return json.dumps({**report_object(report(finding())), **changes}).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"", b"[]", b"{}", document(version=2), document(kind="compliance"), document(findings=[{}]),
        document(findings=[{"id": "a", "since": "yesterday"}]),
        document(findings=[{"id": "a", "since": "2026-11-30T06:00:00"}]),
    ],
)  # fmt: skip
def test_another_document_is_refused(content):
    with pytest.raises(Refused, match="report: "):
        read_first_seen(content)


def test_the_page_escapes_all_text_and_names_remedies_and_checks():
    compiled = report(
        finding("<i>", saving_usd_per_month=2.5, since=NOW - 91 * DAY),
        finding("b"),
        results=[not_checked("cost", "denied", "allow <x>")],
    )
    page = render_page(compiled, "ab" * 32).decode()
    assert "<b>" not in page
    assert "<i>" not in page
    assert "low overdue" in page
    assert "2.50" in page
    assert "Remedy: allow &lt;x&gt;" in page
    assert "age days 3" in page
    assert "default-src 'none'" in page
    assert "<p>None.</p>" in render_page(report(), "").decode()
