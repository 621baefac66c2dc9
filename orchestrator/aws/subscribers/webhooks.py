"""Send messages to subscribers' webhooks. Their addresses are given by strangers, so they are guarded as `PublicHttp` does."""

from __future__ import annotations

from datetime import datetime

from orchestrator.aws.public_http import NotPublic, PublicHttp
from orchestrator.domain.errors import CheckNotReadable
from orchestrator.domain.notifications.providers.requests import Answer, ProviderRequest, Result, read_answer, redacted

TIMEOUT_SECONDS = 5.0
"""Of one request. A server that hangs delays the messages to itself alone."""


class SubscriberWebhooks:
    """Sends signed documents.

    Args:
        web: sends requests to public addresses only.
        timeout_seconds: of one request.
    """

    def __init__(self, web: PublicHttp, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._web, self._timeout_seconds = web, timeout_seconds

    def send(self, request: ProviderRequest, now: datetime, *, local: bool) -> Answer:
        """Send a document, and return what the server answered, without its address.

        Args:
            request: the document.
            now: the current time.
            local: whether addresses of this machine are allowed.
        """
        if not local and not request.url.startswith("https:"):
            # In a function's own environment, loopback is Lambda's runtime interface.
            return Answer(Result.REFUSED, "the address is not https")
        try:
            response = self._web.exchange("POST", request.url, self._timeout_seconds, request.body, request.headers)
        except NotPublic as error:
            return Answer(Result.REFUSED, redacted(str(error), request.url))
        except CheckNotReadable as error:
            return Answer(Result.FAILED, redacted(str(error), request.url))
        return read_answer(response.status, response.headers, response.body, request.url, now)
