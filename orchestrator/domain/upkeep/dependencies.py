"""Checks of the lock files: vulnerable versions, and locks that are too old."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.domain.doctor.result import listed
from orchestrator.domain.upkeep.advisories import Advisory, AdvisoryData, normalized
from orchestrator.domain.upkeep.finding import Finding, Owner, Severity
from orchestrator.domain.upkeep.result import CheckResult, found, not_checked

VULNERABILITIES, LOCKS = "vulnerabilities", "locks"
NEWEST_DATA = timedelta(days=7)
"""Older data know no advisory of the last week, so a lock without a finding is not checked by them."""
LOCK_AGE, OLD_LOCK_AGE = timedelta(days=45), timedelta(days=120)
"""After these ages a lock is outdated (low), and has missed a quarter's security releases (medium)."""
UPDATE = "make lock UPGRADE=--upgrade (the workflow upkeep opens this pull request), then release"
FETCH = "make advisories, then orchestrator upkeep --advisories FILE for each (docs/guides/upkeep.md)"

_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(?P<version>[^\s;\\]+)\s*(?P<marker>;.*)?", re.MULTILINE)


@dataclass(frozen=True)
class Pin:
    """A locked version. `conditional`: it is installed on some platforms only."""

    package: str
    version: str
    conditional: bool


@dataclass(frozen=True)
class Lock:
    """A lock file.

    Attributes:
        name: its path in the project.
        deployed: whether a Lambda function contains its packages; else they are tools of developers.
        pins: what it locks.
        changed_at: the time of its last commit; None if that is unknown.
    """

    name: str
    deployed: bool
    pins: tuple[Pin, ...]
    changed_at: datetime | None


def read_pins(text: str) -> tuple[Pin, ...]:
    """Return the pins of a lock file in pip's format."""
    return tuple(
        Pin(normalized(match["name"]), match["version"], bool(match["marker"])) for match in _PIN.finditer(text)
    )


def check_vulnerabilities(locks: Sequence[Lock], files: Sequence[AdvisoryData], now: datetime) -> CheckResult:
    """Check the locked versions against advisories.

    A vulnerability of a deployed package is at least high, of a tool at most medium. The check is not complete if
    there are no data, if they are older than `NEWEST_DATA`, or if they are not about every pin.

    Args:
        locks: the lock files.
        files: the files of advisories.
        now: aware.
    """
    if not files:
        return not_checked(VULNERABILITIES, "no advisories were given", FETCH)
    findings = [
        _vulnerability(lock, pin, advisories)
        for lock in locks
        for pin in lock.pins
        if (advisories := _advisories_of(pin, files))
    ]
    ages = ", ".join(f"{one.source} of {_age(now - one.as_of)} ago" for one in files)
    if old := [one.source for one in files if now - one.as_of > NEWEST_DATA]:
        reason = f"the data are older than {NEWEST_DATA.days} days: {listed(old)} ({ages})"
        return not_checked(VULNERABILITIES, reason, FETCH, findings)
    uncovered = {
        (lock.name, pin)
        for lock in locks
        for pin in lock.pins
        if not any(one.covers(pin.package, pin.version) for one in files)
    }
    missing = {f"{pin.package} {pin.version} ({name})" for name, pin in uncovered if not pin.conditional}
    if missing:
        reason = f"the data are not about {listed(missing)} ({ages})"
        return not_checked(VULNERABILITIES, reason, FETCH, findings)
    elsewhere = len({pin for _, pin in uncovered})
    note = f"; {elsewhere} pins of other platforms are not in the data" if elsewhere else ""
    pins = len({(pin.package, pin.version) for lock in locks for pin in lock.pins})
    return found(VULNERABILITIES, findings, f"{pins} locked versions against {ages}{note}")


def _advisories_of(pin: Pin, files: Iterable[AdvisoryData]) -> Mapping[str, Advisory]:
    return {
        advisory.id: advisory
        for one in files
        for advisory in one.advisories
        if advisory.affects(pin.package, pin.version)
    }


def _vulnerability(lock: Lock, pin: Pin, advisories: Mapping[str, Advisory]) -> Finding:
    named = {one.severity for one in advisories.values()}
    worst = next((severity for severity in Severity if severity in named), None)
    if lock.deployed:
        severity = Severity.CRITICAL if worst is Severity.CRITICAL else Severity.HIGH
    else:
        severity = Severity.LOW if worst is Severity.LOW else Severity.MEDIUM
    fixes = sorted({version for one in advisories.values() for version in one.fixed_in})
    where = "deployed" if lock.deployed else "a tool"
    return Finding(
        VULNERABILITIES,
        f"{lock.name} {pin.package} {pin.version}",
        severity,
        Owner.SECURITY,
        f"{pin.package} {pin.version} ({where}) has {listed(advisories)}",
        {"advisories": len(advisories), "fixed_in": ", ".join(fixes) or "no version yet"},
        UPDATE if fixes else f"assess {listed(advisories)}: no version has the fix",
    )


def check_locks(locks: Sequence[Lock], now: datetime, why_unknown: str) -> CheckResult:
    """Check the ages of the lock files.

    Args:
        locks: the lock files.
        now: aware.
        why_unknown: why a time of change is None.
    """
    findings = [
        Finding(
            LOCKS,
            lock.name,
            Severity.MEDIUM if age > OLD_LOCK_AGE else Severity.LOW,
            Owner.OPERATORS,
            f"locked {age.days} days ago",
            {"age_days": age.days, "pins": len(lock.pins)},
            UPDATE,
            since=lock.changed_at + LOCK_AGE,
        )
        for lock in locks
        if lock.changed_at is not None and (age := now - lock.changed_at) > LOCK_AGE
    ]
    unknown = [lock.name for lock in locks if lock.changed_at is None]
    if unknown or not locks:
        reason = f"when {listed(unknown) or 'a lock'} changed is unknown: {why_unknown}"
        return not_checked(LOCKS, reason, "run it in a clone with its whole history", findings)
    oldest = max(now - lock.changed_at for lock in locks if lock.changed_at is not None)
    return found(LOCKS, findings, f"{len(locks)} lock files, the oldest of {oldest.days} days ago")


def _age(age: timedelta) -> str:
    return f"{age.days} d" if age.days else f"{age.total_seconds() / 3600:.0f} h"
