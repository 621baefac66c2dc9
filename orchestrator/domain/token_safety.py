"""What may live on in restored tables: nothing that was revoked, used or replaced since. Pure.

A restore brings everything back as it was at a point in time. What was revoked after that point is alive in the copy, codes that
were used are unused, and refresh tokens that were replaced are current again. Three steps make a copy safe, in this order:

1. The revocation epoch is raised above every one that was ever in force. From this one write on, everything in the copy is dead:
   codes and logins for good, and families until
2. each family is judged, and those that may live on are taken into the new epoch, one by one. Whatever this does not come to, be
   it because it broke off, stays dead;
3. a mark says that it is done, and nobody serves the copy without it.

So a family has to be found innocent. RULES is the order in which it is looked at: the first that applies decides.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from orchestrator.domain.verdict import Json, Verdict


class RotatedPolicy(StrEnum):
    """What becomes of a family whose refresh token was replaced after the point, or may have been.

    REVOKE: it ends, and its person logs in again. Nothing that was written after the point is trusted.
    ACCEPT: the last token that is known of goes on: the one in the source or, where the source does not tell, the copy's.
    """

    REVOKE = "revoke"
    ACCEPT = "accept"


class Fate(StrEnum):
    """What becomes of a family of the copy. Only the last three live on; all others stay behind in their epoch."""

    LAPSED = "lapsed"  # it had ended by itself
    REVOKED = "revoked"  # it was revoked before the point
    LOGGED = "logged"  # the log of revocations has it
    DISOWNED = "disowned"  # its client gave it up while its row was lost
    EARLIER_EPOCH = "earlier-epoch"  # everything of its epoch was ended
    REVOKED_SINCE = "revoked-since"  # the source shows it revoked
    ANOTHER = "another"  # the source has another grant of this name
    ROTATED = "rotated"  # its token was replaced after the point
    UNKNOWN = "unknown"  # nobody can tell whether it was
    ADOPTED = "adopted"  # as it is in the copy
    TAKEN_OVER = "taken-over"  # with the token that the source has
    KEPT = "kept"  # it is of the new epoch already


ALIVE = frozenset({Fate.ADOPTED, Fate.TAKEN_OVER, Fate.KEPT})


@dataclass(frozen=True)
class Family:
    """A family as a table has it. Times are epoch seconds.

    name: its key without the word `family`, so that the synthetic identity's have its prefix.
    """

    name: str
    client_id: str
    epoch: int
    generation: int
    refresh_hash: str
    expires_at: int
    revoked: bool = False


@dataclass(frozen=True)
class Log:
    """What the log of revocations says: the names of families, and of families with the client that gave them up."""

    revoked: frozenset[str] = frozenset()
    disowned: frozenset[str] = frozenset()

    def has_disowned(self, family: Family) -> bool:
        """Whether the family's own client gave it up."""
        return f"{family.name}#{digest(family.client_id)}" in self.disowned


@dataclass(frozen=True)
class Safety:
    """By what families are judged.

    Attributes:
        epoch: the new epoch.
        in_force: the highest epoch that was in force before.
        now: epoch seconds.
    """

    log: Log
    policy: RotatedPolicy
    epoch: int
    in_force: int
    now: int


@dataclass(frozen=True)
class Case:
    """A family of the copy, and the same in the source; None where the source does not have it or cannot be asked."""

    copy: Family
    source: Family | None


_Rule = tuple[Callable[[Case, Safety], bool], Fate]

RULES: tuple[_Rule, ...] = (
    (lambda case, safety: case.copy.epoch >= safety.epoch, Fate.KEPT),
    (lambda case, safety: case.copy.expires_at <= safety.now, Fate.LAPSED),
    (lambda case, _: case.copy.revoked, Fate.REVOKED),
    (lambda case, safety: case.copy.name in safety.log.revoked, Fate.LOGGED),
    (lambda case, safety: safety.log.has_disowned(case.copy), Fate.DISOWNED),
    (lambda case, safety: case.copy.epoch < safety.in_force, Fate.EARLIER_EPOCH),
    (lambda case, _: case.source is not None and case.source.revoked, Fate.REVOKED_SINCE),
    (lambda case, _: case.source is not None and case.source.client_id != case.copy.client_id, Fate.ANOTHER),
    (lambda case, _: _same_token(case), Fate.ADOPTED),
    (lambda case, safety: case.source is None and safety.policy is RotatedPolicy.REVOKE, Fate.UNKNOWN),
    (lambda case, _: case.source is None, Fate.ADOPTED),
    (lambda _, safety: safety.policy is RotatedPolicy.REVOKE, Fate.ROTATED),
    (lambda _case, _safety: True, Fate.TAKEN_OVER),
)


def fate(case: Case, safety: Safety) -> Fate:
    """Say what becomes of a family."""
    return next(found for applies, found in RULES if applies(case, safety))


def next_epoch(known: Iterable[int]) -> int:
    """The epoch above every one that is known to have been in force: the copy's, the source's, the logged one."""
    return max(known) + 1


def digest(text: str) -> str:
    """SHA-256 as base64url without padding, in which the service names clients where it does not name them."""
    return urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


@dataclass(frozen=True)
class Counted:
    """How many families came to which fate. Adding two counts those of both."""

    fates: Mapping[Fate, int] = field(default_factory=dict)

    def __add__(self, other: Counted) -> Counted:
        """Both together."""
        return Counted({one: total for one in Fate if (total := self.fates.get(one, 0) + other.fates.get(one, 0))})

    @property
    def families(self) -> int:
        """How many were judged."""
        return sum(self.fates.values())

    @property
    def alive(self) -> int:
        """How many live on."""
        return sum(count for one, count in self.fates.items() if one in ALIVE)


def counted(fates: Iterable[Fate]) -> Counted:
    """Count fates."""
    found = list(fates)
    return Counted({one: found.count(one) for one in Fate if one in found})


def _same_token(case: Case) -> bool:
    return case.source is not None and case.source.refresh_hash == case.copy.refresh_hash


class Stage(StrEnum):
    """How far a copy has come. Only one that is SAFE may be served."""

    JUDGING = "judging"
    PROVING = "proving"
    SAFE = "safe"


@dataclass(frozen=True)
class Mark:
    """What stands in a copy of the tokens table about its safety, so that making it safe goes on where it broke off.

    Attributes:
        recovery: whose copy it is.
        round: the state that began this round; a later one judges all over again, in an epoch of its own.
        in_force: the highest epoch that was in force before.
        source_readable: whether the source could be asked what it has.
        cursors: segment to the key after which it goes on; a segment that is done is absent.
        fates: what the families came to.
        proven: how many families were read back alive.
        wrong: names of families that were read back alive and must not be; hashes, the first few.
    """

    recovery: str
    round: str
    epoch: int
    in_force: int
    policy: RotatedPolicy
    source_readable: bool
    stage: Stage
    cursors: Mapping[str, str]
    fates: Counted = Counted()
    proven: int = 0
    wrong: tuple[str, ...] = ()

    @property
    def problem(self) -> str:
        """Why the copy may not be served; empty where it may."""
        if self.stage is not Stage.SAFE:
            return f"it is not safe yet: {self.stage}, with {len(self.cursors)} segments to go"
        if self.wrong:
            return f"{len(self.wrong)} families are alive that must not be, such as {self.wrong[0]}"
        if self.proven != self.fates.alive:
            return f"{self.proven} families were read back alive in place of {self.fates.alive}"
        return ""


def finding_of(mark: Mark) -> tuple[Verdict, Mapping[str, Json]]:
    """What is found of a copy that every segment of was judged and read back."""
    figures: dict[str, Json] = {
        "epoch": mark.epoch,
        "policy": mark.policy,
        "source_readable": mark.source_readable,
        "families": mark.fates.families,
        "alive": mark.fates.alive,
        "read_back": mark.proven,
        "fates": {str(one): count for one, count in mark.fates.fates.items()},
    }
    if mark.problem:
        return Verdict.failed(mark.problem), figures
    told = f"{mark.fates.alive} of {mark.fates.families} families live on in epoch {mark.epoch}, and were read back"
    return Verdict.passed(told), figures


MOST_NAMED = 5
"""How many families that must not be alive are named."""


def begun(
    recovery: str,
    state: str,
    known_epochs: Iterable[int],
    policy: RotatedPolicy,
    segments: int,
    *,
    source_readable: bool,
) -> Mark:
    """The mark of a copy that nothing was done to yet."""
    epochs = list(known_epochs)
    return Mark(
        recovery=recovery,
        round=state,
        epoch=next_epoch(epochs),
        in_force=max(epochs),
        policy=policy,
        source_readable=source_readable,
        stage=Stage.JUDGING,
        cursors=_all(segments),
    )


def moved_on(mark: Mark, cursors: Mapping[str, str], segments: int, fates: Counted = Counted()) -> Mark:
    """The mark after some pages were judged; once all are, it is to be proven."""
    judged = replace(mark, fates=mark.fates + fates, cursors=cursors)
    return judged if cursors else replace(judged, stage=Stage.PROVING, cursors=_all(segments))


def proven_on(mark: Mark, cursors: Mapping[str, str], alive: int, wrong: Iterable[str]) -> Mark:
    """The mark after some pages were read back; once all are, it is safe, or says why not."""
    found = (*mark.wrong, *wrong)[:MOST_NAMED]
    stage = Stage.PROVING if cursors else Stage.SAFE
    return replace(mark, stage=stage, cursors=cursors, proven=mark.proven + alive, wrong=found)


def must_be_dead(family: Family, safety: Safety) -> bool:
    """Whether a family that was read back alive must not be, whatever the source says."""
    as_before = replace(family, epoch=safety.in_force)
    return family.epoch >= safety.epoch and fate(Case(as_before, as_before), safety) not in {*ALIVE, Fate.LAPSED}


def _all(segments: int) -> Mapping[str, str]:
    return {str(number): "" for number in range(segments)}
