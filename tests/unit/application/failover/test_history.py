"""A ledger of some megabytes is copied as a whole into another region's, over the fake tables and over moto's."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import boto3
import pytest
from moto import mock_aws

from orchestrator.application.cloud import Cloud
from orchestrator.application.failover.back.history import copy_history
from orchestrator.application.failover.back.regions import BothRegions, HomeCloud
from orchestrator.application.failover.copied_ledgers import copied_clouds
from orchestrator.domain.deployment.gates import Approval
from orchestrator.domain.deployment.record import DeploymentPhase, EventRecord
from tests.fakes.clouds import SETTINGS
from tests.fakes.dynamodb import FakeDynamoDB
from tests.samples import NOW, deployment, seconds

STANDBY, HOME = "us-east-2", "us-west-1"
EVENTS, TEXT = 1200, "x" * 2000
"""More than a page of Scan, which has 1 MB, and more than a batch of 100."""


@pytest.fixture(params=["fake", "moto"])
def clients(request, monkeypatch):
    if request.param == "fake":
        yield {STANDBY: FakeDynamoDB(), HOME: FakeDynamoDB()}
        return
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        found = {region: boto3.client("dynamodb", region_name=region) for region in (STANDBY, HOME)}
        for client in found.values():
            client.create_table(
                TableName=SETTINGS["LEDGER_TABLE"],
                KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
                AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
                BillingMode="PAY_PER_REQUEST",
            )
        yield found


@pytest.fixture
def regions(clients):
    def cloud(kind, region, **options):
        settings = {**SETTINGS, "AWS_REGION": region}
        return kind(settings, clients={"dynamodb": clients[region]}.__getitem__, now=lambda: NOW, **options)

    standby = cloud(Cloud, STANDBY)
    home = cloud(HomeCloud, HOME, store=standby.failovers)
    return BothRegions(standby, home, read_share_percent=25.0, block_hold=timedelta(0))


def test_all_of_it_is_copied_found_and_read_in_order(regions):
    ledger = regions.standby.ledger
    for number in range(EVENTS):
        ledger.record_event(EventRecord(f"e-{number}", NOW + seconds(number), "person", TEXT, acted=True, why=""))
    ledger.create_record(deployment(id="d-1"))
    assert copy_history(regions, dry_run=True).new == EVENTS + 2
    assert copied_clouds(regions.home) == ()
    assert copy_history(regions).new == EVENTS + 2
    (copied,) = copied_clouds(regions.home)
    assert copied.ledger.read_events(EVENTS) == ledger.read_events(EVENTS)
    assert copied.ledger.read_events(3) == ledger.read_events(3)
    between = (NOW + seconds(10), NOW + seconds(20))
    assert copied.ledger.read_events_between(*between) == ledger.read_events_between(*between)
    assert copied.ledger.newest_records(9) == [deployment(id="d-1")]
    assert regions.home.ledger.read_events(9) == []


def test_a_record_is_updated_and_an_altered_entry_is_left(regions, clients):
    ledger = regions.standby.ledger
    ledger.create_record(deployment(id="d-1"))
    ledger.record_event(EventRecord("e-1", NOW, "person", "freeze", acted=True, why=""))
    copy_history(regions)
    ledger.save_unlocked(deployment(id="d-1", reason="later"))
    key = {"pk": {"S": f"copied#{STANDBY}#events"}, "sk": {"S": f"{NOW.isoformat()}#e-1"}}
    table = SETTINGS["LEDGER_TABLE"]
    clients[HOME].put_item(TableName=table, Item={**key, "body": {"S": "{}"}})
    again = copy_history(regions)
    assert again.differing == (f"events {NOW.isoformat()}#e-1",)
    assert {one.kind: (one.changed, one.differ) for one in again.counts} == {
        "deployments": (1, 0),
        "events": (0, 1),
        "list of deployments": (0, 0),
    }
    (copied,) = copied_clouds(regions.home)
    assert copied.ledger.read_record("d-1").reason == "later"
    assert clients[HOME].get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]["body"] == {"S": "{}"}


def test_a_record_that_was_altered_after_its_end_is_named_and_its_copy_is_left(regions):
    ledger, failovers = regions.standby.ledger, regions.standby.failovers
    ended = deployment(id="d-1", requested_by="mallory", ended_at=NOW, phase=DeploymentPhase.ENDED)
    ledger.create_record(ended)
    ledger.create_record(deployment(id="d-2"))
    failovers.approve("fo-1", Approval("ann", NOW))
    copy_history(regions)
    ledger.save_unlocked(replace(ended, requested_by="alice"))
    ledger.save_unlocked(deployment(id="d-2", reason="later"))
    failovers.approve("fo-1", Approval("ann", NOW + seconds(60)))
    again = copy_history(regions)
    assert again.differing == ("deployment#d-1 record",)
    assert again.updated == ("deployment#d-2 record",)
    (copied,) = copied_clouds(regions.home)
    assert copied.ledger.read_record("d-1").requested_by == "mallory"


@pytest.mark.parametrize("clients", ["fake"], indirect=True)
def test_a_record_that_is_opened_during_a_copy_is_listed_by_the_next_one(regions, clients):
    """Scan is no snapshot: the partition of the new record is read before it is written, and the list later."""
    ledger, table = regions.standby.ledger, clients[STANDBY]
    for name in ("b-1", "b-2", "b-3"):
        ledger.create_record(deployment(id=name, requested_at=NOW))
    table.page_size, table.partition_order = 2, str
    works = table.scan

    def scan(**params):
        if "ExclusiveStartKey" in params:
            ledger.create_record(deployment(id="a-new", requested_at=NOW + seconds(5)))
        return works(**params)

    table.scan = scan
    copy_history(regions)
    (copied,) = copied_clouds(regions.home)
    assert [one.id for one in copied.ledger.newest_records(9)] == ["b-3", "b-2", "b-1"]
    copy_history(regions)
    assert [one.id for one in copied.ledger.newest_records(9)] == ["a-new", "b-3", "b-2", "b-1"]
