"""What an expected error looks like on a page: a status, and the field, the value and the remedy of a refusal."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.cli.errors import REFUSED, UNREACHABLE, answer_to
from orchestrator.cli.rendering.reports.report import BAD
from orchestrator.console.sections import Heading, Page, Section, Table, note, present
from orchestrator.domain.errors import Throttled

NOT_FOUND, CONFLICT, FAILED, UNAVAILABLE = 404, 409, 500, 503


@dataclass(frozen=True)
class Failure:
    """An expected error.

    Attributes:
        message: one sentence.
        status: of the answer.
        details: of a refusal: field, value, remedy.
    """

    message: str
    status: int
    details: tuple[tuple[str, str], ...]

    @property
    def sections(self) -> tuple[Section, ...]:
        """The error as sections of a page."""
        table = Table("error", "What was refused", ("part", "words"), self.details) if self.details else None
        return present(note(self.message, BAD), table)

    def page(self) -> Page:
        """Return the error as a page of its own."""
        heading = Heading("Not possible", "", "REFUSED" if self.details else "FAILED", BAD)
        return Page("Not possible", "", (heading, *self.sections))


def failure_of(error: Exception, refused: int) -> Failure | None:
    """Return an expected error as a failure; None for a bug.

    Args:
        error: what was raised.
        refused: the status of a refusal: what does not exist, or what conflicts with the environment's state.
    """
    answer = answer_to(error)
    if answer is None:
        return None
    message, code, details = answer
    if isinstance(error, Throttled) or code == UNREACHABLE:
        status = UNAVAILABLE
    else:
        status = refused if code == REFUSED else FAILED
    return Failure(message, status, tuple((name, str(value)) for name, value in details.items()))
