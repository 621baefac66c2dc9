"""Whether a person is on call for the next weeks, and a pager calls them: checks of `orchestrator doctor`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.domain.doctor.result import Result, failed, listed, passed, warned
from orchestrator.domain.incidents.policy import IncidentPolicy
from orchestrator.domain.incidents.rota import Rota
from orchestrator.domain.incidents.severity import NOTIFIED_AS
from orchestrator.domain.notifications.destinations import Destination
from orchestrator.domain.notifications.notification import Audience, EventKind, Severity

WEEKS = 4
"""How many weeks must be covered."""

OF_INCIDENTS = (Audience.OPERATORS, Audience.SECURITY)
"""Whom an incident may be for: its cause decides."""

_PAGE_REMEDY, _NOTIFICATIONS_REMEDY = "docs/guides/incidents.md", "docs/guides/notifications.md"


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


def check_pagers(
    policy: IncidentPolicy, pagers: Sequence[Destination], secrets: Mapping[str, bool], env: str
) -> Result:
    """Check that pages reach a pager on every level, for each audience that an incident may have.

    Args:
        policy: the settings of incidents. Without a rota its pages go to all pagers, as one level.
        pagers: the destinations that call people.
        secrets: name of a pager to whether the secret with its key exists.
        env: the environment's name.
    """
    judge = failed if policy.rota else warned
    if not pagers:
        remedy = f"add a [[{env}.notifications]] of kind pagerduty, opsgenie or grafana_oncall"
        return judge("no pager is configured: nothing calls the on-call at night", remedy)
    absent = [one.name for one in pagers if not secrets.get(one.name, False)]
    if absent:
        reason = f"the secret of a pager does not exist: {listed(absent)}"
        return failed(reason, "create it in Secrets Manager, with the pager's key")
    levels = {f"level {number}": names for number, names in enumerate(_destinations(policy), start=1)} or {"": ()}
    called = {level: [one for one in pagers if not names or one.name in names] for level, names in levels.items()}
    silent = [level for level, chosen in called.items() if not chosen]
    if silent:
        remedy = f"name a pager in {env}.on_call.levels[…].destinations"
        return failed(f"pages of {listed(silent)} go to no pager", remedy)
    severity = NOTIFIED_AS[policy.page_from]
    gaps = [
        f"{level} for {audience} ({'; '.join(_obstacle(one, audience, severity) for one in chosen)})".strip()
        for level, chosen in called.items()
        for audience in OF_INCIDENTS
        if all(_obstacle(one, audience, severity) for one in chosen)
    ]
    if gaps:
        reason = f"no pager takes pages of {policy.page_from}: {listed(gaps)}"
        return judge(reason, f"change these settings of [[{env}.notifications]] ({_NOTIFICATIONS_REMEDY})")
    names = listed([one.name for one in pagers])
    return passed(f"{names}: every level reaches a pager for {' and '.join(OF_INCIDENTS)}, and its key exists")


def _destinations(policy: IncidentPolicy) -> Sequence[tuple[str, ...]]:
    """Return each level's destinations; nothing without a rota."""
    return [level.destinations for level in policy.rota.levels] if policy.rota else []


def _obstacle(pager: Destination, audience: Audience, severity: Severity) -> str:
    """Return the settings of a pager that keep a page of an incident from it; empty if none does."""
    found = {
        f"audiences lacks {audience}": audience not in pager.audiences,
        f"events lacks {EventKind.INCIDENT}": EventKind.INCIDENT not in pager.events,
        f"minimum_severity {pager.minimum_severity} is above {severity}": not severity.at_least(pager.minimum_severity),
    }
    settings = " and ".join(setting for setting, keeps in found.items() if keeps)
    return f"{pager.name}: {settings}" if settings else ""
