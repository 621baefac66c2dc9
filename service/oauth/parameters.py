"""Request parameters: each at most once, limited in number and length."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus, urlencode

from service.oauth.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_PARAMETERS = 32
MAX_CHARACTERS = 8192
"""Maximum total length of names and values; API Gateway itself allows bodies of 10 MB."""
_SURROGATE = re.compile("[\ud800-\udfff]")


class Parameters:
    """The parameters of one request, as RFC 6749 §3.1 defines them.

    A parameter without a value counts as missing. A repeated parameter is an error only when it is read, so that an
    authorization request can still be answered at its redirect URI.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Raises InvalidRequest if the parameters are too many or too long, or are not Unicode text."""
        self._values: dict[str, list[str]] = {}
        characters = 0
        for count, (name, value) in enumerate(pairs, start=1):
            characters += len(name) + len(value)
            if count > MAX_PARAMETERS or characters > MAX_CHARACTERS:
                raise InvalidRequest("the parameters are too many or too long")
            if _SURROGATE.search(value):  # cannot be encoded, so it could be neither stored nor sent on
                raise InvalidRequest("a parameter has characters that are not Unicode text")
            if value:
                self._values.setdefault(name, []).append(value)

    @classmethod
    def from_form(cls, body: str) -> Parameters:
        """Parse an application/x-www-form-urlencoded body or query string. Raises InvalidRequest."""
        if len(body) > 3 * MAX_CHARACTERS:  # each character can be percent-encoded
            raise InvalidRequest("the parameters are too many or too long")
        pairs = (pair.partition("=") for pair in body.split("&") if pair)
        return cls((unquote_plus(name), unquote_plus(value)) for name, _, value in pairs)

    @classmethod
    def from_lists(cls, lists: Mapping[str, list[str]]) -> Parameters:
        """Parse API Gateway's multiValueQueryStringParameters. Raises InvalidRequest."""
        return cls((name, value) for name, values in lists.items() for value in values)

    def format_query(self) -> str:
        """Return the parameters as a query string, repeated ones included."""
        return urlencode([(name, value) for name, values in self._values.items() for value in values], errors="replace")

    def optional(self, name: str) -> str | None:
        """Return the value; None if it is missing. Raises InvalidRequest if it is repeated."""
        values = self._values.get(name)
        if values is None:
            return None
        if len(values) > 1:
            raise InvalidRequest(f"{name} is repeated")
        return values[0]

    def required(self, name: str) -> str:
        """Return the value. Raises InvalidRequest if it is missing or repeated."""
        value = self.optional(name)
        if value is None:
            raise InvalidRequest(f"{name} is required")
        return value

    def reject_repeated(self) -> None:
        """Raise InvalidRequest if any parameter, known or not, is repeated."""
        if any(len(values) > 1 for values in self._values.values()):
            raise InvalidRequest("a parameter is repeated")
