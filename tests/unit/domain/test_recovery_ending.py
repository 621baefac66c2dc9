from dataclasses import replace
from datetime import timedelta

from orchestrator.domain.records import Kind
from orchestrator.domain.recovery import Finding, Measured, RecoveryAction, RecoveryDecision, concluded
from orchestrator.domain.recovery_ending import message_of
from orchestrator.domain.verdict import Verdict
from tests.samples import NOW, recovery

GREEN = RecoveryDecision(RecoveryAction.GREEN, "all 1 checks passed")


def test_a_green_drill_is_told_with_what_was_measured():
    good = Finding("restore.state", Verdict.passed("restored"))
    found = replace(concluded(recovery().found(good), NOW), measured=Measured(timedelta(minutes=25)))
    subject, text = message_of("dr-1", Kind.DRILL, "test", found, GREEN, {})
    assert subject == "test: drill green"
    assert "recovery time: 1500 s, promised 7200 s" in text
    assert "data loss: not measured, promised 600 s" in text
    assert "restore.state" not in text


def test_a_red_drill_names_what_is_wrong():
    bad = Finding("settings.state.tags", Verdict.failed("none"))
    decision = RecoveryDecision(RecoveryAction.RED, "settings.state.tags: none")
    subject, text = message_of("dr-1", Kind.DRILL, "test", concluded(recovery().found(bad), NOW), decision, {})
    assert subject == "test: drill red"
    assert "settings.state.tags: none" in text.splitlines()


def test_one_that_was_refused_says_why():
    decision = RecoveryDecision(RecoveryAction.REFUSED, "too dear")
    subject, text = message_of("dr-1", Kind.RESTORE, "test", None, decision, {})
    assert subject == "test: restore refused"
    assert "too dear" in text


def test_one_whose_record_could_not_be_completed_is_red_and_says_so():
    subject, text = message_of("dr-1", Kind.DRILL, "test", recovery(), GREEN, {"Error": "Unreachable", "Cause": "down"})
    assert subject == "test: drill red"
    assert "It did not end as it should: Unreachable: down" in text


def test_one_that_went_back_says_from_what():
    found = concluded(recovery(kind=Kind.RESTORE, back="dr-0").found(Finding("level.state", Verdict.passed("p"))), NOW)
    _, text = message_of("dr-1", Kind.RESTORE, "test", found, GREEN, {})
    assert "Back from restore dr-0; asked for by somebody." in text
