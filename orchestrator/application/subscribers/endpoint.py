"""The endpoint of the form and of the links.

- The answer to the form is the same, byte for byte, whether the address is subscribed or not: it stores the request and
  puts one message into the queue, each time. What is known of the address is read by another function, later.
- A GET of a link changes nothing, because scanners of mail open links. Its page has a button.
- A POST to the link of a message ends the subscription at once (RFC 8058), without a login and without a page before it.
"""

from __future__ import annotations

from botocore.exceptions import ClientError

from orchestrator.application.cloud import Cloud, logger
from orchestrator.application.status_page.collect import page_settings
from orchestrator.application.status_page.subscription_pages import View, render_subscription
from orchestrator.application.subscribers.delivery import ToConfirm, encode
from orchestrator.application.subscribers.site import is_local
from orchestrator.domain.errors import Refused, Throttled, Unreachable
from orchestrator.domain.http_messages import HttpRequest, HttpResponse
from orchestrator.domain.signed_links import LinkRefused
from orchestrator.domain.status_page.headers import CONTENT_SECURITY_POLICY, PERMISSIONS_POLICY
from orchestrator.domain.subscribers.messages import (
    CONFIRM_PATH,
    REQUEST_PATH,
    UNSUBSCRIBE_PATH,
    read_confirmation,
    read_unsubscription,
    signing_secret,
)
from orchestrator.domain.subscribers.subscriber import Channel, confirmed, read_form, requested

_READS = frozenset({"GET", "HEAD"})
_HEADERS = {"Content-Security-Policy": CONTENT_SECURITY_POLICY, "Permissions-Policy": PERMISSIONS_POLICY}

REQUESTED = View(
    "Check your messages",
    "We sent a message to this address, if we can. Open the link in it within 24 hours to confirm. Nothing else is sent"
    " before that.",
)
NO_LINK = View("This link is not valid", "Open the whole link of the newest message, or subscribe again.")
OVER = View("This request is no longer open", "It was confirmed before, or 24 hours have passed. Subscribe again.")
ENDED = View("You are unsubscribed", "Your address is deleted. Nothing more is sent.")


def respond(request: HttpRequest, cloud: Cloud) -> HttpResponse:
    """Answer a request to the endpoint."""
    try:
        if request.path == REQUEST_PATH and request.method == "POST":
            return _take_form(request, cloud)
        if request.path == CONFIRM_PATH and request.method in {*_READS, "POST"}:
            return _confirm(request, cloud)
        if request.path == UNSUBSCRIBE_PATH and request.method in {*_READS, "POST"}:
            return _unsubscribe(request, cloud)
    except LinkRefused:
        return _page(400, NO_LINK, cloud)
    except (Throttled, Unreachable, ClientError) as error:
        logger.warning("a subscription waits", extra={"error": type(error).__name__})
        return _page(503, View("Please try again", "Something did not answer. Try again in a minute."), cloud)
    return _page(404, View("There is no such page", "Go back to the status page."), cloud)


def _take_form(request: HttpRequest, cloud: Cloud) -> HttpResponse:
    components = page_settings(cloud).components
    try:
        wish = read_form(request.headers.get("content-type", ""), request.body, components, local=is_local(cloud))
    except Refused as refused:
        return _page(400, View("That did not work", f"{refused.remedy[:1].upper()}{refused.remedy[1:]}."), cloud)
    pending = requested(wish, _keys(cloud)[0], cloud.now())
    cloud.subscribers.save_pending(pending)
    cloud.notification_queue.send([encode(ToConfirm(pending.id, pending.requested_at))])
    return _page(200, REQUESTED, cloud)


def _confirm(request: HttpRequest, cloud: Cloud) -> HttpResponse:
    token, keys, now = request.query.get("token", ""), _keys(cloud), cloud.now()
    subject, requested_at = read_confirmation(token, keys, now)
    store = cloud.subscribers
    if request.method in _READS:
        title = page_settings(cloud).title
        view = View("Confirm your subscription", f"You will get messages about {title}.", "Confirm", token)
        return _page(200, view, cloud)
    pending, earlier = store.find_pending(subject, now), store.find_subscriber(subject)
    if pending is None or pending.requested_at != requested_at:
        if earlier is None or earlier.requested_at != requested_at:
            return _page(410, OVER, cloud)
        return _page(200, _welcome(subject, earlier.channel, keys[0]), cloud)  # the button was pressed twice
    store.save_subscriber(confirmed(pending, earlier, now))
    return _page(200, _welcome(subject, pending.channel, keys[0]), cloud)


def _unsubscribe(request: HttpRequest, cloud: Cloud) -> HttpResponse:
    token = request.query.get("token", "")
    subject = read_unsubscription(token, _keys(cloud), cloud.now())
    if request.method in _READS:
        view = View(
            "Unsubscribe?", "Your address will be deleted, and nothing more will be sent.", "Unsubscribe", token
        )
        return _page(200, view, cloud)
    cloud.subscribers.erase(subject)
    return _page(200, ENDED, cloud)


def _welcome(subject: str, channel: Channel, key: bytes) -> View:
    if channel is Channel.EMAIL:
        return View("You are subscribed", "Each message has a link that ends the subscription.")
    return View(
        "The webhook is subscribed",
        "Verify each message with this signing secret (Standard Webhooks). It is not shown again.",
        secret=signing_secret(subject, key),
    )


def _keys(cloud: Cloud) -> tuple[bytes, ...]:
    return cloud.link_keys.read_keys()


def _page(status: int, view: View, cloud: Cloud) -> HttpResponse:
    body = render_subscription(page_settings(cloud).title, view)
    return HttpResponse(status, body, headers={**_HEADERS, **({"Retry-After": "60"} if status == 503 else {})})  # noqa: PLR2004
