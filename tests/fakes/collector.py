"""An OpenTelemetry collector on loopback, as the specification of OTLP over HTTP describes it.

https://opentelemetry.io/docs/specs/otlp/#otlphttp-request
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Collector:
    """What arrived, and what it answers: `statuses` one after the other, then 200."""

    def __init__(self) -> None:
        self.traces: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.statuses: list[int] = []
        self.address = ""

    def spans(self, number: int = 0) -> list[dict[str, Any]]:
        """The spans of a trace that arrived."""
        found: list[dict[str, Any]] = self.traces[number]["resourceSpans"][0]["scopeSpans"][0]["spans"]
        return found

    @contextmanager
    def served(self) -> Iterator[None]:
        """Serve on a free port."""
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = collector.statuses.pop(0) if collector.statuses else 200
                if self.path != "/v1/traces" or self.headers["Content-Type"] != "application/json":
                    status = 404
                if status == 200:
                    collector.traces.append(json.loads(body))
                    collector.headers.append(dict(self.headers))
                self.send_response(status)
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_arguments: object) -> None:
                """Print nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        self.address = f"http://127.0.0.1:{server.server_port}"
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
