"""Request parameters: at most once each, few, and not long."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from service.oauth.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_PARAMETERS = 32
MAX_CHARACTERS = 8192
"""Of all names and values together; API Gateway itself allows 10 MB of body."""


class Parameters:
    """The parameters of one request, as RFC 6749 §3.1 reads them.

    A parameter without a value counts as left out; one that stands twice is an error when it is read, so that an
    authorization request can still be answered at its redirect URI.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Raises InvalidRequest when there are too many or they are too long."""
        self._values: dict[str, list[str]] = {}
        characters = 0
        for count, (name, value) in enumerate(pairs, start=1):
            characters += len(name) + len(value)
            if count > MAX_PARAMETERS or characters > MAX_CHARACTERS:
                raise InvalidRequest("too many parameters, or too long")
            if value:
                self._values.setdefault(name, []).append(value)

    @classmethod
    def from_form(cls, body: str) -> Parameters:
        """Read an application/x-www-form-urlencoded body or query string. Raises InvalidRequest."""
        if len(body) > 3 * MAX_CHARACTERS:  # each character can be percent-encoded
            raise InvalidRequest("too many parameters, or too long")
        pairs = (pair.partition("=") for pair in body.split("&") if pair)
        return cls((unquote_plus(name), unquote_plus(value)) for name, _, value in pairs)

    @classmethod
    def from_lists(cls, lists: Mapping[str, list[str]]) -> Parameters:
        """Read what API Gateway calls multiValueQueryStringParameters. Raises InvalidRequest."""
        return cls((name, value) for name, values in lists.items() for value in values)

    def optional(self, name: str) -> str | None:
        """Return the value, or None when it was left out. Raises InvalidRequest when it stands twice."""
        values = self._values.get(name)
        if values is None:
            return None
        if len(values) > 1:
            raise InvalidRequest(f"{name} is repeated")
        return values[0]

    def required(self, name: str) -> str:
        """Return the value. Raises InvalidRequest when it was left out or stands twice."""
        value = self.optional(name)
        if value is None:
            raise InvalidRequest(f"{name} is required")
        return value

    def refuse_repetition(self) -> None:
        """Raise InvalidRequest when any parameter, known or not, stands twice."""
        if any(len(values) > 1 for values in self._values.values()):
            raise InvalidRequest("a parameter is repeated")
