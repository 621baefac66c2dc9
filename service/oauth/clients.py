"""Client applications: who may ask, where the answer goes, how they prove themselves."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from service.oauth import client_secrets, scopes
from service.oauth.errors import InvalidClient, InvalidScope, InvalidTarget

if TYPE_CHECKING:
    from service.oauth.scopes import Scope

# RFC 8252 §7.3: a native application listens on whatever port it gets. Anchored to the whole authority, so that neither
# user information nor a longer host name can hide behind the loopback's.
_LOOPBACK = re.compile(r"http://(?P<host>127\.0\.0\.1|\[::1\]|localhost)(?P<port>:[0-9]{1,5})?(?P<rest>[/?][^#\s]*)?")
_PRIVATE_USE = re.compile(r"[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+:/[^/\s#][^\s#]*")
# What RFC 3986 allows, without what delimits a fragment: the address goes into headers, one of which lists policies.
_URI = re.compile(r"[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]+")
_ABSOLUTE_URI = re.compile(rf"[A-Za-z][A-Za-z0-9+.-]*:{_URI.pattern}")
_AUTHORITY = re.compile(r"([A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")


@dataclass(frozen=True)
class Client:
    """One client application, as configured.

    secret_sha256: hex SHA-256 of a generated secret; None makes the client public.
    audience: the `aud` of its access tokens where it asks for no resource (RFC 8707).
    resources: what else it may ask its access tokens to be for.
    identifies_as: the resources that it is: such a client is a resource server, and is told of tokens that are for it. One that
    nobody logs in to has no redirect URIs.
    synthetic: the identity with which the orchestrator verifies a release; never a person.
    """

    client_id: str
    name: str
    redirect_uris: tuple[str, ...]
    scopes: Scope
    audience: str
    secret_sha256: str | None = None
    synthetic: bool = False
    resources: tuple[str, ...] = ()
    identifies_as: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise ValueError, naming the field, for what could not be trusted later."""
        if not self.client_id or not self.name or not self.audience:
            raise ValueError("client_id, name and audience must not be empty")
        if not self.redirect_uris and not self.identifies_as:
            raise ValueError("redirect_uris must not be empty, but for a client that has identifies_as")
        for uri in self.redirect_uris:
            if not is_registrable(uri):
                raise ValueError(f"redirect_uris: {uri} is neither https, nor loopback, nor of a private-use scheme")
        if self.secret_sha256 is not None and not client_secrets.is_hash(self.secret_sha256):
            raise ValueError("secret_sha256 must be 64 lower-case hexadecimal digits")
        if not self.name.isprintable():
            raise ValueError("name must be printable, on one line")
        if self.scopes and not _are_words(self.scopes):
            raise ValueError("scopes must be words, each once")
        self._check_resources()

    def _check_resources(self) -> None:
        for field, uris in (("resources", self.resources), ("identifies_as", self.identifies_as)):
            if not all(is_resource(uri) for uri in uris):
                raise ValueError(f"{field} must be absolute URIs without a fragment")
        if self.identifies_as and self.secret_sha256 is None:
            raise ValueError("identifies_as needs secret_sha256: whoever is told of tokens has to prove who it is")

    @property
    def verified_host(self) -> str | None:
        """The host that published what is known of the client; None for one that is configured or was registered.

        A client may call itself what it likes: of one that describes itself, this is what a person can go by.
        """
        return urlsplit(self.client_id).hostname if "://" in self.client_id else None

    def allows_redirect(self, uri: str) -> bool:
        """Whether uri is registered: exactly, or, on a loopback host, apart from its port."""
        return any(uri == registered or _same_but_port(uri, registered) for registered in self.redirect_uris)

    def authenticate(self, secret: str | None) -> None:
        """Check the secret that came with a request, in constant time. Raises InvalidClient.

        A public client has none to show; one that shows one anyway is misconfigured, and told so.
        """
        if self.secret_sha256 is None:
            if secret is not None:
                raise InvalidClient("this client is public and has no secret")
            return
        if secret is None or not client_secrets.matches(secret, self.secret_sha256):
            raise InvalidClient("client authentication failed")

    def audience_for(self, resource: str | None) -> str:
        """Return the audience of a token for the resource asked for (RFC 8707 §2). Raises InvalidTarget."""
        if resource is None:
            return self.audience
        if not is_resource(resource):
            raise InvalidTarget("resource must be an absolute URI without a fragment")
        if resource != self.audience and resource not in self.resources:
            raise InvalidTarget("resource is not one of this client's")
        return resource


class Clients(Protocol):
    """Whoever knows the clients: a mapping of those that are configured, or a directory that also asks elsewhere."""

    def get(self, client_id: str, /) -> Client | None:
        """Return the client of this id, or None where nobody knows it."""


def is_registrable(uri: str) -> bool:
    """Whether answers may be sent there: by https, to loopback, or to an application's private-use scheme (RFC 8252 §7)."""
    if not _URI.fullmatch(uri):
        return False
    if _LOOPBACK.fullmatch(uri) or _PRIVATE_USE.fullmatch(uri):
        return True
    try:
        parts = urlsplit(uri)
        parts.port  # noqa: B018 - reading it is the check
    except ValueError:
        return False
    return parts.scheme == "https" and _AUTHORITY.fullmatch(parts.netloc) is not None


def is_resource(text: str) -> bool:
    """Whether text can be a resource indicator: an absolute URI without a fragment (RFC 8707 §2, RFC 3986 §4.3)."""
    return _ABSOLUTE_URI.fullmatch(text) is not None


def _are_words(scope: Scope) -> bool:
    try:
        return scopes.parse(scopes.text_of(scope)) == scope
    except InvalidScope:
        return False


def _same_but_port(uri: str, registered: str) -> bool:
    asked, known = _LOOPBACK.fullmatch(uri), _LOOPBACK.fullmatch(registered)
    return asked is not None and known is not None and (asked["host"], asked["rest"]) == (known["host"], known["rest"])
