"""What operators do with subscribers: list them, end a subscription, and erase an address on request."""

from __future__ import annotations

import sys

from botocore.exceptions import ClientError

from orchestrator.aws.clients import error_code
from orchestrator.aws.subscribers.table import SubscriberStore
from orchestrator.cli.context import Context, clients_of
from orchestrator.cli.recorded_actions import record_action
from orchestrator.cli.rendering.output import console, print_json, text_table
from orchestrator.domain.deployment.freeze import refuse_missing_reason
from orchestrator.domain.errors import Refused
from orchestrator.domain.names import resource_name
from orchestrator.domain.subscribers.subscriber import Pending, Subscriber, masked

STANDARD_INPUT = "-"


def list_subscribers(context: Context, *, show_addresses: bool, json: bool) -> None:
    """List the subscribers and the requests that wait for their confirmation.

    Args:
        context: the environment.
        show_addresses: print whole addresses, and not only what is needed to recognize one.
        json: print one JSON object.

    Raises:
        Refused: the page takes no subscribers, or its table does not exist.
    """
    confirmed, pending = _read(context)
    shown: list[tuple[Subscriber | Pending, str, str]] = [
        (one, "subscribed", f"{one.confirmed_at:%Y-%m-%d %H:%M}") for one in confirmed
    ]
    shown += [(one, "not confirmed", f"until {one.expires_at:%Y-%m-%d %H:%M}") for one in pending]
    address = (lambda text: text) if show_addresses else masked
    rows = [
        (one.id, one.channel.value, address(one.address), state, when, ", ".join(one.components) or "all")
        for one, state, when in shown
    ]
    columns = ("id", "channel", "address", "state", "since (UTC)", "components")
    if json:
        names = ("id", "channel", "address", "state", "at", "components")
        print_json({"environment": context.name, "subscribers": [dict(zip(names, row, strict=True)) for row in rows]})
        return
    console().print(text_table(columns, rows, ("id", "state")))


def remove(context: Context, subscriber: str, reason: str, by: str, *, json: bool) -> None:
    """End a subscription by its id, and delete everything of it.

    Raises:
        Refused: no reason is given, or there is no such subscriber.
    """
    refuse_missing_reason("--reason", reason)
    if subscriber not in {one.id for one in _everyone(context)}:
        raise Refused("SUBSCRIBER", subscriber, "name one that `orchestrator status-page subscribers list` lists")
    _erase(context, [subscriber], "remove", reason, by, json=json)


def erase(context: Context, address: str, reason: str, by: str, *, json: bool) -> None:
    """Delete everything that is stored of an address. An address that is not known is no error.

    Raises:
        Refused: no reason or no address is given, or the page takes no subscribers.
    """
    refuse_missing_reason("--reason", reason)
    wanted = (sys.stdin.readline() if address == STANDARD_INPUT else address).strip().casefold()
    if not wanted:
        raise Refused("ADDRESS", "", "give an address on standard input")
    found = {one.id for one in _everyone(context) if one.address.casefold() == wanted}
    _erase(context, sorted(found), "erase", reason, by, json=json)


def _erase(context: Context, ids: list[str], action: str, reason: str, by: str, *, json: bool) -> None:
    store, now = _store(context), context.cloud.now()
    for subscriber in ids:
        store.erase(subscriber)
        name = f"status-page subscribers {action} {subscriber} by {by}"
        record_action(context, f"subscribers-{action}-{subscriber}", name, reason, at=now)
    if json:
        print_json({"environment": context.name, "erased": ids})
        return
    words = f"erased: {', '.join(ids)}" if ids else "nothing is stored of this address"
    console().print(words, markup=False)


def _everyone(context: Context) -> list[Subscriber | Pending]:
    confirmed, pending = _read(context)
    return [*confirmed, *pending]


def _read(context: Context) -> tuple[list[Subscriber], list[Pending]]:
    if context.environment.status_page.subscribers is None:
        field = f"{context.name}.status_page.subscribers"
        raise Refused(field, "no sender", "the page takes no subscribers: docs/guides/status-page.md#subscribers")
    store = _store(context)
    try:
        return store.list_subscribers(), store.list_pending(context.cloud.now())
    except ClientError as error:
        if error_code(error) != "ResourceNotFoundException":
            raise
        remedy = "deploy the status page's stack; on the local cloud, run `orchestrator status-page serve` once"
        raise Refused("status page", "its table does not exist", remedy) from error


def _store(context: Context) -> SubscriberStore:
    page = context.environment.status_page
    clients = clients_of(context.environment, page.region) if page.enabled else context.clients
    return SubscriberStore(clients("dynamodb"), resource_name("subscribers", context.name))
