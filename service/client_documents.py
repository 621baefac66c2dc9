"""Clients that describe themselves in a document at their client id, fetched when one of them asks to begin a login.

Whoever sends a request chooses the address: it is fetched within bounds (see fetching.py), kept, and asked for again only when it
is no longer fresh. A host is asked seldom by one process, so that nobody can have us knock at somebody else's door; what failed
is remembered for a while, and only here, because an error must not be cached for others.

A document that cannot be had is the request's fault and never this service's: it is told on a page, with 400. Were it 5xx, any
visitor could ring the alarms that roll a release back.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from service import addresses
from service.addresses import AddressRefused
from service.fetching import FetchFailed, Limits, fetch
from service.oauth import client_metadata
from service.oauth.client_metadata import Description, Kept, names_document
from service.oauth.errors import InvalidClientMetadata, InvalidRedirectUri, UntrustedRequest
from service.throttle import Throttle

if TYPE_CHECKING:
    from collections.abc import Callable

    from service.client_store import ClientStore
    from service.fetching import Fetched
    from service.oauth.clients import Client
    from service.oauth.scopes import Scope

LIMITS: Final = Limits(deadline_seconds=2.0, max_bytes=10 * 1024)
"""The draft recommends 5 KB. The deadline leaves a request below what the latency alarm calls slow."""
FAILURE_SECONDS: Final = 30
HOST_BURST: Final = 10
HOST_PER_SECOND: Final = 0.2

_FAILURES_KEPT: Final = 1024


class DocumentUnusable(UntrustedRequest):
    """A client's document cannot be fetched or believed. The message quotes nothing of it."""


@dataclass
class _Failures:
    """Why documents could not be used, for a while and for so many."""

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
    """The clients whose id is the address of a document, fetched where it is not known. clock: epoch seconds."""

    store: ClientStore
    scopes: Scope
    audience: str
    clock: Callable[[], float]
    loopback_allowed: bool
    _throttle: Throttle = field(default_factory=lambda: Throttle(HOST_PER_SECOND, HOST_BURST), repr=False)
    _failures: _Failures = field(default_factory=_Failures, repr=False)

    def get(self, client_id: str, /) -> Client | None:
        """Return the client. Raises DocumentUnusable, StoreUnavailable."""
        if not names_document(client_id, loopback_allowed=self.loopback_allowed):
            raise DocumentUnusable(
                "client_id must be an id of this service, or the https address of a document: with a path, and without port,"
                " user, query, fragment and dot segments"
            )
        now = int(self.clock())
        known = self.store.document(client_id)
        if known is None or not known.fresh(now):
            known = self._asked(client_id, now, known_before=known is not None)
            self.store.keep_document(client_id, known)
        return client_metadata.client_of(client_id, known.description, self.scopes, self.audience)

    def _asked(self, client_id: str, now: int, *, known_before: bool) -> Kept:
        reason = self._failures.reason(client_id, now)
        if reason is not None:
            raise DocumentUnusable(reason)
        try:
            server = addresses.server(client_id, loopback_allowed=self.loopback_allowed)
        except AddressRefused as error:
            raise DocumentUnusable(f"the address in client_id {error}") from error
        # A document that was good before counts for itself: nobody shuts its client out by naming others at its host.
        if self._throttle.wait_seconds(client_id if known_before else server.host, now):
            raise DocumentUnusable("the host of client_id has been asked for too many documents. Wait, then try again.")
        try:
            answer = fetch(server, "GET", _path(client_id), LIMITS)
            return client_metadata.kept(_read(client_id, answer), answer.cache_control, now)
        except FetchFailed as error:
            unusable = DocumentUnusable("the document at client_id cannot be fetched")
            unusable.__cause__ = error
        except DocumentUnusable as error:
            unusable = error
        self._failures.note(client_id, str(unusable), now)
        raise unusable


def _read(client_id: str, answer: Fetched) -> Description:
    json_type = answer.content_type == "application/json" or answer.content_type.endswith("+json")
    if answer.status != HTTPStatus.OK or not json_type:
        raise DocumentUnusable("the document at client_id must be answered with 200 and as JSON, without a redirect")
    try:
        return client_metadata.of_document(client_id, json.loads(answer.body))
    except (ValueError, RecursionError) as error:
        raise DocumentUnusable("the document at client_id is not JSON") from error
    except (InvalidClientMetadata, InvalidRedirectUri) as error:
        raise DocumentUnusable(f"the document at client_id is refused: {error.description}") from error


def _path(client_id: str) -> str:
    return f"/{client_id.split('/', maxsplit=3)[3]}"
