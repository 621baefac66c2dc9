"""``orchestrator evidence``: what drills and restores left for whoever asks later."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.answering import AsJson, Env, answering

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Evidence of drills and restores: one bundle each (a document, a page, their digests), chained to the one before.",
)

Recovery = Annotated[
    str, typer.Argument(metavar="RECOVERY", help="A drill's or restore's id, as `evidence list` lists it.")
]


@app.command("list")
def listed(
    env: Env = "local",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, newest first.")] = 20,
    json: AsJson = False,
) -> None:
    """List the bundles of evidence."""
    from orchestrator.cli import evidence
    from orchestrator.cli.context import context_of

    with answering(json):
        evidence.listed(context_of(env), limit, json=json)


@app.command()
def show(recovery: Recovery, env: Env = "local", json: AsJson = False) -> None:
    """Tell a recovery from its evidence. `--json` prints the document itself."""
    from orchestrator.cli import evidence
    from orchestrator.cli.context import context_of

    with answering(json):
        evidence.show(context_of(env), recovery, json=json)


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="A new folder, for an auditor: all links and their files.")],
    env: Env = "local",
    json: AsJson = False,
) -> None:
    """Write the whole chain into a folder, which `verify --folder` checks without a cloud."""
    from orchestrator.cli import evidence
    from orchestrator.cli.context import context_of

    with answering(json):
        evidence.export(context_of(env), folder, json=json)


@app.command()
def verify(
    env: Env = "local",
    folder: Annotated[Path | None, typer.Option(help="A folder that `export` wrote; asks no cloud.")] = None,
    head: Annotated[
        str, typer.Option(help="number:hash of the newest link, as it was told you; with --folder only.")
    ] = "",
    json: AsJson = False,
) -> None:
    """Check every byte of every bundle, and the chain: 0 all as it was recorded, 1 something is not, and which."""
    from orchestrator.cli import evidence
    from orchestrator.cli.context import context_of

    with answering(json):
        if folder is None:
            code = evidence.verify(context_of(env), head, json=json)
        else:
            code = evidence.verify_folder(folder, head, json=json)
    raise typer.Exit(code)
