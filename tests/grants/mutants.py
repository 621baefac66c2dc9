"""Stores that are each wrong in one way that reads harmlessly. A race that does not catch them proves nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from service import items
from service.oauth.codes import Code
from service.oauth.families import Cause, Family
from service.storage import Store


class _WithoutCondition(Store):
    """A Store that leaves a part out of the condition of one of its writes."""

    dropped: str

    def _update_or_find(
        self, table: str, key: items.Item, expression: str, condition: str, values: Mapping[str, Any]
    ) -> Mapping[str, Any] | None:
        kept = condition.replace(self.dropped, "")
        used = {name: value for name, value in values.items() if name in f"{expression} {kept}"}
        return super()._update_or_find(table, key, expression, kept, used)


class RedeemsWhatIsRedeemed(_WithoutCondition):
    """The code's first redemption is not asked for in the condition: reading it before has to do."""

    dropped = " AND attribute_not_exists(redeemed_by)"


class RotatesWhatIsNotCurrent(_WithoutCondition):
    """The current token is not asked for in the condition: reading it before has to do."""

    dropped = "refresh_hash = :current AND "


class ReadsThenWrites(Store):
    """Looks once more, right before it writes, in place of a condition."""

    def _update_or_find(
        self, table: str, key: items.Item, expression: str, condition: str, values: Mapping[str, Any]
    ) -> Mapping[str, Any] | None:
        found = self._get(table, key)
        used = found is None or "redeemed_by" in found or found.get("refresh_hash", {}) != values.get(":current", {})
        if used or "revoked_because" in found:
            return found
        values = {name: value for name, value in values.items() if name in expression}
        return self._update(table, key, expression, "attribute_exists(pk)", values)


class WritesTheWholeFamily(Store):
    """Rotates by writing all that it read, and so writes over a revocation that came between."""

    def rotate(self, family: Family, refresh_hash: str, nonce: str, now: int, epoch: int) -> Family | None:
        rotated = replace(family, refresh_hash=refresh_hash, rotated_by=nonce)
        current = {":current": items.text(family.refresh_hash)}
        found = self._update_or_find(
            self._tokens,
            items.key("family", family.family_id, synthetic=family.synthetic),
            "SET refresh_hash = :next, rotated_by = :nonce REMOVE revoked_because",
            "refresh_hash = :current",
            {**current, ":next": items.text(refresh_hash), ":nonce": items.text(nonce)},
        )
        return rotated if found and found["rotated_by"]["S"] == nonce else None


class NeverRevokes(Store):
    """Refuses a replay and leaves it at that."""

    def revoke(self, family_id: str, cause: Cause, now: int, *, synthetic: bool) -> None:
        return None


class RevokesByWhatItReadBefore(Store):
    """Does not tell a loser what the winner issued, so that the loser goes by its own, older reading."""

    def redeem(self, code: Code, family_id: str, nonce: str, now: int, epoch: int) -> Code | None:
        settled = super().redeem(code, family_id, nonce, now, epoch)
        return settled if settled is None or settled.redeemed_by == nonce else None


class FoundsTheFamilyLast(Store):
    """Redeems first and stores the family afterwards: a replay between the two finds nothing to revoke."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._waiting: dict[str, Family] = {}

    def found(self, family: Family) -> bool:
        self._waiting[family.family_id] = family
        return True

    def redeem(self, code: Code, family_id: str, nonce: str, now: int, epoch: int) -> Code | None:
        settled = super().redeem(code, family_id, nonce, now, epoch)
        if settled is not None and settled.redeemed_by == nonce:
            super().found(self._waiting[family_id])
        return settled


class DoesNotKnowItsOwnWrite(Store):
    """Takes every failed condition for somebody else's success, its own write whose answer was lost included."""

    def _update_or_find(
        self, table: str, key: items.Item, expression: str, condition: str, values: Mapping[str, Any]
    ) -> Mapping[str, Any] | None:
        return self._update(table, key, expression, condition, values)
