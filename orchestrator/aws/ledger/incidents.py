"""Incidents in the ledger: a hash chain of entries each, and one register of all.

| pk                    | sk                 | holds                                                         |
|-----------------------|--------------------|---------------------------------------------------------------|
| ``incident-register`` | ``register``       | the register (`orchestrator.domain.incidents.register`), and its version |
| ``incident-list``     | incident id        | that the incident exists                                      |
| ``incident#{id}``     | ``entry#000001`` … | the chain of entries                                          |

Every write is one transaction: the entries, which must not exist, and the register, whose version must be the one that
was read. So entries of two writers never interleave, and a race opens one incident of a cause. ``incidents`` is older,
and holds the records of rollbacks (deployments.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from orchestrator.aws.ledger.lock import LockedTable, decoded, unless_changed
from orchestrator.domain.errors import Refused
from orchestrator.domain.incidents.incident import Entry, Incident, replay
from orchestrator.domain.incidents.register import Register

_REGISTER, _LIST = ("incident-register", "register"), "incident-list"


class IncidentStore(LockedTable):
    """The incidents of an environment. The environment's lock does not fence them: people work while it is held.

    Args:
        client: botocore's DynamoDB client.
        table: the ledger's name.
    """

    def read_register(self) -> Register:
        """Read the register, consistently; an empty one before the first incident."""
        return self._read_or_new(*_REGISTER, Register)

    def has_incident(self, incident_id: str) -> bool:
        """Return whether there is an incident of this id."""
        return self._get(_LIST, incident_id) is not None

    def read_entries(self, incident_id: str) -> list[Entry]:
        """Return the chain of an incident, oldest entry first.

        Raises:
            Refused: there is no such incident.
        """
        items = self._query(f"incident#{incident_id}", prefix="entry#", forward=True)
        if not items:
            remedy = (
                "name one that `orchestrator incident list` lists; --standby for one that the standby region recorded"
            )
            raise Refused("incident", incident_id, remedy)
        return [decoded(item, Entry) for item in items]

    def read_incident(self, incident_id: str) -> Incident:
        """Return an incident as its entries describe it.

        Raises:
            Refused: there is no such incident.
        """
        return replay(self.read_entries(incident_id))

    def list_ids(self, limit: int) -> list[str]:
        """Return the ids of the newest incidents, newest first."""
        return [str(item["sk"]["S"]) for item in self._query(_LIST, limit=limit)]

    def ids_since(self, earliest: datetime, limit: int) -> list[str]:
        """Return the ids of the incidents that were opened at a time or later, newest first.

        Args:
            earliest: the time, in UTC; its fraction of a second does not count.
            limit: the most ids.
        """
        first = f"inc-{earliest:%Y%m%dT%H%M%SZ}"  # what `incident_id` begins with
        return [str(item["sk"]["S"]) for item in self._query(_LIST, since=first, limit=limit)]

    def commit(self, register: Register, entries: Sequence[Entry]) -> bool:
        """Write entries of one incident and the register; return False if another writer was faster.

        Args:
            register: as it is to be, with the version that was read.
            entries: the new ones, at most 90; none if only the register changes.

        Raises:
            Throttled: the transaction met another one. Nothing was written.
        """
        puts = [self._put_next(*_REGISTER, register)[1]]
        for entry in entries:
            put = self._put(f"incident#{entry.incident}", f"entry#{entry.number:06}", entry)
            puts.append({**put, **unless_changed(0)})
            if entry.number == 1:
                puts.append(self._put(_LIST, entry.incident, entry.at))
        return self._write_together(puts)
