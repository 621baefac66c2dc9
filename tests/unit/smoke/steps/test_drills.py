"""What a drill on AWS answers is taken from its own checks."""

from dataclasses import replace

import pytest

from orchestrator.domain.recovery.record import CheckResult
from orchestrator.domain.verdict import Verdict
from orchestrator.smoke.results import Verdict as Answered
from orchestrator.smoke.steps.drills import answers_of
from tests.samples import NOW, recovery

PASSED = [
    CheckResult(name, Verdict.passed("fine"))
    for name in ("content.state", "content.tokens", "settings.state.billing", "settings.tokens.stream", "tokens.safe")
]


def answered(found):
    return {fact.row: fact.verdict for fact in answers_of("small", found)}


def test_a_drill_that_passed_answers_every_question_but_the_export():
    found = answered(recovery().with_check_results(*PASSED))
    assert found == dict.fromkeys(("15", "20", "26", "3b"), Answered.PASS) | {"4": Answered.MEASURED}


@pytest.mark.parametrize(("exported_at", "verdict"), [(NOW, Answered.PASS), (None, Answered.FAIL)])
def test_an_export_has_to_be_complete(exported_at, verdict):
    drill = recovery().with_check_results(*PASSED)
    tables = [replace(table, by_export=True, exported_at=exported_at) for table in drill.tables]
    assert answered(drill.with_tables(tables))["4"] is verdict


@pytest.mark.parametrize(
    ("check", "rows"), [("content.state", {"15"}), ("settings.state.billing", {"20", "26"}), ("tokens.safe", {"3b"})]
)
def test_a_check_that_failed_fails_its_question(check, rows):
    found = answered(recovery().with_check_results(*PASSED, CheckResult(check, Verdict.failed("it differs"))))
    assert {row for row, verdict in found.items() if verdict is Answered.FAIL} == rows


def test_what_was_not_reached_is_no_pass():
    assert set(answered(recovery()).values()) == {Answered.FAIL, Answered.MEASURED}
