"""Erasure of a user's data: the subject, the items that belong to it, and the cost of finding them. Pure.

The service knows a user by the subject `{provider}:{id at the provider}`, which codes and refresh token families carry.
Pending logins do not carry it. They end in a code or expire within minutes, and their provider data is encrypted.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from math import ceil

from orchestrator.domain.errors import Refused

SYNTHETIC_SUBJECT = "synthetic"
MAX_SUBJECT_CHARACTERS = 1024
READ_UNIT_BYTES = 4096
"""Bytes of one consistent read unit (DynamoDB developer guide, capacity units)."""
_HASH_DIGITS = 16


@dataclass(frozen=True)
class Subject:
    """The user whose items are erased. The representation hides the text, because representations reach logs."""

    text: str

    def __repr__(self) -> str:
        """Return a representation with the hash instead of the text."""
        return f"Subject({self.hash})"

    @property
    def hash(self) -> str:
        """The user's name in the ledger and the log. It finds an erasure for a reader who knows the subject."""
        return f"sha256:{hashlib.sha256(self.text.encode()).hexdigest()[:_HASH_DIGITS]}"


@dataclass(frozen=True)
class ErasureCost:
    """The cost of reading the tables: consistent read units, and seconds at the given rate."""

    read_units: int
    seconds: int


@dataclass(frozen=True)
class ErasureCounts:
    """Numbers of items found or erased: codes in the state table, families in the tokens table."""

    codes: int = 0
    families: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether there are no items."""
        return self.codes == self.families == 0

    def __add__(self, other: ErasureCounts) -> ErasureCounts:
        """Add up both."""
        return ErasureCounts(self.codes + other.codes, self.families + other.families)


def parse_subject(text: str) -> Subject:
    """Read the subject whose data is to be erased.

    Raises:
        Refused: it is malformed, or the synthetic identity. The error omits the text, which may be a user's name.
    """
    if text == SYNTHETIC_SUBJECT:
        raise Refused("--subject", text, "give a user's subject: the synthetic identity's items expire in minutes")
    provider, _, person = text.partition(":")
    if not provider or not person or text != text.strip() or len(text) > MAX_SUBJECT_CHARACTERS:
        raise Refused(
            "--subject", "(not repeated)", "give provider:id, the `sub` of userinfo responses and access tokens"
        )
    return Subject(text)


def erasure_cost(table_bytes: int, units_per_second: float) -> ErasureCost:
    """Return the cost of reading tables of this size once, consistently, at this rate."""
    units = ceil(table_bytes / READ_UNIT_BYTES)
    return ErasureCost(units, ceil(units / units_per_second))
