"""Serve the console on loopback until the process is interrupted."""

from __future__ import annotations

import os
import socket
from contextlib import suppress

import uvicorn

from orchestrator.cli.context import Context
from orchestrator.cli.rendering import output
from orchestrator.console.app import Site
from orchestrator.console.guard import KEY_VARIABLE, LOOPBACK, Guard, new_key
from orchestrator.domain.errors import Refused

CLOSE_SECONDS = 1
"""How long open streams have to end when the console is stopped."""


def serve(context: Context, port: int, *, json: bool) -> None:
    """Serve the console until Ctrl-C.

    Args:
        context: the environment.
        port: on loopback; 0 for a free one.
        json: print the address as one JSON object.

    Raises:
        Refused: the port is not free, or the key of the environment variable is not usable.
    """
    key = new_key(os.environ.get(KEY_VARIABLE) or None)
    with bound(port) as listening:
        guard = Guard(key, listening.getsockname()[1])
        if json:
            output.print_json({"environment": context.name, "url": guard.address, "first_url": guard.first_address})
        else:
            screen = output.console()
            words = f"console of {context.name} (Ctrl-C ends it): {guard.first_address}"
            screen.print(words, markup=False, soft_wrap=True)
        # uvicorn ends in order, and then raises the signal that ended it.
        with suppress(KeyboardInterrupt):
            ConsoleServer(Site(context, guard)).run(sockets=[listening])


def bound(port: int) -> socket.socket:
    """Return a socket that listens at a port of loopback.

    Raises:
        Refused: the port is not free.
    """
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((LOOPBACK, port))
        # From now on a browser waits instead of being rejected: the address is printed before the server runs.
        listening.listen()
    except OSError as error:
        listening.close()
        raise Refused("--port", port, f"name a free port, or 0 for any ({error.strerror})") from error
    return listening


class ConsoleServer(uvicorn.Server):
    """Serves a console on a bound socket. When it stops, it ends the streams of its live pages."""

    def __init__(self, console: Site) -> None:
        self._broadcast = console.broadcast
        super().__init__(
            uvicorn.Config(
                console.app(),
                access_log=False,
                log_level="warning",
                server_header=False,
                lifespan="off",
                proxy_headers=False,
                timeout_graceful_shutdown=CLOSE_SECONDS,
            )
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop serving."""
        await self._broadcast.close()
        await super().shutdown(sockets)
