"""Failovers and the issuing assignment in the standby region's ledger.

| pk                      | sk            | holds                                                                        |
|-------------------------|---------------|------------------------------------------------------------------------------|
| ``issuing-assignment``       | ``assignment``     | the assignment (`orchestrator.domain.failover.issuing_region`), and its version   |
| ``home-releases``       | ``record``    | what the home region serves and served (`…failover.home_releases`), and its version |
| ``failover#ID``         | ``record``    | the failover, and its version                                                |
| ``failover#ID``         | ``token``     | the task token of the state that waits for approvals                         |
| ``failover-approvals#ID`` | person      | the first approval of a person                                               |
| ``failovers``           | request time  | the ids, for lists                                                           |

A failover and the assignment are written on the condition that neither has changed since it was read. The environment's lock
does not fence them: a failover must not wait for a deployment that a lost region left behind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.aws.clients import conditional_write, translate_errors
from orchestrator.aws.ledger.lock import LockedTable, decoded, unless_changed
from orchestrator.domain.deployment.gates import Approval
from orchestrator.domain.errors import LockLost, Refused
from orchestrator.domain.failover.home_releases import HomeReleases
from orchestrator.domain.failover.issuing_region import IssuingAssignment
from orchestrator.domain.failover.record import Failover

ASSIGNMENT_KEY = "issuing-assignment"
_ASSIGNMENT, _LISTED = (ASSIGNMENT_KEY, "assignment"), "failovers"
_HOME_RELEASES = ("home-releases", "record")


@dataclass(frozen=True)
class ReadAssignment:
    """The assignment with the version of its item; `assignment` is None, with the version 0, if there is none."""

    assignment: IssuingAssignment | None
    version: int = 0


@dataclass(frozen=True)
class ReadHomeReleases:
    """The record of the home region's releases with the version of its item; None, with the version 0, without one."""

    releases: HomeReleases | None
    version: int = 0


@dataclass(frozen=True)
class ReadFailover:
    """A failover with the version of its item."""

    failover: Failover
    version: int


class FailoverStore(LockedTable):
    """The failovers of an environment.

    Args:
        client: botocore's DynamoDB client, of the standby region.
        table: the ledger's name.
    """

    def read_assignment(self) -> ReadAssignment:
        """Read the assignment, consistently."""
        item = self._get(*_ASSIGNMENT)
        return (
            ReadAssignment(decoded(item, IssuingAssignment), int(item["record_version"]["N"]))
            if item
            else ReadAssignment(None)
        )

    def create_assignment(self, assignment: IssuingAssignment) -> IssuingAssignment:
        """Write the first assignment; return the one that is there if there is one."""
        put = self._put_versioned(*_ASSIGNMENT, assignment, 0)
        if conditional_write(self._client.put_item, **put) is not None:
            return assignment
        found = self.read_assignment().assignment
        assert found is not None, "the condition failed on an item"
        return found

    def create(self, failover: Failover) -> ReadFailover:
        """Write a new failover; return the one that an earlier attempt has written."""
        entry = self._put(_LISTED, f"{failover.requested_at.isoformat()}#{failover.id}", failover.id)
        put = self._put_versioned(_key(failover.id), "record", failover, 0)
        if self._write_together([put, entry]):
            return ReadFailover(failover, 1)
        return self.read_failover(failover.id)

    def find_failover(self, failover_id: str) -> ReadFailover | None:
        """Read a failover, consistently; None if there is none."""
        item = self._get(_key(failover_id), "record")
        return ReadFailover(decoded(item, Failover), int(item["record_version"]["N"])) if item else None

    def read_failover(self, failover_id: str) -> ReadFailover:
        """Read a failover, consistently.

        Raises:
            Refused: there is no such failover.
        """
        found = self.find_failover(failover_id)
        if found is None:
            raise Refused("failover", failover_id, "name one that `orchestrator failover status` lists")
        return found

    def newest(self, limit: int) -> list[Failover]:
        """Return the newest failovers, newest first."""
        return [self.read_failover(decoded(item, str)).failover for item in self._query(_LISTED, limit=limit)]

    def commit(
        self, read: ReadFailover, failover: Failover, assignment: tuple[ReadAssignment, IssuingAssignment] | None = None
    ) -> ReadFailover:
        """Write a failover and, in the same transaction, the assignment; return the failover with its new version.

        Args:
            read: the failover as it was read.
            failover: what is written.
            assignment: the assignment as it was read, and what is written.

        Raises:
            LockLost: one of them was changed by another writer; nothing was written.
            Throttled: the transaction met another one; nothing was written.
        """
        puts = [self._put_versioned(_key(failover.id), "record", failover, read.version)]
        if assignment is not None:
            seen, written = assignment
            puts.append(self._put_versioned(*_ASSIGNMENT, written, seen.version))
        if not self._write_together(puts):
            current = self.read_failover(failover.id)
            if current.failover == failover and (
                assignment is None or self.read_assignment().assignment == assignment[1]
            ):
                return current  # An earlier attempt of ours wrote it, and its response was lost.
            raise LockLost(f"failover {failover.id} or the assignment was changed by another writer")
        return ReadFailover(failover, read.version + 1)

    def check_unchanged(self, read: ReadFailover) -> None:
        """Raise LockLost if another writer has changed the failover since it was read."""
        if self.read_failover(read.failover.id).version != read.version:
            raise LockLost(f"failover {read.failover.id} was changed by another writer")

    # --- the home region's releases ----------------------------------------------------------------------

    def read_home_releases(self) -> ReadHomeReleases:
        """Read the record of what the home region serves, consistently."""
        item = self._get(*_HOME_RELEASES)
        if item is None:
            return ReadHomeReleases(None)
        return ReadHomeReleases(decoded(item, HomeReleases), int(item["record_version"]["N"]))

    def write_home_releases(self, read: ReadHomeReleases, releases: HomeReleases) -> bool:
        """Write that record; return False if another writer has changed it since it was read."""
        put = self._put_versioned(*_HOME_RELEASES, releases, read.version)
        return conditional_write(self._client.put_item, **put) is not None

    # --- approvals ---------------------------------------------------------------------------------------

    def save_token(self, failover_id: str, token: str) -> None:
        """Write the task token of the state that waits for approvals."""
        with translate_errors():
            self._client.put_item(**self._put(_key(failover_id), "token", token))

    def read_token(self, failover_id: str) -> str:
        """Read that task token; empty if no state has waited yet."""
        item = self._get(_key(failover_id), "token")
        return decoded(item, str) if item else ""

    def approve(self, failover_id: str, approval: Approval) -> None:
        """Write a person's approval; a second one leaves the first as it is."""
        put = self._put(_approvals(failover_id), approval.by, approval)
        conditional_write(self._client.put_item, **{**put, **unless_changed(0)})

    def read_approvals(self, failover_id: str) -> list[Approval]:
        """Read the approvals."""
        return [decoded(item, Approval) for item in self._query(_approvals(failover_id))]


def assignment_check(table: str, seen: ReadAssignment) -> Mapping[str, Any]:
    """Return the check of a transaction that no writer has changed the assignment since it was read.

    Args:
        table: the ledger's name.
        seen: the assignment as it was read.
    """
    pk, sk = _ASSIGNMENT
    key = {"pk": {"S": pk}, "sk": {"S": sk}}
    return {"ConditionCheck": {"TableName": table, "Key": key, **unless_changed(seen.version)}}


def _key(failover_id: str) -> str:
    return f"failover#{failover_id}"


def _approvals(failover_id: str) -> str:
    return f"failover-approvals#{failover_id}"
