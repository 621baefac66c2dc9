"""Who the clients are, for each of those who ask.

A client is configured, or describes itself: in a document at the address that is its id, or by registering. Which of the two, its
id says by its form, so nobody is asked in vain, and a configured client comes before both.

    asks              a document                                       a registration
    authorize         is fetched where it is not known                 is read
    login             is what it was when the login began              is read
    token, userinfo   is not needed: see GrantedTo                     is read
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.oauth import client_metadata
from service.oauth.client_metadata import Description, names_document
from service.oauth.registration import is_registered_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from service.client_store import ClientStore
    from service.oauth.clients import Client, Clients
    from service.oauth.scopes import Scope
    from service.settings import Settings


@dataclass(frozen=True)
class Directory:
    """All clients. A kind that is None is switched off: its clients are unknown."""

    configured: Mapping[str, Client]
    documents: Clients | None
    registrations: Clients | None

    def get(self, client_id: str, /) -> Client | None:
        """Return the client of this id. May raise UntrustedRequest with the reason, and StoreUnavailable."""
        configured = self.configured.get(client_id)
        if configured is not None:
            return configured
        if "://" in client_id:
            return self.documents.get(client_id) if self.documents is not None else None
        if is_registered_id(client_id):
            return self.registrations.get(client_id) if self.registrations is not None else None
        return None


@dataclass(frozen=True)
class KeptDocuments:
    """Clients as their documents described them when a login of theirs began. clock: epoch seconds."""

    store: ClientStore
    scopes: Scope
    audience: str
    clock: Callable[[], float]

    def get(self, client_id: str, /) -> Client | None:
        """Return the client, or None where nothing is kept of it any more. Raises StoreUnavailable."""
        kept = self.store.document(client_id)
        if kept is None or not kept.usable(int(self.clock())):
            return None
        return client_metadata.client_of(client_id, kept.description, self.scopes, self.audience)


@dataclass(frozen=True)
class GrantedTo:
    """Clients that have been granted something: whoever holds a code or token of theirs.

    Such a client is public, so its id is all that it says of itself, and the grant says whose it is. Its redirect URI was checked
    when the code was made and is compared with the code's, so this one carries its own address, which no code goes to.
    """

    scopes: Scope
    audience: str
    loopback_allowed: bool

    def get(self, client_id: str, /) -> Client | None:
        """Return a client that can be granted nothing anew."""
        if not names_document(client_id, loopback_allowed=self.loopback_allowed):
            return None
        return client_metadata.client_of(client_id, Description(None, (client_id,), None), self.scopes, self.audience)


@dataclass(frozen=True)
class Registrations:
    """Clients that registered. clock: epoch seconds."""

    store: ClientStore
    scopes: Scope
    audience: str
    clock: Callable[[], float]

    def get(self, client_id: str, /) -> Client | None:
        """Return the client, or None where there is none or its registration has ended. Raises StoreUnavailable."""
        found = self.store.registered(client_id, int(self.clock()))
        if found is None:
            return None
        return client_metadata.client_of(
            client_id, found.description, self.scopes, self.audience, secret_sha256=found.secret_sha256
        )


def for_authorize(settings: Settings, store: ClientStore, clock: Callable[[], float]) -> Directory:
    """Return the directory of the authorization endpoint, which alone fetches documents."""
    # Imported here because of the three functions only `authorize` fetches: the others start 20 ms sooner.
    from service.client_documents import ClientDocuments  # noqa: PLC0415

    described = settings.self_described
    documents = ClientDocuments(store, described.scopes, settings.issuer, clock, loopback_allowed=settings.local)
    return _directory(settings, store, clock, documents)


def for_login(settings: Settings, store: ClientStore, clock: Callable[[], float]) -> Directory:
    """Return the directory of a login that has begun."""
    return _directory(
        settings, store, clock, KeptDocuments(store, settings.self_described.scopes, settings.issuer, clock)
    )


def for_grants(settings: Settings, store: ClientStore, clock: Callable[[], float]) -> Directory:
    """Return the directory of whoever is shown codes and tokens."""
    documents = GrantedTo(settings.self_described.scopes, settings.issuer, loopback_allowed=settings.local)
    return _directory(settings, store, clock, documents)


def _directory(settings: Settings, store: ClientStore, clock: Callable[[], float], documents: Clients) -> Directory:
    described = settings.self_described
    return Directory(
        configured=settings.clients,
        documents=documents if described.documents else None,
        registrations=Registrations(store, described.scopes, settings.issuer, clock)
        if described.registration
        else None,
    )
