"""Which code answers a request: a table of methods and paths.

No path here has a variable part, so finding the answer is one look-up. That is all that is needed of a router, and what one that
can do more would cost is paid by every request and, in its import, by every cold start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from service.answers import Response

    Answer: TypeAlias = Callable[[], Response]
    Told: TypeAlias = Callable[[Any], Response]


class NothingHere(Exception):
    """No code answers this method at this path."""


class Routes:
    """The routes of one function, and how the exceptions that they raise are told."""

    def __init__(self) -> None:
        self._answers: dict[tuple[str, str], Answer] = {}
        self._told: dict[type[Exception], Told] = {}

    @property
    def table(self) -> tuple[tuple[str, str], ...]:
        """Every method and path that is answered, in the order they were added."""
        return tuple(self._answers)

    def get(self, path: str) -> Callable[[Answer], Answer]:
        """Have GET of a path answered by the decorated function."""
        return self.route(path, method="GET")

    def post(self, path: str) -> Callable[[Answer], Answer]:
        """Have POST to a path answered by the decorated function."""
        return self.route(path, method="POST")

    def route(self, path: str, *, method: str | list[str]) -> Callable[[Answer], Answer]:
        """Have a method, or several, at a path answered by the decorated function."""

        def add(answer: Answer) -> Answer:
            for one in [method] if isinstance(method, str) else method:
                self._answers[one, path] = answer
            return answer

        return add

    def exception_handler(self, kind: type[Exception]) -> Callable[[Told], Told]:
        """Have exceptions of a class, and of those below it, told by the decorated function."""

        def add(told: Told) -> Told:
            self._told[kind] = told
            return told

        return add

    def answer(self, event: Mapping[str, Any]) -> Response:
        """Return the answer to an event. Raises NothingHere, and what the routes raise and nothing tells."""
        answer = self._answers.get((event["httpMethod"], event["path"]))
        if answer is None:
            raise NothingHere
        try:
            return answer()
        except Exception as error:
            told = next((self._told[kind] for kind in type(error).__mro__ if kind in self._told), None)
            if told is None:
                raise
            return told(error)
