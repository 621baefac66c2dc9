"""The status page in the ledger: its record, and the overrides that people set.

| pk                     | sk                       | holds                                                        |
|------------------------|--------------------------|--------------------------------------------------------------|
| ``status-page``        | ``record``               | histories of the components, and what was published          |
| ``status-override``    | component id             | the newest override of the component; one that was cleared has ended |
| ``status-override-log``| time, component id       | every override and every clearing, for the audit             |
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from orchestrator.aws.clients import conditional_write, translate_errors
from orchestrator.aws.ledger.lock import LockedTable, decoded
from orchestrator.domain.errors import Refused
from orchestrator.domain.status_page.history import PageRecord
from orchestrator.domain.status_page.overrides import Override, OverrideEntry

_RECORD, _OVERRIDES, _LOG = ("status-page", "record"), "status-override", "status-override-log"


class StatusPageStore(LockedTable):
    """The status page of an environment. The environment's lock does not fence it: the page is written at any time.

    Args:
        client: botocore's DynamoDB client.
        table: the ledger's name.
    """

    def read_record(self) -> PageRecord:
        """Read the record, consistently; an empty one before the first observation."""
        return self._read_or_new(*_RECORD, PageRecord)

    def save_record(self, record: PageRecord) -> PageRecord | None:
        """Write the record; return it with its new version, or None if another writer was faster.

        Args:
            record: as it is to be, with the version that was read.
        """
        written, put = self._put_next(*_RECORD, record)
        return written if conditional_write(self._client.put_item, **put) is not None else None

    def read_overrides(self) -> list[Override]:
        """Return the newest override of each component, also those that have ended."""
        return [decoded(item, Override) for item in self._query(_OVERRIDES, forward=True)]

    def save_override(self, override: Override) -> None:
        """Write an override in the place of the component's earlier one."""
        self._write_override(override, OverrideEntry(override.at, override.by, override))

    def clear_override(self, component: str, by: str, now: datetime) -> Override:
        """End the override of a component now; return it.

        Raises:
            Refused: the component has no active override.
        """
        found = next((one for one in self.read_overrides() if one.component == component and one.is_active(now)), None)
        if found is None:
            raise Refused("COMPONENT", component, "it has no override: machines decide its state already")
        ended = replace(found, until=now)
        self._write_override(ended, OverrideEntry(now, by, ended, cleared=True))
        return ended

    def read_override_log(self, limit: int) -> list[OverrideEntry]:
        """Return the newest entries of the log, newest first."""
        return [decoded(item, OverrideEntry) for item in self._query(_LOG, limit=limit)]

    def _write_override(self, override: Override, entry: OverrideEntry) -> None:
        puts = [
            self._put(_OVERRIDES, override.component, override),
            self._put(_LOG, f"{entry.at.isoformat()}#{override.component}", entry),
        ]
        with translate_errors():
            self._client.transact_write_items(TransactItems=[{"Put": put} for put in puts])
