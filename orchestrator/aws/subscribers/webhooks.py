"""Send messages to subscribers' webhooks. Their addresses are given by strangers, so they are guarded as `PublicHttp` does."""

from __future__ import annotations

from datetime import datetime

from orchestrator.aws.provider_client import TIMEOUT_SECONDS, exchange_request
from orchestrator.aws.public_http import PublicHttp
from orchestrator.domain.notifications.providers.requests import Answer, ProviderRequest


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
        answer, _ = exchange_request(
            self._web, request, request.url, lambda: now, local=local, timeout_seconds=self._timeout_seconds
        )
        return answer
