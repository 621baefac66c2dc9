"""Serve the status page on loopback, rebuilt when something of it changes, until the process is interrupted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar, Self
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from orchestrator.application.status_page.publish import observe_page, read_page
from orchestrator.application.status_page.site import SiteFile, render_site
from orchestrator.cli.context import Context
from orchestrator.cli.rendering.output import console, print_json
from orchestrator.domain.errors import OrchestratorError
from orchestrator.domain.status_page.headers import SECURITY_HEADERS
from orchestrator.domain.status_page.page import StatusPage

LOOPBACK = "127.0.0.1"
POLL_SECONDS = 2.0


@dataclass(frozen=True)
class Served:
    """The files that are served, by path."""

    files: Mapping[str, SiteFile]


class _Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD with a file of the site."""

    protocol_version = "HTTP/1.1"
    served: ClassVar[Callable[[], Served]]

    def do_GET(self) -> None:
        """Answer with a file."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """Answer with the headers of a file."""
        self._answer(with_body=False)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Log nothing: the browser shows what fails."""

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
    """

    def __init__(self, page_at: Callable[[str], StatusPage], port: int = 0) -> None:
        handler = type("Handler", (_Handler,), {"served": staticmethod(lambda: self._served)})
        self._server = ThreadingHTTPServer((LOOPBACK, port), handler)
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
        return page


def serve(context: Context, port: int, *, json: bool, wait: Callable[[float], object] | None = None) -> None:
    """Serve the page until Ctrl-C. On the local cloud its history is recorded, too; elsewhere nothing is written.

    Args:
        context: the environment.
        port: on loopback; 0 for a free one.
        json: print the address as one JSON object.
        wait: waits for some seconds, or raises KeyboardInterrupt.
    """
    pause = wait or threading.Event().wait
    take = observe_page if context.environment.local else read_page
    with SiteServer(lambda address: take(context.cloud, address), port) as server:
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


def _refresh(server: SiteServer, context: Context) -> None:
    """Take the newest page. While it cannot be read, the last one is served, and says when it was checked."""
    try:
        server.refresh()
    except (OrchestratorError, ClientError) as error:
        console().print(f"the page of {context.name} is not refreshed: {error}", markup=False)
