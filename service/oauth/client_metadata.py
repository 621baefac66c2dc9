"""What a client says about itself: in the document that its id names, or in a registration.

The members are those of RFC 7591 §2; whatever is not named here is ignored, as §2 asks. Documents are those of
draft-ietf-oauth-client-id-metadata-document: the client's id is the address of its document, and whoever controls the address
is the client. Such a client is public: the draft forbids shared secrets, and nothing here verifies keys of clients.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from service.oauth import logins, scopes
from service.oauth.clients import Client, is_registrable
from service.oauth.errors import InvalidClientMetadata, InvalidRedirectUri, InvalidScope

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

# A path there must be: with and without a slash, a bare host would be two ids of one document. No query, which the draft advises
# against, and no port: what is compared as a text must have one spelling.
_PATH = r"(?P<path>/[A-Za-z0-9\-._~%!$&'()*+,;=:@/]+)"
_HTTPS_ID = re.compile(rf"https://[a-z0-9-]+(\.[a-z0-9-]+)+{_PATH}")
_LOOPBACK_ID = re.compile(rf"http://(127\.0\.0\.1|\[::1\]|localhost)(:[0-9]{{1,5}})?{_PATH}")
_DOT_SEGMENTS = frozenset({".", ".."})
_MAX_AGE = re.compile(r"(?:^|[,\s])max-age=(?P<seconds>[0-9]{1,9})(?![0-9])", re.IGNORECASE)


@dataclass(frozen=True)
class Description:
    """What a client says about itself.

    name: for people; None where it gives none. scope: what it may want to ask for; None is whatever it may.
    authentication: a `token_endpoint_auth_method`, `none` for a public client.
    """

    name: str | None
    redirect_uris: tuple[str, ...]
    scope: Scope | None
    authentication: str = PUBLIC


@dataclass(frozen=True)
class Kept:
    """What a document said, as it is kept. Times are epoch seconds.

    fresh_until: from then on a new login asks for the document again; expires_at: until then a login that began before may use
    what it began with.
    """

    description: Description
    fresh_until: int
    expires_at: int

    def fresh(self, now: int) -> bool:
        """Whether a login may begin with it."""
        return now < self.fresh_until

    def usable(self, now: int) -> bool:
        """Whether a login that began with it may go on."""
        return now < self.expires_at


def kept(description: Description, cache_control: str, now: int) -> Kept:
    """Return for how long to keep what a document said: as its server wishes, within bounds (RFC 9111 §5.2.2.1)."""
    wished = _MAX_AGE.search(cache_control)
    seconds = min(max(int(wished["seconds"]) if wished else 0, MIN_FRESH_SECONDS), MAX_FRESH_SECONDS)
    return Kept(description, now + seconds, now + seconds + logins.LIFETIME_SECONDS)


def names_document(client_id: str, *, loopback_allowed: bool) -> bool:
    """Whether a client id is an address at which a document may be: https, a host's name, a path without dot segments."""
    spelled = _HTTPS_ID.fullmatch(client_id) or (loopback_allowed and _LOOPBACK_ID.fullmatch(client_id))
    if not spelled or len(client_id) > MAX_ID_CHARACTERS:
        return False
    return _DOT_SEGMENTS.isdisjoint(spelled["path"].lower().replace("%2e", ".").split("/"))


def of_document(client_id: str, document: Any) -> Description:
    """Read the document at a client id. Raises InvalidClientMetadata, InvalidRedirectUri."""
    members = _members(document)
    if members.get("client_id") != client_id:
        raise InvalidClientMetadata("client_id must be the address of the document, letter for letter")
    if "client_secret" in members or "client_secret_expires_at" in members:
        raise InvalidClientMetadata("a document that anybody can read must not have a client_secret")
    if members.get("token_endpoint_auth_method", PUBLIC) != PUBLIC:
        raise InvalidClientMetadata("token_endpoint_auth_method must be none")
    return _described(members, PUBLIC)


def of_registration(metadata: Any) -> Description:
    """Read the metadata of a registration request (RFC 7591 §3.1). Raises InvalidClientMetadata, InvalidRedirectUri."""
    members = _members(metadata)
    authentication = members.get("token_endpoint_auth_method", SECRET_METHODS[0])
    if authentication not in (PUBLIC, *SECRET_METHODS):
        raise InvalidClientMetadata(f"token_endpoint_auth_method must be one of {PUBLIC}, {', '.join(SECRET_METHODS)}")
    return _described(members, authentication)


def advertised(issuer: str, *, documents: bool, registration: bool) -> dict[str, Any]:
    """Return what the server's metadata says of clients that describe themselves (RFC 8414 §2, the draft's §6)."""
    told: dict[str, Any] = {"client_id_metadata_document_supported": documents}
    return {**told, "registration_endpoint": f"{issuer}/register"} if registration else told


def client_of(
    client_id: str, description: Description, allowed: Scope, audience: str, *, secret_sha256: str | None = None
) -> Client:
    """Return the client that describes itself so. It has, of what it asks for, what such clients are allowed."""
    wanted = allowed if description.scope is None else description.scope
    return Client(
        client_id=client_id,
        name=description.name or client_id,
        redirect_uris=description.redirect_uris,
        scopes=tuple(scope for scope in allowed if scope in wanted),
        audience=audience,
        secret_sha256=secret_sha256,
    )


def _described(members: dict[str, Any], authentication: str) -> Description:
    if "code" not in _texts(members, "response_types", ["code"]):
        raise InvalidClientMetadata("response_types must have code")
    if "authorization_code" not in _texts(members, "grant_types", ["authorization_code"]):
        raise InvalidClientMetadata("grant_types must have authorization_code")
    return Description(_name(members), _redirect_uris(members), _scope(members), authentication)


def _members(metadata: Any) -> dict[str, Any]:
    if not isinstance(metadata, dict):
        raise InvalidClientMetadata("the metadata must be a JSON object")
    return metadata


def _name(members: dict[str, Any]) -> str | None:
    name = members.get("client_name")
    if name is None:
        return None
    # Printable leaves out controls and what turns the direction of writing round, with which a name could feign another.
    if not isinstance(name, str) or not name.strip() or len(name) > MAX_NAME_CHARACTERS or not name.isprintable():
        raise InvalidClientMetadata(f"client_name must be at most {MAX_NAME_CHARACTERS} printable characters")
    return name


def _redirect_uris(members: dict[str, Any]) -> tuple[str, ...]:
    uris = members.get("redirect_uris")
    if not isinstance(uris, list) or not 1 <= len(uris) <= MAX_REDIRECT_URIS:
        raise InvalidRedirectUri(f"redirect_uris must be a list of 1 to {MAX_REDIRECT_URIS} addresses")
    for uri in uris:
        if not isinstance(uri, str) or len(uri) > MAX_URI_CHARACTERS or not is_registrable(uri):
            raise InvalidRedirectUri(
                f"each of redirect_uris must be https, loopback, or of a private-use scheme,"
                f" and have at most {MAX_URI_CHARACTERS} characters"
            )
    return tuple(uris)


def _scope(members: dict[str, Any]) -> Scope | None:
    scope = members.get("scope")
    if scope is None:
        return None
    if not isinstance(scope, str) or len(scope) > MAX_SCOPE_CHARACTERS:
        raise InvalidClientMetadata(f"scope must be a text of at most {MAX_SCOPE_CHARACTERS} characters")
    try:
        return scopes.parse(scope)
    except InvalidScope as error:
        raise InvalidClientMetadata("scope is malformed") from error


def _texts(members: dict[str, Any], name: str, default: list[str]) -> list[Any]:
    value = members.get(name, default)
    if not isinstance(value, list):
        raise InvalidClientMetadata(f"{name} must be a list")
    return value
