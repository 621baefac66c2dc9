"""The page of the last runs says what was recorded, and no more."""

from orchestrator.domain.rehearsal.page import WIDTH, render_page
from tests.unit.domain.rehearsal.test_result import RUN, SCENARIO


def test_the_page_has_the_measured_values_of_a_run():
    page = render_page([SCENARIO], {"lost": RUN})
    row = "| [lost](#lost) | PASS | in service again after a person's commands | 60.0 s | 5.0 s | 12.0 s | 20 of 80 | 5 of 90 | 20 of 20 |"
    assert row in page
    assert "| 0.1 | A table is lost. |" in page
    assert "Last run 2026-11-30 12:00 UTC, PASS: " in page


def test_a_scenario_that_was_never_run_has_no_result():
    page = render_page([SCENARIO], {})
    assert "| [lost](#lost) | never run | | | | | | | |" in page
    assert "This scenario was never run." in page
    assert "PASS:" not in page


def test_what_was_not_measured_is_named():
    from dataclasses import replace

    scenario = replace(SCENARIO, alarm="", commands=(), action="", limits="Everything.")
    page = render_page([scenario], {"lost": replace(RUN, ended=None, recovery_seconds=None, alarm_seconds=None)})
    assert "| [lost](#lost) | FAIL | not in service | not measured | 5.0 s | none |" in page
    assert "**A person:** Nothing." in page
    assert "**Not shown here:** Everything." in page
    assert "```" not in page


def test_the_page_is_wrapped_apart_from_its_tables():
    lines = render_page([SCENARIO], {"lost": RUN}).splitlines()
    assert [line for line in lines if len(line) > WIDTH and not line.startswith("|")] == []
