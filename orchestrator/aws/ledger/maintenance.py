"""Maintenance windows in the ledger: one schedule, and each window as it was written last.

| pk                       | sk            | holds                                                                       |
|--------------------------|---------------|-----------------------------------------------------------------------------|
| ``maintenance-schedule`` | ``schedule``  | the schedule (`orchestrator.domain.maintenance.schedule`), and its version  |
| ``maintenance``          | window id     | the window with its history                                                 |

Every write is one transaction: the windows that change, and the schedule, whose version must be the one that was read.
"""

from __future__ import annotations

from orchestrator.aws.ledger.lock import LockedTable, decoded
from orchestrator.domain.errors import Refused
from orchestrator.domain.maintenance.schedule import Change, Schedule
from orchestrator.domain.maintenance.window import Window

_SCHEDULE, _WINDOWS = ("maintenance-schedule", "schedule"), "maintenance"


class MaintenanceStore(LockedTable):
    """The maintenance windows of an environment. The environment's lock does not fence them.

    Args:
        client: botocore's DynamoDB client.
        table: the ledger's name.
    """

    def read_schedule(self) -> Schedule:
        """Read the schedule, consistently; an empty one before the first window."""
        return self._read_or_new(*_SCHEDULE, Schedule)

    def read_window(self, window_id: str) -> Window:
        """Read a window, open or closed.

        Raises:
            Refused: there is no such window.
        """
        item = self._get(_WINDOWS, window_id)
        if not item:
            raise Refused("maintenance", window_id, "name one that `orchestrator maintenance list` lists")
        return decoded(item, Window)

    def list_windows(self, limit: int) -> list[Window]:
        """Return the windows with the latest planned starts, latest first."""
        return [decoded(item, Window) for item in self._query(_WINDOWS, limit=limit)]

    def commit(self, change: Change) -> bool:
        """Write a change; return False if another writer was faster.

        Raises:
            Throttled: the transaction met another one. Nothing was written.
        """
        _, schedule = self._put_next(*_SCHEDULE, change.schedule)
        return self._write_together([schedule, *(self._put(_WINDOWS, window.id, window) for window in change.windows)])
