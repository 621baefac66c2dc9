"""The grants of one client in the service's tables: end them."""

from __future__ import annotations

from orchestrator.aws.oauth_tables.owned_items import CODE, FAMILY, OwnedItems
from orchestrator.domain.clients.client import EndedGrants

_LIVE = " AND attribute_not_exists(revoked_because)"


class ClientGrants(OwnedItems):
    """The grants of clients."""

    OWNER = "client_id"

    def end_grants(self, client_id: str, now: int) -> EndedGrants:
        """End a client's grants, and return how many were live. It is idempotent.

        Codes are deleted first, so that none starts a new family. Each family is entered into the revocation log before
        it is revoked, so that no restore brings it back. Users lose their logins in this client, and in no other.

        Args:
            client_id: the client, which the service must not accept any more.
            now: in epoch seconds.

        Raises:
            Throttled, Unreachable: DynamoDB did not answer; what ended by then stays ended.
        """
        codes = sum(self._delete(self._state, key, client_id) for key in self._keys(self._state, CODE, client_id))
        families = 0
        for key in self._keys(self._tokens, FAMILY, client_id, _LIVE):
            self._log_revocation(key, now)
            families += self._revoke(key, client_id, now)
        return EndedGrants(codes, families)
