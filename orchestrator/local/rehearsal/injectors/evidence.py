"""The bucket of evidence cannot be read or written, because its key is disabled."""

from __future__ import annotations

from orchestrator.domain.names import resource_name
from orchestrator.domain.rehearsal.catalogue import EVIDENCE_COMMAND
from orchestrator.local.deployed_environment import ENVIRONMENT
from orchestrator.local.rehearsal.stage import Stage
from orchestrator.local.rehearsal_clients import RehearsalFailed

_ALIAS = f"alias/{resource_name('evidence', ENVIRONMENT)}"
_DRILL_SECONDS = 180


def disable_key(stage: Stage) -> None:
    """Disable the bucket's key."""
    kms = stage.here.cloud.clients("kms")
    kms.disable_key(KeyId=kms.describe_key(KeyId=_ALIAS)["KeyMetadata"]["KeyId"])


def make_unreadable(stage: Stage) -> None:
    """Disable the bucket's key, and start a drill, as the schedule does."""
    disable_key(stage)
    stage.here.start_drill("dr-without-evidence")


def make_readable(stage: Stage) -> None:
    """Wait for the end of the drill, which must not succeed without evidence, and enable the key."""
    drill = stage.here.wait_for_drill("dr-without-evidence", _DRILL_SECONDS)
    if str(drill.outcome) == "SUCCEEDED":
        raise RehearsalFailed("a drill succeeded whose evidence could not be written")
    stage.type(EVIDENCE_COMMAND)


def undo(stage: Stage) -> None:
    """Enable the bucket's key."""
    kms = stage.here.cloud.clients("kms")
    kms.enable_key(KeyId=kms.describe_key(KeyId=_ALIAS)["KeyMetadata"]["KeyId"])


def verify(stage: Stage) -> str:
    """Verify that a new drill succeeds with evidence, and that the whole chain verifies."""
    stage.type("orchestrator drill --watch --env ENV")
    verified = stage.type("orchestrator evidence verify --env ENV").output.splitlines()[-1]
    return f"a new drill has its evidence; {verified}"
