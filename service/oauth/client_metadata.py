"""Client metadata: in the document that a client id names, or in a registration.

The members are those of RFC 7591 §2; others are ignored, as §2 requires. Documents follow
draft-ietf-oauth-client-id-metadata-document: the client's id is the URL of its document, and the owner of the URL is
the client. Such a client is public: the draft forbids shared secrets, and this service does not verify clients' keys.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from service.oauth import logins, scopes
from service.oauth.clients import Client, is_display_name, is_registrable
from service.oauth.errors import InvalidClientMetadata, InvalidRedirectUri, InvalidScope
from service.oauth.openid import client_members
from service.oauth.openid.requests import OPENID
from service.oauth.resources import own

if TYPE_CHECKING:
    from service.oauth.scopes import Scope

MAX_ID_CHARACTERS: Final = 255
MAX_NAME_CHARACTERS: Final = 64
MAX_REDIRECT_URIS: Final = 10
MAX_URI_CHARACTERS: Final = 512
MAX_SCOPE_CHARACTERS: Final = 512
MIN_FRESH_SECONDS: Final = 300
MAX_FRESH_SECONDS: Final = 24 * 3600

PUBLIC: Final = "none"
SECRET_METHODS: Final = ("client_secret_basic", "client_secret_post")

# A path is required: a bare host, with and without a slash, would be two ids of one document. No query, which the draft
# advises against, and no port: ids are compared as strings and must have one form.
_PATH = r"(?P<path>/[A-Za-z0-9\-._~%!$&'()*+,;=:@/]+)"
_HTTPS_ID = re.compile(rf"https://[a-z0-9-]+(\.[a-z0-9-]+)+{_PATH}")
_LOOPBACK_ID = re.compile(rf"http://(127\.0\.0\.1|\[::1\]|localhost)(:[0-9]{{1,5}})?{_PATH}")
_DOT_SEGMENTS = frozenset({".", ".."})
_MAX_AGE = re.compile(r"(?:^|[,\s])max-age=(?P<seconds>[0-9]{1,9})(?![0-9])", re.IGNORECASE)


@dataclass(frozen=True)
class ClientDescription:
    """A client's metadata.

    name: for users; None if there is none. scope: the scopes that it may request; None for all that are allowed.
    authentication: a `token_endpoint_auth_method`, `none` for a public client.
    """

    name: str | None
    redirect_uris: tuple[str, ...]
    scope: Scope | None
    authentication: str = PUBLIC

    def granted_scope(self, allowed: Scope) -> Scope:
        """Return the scopes that the client has of those that are allowed for such clients, and of `openid`."""
        if self.scope is None:
            return allowed
        return tuple(scope for scope in dict.fromkeys((OPENID, *allowed)) if scope in self.scope)


@dataclass(frozen=True)
class CachedDocument:
    """A cached metadata document. Times are epoch seconds.

    fresh_until: afterwards a new login fetches the document again; expires_at: until then a login that began earlier
    may use this version.
    """

    description: ClientDescription
    fresh_until: int
    expires_at: int

    def is_fresh(self, now: int) -> bool:
        """Return whether a login may begin with it."""
        return now < self.fresh_until

    def is_usable(self, now: int) -> bool:
        """Return whether a login that began with it may continue."""
        return now < self.expires_at


def cache_document(description: ClientDescription, cache_control: str, now: int) -> CachedDocument:
    """Return a document with its cache lifetime: its server's max-age, within limits (RFC 9111 §5.2.2.1)."""
    max_age = _MAX_AGE.search(cache_control)
    seconds = min(max(int(max_age["seconds"]) if max_age else 0, MIN_FRESH_SECONDS), MAX_FRESH_SECONDS)
    return CachedDocument(description, now + seconds, now + seconds + logins.LIFETIME_SECONDS)


def is_document_id(client_id: str, *, loopback_allowed: bool) -> bool:
    """Return whether a client id is a URL that may have a document: https, a host name, a path without dot segments."""
    spelled = _HTTPS_ID.fullmatch(client_id) or (loopback_allowed and _LOOPBACK_ID.fullmatch(client_id))
    if not spelled or len(client_id) > MAX_ID_CHARACTERS:
        return False
    return _DOT_SEGMENTS.isdisjoint(spelled["path"].lower().replace("%2e", ".").split("/"))


def parse_document(client_id: str, document: Any) -> ClientDescription:
    """Return the description in the document of a client id. Raises InvalidClientMetadata, InvalidRedirectUri."""
    members = _members(document)
    if members.get("client_id") != client_id:
        raise InvalidClientMetadata("client_id must be exactly the URL of the document")
    if "client_secret" in members or "client_secret_expires_at" in members:
        raise InvalidClientMetadata("a public document must not have a client_secret")
    if members.get("token_endpoint_auth_method", PUBLIC) != PUBLIC:
        raise InvalidClientMetadata("token_endpoint_auth_method must be none")
    return _described(members, PUBLIC)


def parse_registration(metadata: Any) -> ClientDescription:
    """Return the description in a registration request (RFC 7591 §3.1).

    Raises InvalidClientMetadata, InvalidRedirectUri.
    """
    members = _members(metadata)
    authentication = members.get("token_endpoint_auth_method", SECRET_METHODS[0])
    if authentication not in (PUBLIC, *SECRET_METHODS):
        raise InvalidClientMetadata(f"token_endpoint_auth_method must be one of {PUBLIC}, {', '.join(SECRET_METHODS)}")
    return _described(members, authentication)


def metadata_fields(issuer: str, *, documents: bool, registration: bool) -> dict[str, Any]:
    """Return what the server's metadata says of clients that describe themselves (RFC 8414 §2, the draft's §6)."""
    fields: dict[str, Any] = {"client_id_metadata_document_supported": documents}
    return {**fields, "registration_endpoint": f"{issuer}/register"} if registration else fields


def to_client(
    client_id: str, description: ClientDescription, allowed: Scope, audience: str, *, secret_sha256: str | None = None
) -> Client:
    """Return the client of a description. Its scopes are the requested ones that are allowed for such clients.

    audience: the issuer. Clients that are not configured get tokens for no other resource.
    """
    return Client(
        client_id=client_id,
        name=description.name or client_id,
        redirect_uris=description.redirect_uris,
        scopes=description.granted_scope(allowed),
        audience=audience,
        secret_sha256=secret_sha256,
        self_described=True,
        audience_names=own.audience_names(audience),
    )


def _described(members: dict[str, Any], authentication: str) -> ClientDescription:
    if "code" not in _texts(members, "response_types", ["code"]):
        raise InvalidClientMetadata("response_types must contain code")
    if "authorization_code" not in _texts(members, "grant_types", ["authorization_code"]):
        raise InvalidClientMetadata("grant_types must contain authorization_code")
    client_members.check_members(members)
    return ClientDescription(_name(members), _redirect_uris(members), _scope(members), authentication)


def _members(metadata: Any) -> dict[str, Any]:
    if not isinstance(metadata, dict):
        raise InvalidClientMetadata("the metadata must be a JSON object")
    return metadata


def _name(members: dict[str, Any]) -> str | None:
    name = members.get("client_name")
    if name is None:
        return None
    if not isinstance(name, str) or len(name) > MAX_NAME_CHARACTERS or not is_display_name(name):
        raise InvalidClientMetadata(
            f"client_name must have at most {MAX_NAME_CHARACTERS} characters on one line, without control characters"
        )
    return name


def _redirect_uris(members: dict[str, Any]) -> tuple[str, ...]:
    uris = members.get("redirect_uris")
    if not isinstance(uris, list) or not 1 <= len(uris) <= MAX_REDIRECT_URIS:
        raise InvalidRedirectUri(f"redirect_uris must be a list of 1 to {MAX_REDIRECT_URIS} URIs")
    for uri in uris:
        if not isinstance(uri, str) or len(uri) > MAX_URI_CHARACTERS or not is_registrable(uri):
            raise InvalidRedirectUri(
                f"each of redirect_uris must use https, a loopback host or a private-use scheme,"
                f" and have at most {MAX_URI_CHARACTERS} characters"
            )
    return tuple(uris)


def _scope(members: dict[str, Any]) -> Scope | None:
    scope = members.get("scope")
    if scope is None:
        return None
    if not isinstance(scope, str) or len(scope) > MAX_SCOPE_CHARACTERS:
        raise InvalidClientMetadata(f"scope must be a string of at most {MAX_SCOPE_CHARACTERS} characters")
    try:
        return scopes.parse(scope)
    except InvalidScope as error:
        raise InvalidClientMetadata("scope is malformed") from error


def _texts(members: dict[str, Any], name: str, default: list[str]) -> list[Any]:
    value = members.get(name, default)
    if not isinstance(value, list):
        raise InvalidClientMetadata(f"{name} must be a list")
    return value
