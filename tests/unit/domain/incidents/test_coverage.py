"""Whether the next four weeks are covered and a pager calls: the checks `on-call` and `pagers` of the doctor."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time
from itertools import pairwise

import pytest

from orchestrator.domain.doctor.result import Level as ResultLevel
from orchestrator.domain.incidents.coverage import check_on_call, check_pagers, turns_of
from orchestrator.domain.incidents.policy import IncidentPolicy
from orchestrator.domain.incidents.rota import Level, Rota
from orchestrator.domain.incidents.severity import IncidentSeverity
from orchestrator.domain.notifications.destinations import KINDS, Destination, DestinationKind
from orchestrator.domain.notifications.notification import Audience, EventKind, Severity

NOW = datetime(2026, 12, 2, 12, tzinfo=UTC)
ROTA = Rota("Europe/Berlin", "Mon", time(9), date(2026, 1, 5), 15, (Level(("Ann", "Bob")), Level(("Dan",), ("pager",))))


def test_turns_cover_the_weeks_without_a_gap():
    turns = turns_of(ROTA, NOW)
    assert turns[0].begins == NOW
    assert all(first.ends == second.begins for first, second in pairwise(turns))
    assert (turns[-1].ends - NOW).days >= 28
    assert {turn.people for turn in turns} == {("Ann", "Dan"), ("Bob", "Dan")}


def test_a_rota_with_two_levels_of_different_people_passes():
    result = check_on_call(ROTA, NOW, "prod")
    assert (result.level, result.remedy) == (ResultLevel.PASS, "")
    assert "4 weeks are covered on 2 levels" in result.reason


def test_what_leaves_a_page_without_another_person_is_named():
    assert "no rota" in check_on_call(None, NOW, "prod").reason
    one_level = check_on_call(replace(ROTA, levels=ROTA.levels[:1]), NOW, "prod")
    assert (one_level.level, "one level" in one_level.reason) == (ResultLevel.WARN, True)
    twice = check_on_call(replace(ROTA, levels=(Level(("Ann", "Bob")), Level(("Bob",)))), NOW, "prod")
    assert (twice.level, "on two levels" in twice.reason) == (ResultLevel.WARN, True)
    assert "Ann, Bob" not in twice.reason


def test_a_rota_that_has_not_begun_fails():
    result = check_on_call(replace(ROTA, starts=date(2026, 12, 7)), NOW, "prod")
    assert (result.level, "2026-12-07 08:00 UTC" in result.reason) == (ResultLevel.FAIL, True)


PAGER = Destination(
    "pager", DestinationKind.PAGERDUTY, "arn", Severity.ERROR, (Audience.OPERATORS, Audience.SECURITY), KINDS
)
POLICY = IncidentPolicy(rota=ROTA)


def pagers(*destinations, policy=POLICY, secrets=None):
    found = {one.name: True for one in destinations} if secrets is None else secrets
    return check_pagers(policy, destinations, found, "prod")


def test_every_level_needs_a_pager_whose_key_exists():
    assert pagers(PAGER).level is ResultLevel.PASS
    assert pagers(PAGER, policy=IncidentPolicy()).level is ResultLevel.PASS
    for secrets in ({"pager": False}, {}):
        assert "does not exist: pager" in pagers(PAGER, secrets=secrets).reason
    silent = pagers(replace(PAGER, name="other"))
    assert (silent.level, "level 2" in silent.reason, "level 1" in silent.reason) == (ResultLevel.FAIL, True, False)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"audiences": (Audience.OPERATORS,)}, "level 1 for security (pager: audiences lacks security)"),
        ({"audiences": (Audience.SECURITY,)}, "level 2 for operators (pager: audiences lacks operators)"),
        ({"events": (EventKind.ALARM,)}, "level 1 for operators (pager: events lacks incident)"),
        ({"minimum_severity": Severity.CRITICAL}, "pager: minimum_severity critical is above error"),
        (
            {"audiences": (Audience.OPERATORS,), "events": (EventKind.ALARM,)},
            "level 1 for security (pager: audiences lacks security and events lacks incident)",
        ),
    ],
)
def test_a_pager_that_is_kept_from_pages_fails_and_the_setting_is_named(changes, said):
    result = pagers(replace(PAGER, **changes))
    assert (result.level, said in result.reason) == (ResultLevel.FAIL, True)
    assert "[[prod.notifications]]" in result.remedy
    without = pagers(replace(PAGER, **changes), policy=IncidentPolicy())
    assert (without.level, "level" in without.reason) == (ResultLevel.WARN, False)


def test_pagers_of_a_level_cover_its_pages_together_and_those_of_other_levels_do_not():
    operators = replace(PAGER, audiences=(Audience.OPERATORS,))
    security = replace(PAGER, name="security", audiences=(Audience.SECURITY,))
    result = pagers(operators, security)
    assert "level 2 for security (pager: audiences lacks security)" in result.reason
    assert "level 1" not in result.reason
    levels = (ROTA.levels[0], Level(("Dan",), ("pager", "security", "chat")))
    together = replace(POLICY, rota=replace(ROTA, levels=levels))
    assert pagers(operators, security, policy=together).level is ResultLevel.PASS


def test_the_least_severity_that_is_paged_is_compared_with_the_minimum_of_the_pager():
    critical = replace(PAGER, minimum_severity=Severity.CRITICAL)
    assert pagers(critical, policy=replace(POLICY, page_from=IncidentSeverity.SEV1)).level is ResultLevel.PASS
    result = pagers(PAGER, policy=replace(POLICY, page_from=IncidentSeverity.SEV3))
    assert "pages of SEV3" in result.reason
    assert "minimum_severity error is above warning" in result.reason


def test_without_a_pager_a_rota_fails_and_an_environment_without_one_is_warned():
    assert pagers().level is ResultLevel.FAIL
    assert pagers(policy=IncidentPolicy()).level is ResultLevel.WARN
