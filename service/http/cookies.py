"""Cookies of a request, as user agents send them (RFC 6265 §5.4): `name=value` pairs with `;` between them.

Other applications of the host, and proxies, may set any cookies. Values are therefore not decoded: a cookie that
cannot be parsed must not hide the others, as it does in the standard library's parser.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable


def find_cookie(headers: Iterable[str], name: str, form: re.Pattern[str]) -> str | None:
    """Return the first value of this name that the pattern matches completely; None if there is none.

    headers: the values of all Cookie headers. HTTP/2 allows more than one (RFC 9113 §8.2.3).
    """
    pairs = (pair.partition("=") for header in headers for pair in header.split(";"))
    values = (value.strip(" \t") for key, _, value in pairs if key.strip(" \t") == name)
    return next((value for value in values if form.fullmatch(value)), None)
