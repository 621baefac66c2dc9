"""An entry of the audit trail, and the time line of entries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Source(StrEnum):
    """Where an entry was recorded."""

    LEDGER = "ledger"
    CLOUDTRAIL = "cloudtrail"
    ACCESS_LOG = "access log"


SYSTEM = "system"
"""The actor of what no person and no other principal requested."""


@dataclass(frozen=True)
class AuditEntry:
    """One thing that happened.

    Attributes:
        id: unique within its source.
        actor: a person's name, or an ARN; `SYSTEM` if the orchestrator acted by itself.
        action: in the ledger's words, or the name of the AWS call.
        resource: a deployment, a recovery, or the resource of an AWS call; empty if it concerns the environment.
        outcome: SUCCEEDED and so on; an AWS error code; empty if it has none yet.
        detail: why, or with what.
    """

    at: datetime
    source: Source
    id: str
    actor: str
    action: str
    resource: str
    outcome: str = ""
    detail: str = ""


@dataclass(frozen=True)
class AuditQuery:
    """What an audit asks for.

    Attributes:
        since, until: aware; `until` is excluded.
        actor, resource: parts of the name, in any letters; empty for all.
    """

    since: datetime
    until: datetime
    actor: str = ""
    resource: str = ""

    def matches(self, entry: AuditEntry) -> bool:
        """Return whether an entry is asked for."""
        return (
            self.since <= entry.at < self.until
            and self.actor.casefold() in entry.actor.casefold()
            and self.resource.casefold() in f"{entry.resource} {entry.detail}".casefold()
        )


def time_line(entries: Iterable[AuditEntry], query: AuditQuery) -> tuple[AuditEntry, ...]:
    """Return the entries that a query asks for, oldest first, each once."""
    unique = {(entry.source, entry.id): entry for entry in entries if query.matches(entry)}
    return tuple(sorted(unique.values(), key=lambda entry: (entry.at, entry.source)))
