"""Scopes: space-separated words, compared as sets, kept in the requested order (RFC 6749 §3.3)."""

from __future__ import annotations

import re
from typing import Final, TypeAlias

from service.oauth.errors import InvalidScope

Scope: TypeAlias = tuple[str, ...]

_WORD = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
_SHOWN_CHARACTERS: Final = 64


def parse(text: str) -> Scope:
    """Return the words of a scope without duplicates. Raises InvalidScope."""
    words = tuple(dict.fromkeys(text.split(" ")))
    if not all(_WORD.fullmatch(word) for word in words):
        raise InvalidScope("scope is malformed: it must be words with one space between them")
    return words


def format_scope(scope: Scope) -> str:
    """Return the scope as a string, as in requests and tokens."""
    return " ".join(scope)


def still_allowed(granted: Scope, allowed: Scope) -> Scope:
    """Return what of a grant's scope its client may still have, in the grant's order.

    Raises InvalidScope if that is nothing: the grant stays, and counts again if the client gets one of its scopes back.
    """
    remaining = tuple(word for word in granted if word in allowed)
    if granted and not remaining:
        raise InvalidScope("none of the granted scopes is allowed for this client any more")
    return remaining


def narrow(requested: str | None, allowed: Scope) -> Scope:
    """Return the scope to grant: the requested one if it is allowed, everything that is allowed if none was requested.

    Raises InvalidScope, which names the first word that is not allowed: its characters are those that a description
    may have (RFC 6749 §3.3, §5.2). It is used for a client's scopes and, at a refresh, for the grant's: a scope can
    only be narrowed.
    """
    if requested is None:
        return allowed
    scope = parse(requested)
    for word in scope:
        if word not in allowed:
            raise InvalidScope(
                f"the scope {word[:_SHOWN_CHARACTERS]} is not allowed: request {format_scope(allowed) or 'no scope'}"
            )
    return scope
