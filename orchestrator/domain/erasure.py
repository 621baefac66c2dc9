"""Erasing a person: whom, what of theirs is found by what, and what it takes. Pure.

A person is known to the service by their subject, `{platform}:{id at the platform}`, which codes and families carry. A login does
not: it ends in a code or expires within minutes, and what it holds of the platform is encrypted.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from math import ceil

from orchestrator.domain.errors import Refused

SYNTHETIC_SUBJECT = "synthetic"
MAX_SUBJECT_CHARACTERS = 1024
READ_UNIT_BYTES = 4096
"""What one read unit reads consistently (DynamoDB developer guide, capacity units)."""
_HASH_DIGITS = 16


@dataclass(frozen=True)
class Subject:
    """Whose items are to go. Its text is in no representation: it is somebody's, and representations reach logs."""

    text: str

    def __repr__(self) -> str:
        """Say who it is without saying who it is."""
        return f"Subject({self.hash})"

    @property
    def hash(self) -> str:
        """How the ledger and the log name the person: enough to find an erasure again for whoever knows the subject."""
        return f"sha256:{hashlib.sha256(self.text.encode()).hexdigest()[:_HASH_DIGITS]}"


@dataclass(frozen=True)
class Cost:
    """What reading the tables takes. read_units: of consistent reads; seconds: at the given pace."""

    read_units: int
    seconds: int


@dataclass(frozen=True)
class Counts:
    """What was found, or erased: codes by the state table, families by the tokens table."""

    codes: int = 0
    families: int = 0

    @property
    def none(self) -> bool:
        """Whether there was nothing."""
        return self.codes == self.families == 0

    def __add__(self, other: Counts) -> Counts:
        """Both together."""
        return Counts(self.codes + other.codes, self.families + other.families)


def subject_of(text: str) -> Subject:
    """Read whom to erase.

    Raises:
        Refused: it is nobody, or the synthetic identity. What was given is not repeated: it may be somebody's name.
    """
    if text == SYNTHETIC_SUBJECT:
        raise Refused(
            "--subject", text, "give a person's: the synthetic identity is nobody, and its items end in minutes"
        )
    platform, _, person = text.partition(":")
    if not platform or not person or text != text.strip() or len(text) > MAX_SUBJECT_CHARACTERS:
        raise Refused(
            "--subject", "(not repeated)", "give platform:id, as the `sub` of userinfo and of access tokens says"
        )
    return Subject(text)


def cost_of(table_bytes: int, units_per_second: float) -> Cost:
    """What it takes to read tables of this size once, consistently, at this pace."""
    units = ceil(table_bytes / READ_UNIT_BYTES)
    return Cost(units, ceil(units / units_per_second))
