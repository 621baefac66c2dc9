"""Which families of a restored copy live on. The property at the end is the promise: nothing that was revoked, whatever came when."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.domain.token_safety import (
    ALIVE,
    Case,
    Counted,
    Family,
    Fate,
    Log,
    RotatedPolicy,
    Safety,
    Stage,
    begun,
    counted,
    digest,
    fate,
    moved_on,
    must_be_dead,
    next_epoch,
    proven_on,
)

NOW = 1_800_000_000
FAMILY = Family("f", "web", epoch=3, generation=2, refresh_hash="h2", expires_at=NOW + 60)
ROTATED = replace(FAMILY, refresh_hash="h3", generation=3)


def safety(policy=RotatedPolicy.REVOKE, log=Log(), in_force=3):  # noqa: B008 - frozen
    return Safety(log, policy, epoch=in_force + 1, in_force=in_force, now=NOW)


def both(case, **changes):
    return {fate(case, safety(policy, **changes)) for policy in RotatedPolicy}


def test_a_family_that_the_source_shows_unchanged_lives_on():
    assert both(Case(FAMILY, FAMILY)) == {Fate.ADOPTED}


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (Case(replace(FAMILY, expires_at=NOW), FAMILY), Fate.LAPSED),
        (Case(replace(FAMILY, revoked=True), FAMILY), Fate.REVOKED),
        (Case(FAMILY, replace(FAMILY, revoked=True)), Fate.REVOKED_SINCE),
        (Case(FAMILY, replace(ROTATED, revoked=True)), Fate.REVOKED_SINCE),
        (Case(FAMILY, replace(FAMILY, client_id="other")), Fate.ANOTHER),
    ],
)
def test_what_had_ended_stays_so_under_either_policy(case, expected):
    assert both(case) == {expected}


@pytest.mark.parametrize("source", [None, FAMILY, ROTATED])
def test_the_log_ends_a_family_whatever_the_source_shows(source):
    assert both(Case(FAMILY, source), log=Log(revoked=frozenset({"f"}))) == {Fate.LOGGED}


@pytest.mark.parametrize("source", [None, FAMILY])
def test_a_family_that_its_own_client_gave_up_while_its_row_was_lost_is_dead_and_another_s_word_counts_for_nothing(
    source,
):
    its_own, others = (Log(disowned=frozenset({f"f#{digest(client)}"})) for client in ("web", "other"))
    assert both(Case(FAMILY, source), log=its_own) == {Fate.DISOWNED}
    assert Fate.DISOWNED not in both(Case(FAMILY, source), log=others)


def test_an_epoch_that_was_raised_after_the_point_ends_all_before_it():
    assert both(Case(FAMILY, FAMILY), in_force=4) == {Fate.EARLIER_EPOCH}


@pytest.mark.parametrize(
    ("policy", "source", "expected"),
    [
        (RotatedPolicy.REVOKE, ROTATED, Fate.ROTATED),
        (RotatedPolicy.REVOKE, None, Fate.UNKNOWN),
        (RotatedPolicy.ACCEPT, ROTATED, Fate.TAKEN_OVER),
        (RotatedPolicy.ACCEPT, None, Fate.ADOPTED),
    ],
)
def test_the_policy_decides_over_tokens_that_were_replaced_after_the_point_or_may_have_been(policy, source, expected):
    assert fate(Case(FAMILY, source), safety(policy)) is expected


def test_what_is_of_the_new_epoch_was_judged_before_and_is_not_judged_again():
    adopted = replace(FAMILY, epoch=4)
    assert both(Case(adopted, ROTATED), log=Log(revoked=frozenset({"f"}))) == {Fate.KEPT}


def test_the_new_epoch_is_above_every_one_that_was_in_force():
    assert next_epoch([0, 5, 2]) == 6


def test_fates_are_counted_and_added():
    first, second = counted([Fate.ADOPTED, Fate.LOGGED, Fate.LOGGED]), counted([Fate.LOGGED, Fate.TAKEN_OVER])
    assert first + second == Counted({Fate.LOGGED: 3, Fate.ADOPTED: 1, Fate.TAKEN_OVER: 1})
    assert ((first + second).families, (first + second).alive) == (5, 2)
    assert counted([]) == Counted()


# --- nothing that was revoked is alive afterwards, whatever the order of things ----------------------------------------


@dataclass
class Service:
    """One family's life as the service leads it, and what of it a restore can read afterwards.

    tokens: every refresh token it ever had, the current one last; ended: whether anybody was told that it is revoked.
    row: what the table has; None where it was lost. log: what stands outside the tables.
    """

    row: Family | None = FAMILY
    log: Log = field(default_factory=Log)
    tokens: list[str] = field(default_factory=lambda: ["h2"])
    epoch: int = 3
    ended: bool = False

    def rotate(self):
        if self.row is not None and not self.row.revoked and self.row.epoch >= self.epoch:
            self.tokens.append(f"h{len(self.tokens) + 2}")
            self.row = replace(self.row, refresh_hash=self.tokens[-1], generation=self.row.generation + 1)

    def revoke(self):
        """Log first, then the row: as service/revocations.py does."""
        self.log_only()
        if self.row is not None:
            self.row = replace(self.row, revoked=True)
        self.ended = True

    def log_only(self):
        """The revocation whose second write failed: nobody was told that it happened."""
        if self.row is None:
            self.log = replace(self.log, disowned=self.log.disowned | {f"f#{digest('web')}"})
        else:
            self.log = replace(self.log, revoked=self.log.revoked | {"f"})

    def end_everything(self):
        self.epoch += 1
        self.ended = True

    def lose_the_row(self):
        self.row = None

    def forget_the_revocation(self):
        """A release that writes rows wrongly: the reason why one restores."""
        if self.row is not None:
            self.row = replace(self.row, revoked=False)


MOVES = [Service.rotate, Service.revoke, Service.log_only, Service.end_everything, Service.lose_the_row]
WRONGS = [*MOVES, Service.forget_the_revocation]


@settings(max_examples=400, deadline=None)
@given(
    before=st.lists(st.sampled_from(MOVES), max_size=4),
    after=st.lists(st.sampled_from(WRONGS), max_size=6),
    policy=st.sampled_from(RotatedPolicy),
    source_readable=st.booleans(),
)
def test_no_token_that_was_revoked_before_the_restore_is_alive_after_it(before, after, policy, source_readable):
    service = Service()
    for move in before:
        move(service)
    point, replaced_then = service.row, list(service.tokens[:-1])
    for move in after:
        move(service)
    if point is None:
        return  # there is nothing to restore
    source = service.row if source_readable else None
    given_by = safety(policy, log=service.log, in_force=service.epoch)
    found = fate(Case(point, source), given_by)

    current = {Fate.TAKEN_OVER: source and source.refresh_hash}.get(found, point.refresh_hash)
    alive = current if found in ALIVE else None
    if service.ended or point.revoked:
        assert alive is None
    assert alive not in replaced_then
    if policy is RotatedPolicy.REVOKE:
        assert alive in {None, service.tokens[-1]}
    elif source is not None:
        assert alive in {None, source.refresh_hash}
    untouched = service.row == point and service.log == Log() and not service.ended and not point.revoked
    if untouched and source_readable:
        assert alive == service.tokens[-1]


# --- the mark: how far a copy has come ----------------------------------------------------------------------------------


def test_a_copy_is_safe_when_every_segment_was_judged_and_read_back():
    mark = begun("dr-1", "MakeTokensSafe", [2, 3], RotatedPolicy.REVOKE, 2, source_readable=True)
    assert (mark.epoch, mark.in_force, mark.stage) == (4, 3, Stage.JUDGING)
    assert mark.cursors == {"0": "", "1": ""}
    assert "not safe yet: judging, with 2 segments to go" in mark.problem
    mark = moved_on(mark, {"1": "family#x"}, 2, counted([Fate.ADOPTED, Fate.LOGGED]))
    assert mark.stage is Stage.JUDGING
    mark = moved_on(mark, {}, 2, counted([Fate.TAKEN_OVER]))
    assert (mark.stage, mark.cursors, mark.fates.alive) == (Stage.PROVING, {"0": "", "1": ""}, 2)
    mark = proven_on(mark, {"0": ""}, 2, [])
    assert "proving, with 1 segments to go" in mark.problem
    assert proven_on(mark, {}, 0, []).problem == ""


@pytest.mark.parametrize(
    ("alive", "wrong", "problem"),
    [
        (1, [], "1 families were read back alive in place of 0"),
        (0, ["a", "b"], "2 families are alive that must not be, such as a"),
        (0, list("abcdefgh"), "5 families are alive that must not be, such as a"),
    ],
)
def test_a_copy_that_was_read_back_otherwise_than_it_was_written_is_not_served(alive, wrong, problem):
    mark = moved_on(begun("dr-1", "s", [0], RotatedPolicy.ACCEPT, 1, source_readable=False), {}, 1)
    done = proven_on(mark, {}, alive, wrong)
    assert (done.stage, done.problem) == (Stage.SAFE, problem)


@pytest.mark.parametrize(
    ("family", "log", "dead"),
    [
        (replace(FAMILY, epoch=4), Log(), False),
        (replace(FAMILY, epoch=4), Log(revoked=frozenset({"f"})), True),
        (replace(FAMILY, epoch=4, revoked=True), Log(), True),
        (replace(FAMILY, epoch=4, expires_at=NOW), Log(), False),
        (FAMILY, Log(revoked=frozenset({"f"})), False),
    ],
)
def test_what_is_alive_in_the_new_epoch_and_in_the_log_is_found_when_it_is_read_back(family, log, dead):
    assert must_be_dead(family, safety(log=log)) is dead
