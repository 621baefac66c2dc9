"""Redirect URIs of clients: which may be registered, and how a requested one differs from the registered ones.

The rules are those of the service (service/oauth/clients.py), which does not import the orchestrator; a test compares
the two.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import SplitResult, urlsplit

URI_REMEDY = (
    "give an https address, http on a loopback host, or a private-use scheme such as com.example.app:/callback, "
    "without a fragment, user name or space"
)
_URI = re.compile(r"[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]+")
_LOOPBACK = re.compile(r"http://(?P<host>127\.0\.0\.1|\[::1\]|localhost)(?P<port>:[0-9]{1,5})?(?P<rest>[/?][^#\s]*)?")
_PRIVATE_USE = re.compile(r"[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+:/[^/\s#][^\s#]*")
_AUTHORITY = re.compile(r"([A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")


def is_registrable(uri: str) -> bool:
    """Return whether a client may register a URI: https, loopback, or a private-use scheme (RFC 8252 §7)."""
    parts = _split(uri)
    if parts is None or not _URI.fullmatch(uri):
        return False
    if _LOOPBACK.fullmatch(uri) or _PRIVATE_USE.fullmatch(uri):
        return True
    return parts.scheme == "https" and _AUTHORITY.fullmatch(parts.netloc) is not None


def allows(registered: Sequence[str], requested: str) -> bool:
    """Return whether a requested URI is registered: exactly, or, on a loopback host, apart from its port."""
    return any(requested == uri or _same_but_port(requested, uri) for uri in registered)


def explain_mismatch(registered: Sequence[str], requested: str) -> str:
    """Return how a requested URI that is not registered differs from the registered one that is most like it.

    Args:
        registered: the client's redirect URIs.
        requested: the URI that the client sends.
    """
    parts = _split(requested)
    if not is_registrable(requested) or parts is None:
        return f"no client may use it: {URI_REMEDY}"
    if not registered:
        return "the client has no redirect URI: it is a resource server"
    # Clients of earlier releases may have a URI whose port does not exist.
    comparable = [(uri, ours) for uri in registered if (ours := _split(uri)) is not None]
    if not comparable:
        return "no registered URI can be compared, such as one with a port above 65535: register another one"
    nearest, differences = min(
        ((uri, _differences(ours, parts, any_port=_are_loopback(uri, requested))) for uri, ours in comparable),
        key=lambda pair: len(pair[1]),
    )
    rule = "URIs are compared character by character"
    if _are_loopback(nearest, requested):
        rule = "on a loopback host only the port may differ"
    return f"it differs from {nearest} in {' and '.join(differences)}; {rule}"


def _are_loopback(*uris: str) -> bool:
    return all(_LOOPBACK.fullmatch(uri) for uri in uris)


def _differences(registered: SplitResult, requested: SplitResult, *, any_port: bool) -> list[str]:
    compared: list[tuple[str, str | int | None, str | int | None]] = [
        ("the scheme", registered.scheme, requested.scheme),
        ("the host", registered.hostname, requested.hostname),
    ]
    if not any_port:
        compared.append(("the port", registered.port, requested.port))
    found = [
        f"{part} ({theirs or 'none'} instead of {ours or 'none'})" for part, ours, theirs in compared if ours != theirs
    ]
    if registered.path != requested.path:
        found.append(_path_difference(registered.path, requested.path))
    if registered.query != requested.query:
        found.append("the query")
    # A loopback host has one spelling, so that a query is left, which is empty in one of the two.
    return found or ["a question mark at the end" if any_port else "the spelling of the host"]


def _path_difference(registered: str, requested: str) -> str:
    if registered.rstrip("/") == requested.rstrip("/"):
        return "a slash at the end of the path"
    if registered.lower() == requested.lower():
        return "upper and lower case of the path"
    return f"the path ({requested or 'none'} instead of {registered or 'none'})"


def _split(uri: str) -> SplitResult | None:
    try:
        parts = urlsplit(uri)
        parts.port  # noqa: B018 - reading it is the check
    except ValueError:
        return None
    return parts


def _same_but_port(requested: str, registered: str) -> bool:
    ours, theirs = _LOOPBACK.fullmatch(registered), _LOOPBACK.fullmatch(requested)
    return ours is not None and theirs is not None and (ours["host"], ours["rest"]) == (theirs["host"], theirs["rest"])
