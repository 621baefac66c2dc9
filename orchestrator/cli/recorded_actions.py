"""Record in the ledger what a person has done by a command."""

from __future__ import annotations

from datetime import datetime

from botocore.exceptions import BotoCoreError, ClientError

from orchestrator.cli.context import Context
from orchestrator.domain.deployment.record import EventRecord
from orchestrator.domain.errors import NotRecorded, OrchestratorError

PERSON = "person"
"""The source of the event of a command."""


def record_action(context: Context, event_id: str, name: str, why: str, *, at: datetime | None = None) -> None:
    """Record an event for something that a command has already changed.

    Args:
        context: the environment.
        event_id: with `at` the event's key; an event that is recorded already stays as it is.
        name: the command; what follows "by" is the actor in the audit trail.
        why: what was changed, or the reason, as the audit trail shows it.
        at: when it was changed; None for now.

    Raises:
        NotRecorded: the ledger did not accept the event. The change is made all the same.
    """
    event = EventRecord(event_id, at or context.cloud.now(), PERSON, name, acted=True, why=why)
    try:
        context.cloud.ledger.record_event(event)
    except (OrchestratorError, BotoCoreError, ClientError) as error:
        raise NotRecorded(name, why, event.at, error) from error
