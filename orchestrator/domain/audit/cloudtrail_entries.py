"""The entries of AWS CloudTrail: calls that changed something of the environment."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from orchestrator.domain.audit.entry import SYSTEM, AuditEntry, Source
from orchestrator.domain.names import PREFIX


def entry_of_call(event: Mapping[str, Any], environment: str, named: Collection[str] = ()) -> AuditEntry | None:
    """Return the entry of a call; None if the call is of another environment, or not one of ours.

    Args:
        event: as `cloudtrail:LookupEvents` returns it.
        environment: the environment's name, which ends the names of its resources.
        named: ARNs of other resources that its settings name, such as secrets.
    """
    record = _record(event)
    resources = [str(one.get("ResourceName", "")) for one in event.get("Resources") or ()]
    text = json.dumps([resources, record.get("requestParameters")], allow_nan=False)
    if not _concerns(text, environment) and not any(name in text for name in named):
        return None
    at = event.get("EventTime")
    if not isinstance(at, datetime):
        return None
    ours = [name for name in resources if PREFIX in name]
    return AuditEntry(
        at.astimezone(UTC),
        Source.CLOUDTRAIL,
        str(event.get("EventId", "")),
        _actor(event, record),
        f"{str(event.get('EventSource', '')).removesuffix('.amazonaws.com')}:{event.get('EventName', '')}",
        next(iter(ours or resources), ""),
        str(record.get("errorCode") or "SUCCEEDED"),
        f"from {record.get('sourceIPAddress', 'an unknown address')}",
    )


def _record(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the whole record of a call; empty if it cannot be read."""
    try:
        record = json.loads(event.get("CloudTrailEvent") or "{}", parse_constant=_refuse_constant)
    except (ValueError, TypeError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def _refuse_constant(name: str) -> None:
    """Refuse NaN and infinity, which JSON cannot state."""
    raise ValueError(name)


def _concerns(text: str, environment: str) -> bool:
    """Return whether the names of a call are of an environment: `ib-oauth-…-prod`, also within an ARN or a path."""
    start = text.find(PREFIX)
    while start >= 0:
        rest = text[start:]
        end = next((at for at, character in enumerate(rest) if character in '"/:*,\\\\ '), len(rest))
        if f"-{environment}-" in f"{rest[:end]}-":
            return True
        start = text.find(PREFIX, start + len(PREFIX))
    return False


def _actor(event: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    identity = record.get("userIdentity")
    if isinstance(identity, dict):
        named = identity.get("arn") or identity.get("invokedBy") or identity.get("userName")
        if named:
            return str(named)
    return str(event.get("Username") or SYSTEM)
