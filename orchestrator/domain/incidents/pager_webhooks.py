"""Webhooks of pagers: an alert was acknowledged in the pager itself, so the incident needs no more pages.

| pager          | how the request proves itself                                   | what names our page         |
|----------------|------------------------------------------------------------------|-----------------------------|
| PagerDuty      | ``X-PagerDuty-Signature``: HMAC-SHA-256 of the body, in hex      | ``event.data.incident_key`` |
| Opsgenie       | a header that the integration adds: ``Authorization: Bearer …``  | ``alert.alias``             |
| Grafana OnCall | the webhook's authorization header: ``Authorization: Bearer …``  | ``alert_payload.alert_uid`` |

None of them signs a time, so a request can be repeated. Each names one episode of one incident, and a second
acknowledgement of it changes nothing.

https://developer.pagerduty.com/docs/verifying-webhook-signatures,
https://support.atlassian.com/opsgenie/docs/integrate-opsgenie-with-webhook/,
https://grafana.com/docs/oncall/latest/configure/integrations/outgoing-webhooks/
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.domain.errors import Refused
from orchestrator.domain.incidents.acknowledgement import PageReference
from orchestrator.domain.notifications.destinations import DestinationKind
from orchestrator.domain.notifications.providers.pagers import SOURCE
from orchestrator.domain.printable import one_line
from orchestrator.domain.texts import MAX_NAME, shortened
from orchestrator.domain.untrusted_json import decode_untrusted

SIGNATURE_HEADER, AUTHORIZATION_HEADER = "x-pagerduty-signature", "authorization"
_KEY = re.compile(r"incident:(inc-[A-Za-z0-9-]+):([1-9][0-9]{0,8}):([0-9]+-[0-9]+)")


class WebhookRefused(Refused):
    """A request does not prove that the pager sent it. The message quotes nothing of it."""


def verify_webhook(kind: DestinationKind, secret: str, headers: Mapping[str, str], body: bytes) -> None:
    """Check that a pager sent a request.

    Args:
        kind: the pager.
        secret: the text of the secret that both know.
        headers: by lower-case name.
        body: the request's body, byte for byte.

    Raises:
        WebhookRefused: it does not prove it.
    """
    key = secret.strip()
    if kind is DestinationKind.PAGERDUTY:
        expected = f"v1={hmac.new(key.encode(), body, hashlib.sha256).hexdigest()}"
        # PagerDuty sends one signature for each of its keys while one is replaced.
        presented = [one.strip() for one in headers.get(SIGNATURE_HEADER, "").split(",")]
        field, remedy = "X-PagerDuty-Signature", "store the signing secret that PagerDuty showed with the subscription"
    else:
        expected = f"Bearer {key}"
        presented = [headers.get(AUTHORIZATION_HEADER, "")]
        field, remedy = "Authorization", "have the pager send the header `Authorization: Bearer SECRET`"
    if not key or not any(hmac.compare_digest(expected.encode(), one.encode()) for one in presented):
        raise WebhookRefused(field, "not that of the secret", f"{remedy}, and name that secret in webhook_secret")


def acknowledged_page(kind: DestinationKind, body: bytes, environment: str) -> PageReference | None:
    """Return the page that was acknowledged in a pager, and by whom.

    Args:
        kind: the pager.
        body: of a verified request.
        environment: the environment's name.

    Returns:
        None if the request reports something else, or an alert that is no page of an incident of this environment.

    Raises:
        WebhookRefused: the body is not what the pager documents.
    """
    try:
        document = decode_untrusted(body)
    except ValueError as error:
        raise WebhookRefused("body", "no JSON", "send the pager's own payload, without a template") from error
    if not isinstance(document, Mapping):
        raise WebhookRefused("body", "no JSON object", "send the pager's own payload, without a template")
    is_acknowledgement, key, person = _READERS[kind](document)
    prefix = f"{SOURCE}:{environment}:"
    found = _KEY.fullmatch(key.removeprefix(prefix)) if is_acknowledgement and key.startswith(prefix) else None
    if found is None:
        return None
    return PageReference(found[1], int(found[2]), found[3], shortened(one_line(person), MAX_NAME))


def _pagerduty(document: Mapping[str, Any]) -> tuple[bool, str, str]:
    event = _object(document, "event")
    acknowledged = event.get("event_type") == "incident.acknowledged"
    return acknowledged, _text(_object(event, "data"), "incident_key"), _text(_object(event, "agent"), "summary")


def _opsgenie(document: Mapping[str, Any]) -> tuple[bool, str, str]:
    alert = _object(document, "alert")
    return document.get("action") == "Acknowledge", _text(alert, "alias"), _text(alert, "username")


def _oncall(document: Mapping[str, Any]) -> tuple[bool, str, str]:
    acknowledged = _object(document, "event").get("type") == "acknowledge"
    user = _object(document, "user")
    return acknowledged, _text(_object(document, "alert_payload"), "alert_uid"), _text(user, "username")


_READERS: Mapping[DestinationKind, Callable[[Mapping[str, Any]], tuple[bool, str, str]]] = {
    DestinationKind.PAGERDUTY: _pagerduty,
    DestinationKind.OPSGENIE: _opsgenie,
    DestinationKind.GRAFANA_ONCALL: _oncall,
}
"""Each pager to what reads its payload: whether it is an acknowledgement, the dedup key, and the person."""


def _object(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = document.get(key)
    return value if isinstance(value, Mapping) else {}


def _text(document: Mapping[str, Any], key: str) -> str:
    value = document.get(key)
    return value if isinstance(value, str) else ""
