"""The verdict on a rehearsed scenario: PASS only with measured evidence."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.domain.rehearsal.result import Rehearsal, Step, end_of, verdict_of
from orchestrator.domain.rehearsal.scenario import End, Objectives, Scenario
from orchestrator.domain.verdict import Outcome

SCENARIO = Scenario(
    name="lost",
    injected="A table is lost.",
    expected=End.COMMANDS,
    action="Restore it.",
    commands=("orchestrator restore",),
    runbook="restore.md",
    alarm="server-errors",
    objectives=Objectives(timedelta(seconds=60), timedelta(seconds=5)),
)
RUN = Rehearsal(
    scenario="lost",
    started_at=datetime(2026, 11, 30, 12, tzinfo=UTC),
    steps=(Step(0.1, "A table is lost."),),
    commands=("orchestrator restore",),
    ended=End.COMMANDS,
    problem="",
    recovery_seconds=60.0,
    loss_seconds=5.0,
    alarm_seconds=12.0,
    flows=80,
    failed_flows=20,
    writes=90,
    lost_writes=5,
    logins=20,
    ended_logins=20,
)


def test_a_run_at_its_objectives_passes_and_says_what_was_measured():
    verdict = verdict_of(SCENARIO, RUN)
    assert verdict.outcome is Outcome.PASS
    assert "recovery time 60.0 s, data loss 5.0 s, 20 of 80 flows failed, 5 of 90 writes are lost" in verdict.reason
    assert verdict.reason.endswith("20 of 20 logins ended: every user logs in again")


@pytest.mark.parametrize(
    ("logins", "ended", "text"),
    [(20, 3, "3 of 20 logins ended"), (20, 0, "0 of 20 logins ended"), (None, None, "logins were not measured")],
)
def test_the_logins_that_ended_are_stated_and_do_not_decide(logins, ended, text):
    verdict = verdict_of(SCENARIO, replace(RUN, logins=logins, ended_logins=ended))
    assert verdict.outcome is Outcome.PASS
    assert verdict.reason.endswith(text)


@pytest.mark.parametrize(
    ("change", "outcome", "reason"),
    [
        ({"recovery_seconds": 60.1}, Outcome.FAIL, "recovery time 60.1 s, objective 60 s"),
        ({"loss_seconds": 5.1}, Outcome.FAIL, "data loss 5.1 s, objective 5 s"),
        ({"recovery_seconds": float("nan")}, Outcome.FAIL, "recovery time nan s"),
        ({"recovery_seconds": None}, Outcome.INCONCLUSIVE, "the recovery time was not measured"),
        ({"loss_seconds": None}, Outcome.INCONCLUSIVE, "the data loss was not measured"),
        ({"alarm_seconds": None}, Outcome.FAIL, "the alarm server-errors did not fire"),
        ({"ended": End.UNAIDED}, Outcome.FAIL, "it ended in service again without a person, expected"),
        ({"ended": None}, Outcome.FAIL, "it ended not in service"),
        ({"ended": None, "problem": "no flow"}, Outcome.ERROR, "no flow"),
        ({"problem": "another key signs"}, Outcome.FAIL, "another key signs"),
    ],
)
def test_anything_else_does_not_pass(change, outcome, reason):
    verdict = verdict_of(SCENARIO, replace(RUN, **change))
    assert verdict.outcome is outcome
    assert reason in verdict.reason


def test_a_scenario_without_an_alarm_needs_none():
    assert verdict_of(replace(SCENARIO, alarm=""), replace(RUN, alarm_seconds=None)).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("took", "commands", "end"),
    [
        (timedelta(), True, End.THROUGHOUT),
        (timedelta(seconds=1), False, End.UNAIDED),
        (timedelta(seconds=1), True, End.COMMANDS),
        (None, True, End.COMMANDS),
    ],
)
def test_the_end_is_that_of_the_service(took, commands, end):
    assert end_of(took, commands=commands) is end
