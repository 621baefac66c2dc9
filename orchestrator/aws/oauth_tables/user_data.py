"""The items of one user in the service's tables: count them, revoke them, and delete them."""

from __future__ import annotations

from orchestrator.aws.oauth_tables.owned_items import CODE, FAMILY, OwnedItems
from orchestrator.domain.user_erasure import ErasureCounts, Subject


class UserDataStore(OwnedItems):
    """The items of users."""

    OWNER = "subject"

    def count_items(self, subject: Subject) -> ErasureCounts:
        """Count a user's items. It changes nothing.

        Raises:
            Throttled, Unreachable: DynamoDB did not answer.
        """
        codes = sum(1 for _ in self._keys(self._state, CODE, subject.text))
        return ErasureCounts(codes, sum(1 for _ in self._keys(self._tokens, FAMILY, subject.text)))

    def erase_items(self, subject: Subject, now: int) -> ErasureCounts:
        """Delete a user's items, and return how many there were. It is idempotent.

        Authorization codes are deleted first: without its code, no new family can start. Then each family is entered
        into the revocation log, revoked, and deleted. So wherever this stops, every family that it reached is dead,
        also after a restore.

        Args:
            subject: the user.
            now: in epoch seconds.

        Raises:
            Throttled, Unreachable: DynamoDB did not answer; what was erased by then stays erased.
        """
        owner = subject.text
        codes = sum(self._delete(self._state, key, owner) for key in self._keys(self._state, CODE, owner))
        families = 0
        for key in self._keys(self._tokens, FAMILY, owner):
            self._log_revocation(key, now)
            self._revoke(key, owner, now)
            families += self._delete(self._tokens, key, owner)
        return ErasureCounts(codes, families)
