"""Client applications: their ids, redirect URIs, authentication and resources."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import urlsplit

from service.oauth import client_secrets, scopes
from service.oauth.errors import InvalidClient, InvalidScope, InvalidTarget
from service.oauth.resources.identifiers import URI_CHARACTERS, find_equivalent, is_resource

if TYPE_CHECKING:
    from service.oauth.scopes import Scope

# RFC 8252 §7.3: a native application listens on any free port. The pattern matches the whole authority, so neither user
# information nor a longer host name is mistaken for a loopback host.
_LOOPBACK = re.compile(r"http://(?P<host>127\.0\.0\.1|\[::1\]|localhost)(?P<port>:[0-9]{1,5})?(?P<rest>[/?][^#\s]*)?")
_PRIVATE_USE = re.compile(r"[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+:/[^/\s#][^\s#]*")
# The characters of RFC 3986 except the fragment delimiter: the URI is used in headers, among them the page's policy.
_URI = re.compile(URI_CHARACTERS)
_AUTHORITY = re.compile(r"([A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")

# The bidirectional controls (UAX #9 §2), with which a name could be shown as another one.
_BIDI_CONTROLS: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_CONTROL_CATEGORIES: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})  # controls, surrogates, line and paragraph separators
_VISIBLE_CATEGORIES: Final = frozenset("LNPS")


@dataclass(frozen=True)
class Client:
    """A client application, as configured.

    secret_sha256: hex SHA-256 of a generated secret; None for a public client.
    audience: the `aud` of its access tokens if it requests no resource (RFC 8707).
    audience_names: other identifiers of the audience. A request may name it by them.
    earlier_secret_sha256: of a second secret, which is accepted while a client moves to a new one.
    resources: the other resources that it may request access tokens for.
    identifies_as: the resources that it is. Such a client is a resource server and may introspect tokens for them.
    Without logins it has no redirect URIs.
    synthetic: the identity with which the orchestrator verifies a release; never a person.
    self_described: whether the client described itself, in a metadata document or a registration. No operator has
    vouched for its redirect URIs, so the browser is sent to one only after the user agreed (RFC 9700 §4.11.2).
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
    self_described: bool = False
    audience_names: tuple[str, ...] = ()
    earlier_secret_sha256: str | None = None

    def __post_init__(self) -> None:
        """Raise ValueError, naming the field, for an invalid value."""
        if not self.client_id or not self.name or not self.audience:
            raise ValueError("client_id, name and audience must not be empty")
        if not self.redirect_uris and not self.identifies_as:
            raise ValueError("redirect_uris must not be empty, except for a client with identifies_as")
        for uri in self.redirect_uris:
            if not is_registrable(uri):
                raise ValueError(f"redirect_uris: {uri} must use https, a loopback host or a private-use scheme")
        for field in ("secret_sha256", "earlier_secret_sha256"):
            hashed: str | None = getattr(self, field)
            if hashed is not None and not client_secrets.is_hash(hashed):
                raise ValueError(f"{field} must be 64 lower-case hexadecimal digits")
        if self.secret_sha256 is None and self.earlier_secret_sha256 is not None:
            raise ValueError("earlier_secret_sha256 needs secret_sha256: a public client has no secrets")
        if not is_display_name(self.name):
            raise ValueError("name must be visible, on one line, without control characters")
        if self.scopes and not _are_words(self.scopes):
            raise ValueError("scopes must be words, each once")
        self._check_resources()

    def _check_resources(self) -> None:
        for field, uris in (("resources", self.resources), ("identifies_as", self.identifies_as)):
            if not all(is_resource(uri) for uri in uris):
                raise ValueError(f"{field} must be absolute URIs without a fragment")
        if self.identifies_as and self.secret_sha256 is None:
            raise ValueError("identifies_as needs secret_sha256: a client that introspects tokens must authenticate")

    @property
    def verified_host(self) -> str | None:
        """The host that published the client's metadata; None for a configured or registered client.

        A client with a metadata document may use any name: the host is what a user can trust.
        """
        return urlsplit(self.client_id).hostname if "://" in self.client_id else None

    def allows_redirect(self, uri: str) -> bool:
        """Return whether uri is registered: exactly, or, on a loopback host, apart from its port."""
        return any(uri == registered or _same_but_port(uri, registered) for registered in self.redirect_uris)

    def authenticate(self, secret: str | None) -> None:
        """Check the secret of a request, in constant time. Raises InvalidClient.

        A public client has no secret; one that sends a secret is misconfigured, and the error reports it.
        """
        if self.secret_sha256 is None:
            if secret is not None:
                raise InvalidClient("this client is public and has no secret")
            return
        if secret is None or not client_secrets.matches(secret, self.secret_sha256, self.earlier_secret_sha256):
            raise InvalidClient("client authentication failed")

    def used_earlier_secret(self, secret: str | None) -> bool:
        """Return whether a request's secret is the earlier one, which its client has to replace."""
        hashed = self.earlier_secret_sha256
        return secret is not None and hashed is not None and client_secrets.matches(secret, hashed)

    def audience_for(self, resource: str | None) -> str:
        """Return the audience of a token for the requested resource, as configured (RFC 8707 §2). Raises InvalidTarget.

        Resources are compared in their normal form.
        """
        if resource is None:
            return self.audience
        if not is_resource(resource):
            raise InvalidTarget("resource must be an absolute URI without a fragment")
        found = find_equivalent(resource, (self.audience, *self.resources))
        if found is not None:
            return found
        if find_equivalent(resource, self.audience_names) is None:
            raise InvalidTarget("resource is not allowed for this client")
        return self.audience

    def names_audience(self, resource: str, audience: str) -> bool:
        """Return whether a request by this client that names the resource means the audience of one of its grants."""
        names = self.audience_names if audience == self.audience else ()
        return find_equivalent(resource, (audience, *names)) is not None


class Clients(Protocol):
    """The known clients: a mapping of the configured ones, or a directory that also looks elsewhere."""

    def get(self, client_id: str, /) -> Client | None:
        """Return the client with this id; None if there is none."""


def is_registrable(uri: str) -> bool:
    """Return whether responses may be sent to a URI: https, loopback, or a private-use scheme (RFC 8252 §7)."""
    try:
        parts = urlsplit(uri)
        parts.port  # noqa: B018 - reading it is the check
    except ValueError:
        return False
    if not _URI.fullmatch(uri):
        return False
    if _LOOPBACK.fullmatch(uri) or _PRIVATE_USE.fullmatch(uri):
        return True
    return parts.scheme == "https" and _AUTHORITY.fullmatch(parts.netloc) is not None


def is_display_name(text: str) -> bool:
    """Return whether text can be shown to users as a name: of any script, on one line, and not invisible.

    Bidirectional and other control characters are refused. Joiners are not: some scripts need them (UAX #31 §2.3).
    """
    categories = {unicodedata.category(character) for character in text}
    visible = any(category[0] in _VISIBLE_CATEGORIES for category in categories)
    return visible and _CONTROL_CATEGORIES.isdisjoint(categories) and _BIDI_CONTROLS.isdisjoint(text)


def _are_words(scope: Scope) -> bool:
    try:
        return scopes.parse(scopes.format_scope(scope)) == scope
    except InvalidScope:
        return False


def _same_but_port(uri: str, registered: str) -> bool:
    requested, registered_match = _LOOPBACK.fullmatch(uri), _LOOPBACK.fullmatch(registered)
    return (
        requested is not None
        and registered_match is not None
        and (requested["host"], requested["rest"]) == (registered_match["host"], registered_match["rest"])
    )
