"""Text that people, AWS or the upstream wrote, made safe to print: what controls a terminal is shown instead of obeyed.

Records keep every text as it was given; only its rendering is escaped.
"""

from __future__ import annotations

import re

_CONTROLS = r"\x00-\x08\x0b-\x1f\x7f-\x9f"
"""C0 without tab and line feed, DEL, and C1, whose CSI and OSC begin escape sequences in one character."""

_DIRECTIONS = r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""Marks, embeddings, overrides and isolates of the text direction, which make a text look like another one."""

_LINES = r"\u2028\u2029"
_SURROGATES = r"\ud800-\udfff"

_UNPRINTABLE = re.compile(f"[{_CONTROLS}{_DIRECTIONS}{_LINES}{_SURROGATES}]")
_UNPRINTABLE_OR_BREAK = re.compile(f"[{_CONTROLS}{_DIRECTIONS}{_LINES}{_SURROGATES}\t\n]")


def printable(text: str) -> str:
    r"""Return a text with its control characters escaped, such as ``\x1b``; line feeds and tabs stay."""
    return _UNPRINTABLE.sub(_escaped, text)


def one_line(text: str) -> str:
    r"""Return a text as `printable` does, with line feeds and tabs escaped too, so that it cannot forge a line."""
    return _UNPRINTABLE_OR_BREAK.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    return match.group().encode("unicode_escape").decode()
