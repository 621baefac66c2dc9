"""Sanitization of restored tokens: no token that was revoked, used or rotated since the recovery point is valid. Pure.

A restore brings back the state at the point. Tokens revoked after it are valid again, used codes are unused, and
rotated refresh tokens are current. Three steps sanitize a restored table, in this order:

1. Raise the revocation epoch above every epoch that was ever in force. This one write invalidates everything in the
   table: codes and logins permanently, and refresh token families until step 2.
2. Judge each family. Those that remain valid are moved into the new epoch, one by one. Families that are not reached,
   for example after a failure, stay invalid.
3. Store that the table is sanitized. Without this state it is never served.

So a family is invalid unless proven valid. RULES has the order of the rules: the first one that applies decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from orchestrator.domain.base64url import sha256_base64url
from orchestrator.domain.verdict import Json, Verdict


class RotatedPolicy(StrEnum):
    """The disposition of a family whose refresh token was, or may have been, rotated after the point.

    REVOKE: the family is revoked, and its user logs in again. Writes after the point are not trusted.
    ACCEPT: the last known token stays valid: the source's or, if the source is not readable, the restored table's.
    """

    REVOKE = "revoke"
    ACCEPT = "accept"


class Disposition(StrEnum):
    """The disposition of a restored family. Only the last three stay valid; all others remain in their old epoch."""

    LAPSED = "lapsed"  # it had expired
    REVOKED = "revoked"  # it was revoked before the point
    LOGGED = "logged"  # it is in the revocation log
    DISOWNED = "disowned"  # its client revoked it while its row was lost
    EARLIER_EPOCH = "earlier-epoch"  # its whole epoch was revoked
    REVOKED_SINCE = "revoked-since"  # the source has it revoked
    ANOTHER = "another"  # the source has another grant of this name
    ROTATED = "rotated"  # its token was rotated after the point
    UNKNOWN = "unknown"  # it cannot be determined whether its token was rotated
    ADOPTED = "adopted"  # valid, as in the restored table
    TAKEN_OVER = "taken-over"  # valid, with the token of the source
    KEPT = "kept"  # it is already in the new epoch


ROTATION = (
    "refresh_hash", "generation", "rotated_by", "rotated_at", "exchanged_hash", "exchanged_at", "exchanged_by",
    "unanswered",
)  # fmt: skip
"""The attributes of a family's item that change when its refresh token is rotated."""

VALID_DISPOSITIONS = frozenset({Disposition.ADOPTED, Disposition.TAKEN_OVER, Disposition.KEPT})


@dataclass(frozen=True)
class TokenFamily:
    """A refresh token family as stored in a table. Times are epoch seconds.

    name: its key without the prefix `family`, so that families of the synthetic identity have its prefix.
    """

    name: str
    client_id: str
    epoch: int
    generation: int
    refresh_hash: str
    expires_at: int
    revoked: bool = False


@dataclass(frozen=True)
class RevocationLog:
    """What the revocation log holds about some families: their names, and names with the client that revoked them.

    It is read by the keys of these families only. Clients can make the log grow at will, because a token of a family
    that does not exist is logged too.
    """

    revoked: frozenset[str] = frozenset()
    disowned: frozenset[str] = frozenset()

    def has_disowned(self, family: TokenFamily) -> bool:
        """Return whether the family's own client revoked it."""
        return disowned_name(family.name, family.client_id) in self.disowned

    def lists(self, name: str, client_id: str) -> bool:
        """Return whether a family of this client was revoked."""
        return name in self.revoked or disowned_name(name, client_id) in self.disowned


@dataclass(frozen=True)
class SanitizationRules:
    """The parameters of the rules.

    Attributes:
        log: what the revocation log holds about the families that are judged.
        epoch: the new epoch.
        in_force: the highest epoch that was in force before.
        now: epoch seconds.
    """

    log: RevocationLog
    policy: RotatedPolicy
    epoch: int
    in_force: int
    now: int


@dataclass(frozen=True)
class FamilyPair:
    """A restored family, and the same family in the source; None if the source lacks it or is not readable."""

    restored: TokenFamily
    source: TokenFamily | None


_Rule = tuple[Callable[[FamilyPair, SanitizationRules], bool], Disposition]

RULES: tuple[_Rule, ...] = (
    (lambda pair, rules: pair.restored.epoch >= rules.epoch, Disposition.KEPT),
    (lambda pair, rules: pair.restored.expires_at <= rules.now, Disposition.LAPSED),
    (lambda pair, _: pair.restored.revoked, Disposition.REVOKED),
    (lambda pair, rules: pair.restored.name in rules.log.revoked, Disposition.LOGGED),
    (lambda pair, rules: rules.log.has_disowned(pair.restored), Disposition.DISOWNED),
    (lambda pair, rules: pair.restored.epoch < rules.in_force, Disposition.EARLIER_EPOCH),
    (lambda pair, _: pair.source is not None and pair.source.revoked, Disposition.REVOKED_SINCE),
    (lambda pair, _: pair.source is not None and pair.source.client_id != pair.restored.client_id, Disposition.ANOTHER),
    (lambda pair, _: _same_token(pair), Disposition.ADOPTED),
    (lambda pair, rules: pair.source is None and rules.policy is RotatedPolicy.REVOKE, Disposition.UNKNOWN),
    (lambda pair, _: pair.source is None, Disposition.ADOPTED),
    (lambda _, rules: rules.policy is RotatedPolicy.REVOKE, Disposition.ROTATED),
    (lambda _pair, _rules: True, Disposition.TAKEN_OVER),
)


def disposition(pair: FamilyPair, rules: SanitizationRules) -> Disposition:
    """Return the disposition of a family."""
    return next(result for applies, result in RULES if applies(pair, rules))


def may_be_logged(family: TokenFamily, rules: SanitizationRules) -> bool:
    """Return whether the revocation log can change the disposition of a family. `rules.log` is not considered."""
    unlogged = replace(rules, log=RevocationLog())
    return disposition(FamilyPair(family, family), unlogged) not in {Disposition.KEPT, *ENDED_BEFORE}


@dataclass(frozen=True)
class LoggedEpoch:
    """The revocation epoch in the revocation log, which no restore replaces. It is logged once it is in force.

    Attributes:
        epoch: of the tables that a cutover put into use.
        recovery: the restore of the cutover. Empty if an earlier release logged the epoch, which it did before the
            cutover: it may never have been in force.
    """

    epoch: int = 0
    recovery: str = ""


@dataclass(frozen=True)
class KnownEpochs:
    """The revocation epochs of a restored table, of its source (None if it is not readable), and of the log."""

    restored: int
    source: int | None = None
    logged: LoggedEpoch = LoggedEpoch()

    @property
    def in_force(self) -> tuple[int, ...]:
        """The epochs that were in force. That of a restore that died before its cutover would end every token in use."""
        if self.source is None:
            return (self.restored, self.logged.epoch)
        return (self.restored, self.source, self.logged.epoch if self.logged.recovery else 0)


def next_epoch(known: Iterable[int]) -> int:
    """Return the epoch above all known epochs: the restored table's, the source's, and the logged one."""
    return max(known) + 1


def client_digest(text: str) -> str:
    """Return SHA-256 as base64url without padding, by which the service refers to clients anonymously."""
    return sha256_base64url(text)


def disowned_name(name: str, client_id: str) -> str:
    """Return how the revocation log names a family that this client revoked while it did not exist."""
    return f"{name}#{client_digest(client_id)}"


@dataclass(frozen=True)
class DispositionCounts:
    """Number of families by disposition."""

    counts: Mapping[Disposition, int] = field(default_factory=dict)

    def __add__(self, other: DispositionCounts) -> DispositionCounts:
        """Add up both."""
        return DispositionCounts(
            {
                disposition: total
                for disposition in Disposition
                if (total := self.counts.get(disposition, 0) + other.counts.get(disposition, 0))
            }
        )

    @property
    def families(self) -> int:
        """Number of judged families."""
        return sum(self.counts.values())

    @property
    def valid(self) -> int:
        """Number of valid families."""
        return sum(count for disposition, count in self.counts.items() if disposition in VALID_DISPOSITIONS)


def count_dispositions(dispositions: Iterable[Disposition]) -> DispositionCounts:
    """Count dispositions."""
    listed = list(dispositions)
    return DispositionCounts({item: listed.count(item) for item in Disposition if item in listed})


def _same_token(pair: FamilyPair) -> bool:
    return pair.source is not None and pair.source.refresh_hash == pair.restored.refresh_hash


class SanitizationStage(StrEnum):
    """The stage of a sanitization. Only a table that is SAFE may be served."""

    JUDGING = "judging"
    PROVING = "proving"
    SAFE = "safe"


@dataclass(frozen=True)
class SanitizationState:
    """The sanitization state, stored in the restored tokens table itself so that an interrupted run can resume.

    Attributes:
        recovery: id of the recovery.
        round: the state that began this round; a later round judges all families again, in an epoch of its own.
        in_force: the highest epoch that was in force before.
        source_readable: whether the source could be read.
        cursors: segment to the key after which to resume; finished segments are absent.
        dispositions: number of families by disposition.
        proven: number of families that read back valid.
        wrong: names (hashes) of the first families that read back valid and must not be.
    """

    recovery: str
    round: str
    epoch: int
    in_force: int
    policy: RotatedPolicy
    source_readable: bool
    stage: SanitizationStage
    cursors: Mapping[str, str]
    dispositions: DispositionCounts = DispositionCounts()
    proven: int = 0
    wrong: tuple[str, ...] = ()

    @property
    def problem(self) -> str:
        """Why the table must not be served; empty if it may."""
        if self.stage is not SanitizationStage.SAFE:
            return f"it is not sanitized yet: stage {self.stage}, with {len(self.cursors)} segments left"
        if self.wrong:
            return f"{len(self.wrong)} families are valid that must not be, such as {self.wrong[0]}"
        if self.proven != self.dispositions.valid:
            return f"{self.proven} families read back valid instead of {self.dispositions.valid}"
        return ""


def check_result_of(state: SanitizationState) -> tuple[Verdict, Mapping[str, Json]]:
    """Return the verdict and the figures of a table after the read-back of all segments."""
    figures: dict[str, Json] = {
        "epoch": state.epoch,
        "policy": state.policy,
        "source_readable": state.source_readable,
        "families": state.dispositions.families,
        "alive": state.dispositions.valid,
        "read_back": state.proven,
        "fates": {str(item): count for item, count in state.dispositions.counts.items()},
    }
    if state.problem:
        return Verdict.failed(state.problem), figures
    counts = state.dispositions
    summary = f"{counts.valid} of {counts.families} families stay valid in epoch {state.epoch}, and read back valid"
    return Verdict.passed(summary), figures


ENDED_BEFORE = (Disposition.LAPSED, Disposition.REVOKED)
"""The dispositions of families that were invalid at the recovery point already."""


def check_any_valid(state: SanitizationState) -> Verdict:
    """Return whether any family stays valid, if any was valid at the recovery point.

    If none does, every user must log in again. That may be right, for example without a source under the policy REVOKE.
    It is never unsaid.
    """
    counts = state.dispositions
    ended = {item: count for item, count in counts.counts.items() if item not in {*ENDED_BEFORE, *VALID_DISPOSITIONS}}
    if counts.valid or not ended:
        return Verdict.passed(f"{counts.valid} of {counts.valid + sum(ended.values())} families stay valid")
    reasons = ", ".join(f"{count} {item}" for item, count in ended.items())
    return Verdict.failed(f"no family stays valid, so every user must log in again: {reasons}")


MAX_NAMED = 5
"""Number of families named that must not be valid."""


def initial_state(
    recovery: str,
    round_id: str,
    known_epochs: Iterable[int],
    policy: RotatedPolicy,
    segments: int,
    *,
    source_readable: bool,
) -> SanitizationState:
    """Return the state of a table before the first step."""
    epochs = list(known_epochs)
    return SanitizationState(
        recovery=recovery,
        round=round_id,
        epoch=next_epoch(epochs),
        in_force=max(epochs),
        policy=policy,
        source_readable=source_readable,
        stage=SanitizationStage.JUDGING,
        cursors=_all_segments(segments),
    )


def with_progress(
    state: SanitizationState,
    cursors: Mapping[str, str],
    segments: int,
    dispositions: DispositionCounts = DispositionCounts(),
) -> SanitizationState:
    """Return the state after some pages were judged. After all pages, the read-back begins."""
    judged = replace(state, dispositions=state.dispositions + dispositions, cursors=cursors)
    return judged if cursors else replace(judged, stage=SanitizationStage.PROVING, cursors=_all_segments(segments))


def with_read_back(
    state: SanitizationState, cursors: Mapping[str, str], alive: int, wrong: Iterable[str]
) -> SanitizationState:
    """Return the state after some pages were read back. After all pages, the table is SAFE, or `problem` says why not."""
    wrong_names = (*state.wrong, *wrong)[:MAX_NAMED]
    stage = SanitizationStage.PROVING if cursors else SanitizationStage.SAFE
    return replace(state, stage=stage, cursors=cursors, proven=state.proven + alive, wrong=wrong_names)


def must_be_invalid(family: TokenFamily, rules: SanitizationRules) -> bool:
    """Return whether a family that read back valid must not be, whatever the source holds."""
    before = before_adoption(family, rules)
    return family.epoch >= rules.epoch and disposition(FamilyPair(before, before), rules) not in {
        *VALID_DISPOSITIONS,
        Disposition.LAPSED,
    }


def before_adoption(family: TokenFamily, rules: SanitizationRules) -> TokenFamily:
    """Return a family of the new epoch as it was in the epoch before."""
    return replace(family, epoch=rules.in_force)


def _all_segments(segments: int) -> Mapping[str, str]:
    return {str(number): "" for number in range(segments)}
