"""Paginators of fakes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

TOKENS = {
    "NextToken": "NextToken",
    "nextToken": "nextToken",
    "NextMarker": "Marker",
    "LastEvaluatedKey": "ExclusiveStartKey",
    "LastEvaluatedTableName": "ExclusiveStartTableName",
}
"""A page's field that names the next one, and the parameter that it is passed in."""


class Pages:
    """The paginator of an operation, which a fake answers page by page as AWS does."""

    def __init__(self, operation: Callable[..., Mapping[str, Any]]) -> None:
        self._operation = operation

    def paginate(self, **params: Any) -> Iterator[Mapping[str, Any]]:
        start: dict[str, Any] = {}
        while True:
            page = self._operation(**params, **start)
            yield page
            start = {parameter: page[field] for field, parameter in TOKENS.items() if page.get(field)}
            if not start:
                return
