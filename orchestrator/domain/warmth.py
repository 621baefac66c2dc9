"""Which versions are kept warm (provisioned concurrency), and what follows from how warm they are.

It sits on versions: AWS refuses it on an alias with weights. Canary gets it before its first request, stable keeps it for as long
as a rollback may come, and every other version loses it: by the next deployment, or by the reconciler once the rollback window
is over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from orchestrator.domain.decision import Action, Decision
from orchestrator.domain.plan import WARMING_LOOKS
from orchestrator.domain.records import Deployment, Ending
from orchestrator.domain.signals import why_not_undone

LOOK_SECONDS = 15
READY, FAILED = "READY", "FAILED"


@dataclass(frozen=True)
class Warmth:
    """The provisioned concurrency of one version, as Lambda tells it.

    Attributes:
        requested: how many environments.
        available: how many are there.
        state: IN_PROGRESS, READY or FAILED.
        reason: why it failed.
    """

    requested: int
    available: int
    state: str
    reason: str = ""


@dataclass(frozen=True)
class Changes:
    """Versions of one function that get provisioned concurrency, and versions that lose it."""

    warm: tuple[str, ...]
    cool: tuple[str, ...]


def changes(count: int, versions: Iterable[str], found: Mapping[str, Warmth]) -> Changes:
    """Say what has to change so that `versions` have `count` warm environments each, and no other version has any.

    What failed is asked for again: Lambda does not try by itself.
    """
    wanted = frozenset(versions) if count else frozenset[str]()
    lacking = {version for version in wanted if not _asked(count, found.get(version))}
    return Changes(warm=tuple(sorted(lacking)), cool=tuple(sorted(found.keys() - wanted)))


def judge_warming(look: int, wanted: Mapping[str, int], found: Mapping[str, Warmth | None]) -> Decision:
    """Decide what follows a look at canary's versions: go on, look again, or roll back.

    Args:
        look: which look this is, from 0. What failed before it was asked for at look 0 is no judgement on it.
        wanted: function to the environments that its canary is to have.
        found: function to what its canary has; None where there is nothing.
    """
    told = ", ".join(f"{name} {_told(count, found[name])}" for name, count in sorted(wanted.items()))
    failed = [name for name in wanted if (one := found[name]) and one.state == FAILED]
    if failed and look:
        return Decision(Action.ROLL_BACK, 0, look, 0, f"canary could not be warmed: {told}")
    if all((one := found[name]) and one.state == READY and one.requested == wanted[name] for name in wanted):
        return Decision(Action.PROCEED, 0, look, 0, f"canary is warm: {told}")
    if look + 1 >= WARMING_LOOKS:
        return Decision(Action.ROLL_BACK, 0, look, 0, f"canary is not warm after {look * LOOK_SECONDS} s: {told}")
    return Decision(Action.WARM, 0, look + 1, LOOK_SECONDS, f"warming canary: {told}")


def reachable(name: str, routed: Iterable[str], newest: Deployment | None, now: datetime) -> frozenset[str]:
    """Return the versions of a function that serve, or that an alarm may bring back.

    Args:
        name: the function, by its short name.
        routed: the versions that the alias names.
        newest: the newest deployment that shifted traffic and ended; None where there was none.
        now: the time.
    """
    serving = frozenset(routed)
    if newest is None or newest.ending is not Ending.SUCCEEDED or why_not_undone(newest, now):
        return serving
    return serving | {one.stable_version for one in newest.functions if one.name == name}


def _asked(count: int, found: Warmth | None) -> bool:
    return found is not None and found.requested == count and found.state != FAILED


def _told(count: int, found: Warmth | None) -> str:
    if found is None:
        return f"none of {count}"
    failed = f" ({found.state}: {found.reason or 'no reason given'})" if found.state == FAILED else ""
    return f"{found.available} of {count}{failed}"
