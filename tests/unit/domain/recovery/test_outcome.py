from dataclasses import replace
from datetime import timedelta

from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.recovery.outcome import recovery_message, summary_of
from orchestrator.domain.recovery.record import CheckResult, Measured, RecoveryAction, RecoveryDecision, concluded
from orchestrator.domain.verdict import Verdict
from tests.samples import NOW, recovery

GREEN = RecoveryDecision(RecoveryAction.SUCCEEDED, "all 1 checks passed")


def test_a_green_drill_is_reported_with_what_was_measured():
    good = CheckResult("restore.state", Verdict.passed("restored"))
    found = replace(concluded(recovery().with_check_results(good), NOW), measured=Measured(timedelta(minutes=25)))
    subject, text = recovery_message("dr-1", Kind.DRILL, "test", found, GREEN, {})
    assert subject == "test: drill succeeded"
    assert "recovery time: 1500 s, objective 7200 s" in text
    assert "data loss: not measured, objective 600 s" in text
    assert "restore.state" not in text


def test_a_red_drill_names_what_is_wrong():
    bad = CheckResult("settings.state.tags", Verdict.failed("none"))
    decision = RecoveryDecision(RecoveryAction.FAILED, "settings.state.tags: none")
    subject, text = recovery_message(
        "dr-1", Kind.DRILL, "test", concluded(recovery().with_check_results(bad), NOW), decision, {}
    )
    assert subject == "test: drill failed"
    assert "settings.state.tags: none" in text.splitlines()


def test_one_that_was_refused_says_why():
    decision = RecoveryDecision(RecoveryAction.REFUSED, "too dear")
    subject, text = recovery_message("dr-1", Kind.RESTORE, "test", None, decision, {})
    assert subject == "test: restore refused"
    assert "too dear" in text


def test_one_whose_record_could_not_be_completed_is_red_and_says_so():
    subject, text = recovery_message(
        "dr-1", Kind.DRILL, "test", recovery(), GREEN, {"Error": "Unreachable", "Cause": "down"}
    )
    assert subject == "test: drill failed"
    assert "It ended with an error: Unreachable: down" in text


def test_one_that_went_back_says_from_what():
    found = concluded(
        recovery(kind=Kind.RESTORE, failback_of="dr-0").with_check_results(
            CheckResult("level.state", Verdict.passed("p"))
        ),
        NOW,
    )
    _, text = recovery_message("dr-1", Kind.RESTORE, "test", found, GREEN, {})
    assert "Failback of restore dr-0; requested by somebody." in text


def test_a_list_entry_has_the_request_the_point_and_the_outcome():
    entry = summary_of(concluded(recovery(), NOW))
    assert (entry["recovery"], entry["kind"], entry["requested_by"]) == ("dr-1", Kind.DRILL, "somebody")
    assert (entry["point"], entry["outcome"], entry["ended_at"]) == (recovery().point, "FAILED", NOW)
