"""How a ring of signing keys turns: every phase at every time, and what a dead maker leaves behind."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from orchestrator.domain import signing_keys
from orchestrator.domain.errors import Refused
from orchestrator.domain.signing_keys import (
    CLOCK_SKEW,
    KEY_SET_MAX_AGE,
    MARGIN,
    PUBLICATION_PERIOD,
    RETIREMENT_PERIOD,
    RING_MAX_STALENESS,
    TAG_PROPAGATION,
    TOKEN_LIFETIME,
    KeyPhase,
    KmsKey,
    RotationAction,
    RotationStep,
    SigningKey,
    SigningKeyRing,
)
from service import token_issuance
from service.endpoints import public
from service.keys import key_ring as service_ring

PUBLISHED, SIGNING, RETIRING = KeyPhase.PUBLISHED, KeyPhase.SIGNING, KeyPhase.RETIRING
T0 = datetime(2026, 11, 23, tzinfo=UTC)
ROTATION = timedelta(days=90)
SECOND = timedelta(seconds=1)
STACK = "arn:stack"


def key(name, phase, since=T0):
    return SigningKey(f"arn:{name}", name, phase, since)


def ring(*keys, changed_at=T0, version=1):
    return SigningKeyRing(version, changed_at, keys)


def found(name, created_at=T0, *, usable=True):
    return KmsKey(f"arn:{name}", created_at, usable)


@pytest.mark.parametrize(("age", "lacks"), [(0, True), (299, True), (599, True), (600, False), (86_400, False)])
def test_a_key_may_lack_its_tags_for_twice_the_time_that_aws_names(age, lacks):
    assert signing_keys.may_lack_its_tags(found("new"), T0 + age * SECOND) is lacks


def test_the_waits_are_as_long_as_what_the_service_keeps():
    assert timedelta(seconds=public._CACHED_SECONDS) == KEY_SET_MAX_AGE
    assert timedelta(seconds=service_ring.STALE_SECONDS) == RING_MAX_STALENESS
    assert timedelta(seconds=token_issuance.ACCESS_TOKEN_SECONDS) == TOKEN_LIFETIME
    assert service_ring.CACHED_SECONDS <= service_ring.STALE_SECONDS
    assert (
        PUBLICATION_PERIOD == TAG_PROPAGATION + RING_MAX_STALENESS + KEY_SET_MAX_AGE + MARGIN == timedelta(minutes=26)
    )
    assert RETIREMENT_PERIOD == RING_MAX_STALENESS + TOKEN_LIFETIME + CLOCK_SKEW + MARGIN == timedelta(minutes=27)


def test_before_a_ring_was_written_the_stacks_key_signs_alone():
    alone = signing_keys.initial_key_ring(found("stack"), "k")
    assert (alone.version, alone.changed_at, alone.signing) == (0, T0, SigningKey(STACK, "k", SIGNING, T0))


@pytest.mark.parametrize(
    ("phase", "kind", "wait"),
    [
        (SIGNING, RotationAction.PUBLISH, ROTATION),
        (PUBLISHED, RotationAction.SIGN, PUBLICATION_PERIOD),
        (RETIRING, RotationAction.RETIRE, RETIREMENT_PERIOD),
    ],
)
def test_each_phase_has_its_move_and_its_wait(phase, kind, wait):
    assert signing_keys.step_of_key(key("a", phase), ring(key("a", phase)), ROTATION) == RotationStep(
        kind, "a", T0 + wait
    )


def test_nothing_is_published_while_something_is():
    both = ring(key("a", SIGNING), key("b", PUBLISHED))
    assert signing_keys.step_of_key(both.signing, both, timedelta(0)) is None
    with pytest.raises(Refused, match="b is already published"):
        signing_keys.refuse_second_publication(both)
    with pytest.raises(Refused, match="b is already published"):
        signing_keys.publish_key(both, found("c"), "c", T0)


@pytest.mark.parametrize("others", list(product((None, PUBLISHED, RETIRING), repeat=2)))
@pytest.mark.parametrize("ages", list(product((0, 1000, 10_000), repeat=3)))
def test_whatever_is_in_the_ring_the_move_that_is_due_first_comes_next(others, ages):
    if others.count(PUBLISHED) > 1:
        others = (PUBLISHED, RETIRING)
    phases = (SIGNING, *(phase for phase in others if phase))
    keys = [key(f"k{n}", phase, T0 - timedelta(seconds=ages[n])) for n, phase in enumerate(phases)]
    found = signing_keys.next_rotation_step(ring(*keys), ROTATION)
    waits = {PUBLISHED: PUBLICATION_PERIOD, RETIRING: RETIREMENT_PERIOD, SIGNING: ROTATION}
    due = [one.since + waits[one.phase] for one in keys if not (one.phase is SIGNING and PUBLISHED in phases)]
    assert found.due_at == min(due)


def test_a_whole_rotation():
    turning = signing_keys.publish_key(signing_keys.initial_key_ring(found("stack"), "s"), found("new"), "n", T0)
    phases = [[(one.kid, one.phase) for one in turning.keys]]
    now = T0
    for _ in range(2):
        move = signing_keys.next_rotation_step(turning, ROTATION)
        assert move.due_at > now
        now = move.due_at
        turning = signing_keys.apply_rotation_step(turning, move, now)
        phases.append([(one.kid, one.phase) for one in turning.keys])
    assert phases == [[("s", SIGNING), ("n", PUBLISHED)], [("s", RETIRING), ("n", SIGNING)], [("n", SIGNING)]]
    assert now == T0 + PUBLICATION_PERIOD + RETIREMENT_PERIOD
    assert (turning.version, turning.changed_at) == (3, now)
    assert signing_keys.next_rotation_step(turning, ROTATION) == RotationStep(
        RotationAction.PUBLISH, "n", T0 + PUBLICATION_PERIOD + ROTATION
    )


def test_a_new_key_waits_from_when_kms_made_it_whatever_our_clock_says():
    published = signing_keys.publish_key(ring(key("a", SIGNING)), found("b", T0 + SECOND), "b", T0 - timedelta(hours=1))
    assert published.keys[-1].since == published.changed_at == T0 + SECOND


def test_the_time_of_the_last_change_never_goes_back():
    late = ring(key("a", SIGNING), key("b", RETIRING), changed_at=T0)
    assert (
        signing_keys.apply_rotation_step(
            late, RotationStep(RotationAction.RETIRE, "b", T0), T0 - timedelta(hours=1)
        ).changed_at
        == T0
    )


@pytest.mark.parametrize("phase", [PUBLISHED, RETIRING])
def test_a_key_that_does_not_sign_leaves_at_once(phase):
    assert signing_keys.revoke_key(ring(key("a", SIGNING), key("b", phase)), "b", T0).keys == (key("a", SIGNING),)


def test_a_key_that_signs_leaves_for_the_one_that_is_published():
    later = T0 + SECOND
    left = signing_keys.revoke_key(ring(key("a", SIGNING), key("b", PUBLISHED), key("c", RETIRING)), "a", later)
    assert left.keys == (key("b", SIGNING, later), key("c", RETIRING))


def test_the_only_key_that_can_sign_does_not_leave():
    with pytest.raises(Refused, match="no other key can sign: publish one with `orchestrator keys rotate` first"):
        signing_keys.revoke_key(ring(key("a", SIGNING), key("b", RETIRING)), "a", T0)


def test_a_key_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(Refused, match="name one of a, b"):
        signing_keys.revoke_key(ring(key("a", SIGNING), key("b", RETIRING)), "c", T0)


def test_a_key_whose_maker_died_is_found_again_the_oldest_first():
    kept = [found("y", T0 + 2 * SECOND), found("x", T0 + SECOND), found("a", T0 + SECOND)]
    assert signing_keys.unpublished_key(kept, ring(key("a", SIGNING)), STACK) == found("x", T0 + SECOND)


@pytest.mark.parametrize(
    "other",
    [
        found("left", T0),  # it may have been in the ring
        found("left", T0 - ROTATION),
        found("gone", T0 + SECOND, usable=False),
        found("a", T0 + SECOND),  # in the ring
        found("stack", T0 + SECOND),
    ],
)
def test_no_other_key_is_ever_published_again(other):
    assert signing_keys.unpublished_key([other], ring(key("a", SIGNING)), STACK) is None


def test_a_revoked_key_never_comes_back_even_if_its_ring_was_younger_than_it():
    young = found("b", T0 + 5 * SECOND)
    turning = signing_keys.publish_key(ring(key("a", SIGNING)), young, "b", T0)  # by a clock that is slow
    turning = signing_keys.revoke_key(turning, "b", T0)
    assert signing_keys.unpublished_key([young], turning, STACK) is None
    assert signing_keys.keys_to_delete([young], turning) == (young,)


def test_what_left_the_ring_and_can_still_sign_is_left_over():
    usable = [found("left"), found("loser", T0 - SECOND), found("a"), found("new", T0 + SECOND)]
    away = found("away", usable=False)
    assert signing_keys.keys_to_delete([*usable, away], ring(key("a", SIGNING))) == (
        found("left"),
        found("loser", T0 - SECOND),
    )


def test_a_key_is_either_to_be_published_or_left_over_or_neither_and_never_both():
    here = ring(key("a", SIGNING))
    for name, seconds, usable in product(("a", "b", "stack"), (-1, 0, 1), (True, False)):
        one = found(name, T0 + seconds * SECOND, usable=usable)
        assert not (signing_keys.unpublished_key([one], here, STACK) and signing_keys.keys_to_delete([one], here))
