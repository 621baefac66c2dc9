"""Stores that are each wrong in one way that reads harmlessly. A race that does not catch them proves nothing."""

from __future__ import annotations

from service.storage import item_codec
from service.storage.conditional_writes import Answer, Lost
from service.storage.revocations import RevokingStore


class _WithoutCondition(RevokingStore):
    """A store that leaves a part out of the condition of one of its writes."""

    dropped: str

    def _decide(self, table, key, expression, condition, values, winner, read):
        kept = condition.replace(self.dropped, "")
        used = {name: value for name, value in values.items() if name in f"{expression} {kept}"}
        return super()._decide(table, key, expression, kept, used, winner, read)


class RedeemsWhatIsRedeemed(_WithoutCondition):
    """The code's first redemption is not asked for in the condition: reading it before has to do."""

    dropped = " AND attribute_not_exists(redeemed_by)"


class RotatesWhatIsNotCurrent(_WithoutCondition):
    """The current token is not asked for in the condition: reading it before has to do."""

    dropped = "refresh_hash = :current AND "


class ReadsThenWrites(RevokingStore):
    """Looks once more, right before it writes, in place of a condition."""

    def _decide(self, table, key, expression, condition, values, winner, read):
        found = self._get(table, key)
        used = found is None or "redeemed_by" in found or found.get("refresh_hash", {}) != values.get(":current", {})
        if used or "revoked_because" in found:
            return Lost(found and read(found))
        values = {name: value for name, value in values.items() if name in expression}
        self._attempt(table, key, expression, "attribute_exists(pk)", values)
        return None


class WritesTheWholeFamily(RevokingStore):
    """Rotates by writing all that it read, and so writes over a revocation that came between."""

    def rotate(self, family, refresh_hash, nonce, now, epoch, *, salt):
        return self._decide(
            self._tokens,
            item_codec.primary_key("family", family.family_id, synthetic=family.synthetic),
            "SET refresh_hash = :next, rotated_by = :nonce REMOVE revoked_because",
            "refresh_hash = :current",
            {
                ":current": item_codec.string_attribute(family.refresh_hash),
                ":next": item_codec.string_attribute(refresh_hash),
                ":nonce": item_codec.string_attribute(nonce),
            },
            "rotated_by",
            lambda item: family,
        )


class NeverRevokes(RevokingStore):
    """Refuses a replay and leaves it at that."""

    def revoke(self, family_id, cause, now, *, synthetic):
        return None


class RevokesByWhatItReadBefore(RevokingStore):
    """Does not tell a loser what the winner issued, so that the loser goes by its own, older reading."""

    def redeem(self, code, family_id, nonce, now, epoch, *, salt):
        return super().redeem(code, family_id, nonce, now, epoch, salt=salt) and Lost(None)


class StoresTheFamilyLast(RevokingStore):
    """Redeems first and stores the family afterwards, when it has looked at the epoch again: a replay between finds nothing to revoke.

    It dawdles, because a revocation writes into the log first, and would hardly ever come in between otherwise.
    """

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._waiting = {}

    def create_family(self, family):
        self._waiting[family.family_id] = family
        return True

    def redeem(self, code, family_id, nonce, now, epoch, *, salt):
        lost = super().redeem(code, family_id, nonce, now, epoch, salt=salt)
        if lost is None:
            for _ in range(3):
                self.revocation_epoch()
            super().create_family(self._waiting[family_id])
        return lost


class DoesNotKnowItsOwnWrite(RevokingStore):
    """Takes every failed condition for another request's success, its own write whose answer was lost included."""

    def _decide(self, table, key, expression, condition, values, winner, read):
        return super()._decide(table, key, expression, condition, values, "nobody", read)


class NeverAnswers(RevokingStore):
    """Does not record that a response is sent, so that every replay looks like a retry."""

    def _answer(self, table, key, winner, decided, nonce):
        return Answer.OURS


class AnswersWhenItDecides(RevokingStore):
    """Counts a decision as answered from the start, so that every retry looks like a replay."""

    def _decide(self, table, key, expression, condition, values, winner, read):
        values = {name: value for name, value in values.items() if name != ":salt"}
        return super()._decide(
            table, key, expression.replace(", unanswered = :salt", ""), condition, values, winner, read
        )
