"""Failovers and the issuing assignment in the ledger."""

from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.aws.ledger.failovers import FailoverStore, ReadAssignment, ReadHomeReleases
from orchestrator.domain.deployment.gates import Approval
from orchestrator.domain.errors import LockLost, Refused
from orchestrator.domain.failover.home_releases import record_release
from orchestrator.domain.failover.issuing_region import first_assignment, take_assignment
from tests.fakes.dynamodb import FakeDynamoDB
from tests.samples import NOW
from tests.unit.domain.failover.world import HOME, STANDBY, failover


@pytest.fixture
def store():
    return FailoverStore(FakeDynamoDB(), "ledger")


def test_before_the_first_assignment_there_is_none(store):
    assert store.read_assignment() == ReadAssignment(None, 0)


def test_the_first_assignment_is_written_once(store):
    assert store.create_assignment(first_assignment(HOME)) == first_assignment(HOME)
    assert store.create_assignment(first_assignment(STANDBY)) == first_assignment(HOME)
    assert store.read_assignment() == ReadAssignment(first_assignment(HOME), 1)


def test_a_failover_is_created_once_and_read_with_its_version(store):
    created = store.create(failover())
    assert created == store.create(failover(reason="another")) == store.read_failover("fo-1")
    assert created.version == 1
    assert store.newest(5) == [failover()]
    assert store.find_failover("fo-2") is None
    with pytest.raises(Refused, match="orchestrator failover status"):
        store.read_failover("fo-2")


def test_the_home_region_s_releases_are_written_by_one_writer_at_a_time(store):
    seen = store.read_home_releases()
    assert seen == ReadHomeReleases(None, 0)
    releases = record_release(None, {"token": "code-1"}, NOW)
    assert store.write_home_releases(seen, releases)
    assert not store.write_home_releases(seen, releases)
    assert store.read_home_releases() == ReadHomeReleases(releases, 1)


def test_a_write_on_an_older_version_changes_nothing(store):
    read = store.create(failover())
    store.commit(read, replace(read.failover, failed="x"))
    with pytest.raises(LockLost):
        store.commit(read, replace(read.failover, failed="y"))
    with pytest.raises(LockLost):
        store.check_unchanged(read)
    store.check_unchanged(store.read_failover("fo-1"))
    assert store.read_failover("fo-1").failover.failed == "x"


def test_the_assignment_and_the_failover_are_written_together_or_not_at_all(store):
    store.create_assignment(first_assignment(HOME))
    read, seen = store.create(failover()), store.read_assignment()
    taken = take_assignment(first_assignment(HOME), STANDBY, "fo-1")
    written = store.commit(read, replace(read.failover, reason="taken"), (seen, taken))
    assert (written.version, store.read_assignment()) == (2, ReadAssignment(taken, 2))

    with pytest.raises(LockLost):
        store.commit(written, replace(read.failover, reason="late"), (seen, first_assignment(HOME)))
    assert store.read_failover("fo-1") == written
    assert store.read_assignment().assignment == taken


def test_a_repeated_write_whose_response_was_lost_is_the_same_write(store):
    store.create_assignment(first_assignment(HOME))
    read, seen = store.create(failover()), store.read_assignment()
    taken = take_assignment(first_assignment(HOME), STANDBY, "fo-1")
    changed = replace(read.failover, reason="taken")
    assert store.commit(read, changed, (seen, taken)) == store.commit(read, changed, (seen, taken))


def test_approvals_are_the_first_of_each_person_and_the_token_is_the_newest(store):
    assert store.read_token("fo-1") == ""
    for token in ("t-1", "t-2"):
        store.save_token("fo-1", token)
    assert store.read_token("fo-1") == "t-2"
    for after, by in enumerate(("ann", "bob", "ann")):
        store.approve("fo-1", Approval(by, NOW + timedelta(seconds=after)))
    assert sorted((approval.by, approval.at) for approval in store.read_approvals("fo-1")) == [
        ("ann", NOW),
        ("bob", NOW + timedelta(seconds=1)),
    ]
