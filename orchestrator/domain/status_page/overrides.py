"""Overrides: a person sets the state of a component, with a reason and an end, and it wins over every machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.domain.errors import Refused
from orchestrator.domain.schema import refuse_long_text
from orchestrator.domain.status_page.component_state import ComponentState
from orchestrator.domain.status_page.settings import Component

MAX_REASON = 500
LONGEST = timedelta(days=7)
"""An override ends by itself: one that is forgotten would keep the page wrong."""

STATES = tuple(state for state in ComponentState if state is not ComponentState.UNKNOWN)
"""What a person may set."""


@dataclass(frozen=True)
class Override:
    """The state of a component as a person set it.

    Attributes:
        reason: clients read it on the page.
        at: when it was set, UTC.
        until: when it ends by itself, UTC.
        by: the person; not published.
    """

    component: str
    state: ComponentState
    reason: str
    at: datetime
    until: datetime
    by: str

    def is_active(self, now: datetime) -> bool:
        """Return whether it applies now."""
        return self.at <= now < self.until


@dataclass(frozen=True)
class OverrideEntry:
    """An entry of the log of overrides. `cleared`: the override was ended by `by`, before its time."""

    at: datetime
    by: str
    override: Override
    cleared: bool = False


def new_override(
    components: Sequence[Component], component: str, state: str, reason: str, until: datetime, by: str, now: datetime
) -> Override:
    """Return the override that a person asks for.

    Args:
        components: of the page.
        component: the id of one.
        state: one of `STATES`.
        reason: for clients.
        until: when it ends; after now, at most `LONGEST` later.
        by: the person.
        now: the current time.

    Raises:
        Refused: there is no such component or state, the reason is empty or too long, or the end is out of range.
    """
    require_component(components, component)
    if state not in STATES:
        raise Refused("STATE", state, f"give one of {', '.join(STATES)}")
    if not reason.strip():
        raise Refused("--reason", reason, "say why, for the people who read the page")
    refuse_long_text("--reason", reason, MAX_REASON)
    if not now < until <= now + LONGEST:
        remedy = f"give a time after now, at most {LONGEST.days} days ahead"
        raise Refused("--until", until.isoformat(timespec="minutes"), remedy)
    return Override(component, ComponentState(state), reason, now, until, by)


def require_component(components: Sequence[Component], component: str) -> None:
    """Refuse the id of a component that the page does not have.

    Raises:
        Refused: there is no such component.
    """
    known = [one.id for one in components]
    if component not in known:
        raise Refused("COMPONENT", component, f"give one of {', '.join(known)}")
