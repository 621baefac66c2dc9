"""Settings of the evidence bucket: retention and lock of evidence and configuration snapshots."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.domain.names import resource_name
from orchestrator.domain.schema import EnvironmentRefused, SettingsReader

LOCKS = ("none", "governance", "compliance")
# S3 accepts locks of up to 100 years; 20 years are enough for any archive.
DAYS = (1, 7_300)
SIGNING_KEYS = (1, 20)


@dataclass(frozen=True)
class EvidenceSettings:
    """The settings of the evidence bucket.

    Attributes:
        keep_days: the days after which a file is deleted.
        lock: `none`; `governance`, which principals with a special permission can lift; `compliance`, which cannot be
            lifted.
        lock_days: the days during which a file cannot be deleted or replaced.
        signing_keys: how many keys have signed evidence, with the one that signs now. One more replaces that key; earlier
            keys stay, so that what they signed can be verified.
    """

    keep_days: int
    lock: str
    lock_days: int
    signing_keys: int


def key_alias(number: int, environment: str) -> str:
    """Return the alias of an environment's evidence key, from 1, with which the command line names it."""
    return f"alias/{resource_name(f'evidence-signing-{number}', environment)}"


def read_evidence(table: SettingsReader) -> EvidenceSettings:
    """Read the table ``[….evidence]``.

    Raises:
        EnvironmentRefused: a setting is missing or out of range, or a lock would outlast the file.
    """
    evidence = EvidenceSettings(
        keep_days=table.whole_number("keep_days", *DAYS),
        lock=table.choice("lock", LOCKS),
        lock_days=table.whole_number("lock_days", *DAYS),
        signing_keys=table.whole_number("signing_keys", *SIGNING_KEYS, default=1),
    )
    table.refuse_unknown_keys()
    if evidence.lock_days > evidence.keep_days:
        remedy = f"give at most the {evidence.keep_days} of keep_days, because a locked file cannot be deleted"
        raise EnvironmentRefused(table.field("lock_days"), evidence.lock_days, remedy)
    return evidence
