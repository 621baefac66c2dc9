"""How the bucket of evidence and configuration bundles keeps what is put into it."""

from __future__ import annotations

from dataclasses import dataclass

from environments.tables import EnvironmentRefused, Table

LOCKS = ("none", "governance", "compliance")
# S3 takes a lock of up to a hundred years; twenty are what any archive has asked for.
DAYS = (1, 7_300)


@dataclass(frozen=True)
class EvidenceSettings:
    """The bucket's rules.

    Attributes:
        keep_days: after which a file is deleted.
        lock: `none`; `governance`, which only who has a right of its own can lift; `compliance`, which nobody can.
        lock_days: how long a new file can neither be deleted nor replaced.
    """

    keep_days: int
    lock: str
    lock_days: int


def read_evidence(table: Table) -> EvidenceSettings:
    """Read the table ``[….evidence]``.

    Raises:
        EnvironmentRefused: a setting is missing or out of range, or a lock would outlast the file.
    """
    evidence = EvidenceSettings(
        keep_days=table.whole("keep_days", *DAYS),
        lock=table.choice("lock", LOCKS),
        lock_days=table.whole("lock_days", *DAYS),
    )
    table.end()
    if evidence.lock_days > evidence.keep_days:
        remedy = f"give at most the {evidence.keep_days} of keep_days: a file that is locked cannot be deleted"
        raise EnvironmentRefused(table.field("lock_days"), evidence.lock_days, remedy)
    return evidence
