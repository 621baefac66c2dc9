"""Send e-mail by Amazon SES v2. The permission is limited to one identity and one sender address."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.aws.clients import error_code, translate_errors
from orchestrator.domain.errors import Throttled, Unreachable
from orchestrator.domain.mail.message import Mail, raw_message
from orchestrator.domain.mail.settings import MailSettings
from orchestrator.domain.notifications.providers.requests import Answer, Result


class Mailer:
    """Sends e-mail of one sender.

    Args:
        client_in: returns botocore's SES v2 client of a region.
        settings: the sender.
    """

    def __init__(self, client_in: Callable[[str], Any], settings: MailSettings) -> None:
        self._client_in, self._settings = client_in, settings

    def send(self, mail: Mail) -> Answer:
        """Send a message; return what SES answered. Nothing of the message is in the answer but SES's own id of it."""
        settings = self._settings
        try:
            with translate_errors():
                client = self._client_in(settings.region)
                sent = client.send_email(
                    FromEmailAddress=settings.sender,
                    Destination={"ToAddresses": list(mail.to)},
                    Content={"Raw": {"Data": raw_message(mail, settings)}},
                )
        except (Throttled, Unreachable) as error:
            return Answer(Result.FAILED, f"SES: {type(error).__name__}")
        except ClientError as error:
            return Answer(Result.REFUSED, f"SES: {error_code(error)}")
        return Answer(Result.DELIVERED, f"SES: {sent['MessageId']}")
