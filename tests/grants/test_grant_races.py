"""Clients that want one grant at the same moment: one gets it, and nothing lives on after a replay; and the races detect it."""

from __future__ import annotations

import pytest

from tests.grants import mutants
from tests.grants.races import ALL, CUT, LOST, NONE, Faults, Kind, Race, violated, violations

QUICK, WHOLE = 40, 10_000
FEW = 8
"""Contestants at most, where many seeds are to be tried quickly."""


GRACE_SECONDS = 10
every_fault = pytest.mark.parametrize(
    "faults", [NONE, LOST, ALL, CUT], ids=["no faults", "lost answers", "all faults", "cut off"]
)
every_kind = pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.name.lower())


def caught(kind: Kind, store: type, faults: Faults = NONE) -> set[str]:
    """What a mutant violates in a few races of two or three: more would drown the few calls between two writes."""
    return {
        violation for seed in range(QUICK) for violation in violations(kind, seed, faults=faults, most=3, store=store)
    }


@every_fault
@every_kind
def test_one_of_all_that_race_gets_the_grant_and_no_token_outlives_a_replay_or_a_revocation(kind, faults):
    assert not [violation for seed in range(QUICK) for violation in violations(kind, seed, faults=faults, most=FEW)]


@every_fault
@every_kind
def test_with_a_grace_period_one_refresh_token_is_alive_at_most(kind, faults):
    seeds = range(QUICK // 2)
    found = (violations(kind, seed, faults=faults, most=FEW, grace_seconds=GRACE_SECONDS) for seed in seeds)
    assert not [violation for one in found for violation in one]


@pytest.mark.parametrize("contestants", [2, 5, 32])
def test_refreshes_at_once_in_the_grace_period_all_get_tokens_of_which_the_last_is_alive(contestants):
    outcome = Race(seed=7, grace_seconds=GRACE_SECONDS).run(Kind.REFRESH, contestants)
    assert not outcome.violations
    assert (outcome.issued, outcome.refused, outcome.unavailable, outcome.usable) == (contestants, 0, 0, 1)


@pytest.mark.parametrize("grace_seconds", [0, GRACE_SECONDS])
@pytest.mark.parametrize("kind", [Kind.REDEEM, Kind.REFRESH], ids=lambda kind: kind.name.lower())
def test_a_client_that_is_cut_off_at_any_write_gets_living_tokens_by_asking_again(kind, grace_seconds):
    outcomes = [Race(seed, faults=CUT, grace_seconds=grace_seconds).run(kind, 1) for seed in range(QUICK)]
    assert not [violation for outcome in outcomes for violation in outcome.violations]


@pytest.mark.parametrize("kind", [Kind.REDEEM, Kind.REFRESH], ids=lambda kind: kind.name.lower())
def test_32_contestants_at_once_are_no_exception(kind):
    outcome = Race(seed=32).run(kind, 32)
    assert not outcome.violations
    assert (outcome.issued, outcome.refused, outcome.living) == (1, 31, 0)


@pytest.mark.proof
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", [Kind.REDEEM, Kind.REFRESH], ids=lambda kind: kind.name.lower())
def test_in_10000_races_of_2_to_32_nothing_is_used_twice_and_nothing_outlives_a_replay(kind):
    assert violated(kind, range(WHOLE)) == {}


@pytest.mark.proof
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("faults", [LOST, ALL], ids=["lost answers", "all faults"])
@pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.name.lower())
def test_in_1000_races_of_each_kind_over_a_store_that_fails_it_is_the_same(kind, faults):
    assert violated(kind, range(WHOLE // 10), faults) == {}


@pytest.mark.proof
@pytest.mark.timeout(1800)
def test_in_10000_races_in_the_grace_period_no_two_refresh_tokens_are_alive():
    assert violated(Kind.REFRESH, range(WHOLE), NONE, GRACE_SECONDS) == {}


@pytest.mark.proof
@pytest.mark.timeout(1800)
@every_kind
def test_in_1000_races_of_clients_that_are_cut_off_and_ask_again_it_is_the_same(kind):
    assert violated(kind, range(WHOLE // 10), CUT, GRACE_SECONDS) == {}


@pytest.mark.parametrize("kind", [Kind.REDEEM, Kind.REFRESH], ids=lambda kind: kind.name.lower())
def test_a_client_alone_gets_living_tokens_however_many_answers_are_lost(kind):
    outcome = Race(seed=1, faults=Faults(lost=1.0)).run(kind, 1)
    assert not outcome.violations
    assert (outcome.issued, outcome.living) == (1, 1)


@pytest.mark.parametrize("kind", [Kind.REDEEM, Kind.REFRESH], ids=lambda kind: kind.name.lower())
def test_over_a_store_that_is_throttled_no_client_gets_tokens_and_nothing_is_decided(kind):
    outcome = Race(seed=1, faults=Faults(throttled=1.0)).run(kind, 5)
    assert (outcome.issued, outcome.refused, outcome.unavailable) == (0, 0, 5)
    assert outcome.abandoned == 0


@pytest.mark.parametrize("kind", [Kind.REDEEM, Kind.REFRESH], ids=lambda kind: kind.name.lower())
@pytest.mark.parametrize("contestants", [1, 3])
def test_a_write_that_ends_in_a_timeout_and_took_effect_is_found_by_its_nonce(kind, contestants):
    outcome = Race(seed=1, faults=Faults(late=1.0)).run(kind, contestants)
    assert (outcome.issued, outcome.doubled, outcome.unavailable) == (1, 0, contestants - 1)


def test_a_race_can_be_repeated_and_two_seeds_differ():
    def turns(seed: int) -> tuple[str, ...]:
        race = Race(seed)
        race.run(Kind.REDEEM, 5)
        return tuple(race.scheduler.turns)

    assert turns(1) == turns(1)
    assert len({turns(seed) for seed in range(20)}) == 20


TWICE, LIVES, REVOKED = (
    "a grant was used twice",
    "a token is alive after a replay was refused",
    "a token is alive after its revocation",
)


@pytest.mark.parametrize(
    ("mutant", "kind", "faults", "violation"),
    [
        (mutants.RedeemsWhatIsRedeemed, Kind.REDEEM, NONE, TWICE),
        (mutants.RotatesWhatIsNotCurrent, Kind.REFRESH, NONE, TWICE),
        (mutants.ReadsThenWrites, Kind.REDEEM, NONE, TWICE),
        (mutants.ReadsThenWrites, Kind.REFRESH, NONE, TWICE),
        (mutants.WritesTheWholeFamily, Kind.REPLAY, NONE, LIVES),
        (mutants.WritesTheWholeFamily, Kind.REVOKE, NONE, REVOKED),
        (mutants.NeverRevokes, Kind.REDEEM, NONE, LIVES),
        (mutants.NeverRevokes, Kind.REFRESH, NONE, LIVES),
        (mutants.NeverRevokes, Kind.REPLAY, NONE, LIVES),
        (mutants.NeverRevokes, Kind.REVOKE, NONE, REVOKED),
        (mutants.RevokesByWhatItReadBefore, Kind.REDEEM, NONE, LIVES),
        (mutants.StoresTheFamilyLast, Kind.REDEEM, NONE, LIVES),
        (mutants.DoesNotKnowItsOwnWrite, Kind.REDEEM, LOST, "nobody got the tokens"),
        (mutants.DoesNotKnowItsOwnWrite, Kind.REFRESH, LOST, "nobody got the tokens"),
        (mutants.NeverAnswers, Kind.REFRESH, NONE, TWICE),
    ],
    ids=lambda one: one.__name__ if isinstance(one, type) else one.name.lower() if isinstance(one, Kind) else "",
)
def test_the_races_catch_a_store_that_is_wrong(mutant, kind, faults, violation):
    assert violation in caught(kind, mutant, faults)


@pytest.mark.parametrize("kind", [Kind.REDEEM, Kind.REFRESH], ids=lambda kind: kind.name.lower())
def test_the_races_catch_a_store_that_takes_every_retry_for_a_replay(kind):
    lonely = [Race(seed, faults=CUT, store=mutants.AnswersWhenItDecides).run(kind, 1) for seed in range(QUICK)]
    assert "the only client's token is dead" in {violation for outcome in lonely for violation in outcome.violations}
