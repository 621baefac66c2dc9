"""The routes of a function: a table of methods and paths.

No path has a variable part, so finding the endpoint is one look-up. A more powerful router would cost time at every
request and, because of its import, at every cold start.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from service.http.responses import preflight_response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from service.http.responses import Response

    Endpoint: TypeAlias = Callable[[], Response]
    ErrorHandler: TypeAlias = Callable[[Any], Response]


class RouteNotFound(Exception):
    """No endpoint has this path."""


class MethodNotAllowed(Exception):
    """The path has no endpoint for this method. methods: those that it has."""

    def __init__(self, methods: tuple[str, ...]) -> None:
        super().__init__(f"allowed: {', '.join(methods)}")
        self.methods = methods


class Routes:
    """The routes of one function, and the handlers of the exceptions that they raise."""

    def __init__(self) -> None:
        self._endpoints: dict[tuple[str, str], Endpoint] = {}
        self._error_handlers: dict[type[Exception], ErrorHandler] = {}

    @property
    def table(self) -> tuple[tuple[str, str], ...]:
        """Every method and path with an endpoint, in the order they were added."""
        return tuple(self._endpoints)

    def methods(self, path: str) -> tuple[str, ...]:
        """Return the methods of a path: HEAD too where it has GET (RFC 9110 §9.1); none if the path does not exist."""
        routed = {method for method, known in self._endpoints if known == path}
        return tuple(sorted(routed | {"HEAD"} if "GET" in routed else routed))

    def get(self, path: str) -> Callable[[Endpoint], Endpoint]:
        """Register the decorated function for GET of a path."""
        return self.route(path, method="GET")

    def post(self, path: str) -> Callable[[Endpoint], Endpoint]:
        """Register the decorated function for POST to a path."""
        return self.route(path, method="POST")

    def route(self, path: str, *, method: str | list[str]) -> Callable[[Endpoint], Endpoint]:
        """Register the decorated function for one or several methods at a path."""

        def add(endpoint: Endpoint) -> Endpoint:
            for name in [method] if isinstance(method, str) else method:
                self._endpoints[name, path] = endpoint
            return endpoint

        return add

    def allow_scripts(self, path: str) -> None:
        """Answer the preflights of scripts (CORS) for a path, with the methods that the path has by now."""
        self.route(path, method="OPTIONS")(partial(preflight_response, self.methods(path)))

    def exception_handler(self, kind: type[Exception]) -> Callable[[ErrorHandler], ErrorHandler]:
        """Register the decorated function for exceptions of a class and its subclasses."""

        def add(handler: ErrorHandler) -> ErrorHandler:
            self._error_handlers[kind] = handler
            return handler

        return add

    def dispatch(self, event: Mapping[str, Any]) -> Response:
        """Return the response to an event; the one to HEAD is GET's, with its body.

        Raises RouteNotFound, MethodNotAllowed, and exceptions of the routes without a handler.
        """
        method, path = event["httpMethod"], event["path"]
        endpoint = self._endpoints.get(("GET" if method == "HEAD" else method, path))
        if endpoint is None:
            methods = self.methods(path)
            raise MethodNotAllowed(methods) if methods else RouteNotFound
        try:
            return endpoint()
        except Exception as error:
            handler = next(
                (self._error_handlers[kind] for kind in type(error).__mro__ if kind in self._error_handlers), None
            )
            if handler is None:
                raise
            return handler(error)
