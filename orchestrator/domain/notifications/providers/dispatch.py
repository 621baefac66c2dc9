"""Which provider's messages a destination gets: a conversation of requests, each of which may depend on earlier answers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from orchestrator.domain.notifications.destinations import Destination, DestinationKind
from orchestrator.domain.notifications.notification import Notification
from orchestrator.domain.notifications.providers.chats import google_chat_request, slack_request, teams_request
from orchestrator.domain.notifications.providers.github import next_github_request
from orchestrator.domain.notifications.providers.pagers import oncall_request, opsgenie_request, pagerduty_request
from orchestrator.domain.notifications.providers.requests import ProviderRequest
from orchestrator.domain.notifications.providers.webhook import webhook_request

_BY_ADDRESS = {
    DestinationKind.SLACK: slack_request,
    DestinationKind.TEAMS: teams_request,
    DestinationKind.GOOGLE_CHAT: google_chat_request,
    DestinationKind.GRAFANA_ONCALL: oncall_request,
}
_BY_KEY = {DestinationKind.PAGERDUTY: pagerduty_request, DestinationKind.OPSGENIE: opsgenie_request}


def next_request(
    notification: Notification,
    destination: Destination,
    secret: str,
    now: datetime,
    answers: Sequence[bytes],
    *,
    local: bool,
) -> ProviderRequest | None:
    """Return the next request that a notification needs at a destination; None if it is complete.

    All providers but GitHub need one request.

    Args:
        notification: what is sent.
        destination: where.
        secret: the text of the destination's secret.
        now: the time of this attempt.
        answers: the bodies of the answers to the requests before, all of which succeeded.
        local: whether the environment is the local cloud, where addresses on this machine are allowed.

    Raises:
        SecretMalformed: the secret is not what the provider needs.
        ValueError: an answer is not what the provider documents.
    """
    if destination.kind is DestinationKind.GITHUB:
        return next_github_request(notification, destination, secret, answers)
    if answers:
        return None
    if destination.kind in _BY_KEY:
        return _BY_KEY[destination.kind](notification, secret, destination.address)
    if destination.kind in _BY_ADDRESS:
        return _BY_ADDRESS[destination.kind](notification, secret, local=local)
    return webhook_request(notification, destination, secret, now, local=local)
