"""Scopes: space-separated words, compared as sets, kept in the order they were asked for (RFC 6749 §3.3)."""

from __future__ import annotations

import re
from typing import TypeAlias

from service.oauth.errors import InvalidScope

Scope: TypeAlias = tuple[str, ...]

_WORD = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")


def parse(text: str) -> Scope:
    """Return the words of a scope, each once. Raises InvalidScope."""
    words = tuple(dict.fromkeys(text.split(" ")))
    if not all(_WORD.fullmatch(word) for word in words):
        raise InvalidScope("scope is malformed")
    return words


def text_of(scope: Scope) -> str:
    """Return the scope as it stands in requests and tokens."""
    return " ".join(scope)


def within(requested: str | None, allowed: Scope) -> Scope:
    """Return the scope to grant: what was asked for where all of it is allowed, all that is allowed where nothing was.

    Raises InvalidScope. Used both for a client's scopes and, on refresh, for the grant's: a scope only narrows.
    """
    if requested is None:
        return allowed
    scope = parse(requested)
    if not set(scope) <= set(allowed):
        raise InvalidScope("scope is wider than allowed")
    return scope
