"""Steps of an event handler, of which one that fails keeps no other from running."""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.application.cloud import logger
from orchestrator.domain.errors import OrchestratorError


class StepsFailed(OrchestratorError):
    """Steps of an event handler failed; all others were done. The message names each with its error."""


class Steps:
    """What the steps of one run reported, and which of them failed."""

    def __init__(self) -> None:
        self._reports: list[str] = []
        self._failures: list[str] = []

    def run(self, step: str, call: Callable[[], object], waiting: str = "") -> None:
        """Run a step; note what it reports.

        Args:
            step: its name.
            call: runs it; a text that it returns is its report.
            waiting: set if a report says what could not be sent: the words before it. Then the step has failed.
        """
        try:
            answer = call()
        except Exception as error:  # noqa: BLE001 - a defect in one step must not keep an operator from being paged
            logger.error("step failed", extra={"step": step, "error": type(error).__name__, "reason": str(error)})
            self._failures.append(f"{step}: {type(error).__name__}: {error}")
            return
        if isinstance(answer, str) and answer:
            (self._failures if waiting else self._reports).append(f"{waiting}: {answer}" if waiting else answer)

    def conclude(self) -> str:
        """Return all reports.

        Raises:
            StepsFailed: a step failed. The failed invocation is in the alarm event-handler-errors.
        """
        if self._failures:
            raise StepsFailed("; ".join(self._failures))
        return "; ".join(self._reports)
