"""Whether a person is on call for the next weeks, and a pager calls them: checks of `orchestrator doctor`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.domain.doctor.result import Result, failed, listed, passed, warned
from orchestrator.domain.incidents.rota import Rota

WEEKS = 4
"""How many weeks must be covered."""

_PAGE_REMEDY = "docs/guides/incidents.md"


@dataclass(frozen=True)
class Turn:
    """A turn of the rota: who is on call from `begins` to `ends`, by level. Both are in UTC."""

    begins: datetime
    ends: datetime
    people: tuple[str, ...]


def turns_of(rota: Rota, now: datetime, weeks: int = WEEKS) -> tuple[Turn, ...]:
    """Return the present turn and those that begin within the next weeks."""
    turns, begins = [], now
    while begins < now + timedelta(weeks=weeks):
        ends = rota.turn_ends_at(begins)
        turns.append(Turn(begins, ends, tuple(rota.on_call(level + 1, begins) for level in range(len(rota.levels)))))
        begins = ends
    return tuple(turns)


def check_on_call(rota: Rota | None, now: datetime, env: str) -> Result:
    """Check that the rota covers the next `WEEKS` weeks, and that each escalation calls another person.

    Args:
        rota: of the environment; None if it has none.
        now: aware.
        env: the environment's name.
    """
    if rota is None:
        return warned("there is no rota: a page names no person and is not escalated", f"add [{env}.on_call]")
    turns = turns_of(rota, now)
    starts = rota.starts_at
    if starts > turns[0].begins:
        reason = f"the rota begins at {starts:%Y-%m-%d %H:%M} UTC: the order of turns before it was not agreed"
        return failed(reason, f"set {env}.on_call.starts to a handover day that is over ({_PAGE_REMEDY})")
    repeated = [turn for turn in turns if len(set(turn.people)) < len(turn.people)]
    if repeated:
        weeks = listed(f"from {turn.begins:%Y-%m-%d}: {', '.join(turn.people)}" for turn in repeated)
        return warned(
            f"one person is on call on two levels, so an escalation calls them again: {weeks}",
            f"change the people of {env}.on_call.levels",
        )
    if len(rota.levels) == 1:
        reason = "the rota has one level: a page that is not acknowledged goes nowhere"
        return warned(reason, f"add a second level to {env}.on_call")
    return passed(f"{WEEKS} weeks are covered on {len(rota.levels)} levels, until {turns[-1].ends:%Y-%m-%d %H:%M} UTC")


def check_pagers(rota: Rota | None, pagers: Collection[str], secrets: Mapping[str, bool], env: str) -> Result:
    """Check that pages reach a pager on every level.

    Args:
        rota: of the environment; None if it has none.
        pagers: names of the destinations that call people.
        secrets: name of a pager to whether the secret with its key exists.
        env: the environment's name.
    """
    if not pagers:
        remedy = f"add a [[{env}.notifications]] of kind pagerduty, opsgenie or grafana_oncall"
        reason = "no pager is configured: nothing calls the on-call at night"
        return failed(reason, remedy) if rota else warned(reason, remedy)
    absent = [name for name in pagers if not secrets.get(name, False)]
    if absent:
        reason = f"the secret of a pager does not exist: {listed(absent)}"
        return failed(reason, "create it in Secrets Manager, with the pager's key")
    silent = _levels_without(rota, pagers)
    if silent:
        remedy = f"name a pager in {env}.on_call.levels[…].destinations"
        return failed(f"pages of {listed(silent)} go to no pager", remedy)
    return passed(f"{listed(pagers)}: every level reaches a pager, and its key exists")


def _levels_without(rota: Rota | None, pagers: Collection[str]) -> Sequence[str]:
    levels = rota.levels if rota else ()
    return [
        f"level {number}"
        for number, level in enumerate(levels, start=1)
        if level.destinations and not set(level.destinations) & set(pagers)
    ]
