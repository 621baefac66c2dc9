"""The service's own protected resources: the service itself, and its endpoint `userinfo` (RFC 9728 §1.2).

Both have one audience, the issuer. The metadata of a resource must have the identifier with which it was requested
(§3.3), so each resource has metadata of its own.
"""

from __future__ import annotations

from typing import Final

USERINFO_PATH: Final = "/userinfo"
PATHS: Final = ("", USERINFO_PATH)
"""The paths of the resources, below the issuer."""


def identifiers(issuer: str) -> tuple[str, ...]:
    """Return the identifiers of the resources, the issuer first."""
    return tuple(f"{issuer}{path}" for path in PATHS)


def audience_names(issuer: str) -> tuple[str, ...]:
    """Return the other identifiers of the audience `issuer`.

    An issuer with a path and a slash is another URI by RFC 3986, but here it can mean nothing else.
    """
    return (*identifiers(issuer)[1:], f"{issuer}/")
