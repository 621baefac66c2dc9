"""Late writes: what tables accepted after their block was requested, and what the tables that replace them get of it.

A resource policy reaches the hosts of DynamoDB one after another. A host that does not apply it yet accepts writes, and
the client gets its response. These writes are read from the stream of the table and replayed onto the table that
replaces it, before the aliases move and again afterwards. A rollback replays in the other direction.

The rules, first match wins. `states` are the item's contents before and after each late write:

1. The revocation epoch: the other table's is raised by as much. It is never lowered.
2. The item is revoked in the other table: keep. A revocation always wins.
3. It was revoked by a late write, or is in the revocation log: revoke it. A failback before its promotion writes an item
   that is revoked as it is, also one that the other table does not have yet.
4. The other table holds the last state: keep, it was replayed before.
5. The other table holds an earlier state: write the last one. The service could have made the same write there.
6. Nothing else can have written the other table (a failback before its promotion): write the last state.
7. Rotated tokens are accepted (`RotatedPolicy.ACCEPT`), and no client uses the other table yet: the newer token.
8. Otherwise keep: it was written later, or the restore dropped what the late write is based on.

Two items are equal if they differ only in their epoch, because a restored table is in an epoch of its own. An item that
is replaced keeps its epoch, so a family that the sanitization ended stays ended. Items are in DynamoDB's notation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias

from orchestrator.domain.recovery.heartbeats import PREFIX as HEARTBEAT
from orchestrator.domain.recovery.token_sanitization import ROTATION, RevocationLog
from orchestrator.domain.verdict import Json, Verdict

Item: TypeAlias = Mapping[str, Mapping[str, Any]]

CHECK = "late-writes"
MAX_WAITS = 10
"""Passes after a cutover. If the last one still finds new late writes, the previous tables are not blocked."""

EPOCH_KEY, SANITIZATION_KEY = "epoch", "recovery"

_SYNTHETIC, _FAMILY, _REVOKED = "synthetic#", "family#", "revoked_because"


@dataclass(frozen=True)
class LateWrite:
    """One record of a stream. shard, number: its place in the stream; before, after: None where there was no item."""

    shard: str
    number: int
    at: datetime
    key: str
    before: Item | None
    after: Item | None


@dataclass(frozen=True)
class LateChange:
    """All late writes of one item. states: its contents before the first write and after each; None for no item."""

    key: str
    states: tuple[Item | None, ...]

    @property
    def last(self) -> Item | None:
        """The item after the last write."""
        return self.states[-1]


NOTHING_LOGGED = RevocationLog()


class ReplayAction(StrEnum):
    """What is done to the item in the other table."""

    WRITE = "write"
    DELETE = "delete"
    REVOKE = "revoke"
    RAISE_EPOCH = "raise-epoch"
    ALREADY = "already"  # it holds the last state
    KEEP_REVOKED = "keep-revoked"  # it is revoked, or was revoked and is not there
    KEEP = "keep"  # it was written later, or was dropped by the restore: the late write is lost


WRITING_ACTIONS = frozenset({ReplayAction.WRITE, ReplayAction.DELETE, ReplayAction.REVOKE, ReplayAction.RAISE_EPOCH})


@dataclass(frozen=True)
class Replay:
    """What is done to the item in the other table. item: what to write; epoch: what to raise the epoch to."""

    action: ReplayAction
    item: Item | None = None
    epoch: int = 0


@dataclass(frozen=True)
class ReplayRules:
    """The parameters of the rules.

    Attributes:
        log: what the revocation log holds about the families of the late writes (`families_of`).
        epoch_shift: the other table's epoch minus that of the table with the late writes.
        authoritative: nothing but this replay and a table sync can have written the other table.
        accept_rotated: a token that was rotated since the recovery point is accepted, and no client uses the other
            table yet.
        since_point: all writes since the recovery point are replayed, and no client uses the other table yet. A grant
            is then as valid as it was in its table, also where the restore had ended it.
    """

    log: RevocationLog = NOTHING_LOGGED
    epoch_shift: int = 0
    authoritative: bool = False
    accept_rotated: bool = False
    since_point: bool = False


def is_of_clients(write: LateWrite) -> bool:
    """Return whether a client wrote the item. Heartbeats and the state of a sanitization are not of clients."""
    return not (write.key.startswith(HEARTBEAT) or write.key == SANITIZATION_KEY)


def late_changes(writes: Iterable[LateWrite]) -> tuple[LateChange, ...]:
    """Combine the late writes of each item, in the order of the first ones. Rows that no client writes are left out."""
    states: dict[str, list[Item | None]] = {}
    for write in writes:
        if is_of_clients(write):
            states.setdefault(write.key, [write.before]).append(write.after)
    return tuple(LateChange(key, tuple(of_key)) for key, of_key in states.items())


def families_of(changes: Iterable[LateChange]) -> frozenset[tuple[str, str]]:
    """Return the families that late writes have left or replaced, each with its client: the log decides about these."""
    named = (_named(change.key, state) for change in changes for state in change.states[1:] if state is not None)
    return frozenset(name for name in named if name is not None)


def decide_replay(change: LateChange, current: Item | None, rules: ReplayRules) -> Replay:  # noqa: PLR0911 - a rule a return
    """Decide what the other table gets of an item's late writes.

    Args:
        change: the late writes.
        current: the item in the other table; None if it has none.
        rules: what decides.
    """
    last = change.last
    if change.key == EPOCH_KEY:
        return Replay(ReplayAction.RAISE_EPOCH, epoch=_epoch(last) + rules.epoch_shift)
    if current is not None and _REVOKED in current:
        return Replay(ReplayAction.KEEP_REVOKED)
    if rules.authoritative and last is not None and _REVOKED in last:
        return _overwritten(last, current, rules)
    if any(state is not None and _is_revoked(change.key, state, rules.log) for state in change.states[1:]):
        return Replay(ReplayAction.KEEP_REVOKED if current is None else ReplayAction.REVOKE)
    if _same(last, current):
        return Replay(ReplayAction.ALREADY)
    if rules.authoritative or any(_same(state, current) for state in change.states[:-1]):
        return _overwritten(last, current, rules)
    if rules.accept_rotated and last is not None and current is not None and _is_newer(change.key, last, current):
        return Replay(ReplayAction.WRITE, _with_token_of(last, current))
    return Replay(ReplayAction.KEEP)


@dataclass(frozen=True)
class ReplayProgress:
    """The progress of a replay.

    Attributes:
        positions: ``role/shard`` to the number of the last record that was read, and replayed if it is a late write.
        passes: number of passes over all streams.
        found: number of late writes.
        new: number of them in the last pass.
        actions: number of items by action.
        unknown: why a stream could not be read; empty if all could.
        behind: a stream holds more than the last pass read of it.
        lost: number of late writes that were not replayed: their item was kept, or their kind is left out.
        lost_at: the time of the last of them; None if there is none.
        unscanned: segments of the tokens table that still have to be compared with the whole revocation log, each with
            the key to continue after. It is compared with all entries only if the log has no stream of its own.
    """

    positions: Mapping[str, int] = field(default_factory=dict)
    passes: int = 0
    found: int = 0
    new: int = 0
    actions: Mapping[str, int] = field(default_factory=dict)
    unknown: str = ""
    behind: bool = False
    lost: int = 0
    lost_at: datetime | None = None
    unscanned: Mapping[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether the last pass reached the ends of the streams, and compared all families that it had to."""
        return not self.behind and not self.unscanned

    def unread(self, role: str, writes: Iterable[LateWrite]) -> list[LateWrite]:
        """Return those of a table's late writes that no pass has replayed."""
        return [write for write in writes if write.number > self.positions.get(f"{role}/{write.shard}", -1)]

    def positions_of(self, role: str) -> Mapping[str, int]:
        """Return the positions in the stream of one table, by shard."""
        places = ((place.partition("/"), number) for place, number in self.positions.items())
        return {shard: number for (of, _, shard), number in places if of == role}

    def with_positions(self, role: str, reached: Mapping[str, int]) -> ReplayProgress:
        """Return the progress after a table's stream was read up to some positions, and its late writes were replayed."""
        positions = {f"{role}/{shard}": number for shard, number in reached.items()}
        return replace(self, positions={**self.positions, **positions})

    def with_writes(self, role: str, writes: Sequence[LateWrite], actions: Iterable[ReplayAction]) -> ReplayProgress:
        """Return the progress after some late writes of a table were replayed."""
        positions, counts = dict(self.positions), dict(self.actions)
        for write in writes:
            place = f"{role}/{write.shard}"
            positions[place] = max(write.number, positions.get(place, -1))
        for action in actions:
            counts[action] = counts.get(action, 0) + 1
        new, found = self.new + len(writes), self.found + len(writes)
        return replace(self, positions=positions, found=found, new=new, actions=counts)

    def with_lost(self, writes: Iterable[LateWrite]) -> ReplayProgress:
        """Return the progress after some late writes were not replayed."""
        times = [write.at for write in writes]
        if not times:
            return self
        latest = max(times) if self.lost_at is None else max(*times, self.lost_at)
        return replace(self, lost=self.lost + len(times), lost_at=latest)

    def next_pass(self) -> ReplayProgress:
        """Return the progress at the beginning of a pass."""
        return replace(self, passes=self.passes + 1, new=0, unknown="")

    @property
    def description(self) -> str:
        """The progress in words."""
        applied = sum(count for action, count in self.actions.items() if action in WRITING_ACTIONS)
        kept = sum(self.actions.get(action, 0) for action in (ReplayAction.KEEP, ReplayAction.KEEP_REVOKED))
        unknown = f"; {self.unknown}" if self.unknown else ""
        left = "" if self.complete else "; more are left"
        return f"{self.found} late writes: {applied} items replayed, {kept} kept as they are{unknown}{left}"


def newest_progress(first: ReplayProgress | None, second: ReplayProgress | None) -> ReplayProgress:
    """Return the progress with more passes: of a restore, or of the deployment of its cutover."""
    return max((first or ReplayProgress(), second or ReplayProgress()), key=lambda progress: progress.passes)


def is_last_pass(progress: ReplayProgress, waited: int) -> bool:
    """Return whether no other pass is needed after a cutover: this one found nothing new, some time after the first.

    Args:
        progress: after the pass.
        waited: how often passes since the cutover were followed by a wait.
    """
    return waited >= MAX_WAITS or (waited > 0 and not progress.new and progress.complete)


def waits_after_cutover(
    progress: ReplayProgress, before: ReplayProgress | None, since_cutover: float, hold: float
) -> int:
    """Return how many waits the passes since a cutover stand for, if nothing counted them.

    Args:
        progress: after the present pass.
        before: as the deployment of the cutover left it; None if it did not replay.
        since_cutover: seconds since that deployment ended.
        hold: seconds that lie between the first pass and the last one, at least.
    """
    passes = progress.passes - (before.passes if before else 0)
    return passes - 1 if since_cutover >= hold else 0


def check_late_writes(progress: ReplayProgress) -> tuple[Verdict, Mapping[str, Json]]:
    """Return the verdict and the figures of a replay after its last pass."""
    figures: dict[str, Json] = {
        "passes": progress.passes,
        "late_writes": progress.found,
        **{f"items_{action}": count for action, count in progress.actions.items()},
    }
    if progress.new:
        return Verdict.failed(f"{progress.new} were accepted since the pass before; {progress.description}"), figures
    if progress.unknown or not progress.complete:
        return Verdict.inconclusive(progress.description), figures
    return Verdict.passed(progress.description), figures


def _overwritten(last: Item | None, current: Item | None, rules: ReplayRules) -> Replay:
    if last is None:
        return Replay(ReplayAction.DELETE)
    if "epoch" not in last:
        return Replay(ReplayAction.WRITE, last)
    keeps = current is not None and "epoch" in current and not rules.since_point
    epoch = current["epoch"] if current and keeps else {"N": str(_epoch(last) + rules.epoch_shift)}
    return Replay(ReplayAction.WRITE, {**last, "epoch": epoch})


def _with_token_of(last: Item, current: Item) -> Item:
    kept = {name: value for name, value in current.items() if name not in ROTATION}
    return {**kept, **{name: last[name] for name in ROTATION if name in last}}


def _is_newer(key: str, last: Item, current: Item) -> bool:
    """Whether both are the same grant, and `last` has the token that was issued later."""
    if not key.removeprefix(_SYNTHETIC).startswith(_FAMILY) or last["client_id"] != current["client_id"]:
        return False
    return int(last["generation"]["N"]) > int(current["generation"]["N"])


def _is_revoked(key: str, item: Item, log: RevocationLog) -> bool:
    if _REVOKED in item:
        return True
    named = _named(key, item)
    return named is not None and log.lists(*named)


def _named(key: str, item: Item) -> tuple[str, str] | None:
    """Return a family's name and its client; None for an item that is no family."""
    if not key.removeprefix(_SYNTHETIC).startswith(_FAMILY):
        return None
    return key.replace(_FAMILY, "", 1), item["client_id"]["S"]


def _same(first: Item | None, second: Item | None) -> bool:
    if first is None or second is None:
        return first is second
    return _without_epoch(first) == _without_epoch(second)


def _without_epoch(item: Item) -> Item:
    return {name: value for name, value in item.items() if name != "epoch"}


def _epoch(item: Item | None) -> int:
    return int(item["epoch"]["N"]) if item is not None else 0
