"""Advisories about packages: pip-audit's report of a lock, or entries of the OSV database.

pip-audit: https://github.com/pypa/pip-audit#usage (`--format json`). OSV: https://ossf.github.io/osv-schema/.
A pip-audit report is about the packages that it lists and did not skip. The export of the OSV database is about every
package of PyPI, other files of OSV entries about the packages of their entries.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orchestrator.domain.errors import Refused
from orchestrator.domain.untrusted_json import problem_of
from orchestrator.domain.upkeep.finding import Severity
from orchestrator.domain.upkeep.python_versions import order_of

ECOSYSTEM = "PyPI"
_SEVERITIES = {
    "CRITICAL": Severity.CRITICAL,
    "HIGH": Severity.HIGH,
    "MODERATE": Severity.MEDIUM,
    "MEDIUM": Severity.MEDIUM,
    "LOW": Severity.LOW,
}
_REMEDY = "give the file of `pip-audit --format json`, or entries of the OSV database for PyPI"


@dataclass(frozen=True)
class Range:
    """Versions from `introduced` to before `fixed`, or up to `last_affected`; None is no limit."""

    introduced: str | None
    fixed: str | None
    last_affected: str | None

    def contains(self, version: str) -> bool:
        """Return whether a version is in the range; a version or limit that has no order is."""
        here = order_of(version)
        low, high, last = (order_of(limit) if limit else None for limit in self._limits)
        if here is None or any(
            limit and order is None for limit, order in zip(self._limits, (low, high, last), strict=True)
        ):
            return True
        return not (
            (low is not None and here < low)
            or (high is not None and here >= high)
            or (last is not None and here > last)
        )

    @property
    def _limits(self) -> tuple[str | None, str | None, str | None]:
        return self.introduced, self.fixed, self.last_affected


@dataclass(frozen=True)
class Advisory:
    """A vulnerability of a package.

    Attributes:
        id: of the advisory, such as ``PYSEC-2026-1`` or ``GHSA-…``.
        package: its normalized name.
        versions: the affected versions.
        ranges: further affected versions.
        fixed_in: the versions that have the fix.
        severity: None if the data have none.
    """

    id: str
    package: str
    versions: frozenset[str]
    ranges: tuple[Range, ...] = ()
    fixed_in: tuple[str, ...] = ()
    severity: Severity | None = None

    def affects(self, package: str, version: str) -> bool:
        """Return whether it is about this version of a package."""
        return package == self.package and (
            version in self.versions or any(one.contains(version) for one in self.ranges)
        )


@dataclass(frozen=True)
class AdvisoryData:
    """What a file of advisories says.

    Attributes:
        source: the name of the file.
        as_of: when it was fetched.
        audited: the packages and versions that it is about; None if it is about whole packages.
        packages: the packages that it is about; None if it is about all, as an export of the database is.
    """

    source: str
    as_of: datetime
    advisories: tuple[Advisory, ...]
    audited: frozenset[tuple[str, str]] | None = None
    packages: frozenset[str] | None = None

    def covers(self, package: str, version: str) -> bool:
        """Return whether it would name an advisory about this version."""
        if self.audited is not None:
            return (package, version) in self.audited
        return self.packages is None or package in self.packages


def normalized(package: str) -> str:
    """Return a package's name as PyPI compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", package).lower()


def read_advisories(content: object, source: str, as_of: datetime, *, whole_database: bool = False) -> AdvisoryData:
    """Read a decoded JSON file.

    Args:
        content: pip-audit's report, one OSV entry, a list of them, or an object with them in ``vulns``.
        source: the name of the file.
        as_of: when it was fetched, aware.
        whole_database: whether it has every entry of PyPI, so that a package without an entry has no advisory.

    Raises:
        Refused: it is neither. The error names the file and what was wrong.
    """
    try:
        if isinstance(content, Mapping) and "dependencies" in content:
            return _of_pip_audit(content["dependencies"], source, as_of)
        advisories = tuple(one for entry in _entries(content) for one in _of_osv(entry))
        packages = None if whole_database else frozenset(one.package for one in advisories)
        return AdvisoryData(source, as_of, advisories, packages=packages)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise Refused("--advisories", source, f"{_REMEDY}: {problem_of(error)}") from error


def _entries(content: object) -> Sequence[Mapping[str, Any]]:
    entries = content.get("vulns", [content]) if isinstance(content, Mapping) else content
    if not isinstance(entries, Sequence) or isinstance(entries, str) or not entries:
        raise TypeError("it has no entries")
    return entries


def _of_pip_audit(dependencies: Iterable[Any], source: str, as_of: datetime) -> AdvisoryData:
    audited: set[tuple[str, str]] = set()
    advisories: list[Advisory] = []
    for one in dependencies:
        if "skip_reason" in one:
            continue
        package, version = normalized(one["name"]), str(one["version"])
        audited.add((package, version))
        advisories += (
            Advisory(
                str(vulnerability["id"]),
                package,
                frozenset({version}),
                fixed_in=tuple(map(str, vulnerability.get("fix_versions", ()))),
            )
            for vulnerability in one["vulns"]
        )
    return AdvisoryData(source, as_of, tuple(advisories), frozenset(audited))


def _of_osv(entry: Mapping[str, Any]) -> Iterable[Advisory]:
    name = str(entry["id"])
    if entry.get("withdrawn"):
        return
    text = str((entry.get("database_specific") or {}).get("severity", "")).upper()
    for affected in entry.get("affected", ()):
        package = affected["package"]
        if package["ecosystem"] != ECOSYSTEM:
            continue
        ranges = tuple(
            found
            for one in affected.get("ranges", ())
            if one["type"] == "ECOSYSTEM"
            for found in _ranges(one["events"])
        )
        yield Advisory(
            name,
            normalized(package["name"]),
            frozenset(map(str, affected.get("versions", ()))),
            ranges,
            tuple(one.fixed for one in ranges if one.fixed),
            _SEVERITIES.get(text),
        )


def _ranges(events: Iterable[Mapping[str, str]]) -> Iterable[Range]:
    """Yield the ranges of a list of events: each `introduced` begins one, and `fixed` or `last_affected` ends it."""
    introduced: str | None = None
    for event in events:
        if "introduced" in event:
            introduced = event["introduced"]
        elif introduced is not None and ("fixed" in event or "last_affected" in event):
            yield Range(introduced, event.get("fixed"), event.get("last_affected"))
            introduced = None
    if introduced is not None:
        yield Range(introduced, None, None)
