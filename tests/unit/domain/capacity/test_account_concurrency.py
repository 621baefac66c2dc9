"""What an environment reserves fits into its account, or is refused with all numbers."""

import pytest

from orchestrator.domain.capacity.account_concurrency import Concurrency, Reservation, refuse_excess_reservation
from orchestrator.domain.errors import Refused

ACCOUNT = Concurrency(limit=1000, unreserved=700)
HAVE = {"token": 200, "public": 0}


def test_what_fits_says_what_stays_for_the_others():
    assert ACCOUNT.reserved == 300
    assert refuse_excess_reservation(ACCOUNT, Reservation({"token": 300, "public": 100}, HAVE)) == 500


def test_what_an_environment_has_already_is_not_counted_twice():
    assert refuse_excess_reservation(ACCOUNT, Reservation({"token": 200, "public": 0}, HAVE)) == 700
    assert refuse_excess_reservation(ACCOUNT, Reservation({"token": 0, "public": 0}, HAVE)) == 900


def test_exactly_what_lambda_keeps_is_enough():
    assert refuse_excess_reservation(ACCOUNT, Reservation({"token": 800, "public": 0}, HAVE)) == 100


def test_one_more_is_refused_with_what_would_be_right():
    with pytest.raises(
        Refused,
        match=r"'801 \(public 1, token 800\)' is refused: of the account's 1000, 300 are reserved already and 100 must stay "
        r"unreserved: this would leave 99. Reserve at most 800, or have the quota raised by 1$",
    ):
        refuse_excess_reservation(ACCOUNT, Reservation({"token": 800, "public": 1}, HAVE))


@pytest.mark.parametrize("wanted", [{"token": 20, "public": 0}, {"token": 10, "public": 10}, {"token": 5}, {}])
def test_what_reserves_no_more_than_before_is_not_refused_in_an_account_whose_quota_became_small(wanted):
    have = Reservation(wanted, {"token": 20, "public": 0})
    assert refuse_excess_reservation(Concurrency(limit=100, unreserved=80), have) == 80 - have.increase


def test_a_new_account_with_a_small_quota_reserves_nothing():
    assert refuse_excess_reservation(Concurrency(1000, 1000), Reservation({}, {})) == 1000
    assert refuse_excess_reservation(Concurrency(10, 10), Reservation({}, {})) == 10
    assert refuse_excess_reservation(Concurrency(10, 10), Reservation({"token": 0}, {"token": 0})) == 10
    with pytest.raises(Refused, match="Reserve at most 0, or have the quota raised by 91"):
        refuse_excess_reservation(Concurrency(10, 10), Reservation({"token": 1}, {}))
    with pytest.raises(Refused, match="raised by 60"):
        refuse_excess_reservation(Concurrency(50, 50), Reservation({"token": 10}, {"token": 0}))
