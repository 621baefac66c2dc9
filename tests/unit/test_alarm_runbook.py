"""The list of alarms in the alarm runbook: every alarm by the name under which it arrives, with what the code decides."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator.domain.incidents.policy import DEFAULT_SEVERITIES
from orchestrator.domain.incidents.signals import signal_of
from orchestrator.domain.notifications.alarms import COMPOSITES, ONE_PAGE, SEVERITIES
from orchestrator.domain.notifications.notification import Severity
from tests.alarm_list import PAGE, ROWS, sections_of

ROOT = Path(__file__).resolve().parents[2]
SNAPSHOTS = ROOT / "tests/infrastructure/snapshots/prod"
LEVELS = {"1": Severity.CRITICAL, "2": Severity.ERROR, "3": Severity.WARNING}
PHRASES = {
    "yes": "Opens an incident.",
    "no": "Opens no incident.",
    "`service-degraded` does": "Opens no incident: [`service-degraded`](#service-degraded) does.",
    "the failed drill does": "Opens no incident: the failed drill does.",
}


def alarms() -> dict[str, str]:
    """Return the section of each alarm of production, by its name without prefix and environment."""
    text = "\n".join(file.read_text(encoding="utf-8") for file in sorted(SNAPSHOTS.glob("*.txt")))
    described = re.findall(
        r"Runbook: docs/runbooks/alarms\.md#([a-z0-9-]+)\n\s+AlarmName ib-oauth-(\S+)-prod$", text, re.MULTILINE
    )
    assert len(described) == len(re.findall(r"^\s+AlarmName ", text, re.MULTILINE))
    return {name: section for section, name in described}


def opens_an_incident(section: str) -> bool:
    """Return whether the alarm itself opens an incident, by the default severities."""
    event = {
        "detail-type": "CloudWatch Alarm State Change",
        "detail": {
            "alarmName": f"ib-oauth-{section}-prod",
            "state": {"value": "ALARM", "timestamp": "2026-11-23T03:00:00.000+0000", "reason": "5 > 1"},
            "configuration": {"description": f"Broken. Runbook: docs/runbooks/alarms.md#{section}"},
        },
    }
    signal = signal_of(event, "prod")
    return signal is not None and DEFAULT_SEVERITIES[signal.opener] is not None


def expected_incident(section: str) -> str:
    if opens_an_incident(section):
        return "yes"
    if section in ONE_PAGE:
        return "`service-degraded` does"
    return "the failed drill does" if DEFAULT_SEVERITIES.get(section) else "no"


def test_every_alarm_is_in_the_list_by_its_name_with_its_section():
    found = alarms()
    assert len(found) > 60
    for name, section in found.items():
        assert sections_of(name) == {section}, name


def test_the_list_has_every_section_and_no_other():
    assert {row[1] for row in ROWS} == set(SEVERITIES) == set(re.findall(r"^### ([a-z0-9-]+)$", PAGE, re.MULTILINE))
    assert all(section == anchor for _, section, anchor, *_ in ROWS)
    names = [row[0].replace("{", "") for row in ROWS]
    assert names == sorted(names), "sort the list by the alarms' names"
    assert len(names) == len(set(names))


def test_the_list_says_what_the_code_decides():
    for name, section, _, level, incident, rollback in ROWS:
        assert LEVELS[level] is SEVERITIES[section], name
        assert incident == expected_incident(section), name
        assert (rollback == "yes") is (section in ONE_PAGE), name


@pytest.mark.parametrize("section", SEVERITIES)
def test_every_section_says_whether_the_alarm_opens_an_incident(section):
    (line,) = re.findall(rf"^### {section}\n\n- \*\*Severity:\*\* SEV[123]\. (.+)$", PAGE, re.MULTILINE)
    assert line == PHRASES[expected_incident(section)]


def test_the_page_has_one_title():
    assert len(re.findall(r"^# \w", re.sub(r"(?s)```.*?```", "", PAGE), re.MULTILINE)) == 1


def test_the_composite_alarms_open_incidents():
    assert all(opens_an_incident(section) for section in COMPOSITES)
    assert not opens_an_incident("throttles")
