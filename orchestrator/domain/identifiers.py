"""Ids of deployments and their executions. Step Functions allows execution names of 1 to 80 characters."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime

from orchestrator.domain.errors import Refused

KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,47}")
"""Leaves room for the prefix ``rollback-`` and the number of the attempt."""

WHO_AND_KEY = frozenset({"requested_by", "requested_as", "idempotency_key"})
"""Fields that do not say what is to be done: another person may repeat a request."""


def deployment_id(idempotency_key: str) -> str:
    """Return the id of the deployment of an idempotency key. The same key always gives the same id.

    Raises:
        Refused: the key contains characters that an execution's name must not have.
    """
    if not KEY.fullmatch(idempotency_key):
        raise Refused("idempotency_key", idempotency_key, "give 1 to 48 letters, digits, - or _")
    return f"d-{idempotency_key}"


def new_key(now: datetime, salt: bytes) -> str:
    """Return a key for a deployment without one. It begins with the time, so that lists are in order of time."""
    return f"{now:%Y%m%dT%H%M%SZ}-{hashlib.sha256(salt).hexdigest()[:6]}"


def refuse_other_request(key: str, earlier: Mapping[str, object], request: Mapping[str, object]) -> None:
    """Refuse a request whose idempotency key belongs to another request: it would be ignored silently.

    Args:
        key: the key, or the id that follows from it.
        earlier: the input of the execution that the key started.
        request: the input that was given now.

    Raises:
        Refused: they differ in a field other than the requester. The error names the fields.
    """
    fields = (earlier.keys() | request.keys()) - WHO_AND_KEY
    # An absent field has its default, as one that is empty or false.
    differing = sorted(field for field in fields if (earlier.get(field) or None) != (request.get(field) or None))
    if differing:
        remedy = (
            f"it belongs to a request with another {', '.join(differing)}: give another key, or repeat that request"
        )
        raise Refused("idempotency_key", key, remedy)
