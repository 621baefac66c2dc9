"""The links of messages: their addresses are made when a message is sent, so that no queue and no log has a token."""

from __future__ import annotations

from dataclasses import replace

from botocore.exceptions import ClientError

from orchestrator.application.cloud import Cloud, logger
from orchestrator.domain.errors import Throttled, Unreachable
from orchestrator.domain.incidents.acknowledgement import PATH
from orchestrator.domain.notifications.notification import Notification
from orchestrator.domain.signed_links import issue_token


def with_address(notification: Notification, cloud: Cloud) -> Notification:
    """Return a notification with the address of its link, if it has one and the environment has an endpoint.

    A page is more important than its link: if the key cannot be read, it is sent without one.
    """
    endpoint = cloud.settings["ACKNOWLEDGEMENT_ADDRESS"]
    if notification.link is None or not endpoint:
        return notification
    try:
        token = issue_token(notification.link, cloud.link_keys.read_keys()[0])
    except (Throttled, Unreachable, ClientError, ValueError) as error:
        logger.warning("a page has no link", extra={"key": notification.key, "error": type(error).__name__})
        return notification
    return replace(notification, address=f"{endpoint}{PATH}?token={token}")
