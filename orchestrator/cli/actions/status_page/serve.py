"""Serve the status page on loopback, rebuilt when something of it changes, until the process is interrupted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar, Protocol, Self
from urllib.parse import parse_qsl, urlsplit

from botocore.exceptions import ClientError

from orchestrator.application.status_page.publish import observe_page, read_page
from orchestrator.application.status_page.site import SiteFile, render_site
from orchestrator.cli.context import Context
from orchestrator.cli.rendering.output import console, notes_console, print_json
from orchestrator.domain.errors import OrchestratorError, Refused
from orchestrator.domain.http_messages import LARGEST_BODY, PAGE_HEADERS, HttpRequest, HttpResponse
from orchestrator.domain.status_page.headers import SECURITY_HEADERS
from orchestrator.domain.status_page.page import StatusPage
from orchestrator.domain.subscribers.announcements import ANNOUNCEMENTS

LOOPBACK = "127.0.0.1"
SUBSCRIPTIONS = "/subscriptions/"
POLL_SECONDS = 2.0


@dataclass(frozen=True)
class Served:
    """The files that are served, by path."""

    files: Mapping[str, SiteFile]


class Subscriptions(Protocol):
    """The endpoint of subscriptions, and the queue behind it (`orchestrator/local/subscriptions.py`)."""

    def respond(self, request: HttpRequest, address: str) -> HttpResponse:
        """Answer a request to the endpoint."""

    def work(self, announcements: bytes, address: str) -> int:
        """Send what is announced and not sent yet."""


class _Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD with a file of the site, and passes on what is for the endpoint of subscriptions."""

    protocol_version = "HTTP/1.1"
    served: ClassVar[Callable[[], Served]]
    respond: ClassVar[Callable[[HttpRequest], HttpResponse | None]]

    def do_GET(self) -> None:
        """Answer with a file, or as the endpoint does."""
        if not self._respond():
            self._answer(with_body=True)

    def do_POST(self) -> None:
        """Answer as the endpoint does; a file takes no POST."""
        if not self._respond():
            self.send_error(HTTPStatus.METHOD_NOT_ALLOWED)

    def do_HEAD(self) -> None:
        """Answer with the headers of a file."""
        self._answer(with_body=False)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Log nothing: the browser shows what fails."""

    def _respond(self) -> bool:
        split = urlsplit(self.path)
        if not split.path.startswith(SUBSCRIPTIONS):
            return False
        length = int(self.headers.get("Content-Length") or 0)
        request = HttpRequest(
            self.command,
            split.path,
            dict(parse_qsl(split.query)),
            {name.lower(): value for name, value in self.headers.items()},
            self.rfile.read(min(length, LARGEST_BODY)),
        )
        response = type(self).respond(request)
        if response is None:
            return False
        body = response.body.encode()
        self.send_response(response.status)
        own = {"Content-Type": response.content_type, "Content-Length": str(len(body)), **response.headers}
        for name, value in {**PAGE_HEADERS, **own}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        return True

    def _answer(self, *, with_body: bool) -> None:
        path = urlsplit(self.path).path.lstrip("/") or "index.html"
        file = type(self).served().files.get(path)
        found = file or SiteFile(path, "text/plain; charset=utf-8", b"There is no such page.\n")
        self.send_response(HTTPStatus.OK if file else HTTPStatus.NOT_FOUND)
        headers = {
            "Content-Type": found.content_type,
            "Content-Length": str(len(found.content)),
            "Cache-Control": "no-store",
            **SECURITY_HEADERS,
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(found.content)


class SiteServer:
    """Serves a site of which `refresh` takes the newest page. Use it as a context manager.

    Args:
        page_at: returns the page for an address.
        port: 0 for a free one.
        subscriptions: the endpoint of subscriptions; None if the page takes none here.

    Raises:
        Refused: the port is not free.
    """

    def __init__(
        self, page_at: Callable[[str], StatusPage], port: int = 0, subscriptions: Subscriptions | None = None
    ) -> None:
        self._subscriptions = subscriptions
        members = {"served": staticmethod(lambda: self._served), "respond": staticmethod(self._respond)}
        handler = type("Handler", (_Handler,), members)
        try:
            self._server = ThreadingHTTPServer((LOOPBACK, port), handler)
        except OSError as error:
            raise Refused("--port", port, f"name a free port, or 0 for any ({error.strerror})") from error
        self._server.daemon_threads = True
        self._page_at, self._thread = page_at, threading.Thread(target=self._server.serve_forever, daemon=True)
        self._served = Served({})

    def __enter__(self) -> Self:
        try:
            self.refresh()
        except BaseException:
            self._server.server_close()
            raise
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """The address of the site, without a trailing slash."""
        return f"http://{LOOPBACK}:{self._server.server_address[1]}"

    def refresh(self) -> StatusPage:
        """Serve the page as it is now; return it."""
        page = self._page_at(self.url)
        self._served = Served({file.path: file for file in render_site(page, page.at)})
        announced = self._served.files.get(ANNOUNCEMENTS)
        if self._subscriptions is not None and announced is not None:
            self._subscriptions.work(announced.content, self.url)
        return page

    def _respond(self, request: HttpRequest) -> HttpResponse | None:
        return None if self._subscriptions is None else self._subscriptions.respond(request, self.url)


def serve(context: Context, port: int, *, json: bool, wait: Callable[[float], object] | None = None) -> None:
    """Serve the page until Ctrl-C. On the local cloud its history is recorded, too; elsewhere nothing is written.

    Args:
        context: the environment.
        port: on loopback; 0 for a free one.
        json: print the address as one JSON object.
        wait: waits for some seconds, or raises KeyboardInterrupt.

    Raises:
        Refused: the port is not free.
    """
    pause = wait or threading.Event().wait
    take = observe_page if context.environment.local else read_page
    subscriptions = _local_subscriptions(context) if context.environment.local else None
    with SiteServer(lambda address: take(context.cloud, address), port, subscriptions) as server:
        if json:
            print_json({"environment": context.name, "url": server.url})
        else:
            console().print(f"status page of {context.name}: {server.url}/ (Ctrl-C ends it)", markup=False)
        try:
            while True:
                pause(POLL_SECONDS)
                _refresh(server, context)
        except KeyboardInterrupt:
            return


def _local_subscriptions(context: Context) -> Subscriptions | None:
    # Imported here, because commands on AWS accounts do not need the local cloud's modules.
    from orchestrator.local.subscriptions import LocalSubscriptions  # noqa: PLC0415

    sender = context.environment.status_page.subscribers
    return None if sender is None else LocalSubscriptions(context.cloud.settings, context.clients, sender)


def _refresh(server: SiteServer, context: Context) -> None:
    """Take the newest page. While it cannot be read, the last one is served, and says when it was checked."""
    try:
        server.refresh()
    except (OrchestratorError, ClientError) as error:
        notes_console().print(f"the page of {context.name} is not refreshed: {error}", markup=False)
