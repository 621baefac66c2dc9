"""Send messages to providers: reads a destination's secret, and makes the requests that the provider needs.

No error and no answer that leaves this module contains a part of the secret.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.aws.clients import error_code
from orchestrator.aws.mail import Mailer
from orchestrator.aws.public_http import NotPublic, PublicHttp
from orchestrator.aws.secrets_manager import read_secret_text
from orchestrator.domain.errors import CheckNotReadable, Throttled, Unreachable
from orchestrator.domain.notifications.destinations import Destination, DestinationKind
from orchestrator.domain.notifications.notification import Notification
from orchestrator.domain.notifications.providers.dispatch import next_request
from orchestrator.domain.notifications.providers.email import notification_mail
from orchestrator.domain.notifications.providers.requests import (
    Answer,
    ProviderRequest,
    Result,
    SecretMalformed,
    read_answer,
    redacted,
)

TIMEOUT_SECONDS = 5.0
"""Of one request. A provider that hangs delays the messages to itself alone."""


class ProviderClient:
    """Sends notifications to providers.

    Args:
        secrets: botocore's Secrets Manager client.
        web: sends requests to public addresses only.
        now: the clock.
        local: whether the environment is the local cloud, where providers may be on this machine.
        timeout_seconds: of one request.
        mailer: sends e-mail; None if the environment has no sender.
    """

    def __init__(
        self,
        secrets: Any,
        web: PublicHttp,
        now: Callable[[], datetime],
        *,
        local: bool,
        timeout_seconds: float = TIMEOUT_SECONDS,
        mailer: Mailer | None = None,
    ) -> None:
        self._secrets, self._web, self._now, self._mailer = secrets, web, now, mailer
        self._local, self._timeout_seconds = local, timeout_seconds

    def send(self, notification: Notification, destination: Destination) -> Answer:
        """Send a notification, and return what the provider answered to its last request."""
        if destination.kind is DestinationKind.EMAIL:
            if self._mailer is None:
                return Answer(Result.REFUSED, "the environment has no sender: give its table `mail`")
            return self._mailer.send(notification_mail(notification, destination.to))
        return self._send_with_secret(notification, destination)

    def _send_with_secret(self, notification: Notification, destination: Destination) -> Answer:
        try:
            secret = self.read_secret(destination.secret)
        except (ClientError, KeyError) as error:
            code = error_code(error) if isinstance(error, ClientError) else "it has no text"
            return Answer(Result.REFUSED, f"the secret of the destination cannot be read: {code}")
        except (Throttled, Unreachable) as error:
            return Answer(Result.FAILED, f"Secrets Manager: {type(error).__name__}")
        hidden = _hidden(notification, secret)
        try:
            return self._converse(notification, destination, secret)
        except SecretMalformed as error:
            return Answer(Result.REFUSED, str(error))
        except (CheckNotReadable, ValueError) as error:
            return Answer(Result.FAILED, redacted(str(error), hidden))

    def _converse(self, notification: Notification, destination: Destination, secret: str) -> Answer:
        answer = Answer(Result.DELIVERED, "nothing to send")
        bodies: list[bytes] = []
        while request := next_request(notification, destination, secret, self._now(), bodies, local=self._local):
            answer, body = exchange_request(
                self._web,
                request,
                _hidden(notification, secret),
                self._now,
                local=self._local,
                timeout_seconds=self._timeout_seconds,
            )
            if answer.result is not Result.DELIVERED:
                return answer
            bodies.append(body)
        return answer

    def read_secret(self, arn: str) -> str:
        """Return the text of a secret.

        Raises:
            ClientError: it does not exist, or must not be read.
            KeyError: it has no text.
            Throttled, Unreachable: Secrets Manager did not answer.
        """
        return read_secret_text(self._secrets, arn)


def exchange_request(
    web: PublicHttp,
    request: ProviderRequest,
    hidden: str,
    now: Callable[[], datetime],
    *,
    local: bool,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> tuple[Answer, bytes]:
    """Make a request of a provider; return its answer and the body of its response.

    Args:
        web: sends requests to public addresses only.
        request: the request.
        hidden: what the answer must not quote.
        now: the clock.
        local: whether addresses of this machine are allowed.
        timeout_seconds: of the request.
    """
    if not local and not request.url.startswith("https:"):
        # In a function's own environment, loopback is Lambda's runtime interface.
        return Answer(Result.REFUSED, "the address is not https"), b""
    try:
        response = web.exchange(request.method, request.url, timeout_seconds, request.body or None, request.headers)
    except NotPublic as error:
        return Answer(Result.REFUSED, redacted(str(error), hidden)), b""
    except CheckNotReadable as error:
        return Answer(Result.FAILED, redacted(str(error), hidden)), b""
    return read_answer(response.status, response.headers, response.body, hidden, now()), response.body


def _hidden(notification: Notification, secret: str) -> str:
    """Return what no answer may show: the secret, and the token of the link, which a provider may quote."""
    return f"{secret} {notification.address}".strip()
