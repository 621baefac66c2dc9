"""The checks of one subject, by the id of their control."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from orchestrator.domain.analysis.observations import HttpResponse
from orchestrator.probes.conformance.session import Session

Check = Callable[[Session], str]
"""Returns what is wrong, a clause; empty if nothing is. Raises NotChecked, NotApplicable and FlowFailed."""


class Registry:
    """The checks of a module."""

    def __init__(self) -> None:
        self._checks: dict[str, Check] = {}

    @property
    def checks(self) -> Mapping[str, Check]:
        """The checks by control, in the order they run."""
        return self._checks

    def control(self, name: str) -> Callable[[Check], Check]:
        """Register the decorated function as the check of a control."""

        def add(check: Check) -> Check:
            self.add(name, check)
            return check

        return add

    def add(self, name: str, check: Check) -> None:
        """Register the check of a control."""
        if name in self._checks:
            raise ValueError(f"two checks of {name}")
        self._checks[name] = check


def other_status(response: HttpResponse, *expected: int) -> str:
    """Return that a response has another status than one of these; empty if it has one."""
    if response.status in expected:
        return ""
    return f"returned {response.status} instead of {' or '.join(map(str, expected))}"


def joined(*problems: str) -> str:
    """Return all problems as one clause; empty without any."""
    return "; ".join(problem for problem in problems if problem)
