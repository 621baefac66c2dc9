"""Clients with a metadata document at their client id, fetched when such a client begins a login.

The sender of a request chooses the URL. The document is therefore fetched with limits (see fetch.py), cached, and
fetched again only when it is no longer fresh. One process fetches rarely from one host, so that the service cannot be
used to attack another host. A failure is remembered for a while in this process only, because errors must not be
cached for others.

A document that cannot be fetched is the client's fault, never the service's: the response is a page with 400. If it
were 5xx, any visitor could fire the alarms that roll a release back.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from service.clients import address_guard
from service.clients.address_guard import AddressRefused
from service.clients.fetch import FetchFailed, Limits, fetch
from service.http.rate_limit import Throttle
from service.oauth import client_metadata
from service.oauth.client_metadata import CachedDocument, ClientDescription, is_document_id
from service.oauth.errors import InvalidClientMetadata, InvalidRedirectUri, UntrustedRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from service.clients.fetch import Fetched
    from service.oauth.clients import Client
    from service.oauth.scopes import Scope
    from service.storage.clients import ClientStore

LIMITS: Final = Limits(deadline_seconds=2.0, max_bytes=10 * 1024)
"""The draft recommends 5 KB. The deadline keeps a request below the threshold of the latency alarm."""
FAILURE_SECONDS: Final = 30
HOST_BURST: Final = 10
HOST_PER_SECOND: Final = 0.2

_FAILURES_KEPT: Final = 1024


class DocumentUnusable(UntrustedRequest):
    """A client's document cannot be fetched or is not valid. The message quotes nothing of it."""


@dataclass
class _Failures:
    """The reasons of recent failures, limited in time and number."""

    _reasons: OrderedDict[str, tuple[int, str]] = field(default_factory=OrderedDict)

    def reason(self, client_id: str, now: int) -> str | None:
        ends_at, reason = self._reasons.get(client_id, (0, ""))
        return reason if now < ends_at else None

    def note(self, client_id: str, reason: str, now: int) -> None:
        self._reasons.pop(client_id, None)
        self._reasons[client_id] = (now + FAILURE_SECONDS, reason)
        if len(self._reasons) > _FAILURES_KEPT:
            self._reasons.popitem(last=False)


@dataclass(frozen=True)
class ClientDocuments:
    """The clients whose id is the URL of a metadata document. clock: epoch seconds."""

    store: ClientStore
    scopes: Scope
    audience: str
    clock: Callable[[], float]
    loopback_allowed: bool
    _throttle: Throttle = field(default_factory=lambda: Throttle(HOST_PER_SECOND, HOST_BURST), repr=False)
    _failures: _Failures = field(default_factory=_Failures, repr=False)

    def get(self, client_id: str, /) -> Client | None:
        """Return the client. Raises DocumentUnusable, StoreUnavailable."""
        if not is_document_id(client_id, loopback_allowed=self.loopback_allowed):
            raise DocumentUnusable(
                "client_id must be an id of this service, or the https URL of a document: with a path, and without"
                " port, user, query, fragment and dot segments"
            )
        now = int(self.clock())
        cached = self.store.read_document(client_id)
        if cached is None or not cached.is_fresh(now):
            cached = self._fetch(client_id, now, cached_before=cached is not None)
            self.store.store_document(client_id, cached)
        return client_metadata.to_client(client_id, cached.description, self.scopes, self.audience)

    def _fetch(self, client_id: str, now: int, *, cached_before: bool) -> CachedDocument:
        reason = self._failures.reason(client_id, now)
        if reason is not None:
            raise DocumentUnusable(reason)
        try:
            server = address_guard.parse_server(client_id, loopback_allowed=self.loopback_allowed)
        except AddressRefused as error:
            raise DocumentUnusable(f"the URL in client_id {error}") from error
        # A known document has its own limit: requests for other documents of its host cannot lock its client out.
        if self._throttle.wait_seconds(client_id if cached_before else server.host, now):
            raise DocumentUnusable("too many documents of the host in client_id were requested. Wait, then try again.")
        try:
            response = fetch(server, "GET", _path(client_id), LIMITS)
            return client_metadata.cache_document(_read(client_id, response), response.cache_control, now)
        except FetchFailed as error:
            unusable = DocumentUnusable("the document at client_id cannot be fetched")
            unusable.__cause__ = error
        except DocumentUnusable as error:
            unusable = error
        self._failures.note(client_id, str(unusable), now)
        raise unusable


def _read(client_id: str, response: Fetched) -> ClientDescription:
    json_type = response.content_type == "application/json" or response.content_type.endswith("+json")
    if response.status != HTTPStatus.OK or not json_type:
        raise DocumentUnusable("the document at client_id must be served with 200 and as JSON, without a redirect")
    try:
        return client_metadata.parse_document(client_id, json.loads(response.body))
    except (ValueError, RecursionError) as error:
        raise DocumentUnusable("the document at client_id is not JSON") from error
    except (InvalidClientMetadata, InvalidRedirectUri) as error:
        raise DocumentUnusable(f"the document at client_id is not valid: {error.description}") from error


def _path(client_id: str) -> str:
    return f"/{client_id.split('/', maxsplit=3)[3]}"
