"""Which families of a restored copy live on. The property at the end is the promise: nothing that was revoked, whatever came when."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.domain.recovery.token_sanitization import (
    VALID_DISPOSITIONS,
    Disposition,
    DispositionCounts,
    FamilyPair,
    KnownEpochs,
    LoggedEpoch,
    RevocationLog,
    RotatedPolicy,
    SanitizationRules,
    SanitizationStage,
    TokenFamily,
    check_any_valid,
    client_digest,
    count_dispositions,
    disposition,
    initial_state,
    may_be_logged,
    must_be_invalid,
    next_epoch,
    with_progress,
    with_read_back,
)
from orchestrator.domain.verdict import Outcome

NOW = 1_800_000_000
FAMILY = TokenFamily("f", "web", epoch=3, generation=2, refresh_hash="h2", expires_at=NOW + 60)
ROTATED = replace(FAMILY, refresh_hash="h3", generation=3)


def safety(policy=RotatedPolicy.REVOKE, log=RevocationLog(), in_force=3):  # noqa: B008 - frozen
    return SanitizationRules(log, policy, epoch=in_force + 1, in_force=in_force, now=NOW)


def both(case, **changes):
    return {disposition(case, safety(policy, **changes)) for policy in RotatedPolicy}


def test_a_family_that_the_source_shows_unchanged_lives_on():
    assert both(FamilyPair(FAMILY, FAMILY)) == {Disposition.ADOPTED}


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (FamilyPair(replace(FAMILY, expires_at=NOW), FAMILY), Disposition.LAPSED),
        (FamilyPair(replace(FAMILY, revoked=True), FAMILY), Disposition.REVOKED),
        (FamilyPair(FAMILY, replace(FAMILY, revoked=True)), Disposition.REVOKED_SINCE),
        (FamilyPair(FAMILY, replace(ROTATED, revoked=True)), Disposition.REVOKED_SINCE),
        (FamilyPair(FAMILY, replace(FAMILY, client_id="other")), Disposition.ANOTHER),
    ],
)
def test_what_had_ended_stays_so_under_either_policy(case, expected):
    assert both(case) == {expected}


@pytest.mark.parametrize("source", [None, FAMILY, ROTATED])
def test_the_log_ends_a_family_whatever_the_source_shows(source):
    assert both(FamilyPair(FAMILY, source), log=RevocationLog(revoked=frozenset({"f"}))) == {Disposition.LOGGED}


@pytest.mark.parametrize("source", [None, FAMILY])
def test_a_family_that_its_own_client_gave_up_while_its_row_was_lost_is_dead_and_another_s_word_counts_for_nothing(
    source,
):
    its_own, others = (RevocationLog(disowned=frozenset({f"f#{client_digest(client)}"})) for client in ("web", "other"))
    assert both(FamilyPair(FAMILY, source), log=its_own) == {Disposition.DISOWNED}
    assert Disposition.DISOWNED not in both(FamilyPair(FAMILY, source), log=others)


def test_an_epoch_that_was_raised_after_the_point_ends_all_before_it():
    assert both(FamilyPair(FAMILY, FAMILY), in_force=4) == {Disposition.EARLIER_EPOCH}


@pytest.mark.parametrize(
    ("policy", "source", "expected"),
    [
        (RotatedPolicy.REVOKE, ROTATED, Disposition.ROTATED),
        (RotatedPolicy.REVOKE, None, Disposition.UNKNOWN),
        (RotatedPolicy.ACCEPT, ROTATED, Disposition.TAKEN_OVER),
        (RotatedPolicy.ACCEPT, None, Disposition.ADOPTED),
    ],
)
def test_the_policy_decides_over_tokens_that_were_replaced_after_the_point_or_may_have_been(policy, source, expected):
    assert disposition(FamilyPair(FAMILY, source), safety(policy)) is expected


def test_what_is_of_the_new_epoch_was_judged_before_and_is_not_judged_again():
    adopted = replace(FAMILY, epoch=4)
    assert both(FamilyPair(adopted, ROTATED), log=RevocationLog(revoked=frozenset({"f"}))) == {Disposition.KEPT}


def test_the_new_epoch_is_above_every_one_that_was_in_force():
    assert next_epoch([0, 5, 2]) == 6


def test_fates_are_counted_and_added():
    first, second = (
        count_dispositions([Disposition.ADOPTED, Disposition.LOGGED, Disposition.LOGGED]),
        count_dispositions([Disposition.LOGGED, Disposition.TAKEN_OVER]),
    )
    assert first + second == DispositionCounts(
        {Disposition.LOGGED: 3, Disposition.ADOPTED: 1, Disposition.TAKEN_OVER: 1}
    )
    assert ((first + second).families, (first + second).valid) == (5, 2)
    assert count_dispositions([]) == DispositionCounts()


# --- nothing that was revoked is alive afterwards, whatever the order of things ----------------------------------------


@dataclass
class Service:
    """One family's life as the service leads it, and what of it a restore can read afterwards.

    tokens: every refresh token it ever had, the current one last; ended: whether a client was notified that it is revoked.
    row: what the table has; None where it was lost. log: what stands outside the tables.
    """

    row: TokenFamily | None = FAMILY
    log: RevocationLog = field(default_factory=RevocationLog)
    tokens: list[str] = field(default_factory=lambda: ["h2"])
    epoch: int = 3
    ended: bool = False

    def rotate(self):
        if self.row is not None and not self.row.revoked and self.row.epoch >= self.epoch:
            self.tokens.append(f"h{len(self.tokens) + 2}")
            self.row = replace(self.row, refresh_hash=self.tokens[-1], generation=self.row.generation + 1)

    def revoke(self):
        """Log first, then the row: as service/storage/revocations.py does."""
        self.log_only()
        if self.row is not None:
            self.row = replace(self.row, revoked=True)
        self.ended = True

    def log_only(self):
        """The revocation whose second write failed: no client was notified that it happened."""
        if self.row is None:
            self.log = replace(self.log, disowned=self.log.disowned | {f"f#{client_digest('web')}"})
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
    sanitization = safety(policy, log=service.log, in_force=service.epoch)
    found = disposition(FamilyPair(point, source), sanitization)

    current = {Disposition.TAKEN_OVER: source and source.refresh_hash}.get(found, point.refresh_hash)
    alive = current if found in VALID_DISPOSITIONS else None
    if service.ended or point.revoked:
        assert alive is None
    assert alive not in replaced_then
    if policy is RotatedPolicy.REVOKE:
        assert alive in {None, service.tokens[-1]}
    elif source is not None:
        assert alive in {None, source.refresh_hash}
    untouched = service.row == point and service.log == RevocationLog() and not service.ended and not point.revoked
    if untouched and source_readable:
        assert alive == service.tokens[-1]


# --- epochs: which were in force ----------------------------------------------------------------------------------------

CUT_OVER = LoggedEpoch(epoch=4, recovery="dr-1")
LOGGED_EARLY = LoggedEpoch(epoch=4)
"""An earlier release logged it before the cutover, which may never have come."""


@pytest.mark.parametrize(
    ("known", "in_force"),
    [
        (KnownEpochs(2, 3), 3),
        (KnownEpochs(3, 2), 3),
        (KnownEpochs(2, None), 2),
        (KnownEpochs(2, 3, CUT_OVER), 4),
        (KnownEpochs(2, None, CUT_OVER), 4),
        (KnownEpochs(2, 3, LOGGED_EARLY), 3),
        (KnownEpochs(2, None, LOGGED_EARLY), 4),
    ],
)
def test_an_epoch_counts_once_it_was_in_force(known, in_force):
    assert max(known.in_force) == in_force


# --- the mark: how far a copy has come ----------------------------------------------------------------------------------


def test_a_copy_is_safe_when_every_segment_was_judged_and_read_back():
    mark = initial_state("dr-1", "SanitizeTokens", [2, 3], RotatedPolicy.REVOKE, 2, source_readable=True)
    assert (mark.epoch, mark.in_force, mark.stage) == (4, 3, SanitizationStage.JUDGING)
    assert mark.cursors == {"0": "", "1": ""}
    assert "not sanitized yet: stage judging, with 2 segments left" in mark.problem
    mark = with_progress(mark, {"1": "family#x"}, 2, count_dispositions([Disposition.ADOPTED, Disposition.LOGGED]))
    assert mark.stage is SanitizationStage.JUDGING
    mark = with_progress(mark, {}, 2, count_dispositions([Disposition.TAKEN_OVER]))
    assert (mark.stage, mark.cursors, mark.dispositions.valid) == (SanitizationStage.PROVING, {"0": "", "1": ""}, 2)
    mark = with_read_back(mark, {"0": ""}, 2, [])
    assert "proving, with 1 segments left" in mark.problem
    assert with_read_back(mark, {}, 0, []).problem == ""


@pytest.mark.parametrize(
    ("alive", "wrong", "problem"),
    [
        (1, [], "1 families read back valid instead of 0"),
        (0, ["a", "b"], "2 families are valid that must not be, such as a"),
        (0, list("abcdefgh"), "5 families are valid that must not be, such as a"),
    ],
)
def test_a_copy_that_was_read_back_otherwise_than_it_was_written_is_not_served(alive, wrong, problem):
    mark = with_progress(initial_state("dr-1", "s", [0], RotatedPolicy.ACCEPT, 1, source_readable=False), {}, 1)
    done = with_read_back(mark, {}, alive, wrong)
    assert (done.stage, done.problem) == (SanitizationStage.SAFE, problem)


@pytest.mark.parametrize(
    ("family", "may_be"),
    [
        (FAMILY, True),
        (replace(FAMILY, epoch=2), True),  # it would have another disposition without being in the log
        (replace(FAMILY, epoch=4), False),
        (replace(FAMILY, expires_at=NOW), False),
        (replace(FAMILY, revoked=True), False),
    ],
)
def test_the_log_is_read_for_the_families_whose_disposition_it_can_change(family, may_be):
    logs = (RevocationLog(), RevocationLog(revoked=frozenset({"f"})))
    assert {may_be_logged(family, safety(log=log)) for log in logs} == {may_be}
    found = {disposition(FamilyPair(family, family), safety(log=log)) for log in logs}
    assert (len(found) > 1) is may_be


@pytest.mark.parametrize(
    ("family", "log", "dead"),
    [
        (replace(FAMILY, epoch=4), RevocationLog(), False),
        (replace(FAMILY, epoch=4), RevocationLog(revoked=frozenset({"f"})), True),
        (replace(FAMILY, epoch=4, revoked=True), RevocationLog(), True),
        (replace(FAMILY, epoch=4, expires_at=NOW), RevocationLog(), False),
        (FAMILY, RevocationLog(revoked=frozenset({"f"})), False),
    ],
)
def test_what_is_alive_in_the_new_epoch_and_in_the_log_is_found_when_it_is_read_back(family, log, dead):
    assert must_be_invalid(family, safety(log=log)) is dead


@pytest.mark.parametrize(
    ("counts", "outcome", "reason"),
    [
        ({}, Outcome.PASS, "0 of 0 families stay valid"),
        ({Disposition.LAPSED: 2, Disposition.REVOKED: 1}, Outcome.PASS, "0 of 0 families stay valid"),
        ({Disposition.ADOPTED: 1, Disposition.KEPT: 1, Disposition.ROTATED: 5}, Outcome.PASS, "2 of 7 families stay"),
        (
            {Disposition.LAPSED: 1, Disposition.ROTATED: 20, Disposition.EARLIER_EPOCH: 200},
            Outcome.FAIL,
            "no family stays valid, so every user must log in again: 200 earlier-epoch, 20 rotated",
        ),
    ],
)
def test_a_copy_in_which_no_family_lives_is_never_passed_over_in_silence(counts, outcome, reason):
    mark = initial_state("dr-1", "s", [0], RotatedPolicy.REVOKE, 1, source_readable=False)
    verdict = check_any_valid(with_progress(mark, {}, 1, DispositionCounts(counts)))
    assert verdict.outcome is outcome
    assert verdict.reason.startswith(reason)
