"""The releases that the home region served, as the standby region records them, and what they say of a release here. Pure.

A failover publishes what the standby region has as `$LATEST`. Whether that may serve clients is known in the home region
only, which may be lost. So the standby region reads every minute which code the home region's live aliases serve, and
records each change of it. A release that is not in the record became stable in the home region never, or for less than a
minute: its canary was rolled back, or it was not deployed there yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from orchestrator.domain.errors import Refused

KEPT = 20
"""So many changes are kept."""

OUTDATED = timedelta(minutes=15)
"""A record that is older was not written any more, although the home region can be reached."""

_DIGITS = 12


class Standing(StrEnum):
    """What the record says of a release."""

    SERVED = "SERVED"  # the home region serves it
    REPLACED = "REPLACED"  # it served it, and then others that it had not served before
    ROLLED_BACK = "ROLLED_BACK"  # it served it, and went back to one that it had served before
    NEVER_SERVED = "NEVER_SERVED"  # it served it never, or for less than a minute
    UNKNOWN = "UNKNOWN"  # there is no record


UNSERVED = frozenset({Standing.ROLLED_BACK, Standing.NEVER_SERVED})
"""What a failover does not ship."""


@dataclass(frozen=True)
class ServedRelease:
    """Code that the live aliases served: short name of each function to its CodeSha256; and since when."""

    code: Mapping[str, str]
    since: datetime


@dataclass(frozen=True)
class HomeReleases:
    """The record: what the home region served, oldest first, and when it was last seen."""

    served: tuple[ServedRelease, ...]
    seen_at: datetime


@dataclass(frozen=True)
class PlannedRelease:
    """What a failover would publish, and what the record says of it.

    Attributes:
        code: short name of each function to the CodeSha256 of its `$LATEST`; empty without one.
        served_name: name of the release that the home region serves; empty without a record.
        seen_at: when that was last seen; None without a record.
    """

    code: Mapping[str, str] = field(default_factory=dict)
    standing: Standing = Standing.UNKNOWN
    served_name: str = ""
    seen_at: datetime | None = None

    @property
    def name(self) -> str:
        """Its name."""
        return release_name(self.code)

    def described(self, home: str) -> str:
        """Return its name and what the record says of it."""
        return f"{self.name}, {self.said(home)}"

    def said(self, home: str) -> str:
        """Return what the record says of it, as a relative clause."""
        if self.seen_at is None:
            return f"which was not compared: what {home} serves was never recorded"
        what = {
            Standing.SERVED: "serves",
            Standing.REPLACED: f"served before {self.served_name}",
            Standing.ROLLED_BACK: f"rolled back to {self.served_name}",
        }.get(self.standing, f"never served: it serves {self.served_name}")
        return f"which {home} {what}, as recorded at {self.seen_at:%Y-%m-%d %H:%M:%S} UTC"


def release_name(code: Mapping[str, str]) -> str:
    """Return a short name of a release: of its functions' packages, each once."""
    return " ".join(dict.fromkeys(digest[:_DIGITS] for _, digest in sorted(code.items()))) or "no release"


def record_release(releases: HomeReleases | None, code: Mapping[str, str], now: datetime) -> HomeReleases | None:
    """Return the record with what the live aliases serve now.

    Args:
        releases: the record; None before the first one.
        code: what they serve; empty if the home region has no live alias, which is not recorded.
        now: a moment before they were read.
    """
    if not code:
        return releases
    served = releases.served if releases else ()
    if not served or served[-1].code != code:
        served = (*served, ServedRelease(code, now))[-KEPT:]
    return HomeReleases(served, now)


def plan_release(code: Mapping[str, str], releases: HomeReleases | None) -> PlannedRelease:
    """Return what a failover would publish, with its standing.

    Args:
        code: what this region has as `$LATEST`.
        releases: the record; None without one.
    """
    if releases is None:
        return PlannedRelease(code)
    served = [one.code for one in releases.served]
    return PlannedRelease(code, _standing(code, served), release_name(served[-1]), releases.seen_at)


def _standing(code: Mapping[str, str], served: list[Mapping[str, str]]) -> Standing:
    if code not in served:
        return Standing.NEVER_SERVED
    last = len(served) - 1 - served[::-1].index(code)
    if last == len(served) - 1:
        return Standing.SERVED
    went_back = any(one in served[:last] for one in served[last + 1 :])
    return Standing.ROLLED_BACK if went_back else Standing.REPLACED


def refuse_unserved(planned: PlannedRelease, home: str, region: str) -> None:
    """Refuse a release that the home region rolled back, or that never became stable there.

    Raises:
        Refused: it is one.
    """
    if planned.standing in UNSERVED:
        remedy = f"deploy the stacks of {planned.served_name} to {region}, then resume the failover"
        raise Refused("release", planned.name, f"it is a release {planned.said(home)}; {remedy}")
