"""Records of managed clients in the ledgers of both regions: what the evaluation finds, and what it brings over."""

from types import SimpleNamespace

import pytest

from orchestrator.application.failover.evaluation import evaluate_failover
from orchestrator.application.failover.managed_clients import copy_missing_clients
from orchestrator.aws.ledger.clients import ClientRecords
from orchestrator.domain.failover.issuing_region import take_assignment
from orchestrator.domain.failover.steps import Step
from orchestrator.event_handlers.standby import evaluate_failover as evaluation_handler
from tests.samples import NOW
from tests.samples import managed_client as client
from tests.unit.application.failover.scenes import evaluable, internal_error, reach_home, serve_at_home


@pytest.fixture
def home(world):
    return evaluable(world)


def at_home(world, *clients):
    for one in clients:
        ClientRecords(world.home_ledger, "ledger").copy_client(one)


def take_over_of(world, home):
    return {one.step: one for one in evaluate_failover(world.cloud, home)}[Step.TAKE_OVER]


def unreadable(home):
    paginator = SimpleNamespace(paginate=internal_error)
    dynamodb = SimpleNamespace(get_item=home("dynamodb").get_item, get_paginator=lambda _: paginator)
    return lambda service: dynamodb if service == "dynamodb" else home(service)


def test_a_region_with_all_records_is_ready(world, home):
    at_home(world, client("orders"))
    world.cloud.client_records.copy_client(client("orders"))
    found = take_over_of(world, home)
    assert (found.ready, found.reason) == (True, "1 managed clients are recorded here as in us-east-2")


def test_a_client_that_only_this_region_has_is_no_pass(world, home):
    at_home(world, client("orders"))
    for one in (client("orders"), client("planted")):
        world.cloud.client_records.copy_client(one)
    found = take_over_of(world, home)
    assert not found.ready
    assert "recorded only in us-west-1, which a failover would create: app-planted" in found.reason


def test_a_client_whose_change_did_not_reach_this_region_is_named(world, home):
    at_home(world, client("orders", 2, disabled_at=NOW), client("new"))
    world.cloud.client_records.copy_client(client("orders"))
    found = take_over_of(world, home)
    assert not found.ready
    assert "app-orders (disabled, revision 2; there revision 1)" in found.reason
    assert "app-new (enabled, revision 1; there no record)" in found.reason
    assert world.cloud.client_records.read_client("app-orders").revision == 1, "an evaluation changes nothing"


def test_a_home_region_that_does_not_answer_is_no_pass(world, home):
    found = take_over_of(world, unreadable(home))
    assert not found.ready
    assert "the records of managed clients could not be compared: Unreachable: " in found.reason


def test_a_record_that_cannot_be_decoded_is_no_pass_and_is_named(world, home, monkeypatch):
    serve_at_home(world, "code-1")
    reach_home(monkeypatch, home)
    damage(world)
    answer = evaluation_handler.handler({"id": "e"}, None)["answer"]
    assert answer.startswith("TAKE_OVER: the records of managed clients could not be compared: Refused: ledger item")
    assert "'app-x' is refused: it cannot be decoded" in answer


def damage(world):
    item = {"pk": {"S": "clients"}, "sk": {"S": "app-x"}, "revision": {"N": "1"}, "body": {"S": "{}"}}
    world.cloud.client_records._client.put_item(TableName="ledger", Item=item)


def test_every_day_the_missing_records_are_brought_over_before_the_evaluation(world, home, monkeypatch):
    serve_at_home(world, "code-1")
    reach_home(monkeypatch, home)
    at_home(world, client("orders", 2, disabled_at=NOW), client("new"))
    answer = evaluation_handler.handler({"id": "e"}, None)["answer"]
    assert answer == "a failover could run now; records of clients copied from us-east-2: app-new, app-orders"
    assert world.cloud.client_records.list_clients() == ClientRecords(world.home_ledger, "ledger").list_clients()
    assert evaluation_handler.handler({"id": "e"}, None)["answer"] == "a failover could run now"


def test_a_record_that_is_newer_here_is_left_to_a_person(world, home):
    at_home(world, client("orders"))
    world.cloud.client_records.copy_client(client("orders", 3))
    assert copy_missing_clients(world.cloud, home) == ""
    assert world.cloud.client_records.read_client("app-orders").revision == 3
    assert "there revision 3" in take_over_of(world, home).reason


def test_a_home_region_that_cannot_be_read_changes_nothing(world, home):
    assert copy_missing_clients(world.cloud, unreadable(home)) == ""


def test_from_a_failover_on_nothing_comes_from_the_region_that_was_left(world, home):
    at_home(world, client("orders", 2))
    seen = world.cloud.failovers.read_assignment()
    taken = take_assignment(seen.assignment, "us-west-1", "fo-1")
    world.cloud.failovers._write_together(
        [world.cloud.failovers._put_versioned("issuing-assignment", "assignment", taken, 1)]
    )
    assert copy_missing_clients(world.cloud, home) == ""
    assert world.cloud.client_records.list_clients() == []
