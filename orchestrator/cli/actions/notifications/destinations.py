"""The commands `notify list` and `notify test`.

A test takes the way of every notification: the event `NotificationTest` on the bus, the queue, the function, the provider.
The function notes the provider's answer in the ledger, where this command reads it.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from orchestrator import environments
from orchestrator.cli.context import Context
from orchestrator.cli.errors import DONE, FAILED
from orchestrator.cli.rendering.output import console, print_json, text_table
from orchestrator.domain.errors import Refused
from orchestrator.domain.notifications.bus_events import TEST_EVENT, test_key
from orchestrator.domain.notifications.delivery import DeliveryRecord
from orchestrator.domain.notifications.destinations import Destination
from orchestrator.domain.notifications.notification import Transition

POLL_SECONDS = 2.0
DELIVERED, REFUSED, WAITING = "delivered", "refused", "not delivered yet"


@dataclass(frozen=True)
class MessageResult:
    """What is known of one message of a test."""

    destination: str
    message: str
    result: str
    answer: str


def list_destinations(env: str, *, json: bool) -> None:
    """Show the destinations of an environment. The secrets are named, not read."""
    if env not in environments.names():
        raise Refused("env", env, f"name one of {', '.join(environments.names())}")
    destinations = environments.load(env).notifications
    if json:
        print_json({"environment": env, "destinations": destinations})
        return
    columns = ("name", "kind", "minimum severity", "audiences", "events", "secret or address")
    rows = [
        (
            destination.name,
            destination.kind,
            destination.minimum_severity,
            ", ".join(destination.audiences),
            ", ".join(destination.events),
            destination.secret or ", ".join(destination.to),
        )
        for destination in destinations
    ]
    screen = console()
    screen.print(text_table(columns, rows, ("name", "kind")))
    if not rows:
        screen.print(f"{env} has no destinations: add [[{env}.notifications]] to environments.toml", markup=False)


def send_test(context: Context, name: str | None, by: str, *, wait_seconds: int, json: bool) -> int:
    """Send a test to one or all destinations, wait for the answers, and return the exit code.

    Raises:
        Refused: there is no such destination, or none at all.
        Throttled, Unreachable: the bus did not take the event.
    """
    destinations = _chosen(context, name)
    cloud, test = context.cloud, secrets.token_hex(8)
    detail = {"environment": context.name, "at": cloud.now(), "test": test, "destination": name or "", "by": by}
    cloud.bus.put_event(TEST_EVENT, detail)
    deadline = cloud.now() + timedelta(seconds=wait_seconds)
    while True:
        results = [
            result
            for destination in destinations
            for result in _results(destination, cloud.deliveries.read_record(destination.name, test_key(test)))
        ]
        if all(result.result != WAITING for result in results) or cloud.now() >= deadline:
            break
        cloud.sleep(POLL_SECONDS)
    _show(context, test, results, json=json)
    return DONE if all(result.result == DELIVERED for result in results) else FAILED


def _chosen(context: Context, name: str | None) -> Sequence[Destination]:
    destinations = context.environment.notifications
    if not destinations:
        remedy = f"the environment has no destinations: add [[{context.name}.notifications]] and deploy"
        raise Refused("notifications", [], remedy)
    chosen = [destination for destination in destinations if name in {None, destination.name}]
    if not chosen:
        raise Refused("DESTINATION", name, f"name one of {', '.join(one.name for one in destinations)}")
    return chosen


def _results(destination: Destination, record: DeliveryRecord) -> Sequence[MessageResult]:
    """Return what is known of a test at a destination: of its message and, at a pager, of the one that closes the alert."""
    messages = {Transition.TRIGGER: "message"} | ({Transition.RESOLVE: "close"} if destination.pages else {})
    return [
        MessageResult(destination.name, words, *_state(record, transition.value))
        for transition, words in messages.items()
    ]


def _state(record: DeliveryRecord, transition: str) -> tuple[str, str]:
    if transition in record.delivered:
        return DELIVERED, record.delivered[transition]
    if transition in record.refused:
        return REFUSED, record.refused[transition]
    waiting = record.waiting.get(transition)
    return WAITING, (waiting.failure if waiting else "") or "no answer so far; it is tried again"


def _show(context: Context, test: str, results: Sequence[MessageResult], *, json: bool) -> None:
    if json:
        report: Mapping[str, object] = {"environment": context.name, "test": test, "results": results}
        print_json(report)
        return
    rows = [(result.destination, result.message, result.result, result.answer) for result in results]
    console().print(text_table(("destination", "message", "result", "answer"), rows, ("destination", "message")))
