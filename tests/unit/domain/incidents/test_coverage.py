"""Whether the next four weeks are covered and a pager calls: the checks `on-call` and `pagers` of the doctor."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time
from itertools import pairwise

from orchestrator.domain.doctor.result import Level as ResultLevel
from orchestrator.domain.incidents.coverage import check_on_call, check_pagers, turns_of
from orchestrator.domain.incidents.rota import Level, Rota

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


def test_every_level_needs_a_pager_whose_key_exists():
    assert check_pagers(ROTA, ["pager"], {"pager": True}, "prod").level is ResultLevel.PASS
    assert check_pagers(None, ["pager"], {"pager": True}, "prod").level is ResultLevel.PASS
    for secrets in ({"pager": False}, {}):
        assert "does not exist: pager" in check_pagers(ROTA, ["pager"], secrets, "prod").reason
    silent = check_pagers(ROTA, ["other"], {"other": True}, "prod")
    assert (silent.level, "level 2" in silent.reason, "level 1" in silent.reason) == (ResultLevel.FAIL, True, False)


def test_without_a_pager_a_rota_fails_and_an_environment_without_one_is_warned():
    assert check_pagers(ROTA, [], {}, "prod").level is ResultLevel.FAIL
    assert check_pagers(None, [], {}, "dev").level is ResultLevel.WARN
