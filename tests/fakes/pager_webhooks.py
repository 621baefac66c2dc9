"""Requests of the pagers' webhooks, in the forms of their public documents."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping

from orchestrator.domain.notifications.destinations import DestinationKind

SECRET = "webhook-secret-of-the-test"
KEY_OF_PAGE = "ib-oauth:test:incident:inc-20261123T030000Z-abcdef:2:1-1"
ACKNOWLEDGED = "acknowledge"


def acknowledgement(
    kind: DestinationKind, key: object = KEY_OF_PAGE, person: str = "Ann Example", action: str = ACKNOWLEDGED
) -> bytes:
    """The body with which a pager reports what a person did to an alert."""
    match kind:
        case DestinationKind.PAGERDUTY:
            document: object = {
                "event": {
                    "id": "01DFVDKB",
                    "event_type": "incident.acknowledged" if action == ACKNOWLEDGED else f"incident.{action}",
                    "resource_type": "incident",
                    "occurred_at": "2026-11-23T03:05:00.000Z",
                    "agent": {"id": "PLH1HKV", "summary": person, "type": "user_reference"},
                    "client": None,
                    "data": {"id": "PGR0VU2", "type": "incident", "status": "acknowledged", "incident_key": key},
                }
            }
        case DestinationKind.OPSGENIE:
            document = {
                "action": "Acknowledge" if action == ACKNOWLEDGED else action.title(),
                "source": {"name": "web", "type": "web"},
                "alert": {"alertId": "44f717bf", "tinyId": "23", "alias": key, "username": person, "tags": ["test"]},
                "integrationName": "orchestrator",
            }
        case _:
            document = {
                "event": {"type": action, "time": "2026-11-23T03:05:00+00:00"},
                "user": {"id": "UVMX6YI9VY9PV", "username": person, "email": "ann@example.com"},
                "alert_group": {"id": "I6HNZGUFG4K11", "state": "acknowledged", "alerts_count": 1},
                "alert_group_id": "I6HNZGUFG4K11",
                "alert_payload": {"alert_uid": key, "state": "alerting", "title": "a page"},
            }
    return json.dumps(document).encode()


def headers_for(kind: DestinationKind, body: bytes, secret: str = SECRET) -> Mapping[str, str]:
    """The headers with which a pager proves itself."""
    if kind is DestinationKind.PAGERDUTY:
        signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        return {"x-pagerduty-signature": f"v1={signature}"}
    return {"authorization": f"Bearer {secret}"}
