"""The clients that each endpoint knows.

A client is configured, or has a metadata document at the URL that is its id, or has registered, or is managed by
operators. The form of the id shows which, so no look-up is made in vain. A configured client takes precedence.

    endpoint          a metadata document                              a registration, a managed client
    authorize         is fetched if it is not cached                   is read
    login             is used as cached when the login began           is read
    token, userinfo   is not needed: see GrantHolders                  is read

Registrations and managed clients are read consistently with every request and never cached. So a client that is
disabled is unknown to the next request.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.clients import managed
from service.clients.managed import is_managed_id, limits_of
from service.oauth import client_metadata
from service.oauth.client_metadata import ClientDescription, is_document_id
from service.oauth.registration import is_registered_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from service.clients.managed import Limits
    from service.oauth.clients import Client, Clients
    from service.oauth.scopes import Scope
    from service.settings import Settings
    from service.storage.clients import ClientStore


@dataclass(frozen=True)
class ClientDirectory:
    """All clients. A kind that is None is disabled: its clients are unknown."""

    configured: Mapping[str, Client]
    documents: Clients | None
    registrations: Clients | None
    managed: Clients | None = None

    def get(self, client_id: str, /) -> Client | None:
        """Return the client with this id. May raise UntrustedRequest with the reason, and StoreUnavailable."""
        configured = self.configured.get(client_id)
        if configured is not None:
            return configured
        if "://" in client_id:
            return self.documents.get(client_id) if self.documents is not None else None
        if is_registered_id(client_id):
            return self.registrations.get(client_id) if self.registrations is not None else None
        if is_managed_id(client_id):
            return self.managed.get(client_id) if self.managed is not None else None
        return None


@dataclass(frozen=True)
class StoredDocuments:
    """Clients with their documents as cached when their login began. clock: epoch seconds."""

    store: ClientStore
    scopes: Scope
    audience: str
    clock: Callable[[], float]

    def get(self, client_id: str, /) -> Client | None:
        """Return the client; None if its document is no longer cached. Raises StoreUnavailable."""
        cached = self.store.read_document(client_id)
        if cached is None or not cached.is_usable(int(self.clock())):
            return None
        return client_metadata.to_client(client_id, cached.description, self.scopes, self.audience)


@dataclass(frozen=True)
class GrantHolders:
    """Clients that hold a grant: they present a code or token of theirs.

    Such a client is public, so it states only its id, and the grant states its owner. Its redirect URI was checked
    when the code was issued and is compared with the code's. The client returned here has its own URL as redirect
    URI, to which no code is sent.
    """

    scopes: Scope
    audience: str
    loopback_allowed: bool

    def get(self, client_id: str, /) -> Client | None:
        """Return a client that cannot get a new grant."""
        if not is_document_id(client_id, loopback_allowed=self.loopback_allowed):
            return None
        return client_metadata.to_client(
            client_id, ClientDescription(None, (client_id,), None), self.scopes, self.audience
        )


@dataclass(frozen=True)
class Registrations:
    """Registered clients. clock: epoch seconds."""

    store: ClientStore
    scopes: Scope
    audience: str
    clock: Callable[[], float]

    def get(self, client_id: str, /) -> Client | None:
        """Return the client; None if there is none or its registration has ended. Raises StoreUnavailable."""
        registered = self.store.read_registration(client_id, int(self.clock()))
        if registered is None:
            return None
        return client_metadata.to_client(
            client_id, registered.description, self.scopes, self.audience, secret_sha256=registered.secret_sha256
        )


@dataclass(frozen=True)
class ManagedClients:
    """Managed clients. clock: epoch seconds."""

    store: ClientStore
    limits: Limits
    clock: Callable[[], float]

    def get(self, client_id: str, /) -> Client | None:
        """Return the client; None if there is none, it is disabled, or its item is invalid. Raises StoreUnavailable.

        An invalid item was written by hand. It is no failure of this release, and must not roll it back.
        """
        try:
            stored = self.store.read_managed(client_id)
            # An item that names another client would act as that one.
            if stored is None or stored.client_id != client_id:
                return None
            return managed.to_client(stored, self.limits, int(self.clock()))
        except (KeyError, TypeError, ValueError):
            return None


def loggable_id(client_id: str | None, configured: Mapping[str, Client]) -> str | None:
    """Return a client id that a log line may name, as it may be unverified: a configured id, or one of managed form.

    Any other id may be a person's own URL, or text that quotes a request.
    """
    if client_id is None:
        return None
    return client_id if client_id in configured or is_managed_id(client_id) else None


def for_authorize(settings: Settings, store: ClientStore, clock: Callable[[], float]) -> ClientDirectory:
    """Return the directory of the authorization endpoint, the only one that fetches documents."""
    # Imported here because only the function `authorize` fetches: the others start 20 ms faster.
    from service.clients.metadata_documents import ClientDocuments  # noqa: PLC0415

    described = settings.self_described
    documents = ClientDocuments(store, described.scopes, settings.issuer, clock, loopback_allowed=settings.local)
    return _directory(settings, store, clock, documents)


def for_login(settings: Settings, store: ClientStore, clock: Callable[[], float]) -> ClientDirectory:
    """Return the directory of a login in progress."""
    return _directory(
        settings, store, clock, StoredDocuments(store, settings.self_described.scopes, settings.issuer, clock)
    )


def for_grants(settings: Settings, store: ClientStore, clock: Callable[[], float]) -> ClientDirectory:
    """Return the directory of the endpoints that accept codes and tokens."""
    documents = GrantHolders(settings.self_described.scopes, settings.issuer, loopback_allowed=settings.local)
    return _directory(settings, store, clock, documents)


def _directory(
    settings: Settings, store: ClientStore, clock: Callable[[], float], documents: Clients
) -> ClientDirectory:
    described = settings.self_described
    return ClientDirectory(
        configured=settings.clients,
        documents=documents if described.documents else None,
        registrations=Registrations(store, described.scopes, settings.issuer, clock)
        if described.registration
        else None,
        managed=ManagedClients(store, limits_of(settings.clients.values(), settings.issuer), clock)
        if settings.managed_clients
        else None,
    )
