"""A client whose every call passes through a test's hands: to be delayed, refused, doubled or counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Call = Callable[[], Any]
Around = Callable[[str, Mapping[str, Any], Call], Any]
"""(operation, arguments, the call itself) -> what the caller gets."""


class Intercepted:
    """Stands in front of a client.

    Args:
        client: the client, real or fake.
        around: called in place of every operation. Paginators are made from the intercepted operation.
    """

    def __init__(self, client: Any, around: Around) -> None:
        self._client, self._around = client, around

    def __getattr__(self, operation: str) -> Any:
        if operation == "get_paginator":
            return lambda name: _Pages(getattr(self, name))
        real = getattr(self._client, operation)
        return lambda **arguments: self._around(operation, arguments, lambda: real(**arguments))


class _Pages:
    """All of it on one page; fakes have no more."""

    def __init__(self, operation: Callable[..., Any]) -> None:
        self._operation = operation

    def paginate(self, **arguments: Any) -> list[Any]:
        return [self._operation(**arguments)]
