"""Every quarter of an hour: is a move of the key ring due? A key that signs long enough is followed by another, by itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from orchestrator.aws.cloud import Cloud
from orchestrator.aws.rotation import advance
from orchestrator.domain.key_ring import next_move
from orchestrator.domain.records import Signal
from orchestrator.intake import intake


def rotate_keys(event: Mapping[str, Any], cloud: Cloud) -> str:
    """Do what is due, and keep in the ledger what was done."""
    rotation = timedelta(days=int(cloud.settings["KEY_ROTATION_DAYS"]))
    done = advance(cloud.key_ring, cloud.now, rotation)
    move = next_move(cloud.key_ring.read(), rotation)
    if not done:
        return f"nothing is due; {move.kind} of {move.kid} is at {move.due.isoformat()}"
    why = "; ".join(done)
    cloud.ledger.signal(Signal(str(event["id"]), cloud.now(), "keys", "rotate", acted=True, why=why))
    return why


handler = intake(rotate_keys)
