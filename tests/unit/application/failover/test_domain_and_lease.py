"""The domain that points at the region, and the lease of the region that issues tokens."""

import json
from datetime import timedelta
from types import SimpleNamespace

import pytest

from orchestrator.application.failover.announcing import update_dns
from orchestrator.application.failover.progress import StepDone, StepWaits
from orchestrator.application.failover.takeover import assignments_of, fence_home, renew_lease
from orchestrator.aws.oauth_tables.issuing_lease import IssuingLeaseStore
from orchestrator.domain.errors import Refused, Unreachable
from orchestrator.domain.failover.issuing_region import IssuingLease, first_assignment
from orchestrator.event_handlers import renew_lease as renewal_handler
from tests.fakes.tables import Tables
from tests.samples import NOW
from tests.unit.application.failover.scenes import opened, with_domain
from tests.workflow.failovers import HOME, KEYS


def test_the_domain_points_at_this_region_when_route_53_has_applied_it(world):
    with_domain(world, status="PENDING")
    assert isinstance(update_dns(opened(world), world.cloud), StepWaits)
    with_domain(world)
    assert update_dns(opened(world), world.cloud).result == "login.example.com points at d-1.example"


def test_the_one_change_that_was_requested_is_waited_for(world):
    """Route 53 gives each request an id of its own, and reports a change as PENDING at first."""
    with_domain(world)
    requested, polled = [], []

    def change(**batch):
        requested.append(batch)
        return {"ChangeInfo": {"Id": f"C{len(requested)}"}}

    def get_change(Id):  # noqa: N803
        polled.append(Id)
        return {"ChangeInfo": {"Status": "INSYNC" if polled.count(Id) > 1 else "PENDING"}}

    world.clients["route53"] = SimpleNamespace(change_resource_record_sets=change, get_change=get_change)
    first = update_dns(opened(world), world.cloud)
    assert isinstance(first, StepWaits)
    second = update_dns(world.cloud.failovers.read_failover("fo-1"), world.cloud)
    assert isinstance(second, StepDone)
    assert (len(requested), polled) == (1, ["C1", "C1"])


def test_without_a_zone_a_person_gets_the_target_and_without_a_domain_here_the_step_is_refused(world):
    with_domain(world, zone="")
    assert "a person points login.example.com at d-1.example" in update_dns(opened(world), world.cloud).result
    with_domain(world, served=False)
    with pytest.raises(Refused, match="does not serve it"):
        update_dns(opened(world), world.cloud)


def test_the_region_that_the_assignment_names_gets_a_lease_and_another_one_gets_none(world):
    store = world.cloud.failovers
    assert renew_lease(world.cloud, store, "us-west-1") == "not renewed: the assignment names us-east-2"
    assert world.cloud.issuing_lease.read_lease() is None
    assert renew_lease(world.cloud, store, HOME).startswith("us-east-2 may issue tokens until ")
    assert world.cloud.issuing_lease.read_lease().until == world.clock.now() + timedelta(minutes=15)


def test_without_an_assignment_or_an_answer_nothing_is_renewed(world):
    def unreachable():
        raise Unreachable("connect timeout")

    assert "could not be read" in renew_lease(world.cloud, SimpleNamespace(read_assignment=unreachable), HOME)
    world.table.items.clear()
    assert renew_lease(world.cloud, world.cloud.failovers, HOME) == "not renewed: there is no assignment"


def test_a_lease_is_never_shortened():
    store = IssuingLeaseStore(Tables(KEYS), KEYS)
    assert store.write_lease(IssuingLease(2, NOW + timedelta(minutes=15)))
    assert not store.write_lease(IssuingLease(1, NOW + timedelta(minutes=14)))
    assert store.read_lease() == IssuingLease(2, NOW + timedelta(minutes=15))


def test_the_home_region_reads_the_assignment_in_the_ledger_of_the_standby_region(world):
    policy = {**json.loads(world.cloud.settings["FAILOVER_POLICY"]), "region": "eu-west-1"}
    world.cloud.settings["FAILOVER_POLICY"] = json.dumps(policy)
    assert assignments_of(world.cloud, clients=world.table).read_assignment().assignment == first_assignment(HOME)


def test_the_handler_emits_how_long_the_lease_lasts_and_nothing_without_one(world):
    assert renewal_handler.handler({"id": "e"}, None)["answer"].startswith("not renewed")
    assert world.measured == []
    world.cloud.issuing_lease.write_lease(IssuingLease(1, world.clock.now() + timedelta(minutes=5)))
    renewal_handler.handler({"id": "e"}, None)
    assert [line["IssuingLeaseSecondsLeft"] for line in world.measured] == [300.0]


def test_a_fence_that_is_repeated_waits_no_longer_than_the_first_one(world):
    read = fence_home(opened(world), world.cloud).read
    first = read.failover.assignment_taken_at
    world.clock.advance(120)
    assert fence_home(read, world.cloud).read.failover.assignment_taken_at == first
