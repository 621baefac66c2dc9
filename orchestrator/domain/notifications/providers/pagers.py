"""Messages for pagers: PagerDuty, Opsgenie and Grafana OnCall. All recognize a dedup key, so a repeated message is harmless.

The first message of a key opens an alert, whatever its transition is here: a pager may get only the severe ones.
"""

from __future__ import annotations

from urllib.parse import quote

from orchestrator.domain.notifications.notification import LINK_TEXT, Notification, Severity, Transition
from orchestrator.domain.notifications.providers.requests import (
    ProviderRequest,
    fitted,
    json_request,
    read_address,
    read_key,
    shown_facts,
    stable_id,
)

PAGERDUTY_SUMMARY, PAGERDUTY_KEY = 1024, 255
"""https://developer.pagerduty.com/docs/send-alert-event: characters of `summary` and of `dedup_key`."""

OPSGENIE_MESSAGE, OPSGENIE_DESCRIPTION, OPSGENIE_NOTE = 130, 15_000, 25_000
"""https://docs.opsgenie.com/docs/alert-api: characters of an alert's fields. The alias may have 512."""

ONCALL_TITLE, ONCALL_MESSAGE = 500, 8000
"""Grafana documents no limits; these keep the alert readable."""

SOURCE = "ib-oauth"
_PRIORITIES = {
    Severity.INFO: "P5",
    Severity.WARNING: "P3",
    Severity.ERROR: "P2",
    Severity.CRITICAL: "P1",
}


_PAGERDUTY_ACTIONS = {Transition.ACKNOWLEDGE: "acknowledge", Transition.RESOLVE: "resolve"}
_OPSGENIE_ACTIONS = {Transition.ACKNOWLEDGE: "acknowledge", Transition.RESOLVE: "close"}


def dedup_key(notification: Notification) -> str:
    """Return the key under which the pager groups messages: readable, or a digest if that would be too long."""
    key = f"{SOURCE}:{notification.environment}:{notification.key}"
    return key if len(key) <= PAGERDUTY_KEY else f"{SOURCE}:{notification.environment}:{stable_id(notification.key)}"


def pagerduty_request(notification: Notification, secret: str, address: str) -> ProviderRequest:
    """Return an alert event of PagerDuty's Events API v2; the secret is the integration's routing key.

    https://developer.pagerduty.com/docs/send-alert-event
    """
    body: dict[str, object] = {
        "routing_key": read_key(secret),
        "event_action": _PAGERDUTY_ACTIONS.get(notification.transition, "trigger"),
        "dedup_key": dedup_key(notification),
        "client": f"{SOURCE} orchestrator",
        "payload": {
            "summary": fitted(notification.title, PAGERDUTY_SUMMARY),
            "source": f"{SOURCE}-{notification.environment}",
            "severity": notification.severity.value,
            "timestamp": notification.at.isoformat(),
            "component": "oauth",
            "group": notification.environment,
            "class": notification.kind.value,
            "custom_details": {name: fitted(text, PAGERDUTY_SUMMARY) for name, text in shown_facts(notification)},
        },
    }
    if notification.address:
        body["links"] = [{"href": notification.address, "text": LINK_TEXT}]
    return json_request(f"{address}/v2/enqueue", body)


def opsgenie_request(notification: Notification, secret: str, address: str) -> ProviderRequest:
    """Return a request of Opsgenie's alert API; the secret is the key of an API integration.

    https://docs.opsgenie.com/docs/alert-api
    """
    headers = {"Authorization": f"GenieKey {read_key(secret)}"}
    alias, source = dedup_key(notification), f"{SOURCE}-{notification.environment}"
    text = "\n".join(f"{name}: {fitted(fact, PAGERDUTY_SUMMARY)}" for name, fact in shown_facts(notification))
    if notification.transition in _OPSGENIE_ACTIONS:
        action = _OPSGENIE_ACTIONS[notification.transition]
        url = f"{address}/v2/alerts/{quote(alias, safe='')}/{action}?identifierType=alias"
        note = f"{fitted(notification.title, OPSGENIE_MESSAGE)}\n{text}"
        return json_request(url, {"source": source, "note": note[:OPSGENIE_NOTE]}, headers)
    body = {
        "message": fitted(notification.title, OPSGENIE_MESSAGE),
        "alias": alias,
        "description": text[:OPSGENIE_DESCRIPTION],
        "priority": _PRIORITIES[notification.severity],
        "source": source,
        "entity": source,
        "tags": [notification.environment, notification.kind.value],
        **({"details": {LINK_TEXT: notification.address}} if notification.address else {}),
    }
    return json_request(f"{address}/v2/alerts", body, headers)


def oncall_request(notification: Notification, secret: str, *, local: bool) -> ProviderRequest:
    """Return an alert for a "Formatted webhook" integration of Grafana OnCall; the secret is its address.

    An inbound integration cannot acknowledge: the alert shows who did, and is acknowledged in Grafana, whose outgoing
    webhook reports it (orchestrator/domain/incidents/pager_webhooks.py).

    https://grafana.com/docs/oncall/latest/configure/integrations/references/webhook/
    """
    body = {
        "alert_uid": dedup_key(notification),
        "title": fitted(notification.title, ONCALL_TITLE),
        "state": "ok" if notification.transition is Transition.RESOLVE else "alerting",
        "message": "\n".join(
            f"{name}: {fitted(text, ONCALL_MESSAGE // 10)}" for name, text in shown_facts(notification)
        ),
        **({"link_to_upstream_details": notification.address} if notification.address else {}),
    }
    return json_request(read_address(secret, local=local), body)
