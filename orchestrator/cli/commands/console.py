"""``orchestrator console``: the environment as pages on loopback."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.errors import AsJson, Env, report_errors
from orchestrator.cli.extras import require
from orchestrator.cli.program import CommandLine

app = CommandLine()

DEFAULT_PORT = 8484


@app.command()
def console(
    env: Env = "local",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port on 127.0.0.1; 0 for a free one.")] = DEFAULT_PORT,
    sign_in: Annotated[bool, typer.Option(help="Sign people in, if the settings list them.")] = True,
    json: AsJson = False,
) -> None:
    """Serve the environment as pages on this machine."""
    with report_errors(json):
        require("console")
        from orchestrator.cli.context import context_of
        from orchestrator.console.server import serve

        serve(context_of(env), port, sign_in=sign_in, json=json)
