r"""Text that people, AWS or the upstream wrote, made safe to print: what controls a terminal is shown instead of obeyed.

Records keep a text as it was given, and only its rendering is escaped. A text with lone surrogates is the exception: it
has no UTF-8 form, so it cannot be stored. JSON can contain one (``"\ud800"``). The answers of other systems are escaped
before they are stored; a request is refused.
"""

from __future__ import annotations

import re

_CONTROLS = r"\x00-\x08\x0b-\x1f\x7f-\x9f"
"""C0 without tab and line feed, DEL, and C1, whose CSI and OSC begin escape sequences in one character."""

_DIRECTIONS = r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""Marks, embeddings, overrides and isolates of the text direction, which make a text look like another one."""

_LINES = r"\u2028\u2029"
_SURROGATES = r"\ud800-\udfff"

_SURROGATE = re.compile(f"[{_SURROGATES}]")
_UNPRINTABLE = re.compile(f"[{_CONTROLS}{_DIRECTIONS}{_LINES}{_SURROGATES}]")
_UNPRINTABLE_OR_BREAK = re.compile(f"[{_CONTROLS}{_DIRECTIONS}{_LINES}{_SURROGATES}\t\n]")


def printable(text: str) -> str:
    r"""Return a text with its control characters escaped, such as ``\x1b``; line feeds and tabs stay."""
    return _UNPRINTABLE.sub(_escaped, text)


def one_line(text: str) -> str:
    r"""Return a text as `printable` does, with line feeds and tabs escaped too, so that it cannot forge a line."""
    return _UNPRINTABLE_OR_BREAK.sub(_escaped, text)


def is_encodable(text: str) -> bool:
    """Return whether a text can be written as UTF-8: it has no lone surrogates."""
    return _SURROGATE.search(text) is None


def _escaped(match: re.Match[str]) -> str:
    return match.group().encode("unicode_escape").decode()
