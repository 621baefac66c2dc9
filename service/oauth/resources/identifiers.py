"""The identifiers of resources: absolute URIs (RFC 8707 §2), compared after normalization (RFC 3986 §6.2.2, §6.2.3).

Only identifiers of resources are compared like this. Redirect URIs, client ids and issuers are compared as strings:
their specifications require it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

URI_CHARACTERS: Final = r"[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]+"
"""The characters of RFC 3986 except the delimiter of a fragment."""

_ABSOLUTE: Final = re.compile(rf"[A-Za-z][A-Za-z0-9+.-]*:{URI_CHARACTERS}")
# RFC 3986 appendix B, without a fragment; a text without a scheme does not match.
_PARTS: Final = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):(?://(?P<authority>[^/?#]*))?(?P<path>[^?#]*)(?P<query>\?[^#]*)?"
)
_AUTHORITY: Final = re.compile(r"(?P<user>.*@)?(?P<host>\[[^\]]*\]|[^:]*)(?::(?P<port>[0-9]*))?")
_OCTET: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED: Final = re.compile(r"[A-Za-z0-9\-._~]")
_DEFAULT_PORTS: Final = {"http": "80", "https": "443", "ws": "80", "wss": "443"}


def is_resource(text: str) -> bool:
    """Return whether text can be a resource: an absolute URI without a fragment (RFC 8707 §2, RFC 3986 §4.3)."""
    return _ABSOLUTE.fullmatch(text) is not None


def find_equivalent(identifier: str, candidates: Iterable[str]) -> str | None:
    """Return the first candidate that is equivalent to the identifier, as it is written; None if there is none."""
    normal = normalize(identifier)
    return next((candidate for candidate in candidates if normalize(candidate) == normal), None)


def normalize(identifier: str) -> str:
    """Return the normal form of a URI; equivalent URIs have the same. Any other text is returned unchanged.

    Scheme and host are in lower case, percent-encodings in upper case and only where they are needed. Dot segments,
    the scheme's default port and an empty port are removed, and an empty path after an authority is `/`.
    """
    parts = _PARTS.fullmatch(identifier)
    if parts is None:
        return identifier
    scheme, path, query = parts["scheme"].lower(), _decoded(parts["path"]), _decoded(parts["query"] or "")
    if parts["authority"] is None:
        return f"{scheme}:{path}{query}"
    return f"{scheme}://{_normal_authority(scheme, parts['authority'])}{_without_dot_segments(path) or '/'}{query}"


def _normal_authority(scheme: str, authority: str) -> str:
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None:
        return authority
    port = "" if parts["port"] in {None, "", _DEFAULT_PORTS.get(scheme)} else f":{parts['port']}"
    host = _decoded(_decoded(parts["host"]).lower())  # lower case changes the percent-encodings that remain
    return f"{_decoded(parts['user'] or '')}{host}{port}"


def _decoded(text: str) -> str:
    """Return the text with unreserved characters decoded, and with all other encodings in upper case (§6.2.2)."""

    def replace(octet: re.Match[str]) -> str:
        character = chr(int(octet[1], 16))
        return character if _UNRESERVED.fullmatch(character) else octet[0].upper()

    return _OCTET.sub(replace, text)


def _without_dot_segments(path: str) -> str:
    """Return a path that is absolute or empty without its dot segments (RFC 3986 §5.2.4)."""
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments[1:]:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in {".", ".."}:
        kept.append("")  # a directory remains one
    return "".join(f"/{segment}" for segment in kept)
