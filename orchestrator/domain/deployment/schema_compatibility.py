"""The item schema versions of two releases: can both serve the same logins, and can the stable one continue alone?

During a shift, stable and canary read each other's items. After a rollback, stable reads all items that canary wrote.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.domain.untrusted_json import quoted
from orchestrator.domain.verdict import Json, Verdict


class SchemaVersionsUnknown(Exception):
    """A release reports invalid schema versions. The message names the field, its value and the remedy."""


@dataclass(frozen=True)
class SchemaVersions:
    """The item schema version that a release writes, and those that it reads."""

    writes: int
    reads: frozenset[int]

    @property
    def description(self) -> str:
        """One clause for a message."""
        return f"writes schema version {self.writes} and reads {', '.join(map(str, sorted(self.reads)))}"

    def to_json(self) -> Json:
        """Return the form in the response of `/version`."""
        return {"writes": self.writes, "reads": sorted(self.reads)}


FIRST_SCHEMA_VERSION = SchemaVersions(1, frozenset({1}))
"""The versions of a release that reports none: before `/version` reported them, version 1 was the only one."""


def schema_versions_of(version: Mapping[str, Json]) -> SchemaVersions:
    """Read the schema versions from the response of `/version`.

    Raises:
        SchemaVersionsUnknown: a version is not a whole number of at least 1.
    """
    if "items" not in version:
        return FIRST_SCHEMA_VERSION
    items = version["items"]
    writes, reads = (items.get("writes"), items.get("reads")) if isinstance(items, Mapping) else (None, None)
    if not isinstance(reads, list) or not reads or not all(_is_schema_version(number) for number in (writes, *reads)):
        raise SchemaVersionsUnknown(
            f'items: {quoted(items)} must be like {{"writes": 1, "reads": [1]}}, with whole numbers of at least 1'
        )
    assert isinstance(writes, int), "it is a schema version"
    return SchemaVersions(writes, frozenset(reads))


def judge_schema_compatibility(stable: SchemaVersions, canary: SchemaVersions) -> Verdict:
    """Judge whether each release reads the items of the other, and canary its own."""
    problems = []
    if canary.writes not in stable.reads:
        problems.append("stable cannot read the items of canary, so a rollback would lose those logins")
    if stable.writes not in canary.reads:
        problems.append("canary cannot read the items of stable, so the existing logins would be lost")
    if canary.writes not in canary.reads:
        problems.append("canary cannot read its own items")
    numbers = f"stable {stable.description}; canary {canary.description}"
    if problems:
        return Verdict.failed(f"{'; '.join(problems)}: {numbers}")
    return Verdict.passed(numbers)


def _is_schema_version(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
