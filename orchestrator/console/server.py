"""Serve the console on loopback until the process is interrupted."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress

import uvicorn

from orchestrator.cli.context import Context
from orchestrator.cli.rendering import output
from orchestrator.console.app import Site
from orchestrator.console.guard import KEY_VARIABLE, LOOPBACK, Guard, new_key
from orchestrator.console.sign_in.entrance import Entrance
from orchestrator.console.sign_in.oauth_service import OAuthService
from orchestrator.console.sign_in.permitted import PermittedPersons
from orchestrator.domain.errors import Refused
from orchestrator.environments import project

CLOSE_SECONDS = 1
"""How long open streams have to end when the console is stopped."""


def serve(context: Context, port: int, *, sign_in: bool = True, json: bool) -> None:
    """Serve the console until Ctrl-C.

    Args:
        context: the environment.
        port: on loopback; 0 for a free one.
        sign_in: let people sign in if the environment's settings say who may.
        json: print the address as one JSON object.

    Raises:
        Refused: the port is not free, the key of the environment variable is not usable, or the issuer of a sign-in is
            not known.
    """
    key = new_key(os.environ.get(KEY_VARIABLE) or None)
    settings = context.environment.console if sign_in else None
    issuer = issuer_of(context) if settings else ""
    with bound(port) as listening:
        guard = Guard(key, listening.getsockname()[1], settings.address if settings else "")
        entrance = None
        if settings is not None:
            service = OAuthService(context.cloud.probe_clients.web, issuer, settings, time.time)
            permitted = PermittedPersons(project.settings_file(), context.name, settings)
            grace_seconds = context.environment.service.refresh_grace_seconds
            entrance = Entrance(context.name, guard, service, permitted, grace_seconds=grace_seconds)
        first = guard.address if entrance else guard.first_address
        if json:
            output.print_json({"environment": context.name, "url": guard.address, "first_url": first})
        else:
            screen = output.console()
            words = f"console of {context.name} (Ctrl-C ends it): {first}"
            screen.print(words, markup=False, soft_wrap=True)
        # uvicorn ends in order, and then raises the signal that ended it.
        with suppress(KeyboardInterrupt):
            ConsoleServer(Site(context, guard, entrance=entrance)).run(sockets=[listening])


def issuer_of(context: Context) -> str:
    """Return the issuer of the environment's OAuth service: that of the settings, or of the newest deployment.

    Raises:
        Refused: it is the address of the API's stage, and no deployment has recorded it.
    """
    configured = context.environment.service.issuer
    if configured:
        return configured
    newest = next(iter(context.cloud.ledger.newest_records(1)), None)
    if newest is None:
        remedy = f"run `orchestrator deploy --env {context.name}`, or start the console with --no-sign-in"
        raise Refused(f"{context.name}.console", "sign-in without a deployed service", remedy)
    return newest.service.issuer


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
