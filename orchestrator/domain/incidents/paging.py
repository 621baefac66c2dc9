"""Who is paged next, and whose action items are overdue: decided by time, once a minute, from the incident alone.

Level 1 is paged at once. A page that is not acknowledged for `escalate_minutes` goes to the next level; after the last
one the incident says that no level answered, and the next round begins with level 1. After `MOST_ROUNDS` nothing more is
paged: the incident stays open and unanswered.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from orchestrator.domain.incidents.incident import ActionItem, Draft, EntryKind, Incident, IncidentState
from orchestrator.domain.incidents.policy import IncidentPolicy

MOST_ROUNDS = 3
"""How often all levels are paged."""

REMIND_EVERY = timedelta(days=1)
"""How often the owner of an overdue action item is reminded."""

PAGES = frozenset({EntryKind.PAGED, EntryKind.UNANSWERED})
"""What maintenance may silence."""


def due_drafts(incident: Incident, policy: IncidentPolicy, now: datetime) -> tuple[Draft, ...]:
    """Return what is due by now: the next page or that no level answered, and reminders."""
    paging = next_page(incident, policy, now)
    reminders = tuple(
        Draft(
            EntryKind.REMINDED,
            f"action item {action.number} of {action.owner} was due on {action.due}: {action.text}",
            details={"action": action.number, "owner": action.owner},
        )
        for action in overdue_actions(incident, now)
    )
    return ((paging,) if paging else ()) + reminders


def next_page(incident: Incident, policy: IncidentPolicy, now: datetime) -> Draft | None:
    """Return the page that is due, or the entry that no level answered; None if neither is."""
    if incident.state is not IncidentState.OPEN or not incident.severity.at_least(policy.page_from):
        return None
    last = incident.pages[-1] if incident.pages else None
    if last is None:
        return _page(1, 1, policy, now)
    rota = policy.rota
    if rota is None or now - last.at < timedelta(minutes=rota.escalate_minutes):
        return None
    levels = len(rota.levels)
    if last.level < levels:
        return _page(last.level + 1, last.round, policy, now)
    if incident.unanswered_rounds < last.round:
        words = f"no level acknowledged in round {last.round}: {levels} paged, {rota.escalate_minutes} minutes each"
        return Draft(EntryKind.UNANSWERED, words, details={"round": last.round})
    return _page(1, last.round + 1, policy, now) if last.round < MOST_ROUNDS else None


def overdue_actions(incident: Incident, now: datetime) -> tuple[ActionItem, ...]:
    """Return the action items whose owner is to be reminded now."""
    return tuple(
        action
        for action in incident.open_actions
        if now.date() > action.due and (action.reminded_at is None or now - action.reminded_at >= REMIND_EVERY)
    )


def _page(level: int, attempt: int, policy: IncidentPolicy, now: datetime) -> Draft:
    person = policy.rota.on_call(level, now) if policy.rota else ""
    destinations = policy.rota.levels[level - 1].destinations if policy.rota else ()
    whom = f"{person} (level {level})" if person else "the on-call operator"
    return Draft(
        EntryKind.PAGED,
        f"paged {whom}" + (f", round {attempt}" if attempt > 1 else ""),
        details={"level": level, "round": attempt, "person": person, "destinations": list(destinations)},
    )
