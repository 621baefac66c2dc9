"""`orchestrator status-page subscribers`: who is subscribed, and what is left of an address afterwards: nothing."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from orchestrator import environments
from orchestrator.aws.subscribers.table import SubscriberStore
from orchestrator.cli.context import Context
from orchestrator.cli.main import app
from orchestrator.domain.subscribers.subscriber import Channel, Wish, requested
from tests.fakes.clouds import SETTINGS, cloud_over
from tests.fakes.errors import client_error
from tests.fakes.lambda_control_plane import LambdaControlPlane
from tests.fakes.notification_queue import MovableClock
from tests.fakes.subscribers import SubscribersTable
from tests.unit.domain.subscribers.samples import subscriber

RUN = CliRunner(env={"COLUMNS": "250", "ORCHESTRATOR_REQUESTED_BY": "ann"})
REASON = ("--reason", "a request")


class Table(SubscribersTable):
    """The table of subscribers of the local cloud, which is also the ledger."""

    def delete_item(self, *, TableName, Key):  # noqa: N803 - botocore's
        assert TableName == "ib-oauth-subscribers-local"
        return super().delete_item(TableName="subscribers", Key=Key)


@pytest.fixture
def table():
    return Table()


@pytest.fixture
def context(table, monkeypatch):
    clock = MovableClock()
    context = Context(environments.load("local"), {"dynamodb": table}.__getitem__)
    vars(context)["cloud"] = cloud_over({"dynamodb": table, "lambda": LambdaControlPlane()}, clock.now, SETTINGS)
    monkeypatch.setattr("orchestrator.cli.context.context_of", lambda _name: context)
    store = SubscriberStore(table, "ib-oauth-subscribers-local")
    store.save_subscriber(subscriber(components=("login",)))
    store.save_pending(requested(Wish(Channel.WEBHOOK, "https://h.example.net/path", ()), b"k" * 32, clock.now()))
    return context


def run(*words, code=0, **more):
    answer = RUN.invoke(app, ["status-page", "subscribers", *words], **more)
    assert answer.exit_code == code, answer.output
    return answer.output


def test_the_list_shows_as_much_of_an_address_as_is_needed_to_recognize_it(context):
    text = run("list")
    assert "r…@example.org" in text
    assert "https://h.example.net/…" in text
    assert "not confirmed" in text
    assert "reader@" not in text
    assert "reader@example.org" in run("list", "--show-addresses")
    rows = json.loads(run("list", "--json"))["subscribers"]
    assert [(one["state"], one["components"]) for one in rows] == [("subscribed", "login"), ("not confirmed", "all")]


def test_an_address_is_erased_from_standard_input_and_the_ledger_does_not_name_it(context, table):
    assert "erased: 0000" in run("erase", "-", *REASON, input="Reader@Example.org\n")
    assert "nothing is stored of this address" in run("erase", "reader@example.org", *REASON)
    assert "reader@example.org" not in json.dumps(list(table.items.values()))
    (event,) = context.cloud.ledger.read_events(10)
    assert (event.name, event.why) == (f"status-page subscribers erase {'0' * 32} by ann", "a request")


@pytest.mark.parametrize("typed", ["", "\n", "  \n"])
def test_without_an_address_on_standard_input_nothing_is_erased(context, typed):
    error = json.loads(run("erase", "-", *REASON, "--json", input=typed, code=2))["error"]
    assert (error["field"], error["value"]) == ("ADDRESS", "")
    assert error["remedy"] == "give an address on standard input"
    assert len(json.loads(run("list", "--json"))["subscribers"]) == 2


def test_a_subscriber_is_removed_by_its_id(context):
    assert json.loads(run("remove", "0" * 32, *REASON, "--json"))["erased"] == ["0" * 32]
    assert len(json.loads(run("list", "--json"))["subscribers"]) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("remove", "x", *REASON), "SUBSCRIBER: 'x' is refused: name one that"),
        (("erase", "a@example.org", "--reason", " "), "--reason: ' ' is refused"),
    ],
)
def test_a_wrong_command_is_refused(context, words, said):
    assert said in run(*words, code=2)


def test_a_page_without_subscribers_or_without_its_table_says_what_to_do(context, table):
    table.get_paginator = lambda _name: (_ for _ in ()).throw(client_error("ResourceNotFoundException"))
    assert "deploy the status page's stack; on the local cloud, run `orchestrator status-page serve`" in run(
        "list", code=2
    )
    page = replace(context.environment.status_page, subscribers=None)
    object.__setattr__(context, "environment", replace(context.environment, status_page=page))
    assert "local.status_page.subscribers: 'no sender' is refused" in run("list", code=2)
