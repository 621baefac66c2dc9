"""The issuing lease as the function `token` reads it."""

import pytest
from botocore.exceptions import ClientError

from service.keys.errors import KeyUnavailable
from service.keys.issuing_lease import MIN_READ_SECONDS, READ_AGAIN_SECONDS, IssuingLease, NoLease, from_environment
from service.settings import SettingInvalid


class Table:
    """The table of the key ring. `until`: of the lease; None without one."""

    def __init__(self, until=None):
        self.until, self.reads, self.broken = until, 0, False

    def get_item(self, *, TableName, Key, ConsistentRead):  # noqa: N803 - botocore's
        assert (TableName, Key, ConsistentRead) == ("keys", {"pk": {"S": "issuing-lease"}}, True)
        self.reads += 1
        if self.broken:
            raise ClientError({"Error": {"Code": "InternalServerError"}}, "GetItem")
        if self.until is None:
            return {}
        return {"Item": {"pk": {"S": "issuing-lease"}, "until": {"N": str(self.until)}}}


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def refused(lease):
    try:
        lease.require()
    except KeyUnavailable:
        return True
    return False


def test_tokens_are_signed_until_the_moment_at_which_the_lease_ends(clock):
    lease = IssuingLease(Table(until=1900), "keys", clock)
    assert not refused(lease)
    clock.now = 1899.9
    assert not refused(lease)
    clock.now = 1900
    assert refused(lease)


def test_without_a_lease_nothing_is_signed(clock):
    assert refused(IssuingLease(Table(), "keys", clock))


def test_a_lease_is_read_once_until_near_its_end(clock):
    table = Table(until=1900)
    lease = IssuingLease(table, "keys", clock)
    for _ in range(100):
        lease.require()
    assert table.reads == 1
    clock.now, table.until = 1900 - READ_AGAIN_SECONDS, 2800
    lease.require()
    clock.now = 2000
    lease.require()
    assert table.reads == 2


def test_a_region_without_a_lease_reads_at_most_every_two_seconds(clock):
    table = Table()
    lease = IssuingLease(table, "keys", clock)
    for _ in range(10):
        refused(lease)
    clock.now += MIN_READ_SECONDS
    table.until = 1900
    assert not refused(lease)
    assert table.reads == 2


def test_a_lease_that_cannot_be_read_again_lasts_until_its_end_and_no_longer(clock):
    table = Table(until=1900)
    lease = IssuingLease(table, "keys", clock)
    lease.require()
    table.broken, clock.now = True, 1899
    assert not refused(lease)
    clock.now = 1901
    assert refused(lease)


def test_a_lease_that_is_granted_is_not_shortened_by_a_late_write(clock):
    table = Table(until=1900)
    lease = IssuingLease(table, "keys", clock)
    lease.require()
    table.until, clock.now = 1850, 1895
    assert not refused(lease)


@pytest.mark.parametrize("item", [{"until": {"S": "soon"}}, {"until": {"N": "soon"}}, {}])
def test_a_malformed_lease_permits_nothing(clock, item):
    table = Table()
    table.get_item = lambda **_: {"Item": {"pk": {"S": "issuing-lease"}, **item}}
    assert refused(IssuingLease(table, "keys", clock))


def test_the_variable_says_whether_a_lease_is_needed():
    assert isinstance(from_environment({}, Table()), NoLease)
    assert from_environment({"ISSUING_LEASE": "off"}, Table()).require() is None
    assert refused(from_environment({"ISSUING_LEASE": "on", "KEYS_TABLE": "keys"}, Table()))
    with pytest.raises(SettingInvalid, match="ISSUING_LEASE"):
        from_environment({"ISSUING_LEASE": "yes", "KEYS_TABLE": "keys"}, Table())
