"""The record of rebuilds in the evidence bucket, which outlives the environment: the plan, and later the result.

| key                        | holds                                          |
|----------------------------|------------------------------------------------|
| ``rebuilds/ID/plan.json``  | the plan; a repetition continues with it       |
| ``rebuilds/ID/epoch.json`` | the revocation epoch, before a table has it    |
| ``rebuilds/ID/end.json``   | the result, or who abandoned it; without it, the rebuild is under way |
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from orchestrator.aws.ledger.artifacts import ArtifactStore
from orchestrator.domain.configuration.snapshot import SnapshotRecord, read_snapshot
from orchestrator.domain.errors import Refused
from orchestrator.domain.rebuild.plan import RebuildPlan
from orchestrator.domain.rebuild.result import RebuildResult

_FOLDER: Final = "rebuilds/"
_PLAN, _EPOCH, _END = "plan.json", "epoch.json", "end.json"
_SNAPSHOTS: Final = "configuration/"


class RebuildRecords:
    """The rebuilds of an environment.

    Args:
        files: the evidence bucket.
    """

    def __init__(self, files: ArtifactStore) -> None:
        self._files = files

    def unfinished(self) -> RebuildPlan | None:
        """Return the plan of the newest rebuild if it has not ended."""
        keys = self._files.list_keys_of_versions(_FOLDER)
        newest = max((key.split("/")[1] for key in keys), default="")
        if not newest or f"{_FOLDER}{newest}/{_END}" in keys:
            return None
        content = self._files.find_file(f"{_FOLDER}{newest}/{_PLAN}")
        return msgspec.json.decode(content, type=RebuildPlan) if content else None

    def begin(self, plan: RebuildPlan) -> None:
        """Record a plan before its first step."""
        self._put(plan.id, _PLAN, plan)

    def end(self, result: RebuildResult) -> None:
        """Record the result of a rebuild."""
        self._put(result.id, _END, result)

    def abandon(self, rebuild: str, by: str, at: datetime) -> None:
        """Record that a rebuild is not continued, so that the next one is planned anew."""
        self._put(rebuild, _END, {"id": rebuild, "abandoned_by": by, "ended_at": at})

    def record_epoch(self, rebuild: str, epoch: int) -> int:
        """Record the epoch that ends all logins, unless one is recorded; return the recorded one."""
        if content := self._files.find_file(f"{_FOLDER}{rebuild}/{_EPOCH}"):
            return msgspec.json.decode(content, type=int)
        self._put(rebuild, _EPOCH, epoch)
        return epoch

    def find_snapshot(self, name: str) -> tuple[str, str]:
        """Return the key and the digest of a configuration snapshot: by its id, or the newest of the bucket for empty.

        The index in the ledger is not needed: the ledger may be gone.

        Raises:
            Refused: the bucket has none.
        """
        keys = self._files.list_keys_of_versions(_SNAPSHOTS)
        found = [key for key in keys if not name or _id_of(key) == name]
        if not found:
            remedy = "the evidence bucket has no such configuration snapshot; `orchestrator config list` lists them"
            raise Refused("--snapshot", name or "newest", remedy)
        return found[-1], _digest_of(found[-1])

    def read_snapshot(self, key: str, digest: str) -> tuple[SnapshotRecord, bytes]:
        """Read a configuration snapshot, and check its bytes.

        Raises:
            Refused: it is not in the bucket, or its bytes are others.
        """
        content = self._files.get_file(key, digest)
        snapshot = read_snapshot(content)
        record = SnapshotRecord(
            _id_of(key), snapshot.taken_at, snapshot.why, len(snapshot.parts), snapshot.digest, key, digest
        )
        return record, content

    def _put(self, rebuild: str, name: str, value: object) -> None:
        self._files.put_file(f"{_FOLDER}{rebuild}/{name}", msgspec.json.encode(value), "application/json")


def _digest_of(key: str) -> str:
    return key.removesuffix(".json").rpartition("-")[2]


def _id_of(key: str) -> str:
    at, _, digest = key.removeprefix(_SNAPSHOTS).removesuffix(".json").rpartition("-")
    return f"c-{at}-{digest[:6]}"
