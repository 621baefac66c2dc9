"""Messages for a server of one's own, signed by Standard Webhooks, version 1. The document is ours or a CloudEvent.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime

from orchestrator.domain.notifications.destinations import Destination, DestinationKind
from orchestrator.domain.notifications.notification import Notification
from orchestrator.domain.notifications.providers.requests import (
    ProviderRequest,
    SecretMalformed,
    json_request,
    read_address,
    stable_id,
)
from orchestrator.domain.printable import printable
from orchestrator.domain.untrusted_json import decode_untrusted

ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER = "webhook-id", "webhook-timestamp", "webhook-signature"
CLOUDEVENTS_TYPE = "application/cloudevents+json; charset=UTF-8"
PREFIX = "whsec_"
KEY_BYTES = range(24, 65)
"""A signing key has 24 to 64 bytes."""

_REMEDY = f'store {{"url": "https://…", "signing_secret": "{PREFIX}…"}}, with 24 to 64 random bytes in base64'


def webhook_request(
    notification: Notification, destination: Destination, secret: str, now: datetime, *, local: bool
) -> ProviderRequest:
    """Return a signed message. Every attempt has the same id, so that the receiver can tell a repetition.

    Args:
        notification: what is reported.
        destination: whose kind says which document it gets.
        secret: JSON with the address and the signing secret.
        now: the time of this attempt, which is signed.
        local: whether the environment is the local cloud.
    """
    address, key = _read_secret(secret, local=local)
    message = f"msg_{stable_id(destination.name, notification.key, notification.id)}"
    if destination.kind is DestinationKind.CLOUDEVENTS:
        request = json_request(address, cloud_event(notification, message), {"Content-Type": CLOUDEVENTS_TYPE})
    else:
        request = json_request(address, document_of(notification))
    timestamp = f"{now.timestamp():.0f}"
    headers = {
        ID_HEADER: message,
        TIMESTAMP_HEADER: timestamp,
        SIGNATURE_HEADER: sign(key, message, timestamp, request.body),
    }
    return ProviderRequest(address, request.body, {**request.headers, **headers})


def document_of(notification: Notification) -> Mapping[str, object]:
    """Return the document of a message: `type` is the kind and the transition, `data` has the rest."""
    return {
        "type": f"{notification.kind}.{notification.transition}",
        "timestamp": notification.at.isoformat(),
        "data": {
            "key": notification.key,
            "transition": notification.transition.value,
            "severity": notification.severity.value,
            "audience": notification.audience.value,
            "environment": notification.environment,
            "title": printable(notification.title),
            "since": (notification.since or notification.at).isoformat(),
            "reason": printable(notification.reason),
            "impact": printable(notification.impact),
            "action": printable(notification.action),
            "command": notification.command,
            "figures": [
                {"name": figure.name, "value": figure.value, "threshold": figure.threshold}
                for figure in notification.figures
            ],
            **({"acknowledge": notification.address} if notification.address else {}),
        },
    }


def cloud_event(notification: Notification, message: str) -> Mapping[str, object]:
    """Return a message as a CloudEvent in structured mode; `data` is the `data` of our own document.

    Args:
        notification: what is reported.
        message: the id, which with the source is the event's identity.
    """
    document = document_of(notification)
    return {
        "specversion": "1.0",
        "id": message,
        "source": f"/ib-oauth/{notification.environment}",
        "type": f"ib-oauth.{document['type']}",
        "subject": notification.key,
        "time": document["timestamp"],
        "datacontenttype": "application/json",
        "data": document["data"],
    }


def sign(key: bytes, message: str, timestamp: str, body: bytes) -> str:
    """Return the signature: HMAC-SHA-256 over the id, the timestamp and the body, joined by dots, in base64."""
    digest = hmac.new(key, f"{message}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def _read_secret(secret: str, *, local: bool) -> tuple[str, bytes]:
    try:
        document = decode_untrusted(secret)
    except ValueError as error:
        raise SecretMalformed(f"the secret is no JSON: {_REMEDY}") from error
    if not isinstance(document, Mapping) or not all(isinstance(value, str) for value in document.values()):
        raise SecretMalformed(f"the secret is no JSON object of texts: {_REMEDY}")
    signing_secret = document.get("signing_secret", "")
    try:
        key = base64.b64decode(signing_secret.removeprefix(PREFIX), validate=True)
    except ValueError as error:
        raise SecretMalformed(f"the signing secret is no base64: {_REMEDY}") from error
    if not signing_secret.startswith(PREFIX) or len(key) not in KEY_BYTES:
        raise SecretMalformed(f"the signing secret has another form: {_REMEDY}")
    return read_address(document.get("url", ""), local=local), key
