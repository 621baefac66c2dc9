"""The layouts of items that two releases write and read: can both serve the same logins, and can the older one serve them alone?

While traffic is shifted, stable and canary read each other's items; after a rollback stable reads whatever canary wrote.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.domain.verdict import Json, Verdict


class LayoutsUntold(Exception):
    """A release says something about its layouts that cannot be understood. The message names the field, its value and the remedy."""


@dataclass(frozen=True)
class Layouts:
    """The layout that a release writes, and those that it reads."""

    writes: int
    reads: frozenset[int]

    @property
    def told(self) -> str:
        """One clause for a reason."""
        return f"writes layout {self.writes} and reads {', '.join(map(str, sorted(self.reads)))}"

    def to_json(self) -> Json:
        """As `/version` tells them."""
        return {"writes": self.writes, "reads": sorted(self.reads)}


BEFORE_THEY_WERE_TOLD = Layouts(1, frozenset({1}))
"""What a release has that says nothing of them: the first layout was the only one until `/version` told it."""


def layouts_of(version: Mapping[str, Json]) -> Layouts:
    """Read what `/version` tells.

    Raises:
        LayoutsUntold: it tells something else than whole numbers from 1 on.
    """
    if "items" not in version:
        return BEFORE_THEY_WERE_TOLD
    told = version["items"]
    writes, reads = (told.get("writes"), told.get("reads")) if isinstance(told, Mapping) else (None, None)
    if not isinstance(reads, list) or not reads or not all(_is_layout(one) for one in (writes, *reads)):
        raise LayoutsUntold(f'items: {told!r} must be {{"writes": 1, "reads": [1]}}, in whole numbers from 1 on')
    assert isinstance(writes, int), "it is a layout"
    return Layouts(writes, frozenset(reads))


def judge(stable: Layouts, canary: Layouts) -> Verdict:
    """Whether each release reads what the other writes, and canary what it writes itself."""
    lost = []
    if canary.writes not in stable.reads:
        lost.append("stable cannot read what canary writes, and after a rollback those logins would be lost")
    if stable.writes not in canary.reads:
        lost.append("canary cannot read what stable writes, and the logins that there are would be lost")
    if canary.writes not in canary.reads:
        lost.append("canary cannot read what it writes itself")
    numbers = f"stable {stable.told}; canary {canary.told}"
    if lost:
        return Verdict.failed(f"{'; '.join(lost)}: {numbers}")
    return Verdict.passed(numbers)


def _is_layout(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
