"""Names: of deployments and their executions. An execution's name is 1 to 80 characters that Step Functions allows."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime

from orchestrator.domain.errors import Refused

KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,47}")
"""Leaves room for ``rollback-`` before and the attempt behind."""


def deployment_id(idempotency_key: str) -> str:
    """The deployment that an idempotency key names: the same key is the same deployment.

    Raises:
        Refused: the key cannot stand in an execution's name.
    """
    if not KEY.fullmatch(idempotency_key):
        raise Refused("idempotency_key", idempotency_key, "give 1 to 48 letters, digits, - or _")
    return f"d-{idempotency_key}"


def new_key(now: datetime, salt: bytes) -> str:
    """A key for a deployment that was given none: it begins with the time, so that a listing reads in order."""
    return f"{now:%Y%m%dT%H%M%SZ}-{hashlib.sha256(salt).hexdigest()[:6]}"
