"""Which region may issue tokens."""

from datetime import timedelta

import pytest

from orchestrator.domain.errors import Refused
from orchestrator.domain.failover.issuing_region import (
    MARGIN,
    IssuingAssignment,
    activate_assignment,
    activation_due,
    first_assignment,
    grant_lease,
    has_true_records,
    refuse_without_lease,
    return_assignment,
    take_assignment,
)
from tests.samples import NOW
from tests.unit.domain.failover.world import HOME, LEASE, STANDBY

FIRST = first_assignment(HOME)
TAKEN = take_assignment(FIRST, STANDBY, "fo-1")


def test_a_lease_lasts_from_the_beginning_of_the_read():
    lease = grant_lease(FIRST, HOME, NOW, LEASE)
    assert lease.allows(NOW + LEASE - timedelta(seconds=1))
    assert not lease.allows(NOW + LEASE)


@pytest.mark.parametrize(
    ("assignment", "region"), [(None, HOME), (FIRST, STANDBY), (TAKEN, HOME), (TAKEN, STANDBY)], ids=str
)
def test_no_lease_without_an_active_assignment_of_the_region(assignment, region):
    assert grant_lease(assignment, region, NOW, LEASE) is None


def test_a_taken_assignment_lets_no_region_issue_until_it_is_active():
    assert IssuingAssignment(2, STANDBY, active=False, failover="fo-1") == TAKEN
    assert grant_lease(activate_assignment(TAKEN, STANDBY, "fo-1"), STANDBY, NOW, LEASE).epoch == 2


def test_taking_and_activating_again_change_nothing():
    active = activate_assignment(TAKEN, STANDBY, "fo-1")
    assert take_assignment(TAKEN, STANDBY, "fo-1") == TAKEN
    assert take_assignment(active, STANDBY, "fo-1") == active
    assert activate_assignment(active, STANDBY, "fo-1") == active


def test_another_failover_cannot_take_an_assignment_that_is_taken():
    with pytest.raises(Refused, match="failover cancel fo-1"):
        take_assignment(TAKEN, STANDBY, "fo-2")


def test_a_region_that_issues_tokens_cannot_take_the_assignment():
    with pytest.raises(Refused, match="issues tokens already"):
        take_assignment(FIRST, HOME, "fo-1")


def test_a_cancelled_failover_cannot_take_the_assignment_again():
    with pytest.raises(Refused, match="it was cancelled"):
        take_assignment(return_assignment(TAKEN, HOME, "fo-1"), STANDBY, "fo-1")


@pytest.mark.parametrize(
    "assignment", [FIRST, take_assignment(FIRST, STANDBY, "fo-2"), return_assignment(TAKEN, HOME, "fo-1")]
)
def test_an_assignment_that_the_failover_lost_is_not_activated(assignment):
    with pytest.raises(Refused, match="lost the assignment"):
        activate_assignment(assignment, STANDBY, "fo-1")


def test_a_cancelled_failover_returns_the_assignment_once():
    returned = return_assignment(TAKEN, HOME, "fo-1")
    assert returned == IssuingAssignment(3, HOME, active=True, failover="fo-1")
    assert return_assignment(returned, HOME, "fo-1") == returned
    assert return_assignment(FIRST, HOME, "fo-1") == FIRST, "it had not taken it"


def test_an_active_assignment_is_not_returned():
    with pytest.raises(Refused, match="fail over to us-west-1 instead"):
        return_assignment(activate_assignment(TAKEN, STANDBY, "fo-1"), HOME, "fo-1")


def test_the_wait_covers_a_lease_and_the_margin():
    assert activation_due(NOW, LEASE) == NOW + LEASE + MARGIN


def test_a_release_that_needs_a_lease_is_refused_without_a_valid_one():
    lease = grant_lease(FIRST, HOME, NOW, LEASE)
    refuse_without_lease(lease, NOW)
    with pytest.raises(Refused, match="failover enable"):
        refuse_without_lease(None, NOW)
    with pytest.raises(Refused, match="issuing-lease"):
        refuse_without_lease(lease, NOW + LEASE)


@pytest.mark.parametrize(
    ("assignment", "at_home", "in_standby"),
    [
        (None, True, True),
        (FIRST, True, False),
        (TAKEN, True, False),
        (activate_assignment(TAKEN, STANDBY, "fo-1"), False, True),
        (IssuingAssignment(3, HOME, active=False, failover="fb-1"), False, True),
    ],
)
def test_the_records_of_clients_are_in_force_in_one_region_until_the_other_has_taken_over(
    assignment, at_home, in_standby
):
    assert (has_true_records(assignment, HOME), has_true_records(assignment, STANDBY)) == (at_home, in_standby)
