"""The report of controls: what was not checked is never a pass, and two reports have a difference."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from orchestrator.domain.compliance import report as reports
from orchestrator.domain.compliance.catalogue.controls import CONTROLS, controls_of
from orchestrator.domain.compliance.control import Control, Framework, Method, Owner, Severity, choose_frameworks
from orchestrator.domain.compliance.html_page import render_page
from orchestrator.domain.compliance.report import (
    FAILED,
    INCOMPLETE,
    SUCCEEDED,
    by_framework,
    compare_reports,
    compile_report,
    read_report,
    recorded,
    report_document,
)
from orchestrator.domain.compliance.result import (
    NotApplicable,
    NotChecked,
    Result,
    Status,
    result_of_problem,
)
from orchestrator.domain.errors import Refused

pytestmark = pytest.mark.decision
NOW = datetime(2026, 7, 1, 6, tzinfo=UTC)


def control(name, severity=Severity.HIGH, framework=Framework.OAUTH):
    return Control(name, framework, f"{name} is so.", "RFC 6749 §1", Method.HTTP, severity, Owner.SECURITY, "fix it")


def report_of(*results, controls=None, at=NOW):
    return compile_report("test", at, controls or [control(result.control) for result in results], results)


def test_a_control_without_a_result_was_not_checked():
    report = compile_report("test", NOW, [control("a")], [])

    assert report.findings[0].result == Result("a", Status.NOT_CHECKED, "no check gave a result")
    assert report.outcome == INCOMPLETE


def test_the_most_urgent_come_first():
    controls = [
        control("passes"),
        control("fails"),
        control("fails-critically", Severity.CRITICAL),
        control("practice", framework=Framework.PRACTICES),
        control("unchecked"),
        control("other"),
    ]
    results = [
        Result("passes", Status.PASS),
        Result("fails", Status.FAIL, "x"),
        Result("fails-critically", Status.FAIL, "x"),
        Result("practice", Status.FAIL, "x"),
        Result("unchecked", Status.NOT_CHECKED, "x"),
        Result("other", Status.NOT_APPLICABLE, "x"),
    ]

    report = compile_report("test", NOW, controls, results)

    names = [finding.control.id for finding in report.findings]
    assert names == ["fails-critically", "fails", "practice", "unchecked", "other", "passes"]
    assert report.outcome == FAILED
    assert report.summary == "6 controls: 3 fail, 1 not checked, 1 not applicable, 1 pass"
    assert [finding.control.id for finding in report.failing] == names[:3]


@pytest.mark.parametrize(
    ("statuses", "outcome"),
    [
        ([Status.PASS], SUCCEEDED),
        ([Status.PASS, Status.NOT_APPLICABLE], SUCCEEDED),
        ([Status.PASS, Status.NOT_CHECKED], INCOMPLETE),
        ([Status.NOT_CHECKED, Status.FAIL], FAILED),
    ],
)
def test_a_report_succeeds_only_if_everything_that_applies_passed(statuses, outcome):
    assert report_of(*(Result(f"c{number}", status) for number, status in enumerate(statuses))).outcome == outcome


def test_a_report_about_nothing_says_so():
    assert compile_report("test", NOW, [], []).summary == "0 controls: none"


def test_two_results_of_one_control_and_results_of_no_control_are_refused():
    with pytest.raises(ValueError, match="two results of a"):
        compile_report("test", NOW, [control("a")], [Result("a", Status.PASS), Result("a", Status.FAIL)])
    with pytest.raises(ValueError, match="results of no control: b"):
        compile_report("test", NOW, [control("a")], [Result("b", Status.PASS)])


def test_the_remedy_is_the_result_s_or_the_control_s_and_none_where_nothing_is_to_do():
    own = report_of(Result("a", Status.FAIL, "x", "do this")).findings[0].remedy
    of_control = report_of(Result("a", Status.FAIL, "x")).findings[0].remedy
    unchecked = report_of(Result("a", Status.NOT_CHECKED, "x")).findings[0].remedy
    passed = report_of(Result("a", Status.PASS, "x", "do this")).findings[0].remedy

    assert (own, of_control, unchecked, passed) == ("do this", "fix it", "", "")


def test_a_kept_report_is_read_back():
    report = report_of(Result("a", Status.FAIL, "x"), Result("b", Status.PASS))
    document = report_document(report)

    assert read_report(document) == recorded(report)
    assert json.loads(document)["controls"][0]["owner"] == "security"


@pytest.mark.parametrize(
    "document",
    [b"", b"[]", b'{"kind":"compliance"}', b'{"kind":"drill","version":1,"controls":[],"at":"x","outcome":"x"}'],
)
def test_what_is_no_report_is_refused(document):
    with pytest.raises(Refused, match="no compliance report of version 1"):
        read_report(document)


@pytest.mark.parametrize("change", [{"kind": "drill"}, {"version": 2}])
def test_a_report_of_another_kind_or_version_is_refused(change):
    document = {**json.loads(report_document(report_of(Result("a", Status.PASS)))), **change}
    with pytest.raises(Refused, match="another kind, or of another version"):
        read_report(json.dumps(document).encode())


def test_the_trend_names_what_changed():
    before = recorded(
        report_of(
            Result("stays", Status.FAIL),
            Result("resolved", Status.FAIL),
            Result("breaks", Status.PASS),
            Result("unchecked", Status.PASS),
            Result("gone", Status.PASS),
            Result("never-checked", Status.NOT_CHECKED),
        )
    )
    now = recorded(
        report_of(
            Result("stays", Status.FAIL),
            Result("resolved", Status.PASS),
            Result("breaks", Status.FAIL),
            Result("unchecked", Status.NOT_CHECKED),
            Result("new", Status.FAIL),
            Result("never-checked", Status.NOT_CHECKED),
        )
    )

    trend = compare_reports(before, now)

    assert trend == reports.Trend(
        since=NOW,
        newly_failing=("breaks", "new"),
        still_failing=("stays",),
        resolved=("resolved",),
        unchecked=("unchecked",),
        added=("new",),
        removed=("gone",),
    )


def test_frameworks_are_chosen_by_name_in_their_own_order():
    assert choose_frameworks([]) == tuple(Framework)
    assert choose_frameworks(["practices", "oauth", "oauth"]) == (Framework.OAUTH, Framework.PRACTICES)
    with pytest.raises(Refused, match="name one of oauth, infrastructure, data-protection, practices"):
        choose_frameworks(["pci"])


def test_counts_are_by_framework():
    report = compile_report(
        "test",
        NOW,
        [control("a"), control("b", framework=Framework.PRACTICES)],
        [Result("a", Status.PASS), Result("b", Status.FAIL)],
    )

    counts = by_framework(report, [Framework.OAUTH, Framework.PRACTICES])

    assert counts[Framework.OAUTH][Status.PASS] == counts[Framework.PRACTICES][Status.FAIL] == 1
    assert counts[Framework.OAUTH][Status.FAIL] == 0


def test_a_problem_is_a_failure_and_none_a_pass():
    assert result_of_problem("a", "it is so") == Result("a", Status.FAIL, "it is so")
    assert result_of_problem("a", "") == Result("a", Status.PASS)
    assert (NotChecked("why", "how").reason, str(NotApplicable("no"))) == ("why", "no")


def test_the_page_shows_failing_controls_first_and_escapes_what_was_found():
    report = report_of(Result("passes", Status.PASS), Result("fails", Status.FAIL, "<script>x</script>"))

    page = render_page(report, "0" * 64).decode()

    assert page.index("fails") < page.index("passes")
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert "Remedy: fix it" in page
    assert "Not checked</h2>" not in page
    assert "2 controls: 1 fail, 1 pass" in page
    assert "0" * 64 in page


def test_every_control_is_stated_whole():
    assert len({one.id for one in CONTROLS}) == len(CONTROLS)
    for one in CONTROLS:
        assert one.id == one.id.lower().replace("_", "-")
        assert one.requirement.endswith(".")
        assert one.requirement.count(". ") == 0
        assert one.source
        assert one.remedy
    assert {one.framework for one in CONTROLS} == set(Framework)
    assert controls_of([Framework.OAUTH]) == tuple(one for one in CONTROLS if one.framework is Framework.OAUTH)
