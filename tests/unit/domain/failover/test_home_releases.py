"""What the home region serves and served, as the standby region recorded it, and what that says of a release here."""

from datetime import timedelta

import pytest

from orchestrator.domain.errors import Refused
from orchestrator.domain.failover.home_releases import (
    KEPT,
    Standing,
    plan_release,
    record_release,
    refuse_unserved,
    release_name,
)
from tests.samples import NOW
from tests.unit.domain.failover.world import HOME, STANDBY

X, Y, Z = ({"token": f"{name}-token", "public": f"{name}-public"} for name in "xyz")


def recorded(*served):
    releases = None
    for minute, code in enumerate(served):
        releases = record_release(releases, code, NOW + timedelta(minutes=minute))
    return releases


@pytest.mark.parametrize(
    ("served", "here", "standing"),
    [
        ((), X, Standing.UNKNOWN),
        ((X,), X, Standing.SERVED),
        ((X, X, Y), Y, Standing.SERVED),
        ((X, Y), X, Standing.REPLACED),
        ((X, Y, Z), X, Standing.REPLACED),
        ((X,), Y, Standing.NEVER_SERVED),
        ((X,), {}, Standing.NEVER_SERVED),
        ((X, Y, X), Y, Standing.ROLLED_BACK),
        ((X, Y, X, Z), Y, Standing.ROLLED_BACK),
        ((X, Y, Z, X), Y, Standing.ROLLED_BACK),
        ((X, Y, X, Z), X, Standing.REPLACED),
        ((X, Y, X, Y), Y, Standing.SERVED),
    ],
)
def test_a_release_has_the_standing_that_the_home_region_gave_it(served, here, standing):
    planned = plan_release(here, recorded(*served))
    assert planned.standing is standing
    assert planned.code == here
    assert planned.seen_at == (NOW + timedelta(minutes=len(served) - 1) if served else None)


def test_only_changes_are_recorded_and_the_newest_are_kept():
    releases = recorded(X, X, X)
    assert (len(releases.served), releases.served[0].since) == (1, NOW)
    assert releases.seen_at == NOW + timedelta(minutes=2)
    many = recorded(*({"token": str(number)} for number in range(KEPT + 5)))
    assert [one.code["token"] for one in many.served] == [str(number) for number in range(5, KEPT + 5)]


def test_nothing_found_is_not_recorded():
    assert record_release(None, {}, NOW) is None
    assert record_release(recorded(X), {}, NOW + timedelta(hours=1)) == recorded(X)


@pytest.mark.parametrize(
    ("served", "here", "sentence"),
    [
        ((X,), X, "x-public x-token, which us-west-1 serves, as recorded at 2026-11-23 03:00:00 UTC"),
        ((X, Y), X, "x-public x-token, which us-west-1 served before y-public y-token, as recorded at"),
        ((X, Y, X), Y, "y-public y-token, which us-west-1 rolled back to x-public x-token, as recorded at"),
        ((X,), Y, "y-public y-token, which us-west-1 never served: it serves x-public x-token, as recorded at"),
        ((), {}, "no release, which was not compared: what us-west-1 serves was never recorded"),
    ],
)
def test_a_plan_names_the_release_and_the_record_that_it_is_from(served, here, sentence):
    assert plan_release(here, recorded(*served)).described(HOME).startswith(sentence)


@pytest.mark.parametrize(("served", "here"), [((X, Y, X), Y), ((X,), Y)])
def test_a_release_that_the_home_region_rolled_back_or_never_served_is_refused(served, here):
    with pytest.raises(Refused, match=r"y-public y-token.*which us-west-1 .*deploy the stacks of x-public x-token"):
        refuse_unserved(plan_release(here, recorded(*served)), HOME, STANDBY)


@pytest.mark.parametrize("served", [(X,), (X, Y), ()])
def test_any_other_release_is_shipped(served):
    refuse_unserved(plan_release(X, recorded(*served)), HOME, STANDBY)


def test_functions_with_one_package_have_one_name():
    assert release_name({"token": "a" * 44, "public": "a" * 44}) == "a" * 12
    assert release_name({}) == "no release"
