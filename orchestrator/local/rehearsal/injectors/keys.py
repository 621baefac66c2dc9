"""The key that signs access tokens is disabled, or will be deleted."""

from __future__ import annotations

import json

from orchestrator.local.rehearsal.stage import Stage
from orchestrator.local.rehearsal_clients import RehearsalFailed

_KEY = "key"


def disable(stage: Stage) -> None:
    """Disable the key that signs."""
    stage.here.cloud.clients("kms").disable_key(KeyId=_signing_key(stage))


def schedule_deletion(stage: Stage) -> None:
    """Schedule the deletion of the key that signs."""
    stage.here.cloud.clients("kms").schedule_key_deletion(KeyId=_signing_key(stage), PendingWindowInDays=7)


def enable(stage: Stage) -> None:
    """Find the key by its state, and enable it."""
    _require_state(stage, "Disabled")
    stage.type(f"aws kms enable-key --key-id {stage.notes[_KEY]}")


def cancel_deletion(stage: Stage) -> None:
    """Find the key by its state, cancel its deletion, and enable it."""
    _require_state(stage, "PendingDeletion")
    stage.type(f"aws kms cancel-key-deletion --key-id {stage.notes[_KEY]}")
    stage.type(f"aws kms enable-key --key-id {stage.notes[_KEY]}")


def verify(stage: Stage) -> str:
    """Verify that the live versions are healthy, with the same key."""
    stage.type("orchestrator verify --flows 1 --env ENV")
    keys = json.loads(stage.run("orchestrator keys --json").output)["keys"]
    if [key["key_id"] for key in keys if key["phase"] == "signing"] != [stage.notes[_KEY]]:
        raise RehearsalFailed(f"another key signs than before: {keys}")
    return "the same key signs, and tokens from before are valid"


def undo(stage: Stage) -> None:
    """Make the key usable again."""
    kms, key = stage.here.cloud.clients("kms"), stage.notes[_KEY]
    if kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "PendingDeletion":
        kms.cancel_key_deletion(KeyId=key)
    kms.enable_key(KeyId=key)


def _require_state(stage: Stage, state: str) -> None:
    printed = stage.type("orchestrator keys --env ENV", expected=None).output
    if state not in printed:
        raise RehearsalFailed(f"`orchestrator keys` does not name the state {state}: {printed}")


def _signing_key(stage: Stage) -> str:
    keys = json.loads(stage.run("orchestrator keys --json").output)["keys"]
    stage.notes[_KEY] = next(key["key_id"] for key in keys if key["phase"] == "signing")
    return stage.notes[_KEY]
