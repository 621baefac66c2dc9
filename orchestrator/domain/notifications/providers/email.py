"""A notification as an e-mail to operators. Amazon SES sends it (`orchestrator/aws/mail.py`)."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.domain.mail.message import Mail
from orchestrator.domain.notifications.notification import LINK_TEXT, Notification


def notification_mail(notification: Notification, to: Sequence[str]) -> Mail:
    """Return the e-mail of a notification. Its subject has the environment, for filters.

    Args:
        notification: what is reported.
        to: addresses.
    """
    facts = "\n".join(f"{name}: {text}" for name, text in notification.facts)
    link = f"\n\n{LINK_TEXT}: {notification.address}" if notification.address else ""
    return Mail(
        to=tuple(to),
        subject=f"[{notification.environment}] {notification.severity}: {notification.title}",
        text=f"{notification.title}\n\n{facts}{link}\n",
        at=notification.at,
    )
