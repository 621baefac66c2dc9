"""The three functions behind HTTP, in a process of their own, as API Gateway and Lambda would put them.

    python gateway.py        with the functions' environment variables, and the release's `service` on PYTHONPATH

Each function answers one request at a time, as a Lambda process does.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from urllib.parse import parse_qs, urlsplit

PATHS = {
    "authorize": ("/authorize", "/login", "/login/poll", "/login/synthetic"),
    "token": ("/token", "/revoke", "/introspect", "/register"),
}
FUNCTIONS = {path: name for name, paths in PATHS.items() for path in paths}
HANDLERS = {name: import_module(f"service.handlers.{name}").handler for name in ("authorize", "token", "public")}
LOCKS = {name: threading.Lock() for name in HANDLERS}


class Gateway(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        address = urlsplit(self.path)
        name = FUNCTIONS.get(address.path, "public")
        event = {
            "resource": address.path,
            "path": address.path,
            "httpMethod": self.command,
            "headers": dict(self.headers),
            "queryStringParameters": None,
            "multiValueQueryStringParameters": parse_qs(address.query, keep_blank_values=True) or None,
            "requestContext": {"stage": "live", "requestId": "r"},
            "body": self.rfile.read(int(self.headers.get("content-length") or 0)).decode("utf-8", "replace") or None,
            "isBase64Encoded": False,
        }
        with LOCKS[name]:
            answered = HANDLERS[name](event, None)
        body = (answered.get("body") or "").encode()
        self.send_response(answered["statusCode"])
        for header, values in answered["multiValueHeaders"].items():
            for value in values:
                self.send_header(header, value)
        if self.command != "HEAD":  # whose length is that of GET's body
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer  # noqa: N815 - http.server calls them so

    def log_message(self, *_):
        """Leave the output to the functions' own log."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "0"))), Gateway)
    server.daemon_threads = True
    sys.stdout.write(json.dumps({"url": f"http://127.0.0.1:{server.server_address[1]}"}) + "\n")
    sys.stdout.flush()
    server.serve_forever()
