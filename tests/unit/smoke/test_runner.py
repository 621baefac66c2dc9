"""A run keeps what its steps found, goes on where it can, and always cleans up."""

from dataclasses import dataclass

import pytest

from orchestrator.domain.errors import Unreachable
from orchestrator.smoke.results import ACCOUNT, Fact, Step, Verdict
from orchestrator.smoke.runner import run_steps
from orchestrator.smoke.world import DeployFailed


@dataclass
class World:
    account: str = "123456789012"
    region: str = "us-west-1"


def step(number: int, *facts: Fact | BaseException, needs=frozenset(), after=()) -> Step:
    def run(_world):
        for fact in facts:
            if isinstance(fact, BaseException):
                raise fact
            yield fact

    return Step(number, f"step {number}", "It proves.", ("1",), 0.1, 1, ("call",), run, needs, after)


def passed(row: str = "1") -> Fact:
    return Fact(row, Verdict.PASS, "as expected")


class TornDown:
    def __init__(self, left=()):
        self.left, self.times = left, 0

    def __call__(self):
        self.times += 1
        return self.left


def run(*steps: Step, available=(), left=()):
    lines, torn_down = [], TornDown(left)
    report = run_steps(steps, World(), available, tear_down=torn_down, say=lines.append)
    assert torn_down.times == 1
    return report, lines


def test_facts_are_printed_and_kept_as_they_are_found():
    report, lines = run(step(1, passed("2"), passed("9")), step(2, passed("6"), after=(1,)))
    assert [fact.row for result in report.results for fact in result.facts] == ["2", "9", "6"]
    assert report.succeeded
    assert "  PASS     row 9: as expected" in lines


@pytest.mark.parametrize("error", [Unreachable("no answer"), DeployFailed("cdk ended with 1"), OSError("no route")])
def test_an_error_ends_its_step_keeps_its_facts_and_skips_what_depends_on_it(error):
    report, _ = run(step(1, passed("2"), error, passed("9")), step(2, passed(), after=(1,)), step(3, passed()))
    first, second, third = report.results
    assert ([fact.row for fact in first.facts], first.problem) == (["2"], f"{type(error).__name__}: {error}")
    assert [(fact.verdict, fact.answer) for fact in second.facts] == [(Verdict.NOT_RUN, "step 1 did not succeed")]
    assert (third.verdict, report.succeeded) == (Verdict.PASS, False)


def test_a_step_without_what_it_needs_is_not_run_and_fails_nothing():
    needs_account = step(1, passed(), needs=frozenset({ACCOUNT}))
    report, _ = run(needs_account)
    assert report.results[0].facts == (Fact("1", Verdict.NOT_RUN, "it needs an AWS account"),)
    assert report.succeeded
    assert run(needs_account, available={ACCOUNT})[0].results[0].verdict is Verdict.PASS


def test_an_interruption_ends_the_steps_and_not_the_clean_up():
    report, lines = run(step(1, passed()), step(2, KeyboardInterrupt()), step(3, passed()))
    assert [result.step.number for result in report.results] == [1]
    assert "interrupted; cleaning up" in lines
    assert (report.interrupted, report.succeeded) == (True, False)


def test_a_fault_of_the_program_is_raised_after_the_clean_up():
    torn_down = TornDown()
    with pytest.raises(ZeroDivisionError):
        run_steps((step(1, ZeroDivisionError()),), World(), (), tear_down=torn_down, say=lambda _: None)
    assert torn_down.times == 1


def test_what_is_left_fails_the_run():
    report, _ = run(step(1, passed()), left=("us-west-1: table t",))
    assert not report.succeeded
