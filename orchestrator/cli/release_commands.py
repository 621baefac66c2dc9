"""``orchestrator release`` and ``checklist``: what a pipeline does before and between deployments."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.answering import AsJson, Env, Watch, answering

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Build a release once, and announce the same one to one environment after the other.",
)
top = typer.Typer()
"""Commands that stand by themselves."""


@app.command()
def build(
    environment: Annotated[
        list[str] | None, typer.Argument(help="Environments to synthesise it for; otherwise all of accounts.")
    ] = None,
    assemblies: Annotated[bool, typer.Option(help="Synthesise an assembly for each environment.")] = True,
    json: AsJson = False,
) -> None:
    """Build bundles, bills of materials and assemblies; the same sources give the same bytes. Needs no cloud."""
    from orchestrator.cli import releasing

    with answering(json):
        releasing.build(environment or [], assemblies=assemblies, json=json)


@app.command()
def sign(
    folder: Annotated[Path, typer.Argument(help="What `release build` made.")],
    env: Env = "local",
    json: AsJson = False,
) -> None:
    """Have its packages signed by AWS Signer, where the environment asks for that, and make its assembly of the signed ones."""
    from orchestrator.cli import releasing
    from orchestrator.cli.context import context_of

    with answering(json):
        releasing.sign(context_of(env), folder, json=json)


@app.command()
def promote(
    folder: Annotated[Path, typer.Argument(help="What `release build` made.")],
    env: Env = "local",
    after: Annotated[
        str | None, typer.Option(help="An environment in which this very release has to be proved before.")
    ] = None,
    checklist_file: Annotated[Path | None, typer.Option(help="What `orchestrator checklist` wrote.")] = None,
    strategy: Annotated[str | None, typer.Option(help="A name that `strategies` lists.")] = None,
    requested_by: Annotated[str | None, typer.Option(help="Who asks; otherwise your user name.")] = None,
    idempotency_key: Annotated[str | None, typer.Option(help="The same key is the same deployment.")] = None,
    watch: Watch = False,
    json: AsJson = False,
) -> None:
    """Announce a release that `cdk deploy --app` put into $LATEST; followed to its end, it is proved there."""
    from orchestrator.cli import releasing
    from orchestrator.cli.context import context_of

    with answering(json):
        code = releasing.promote(
            context_of(env),
            folder,
            after=after,
            checklist=checklist_file,
            strategy=strategy,
            by=requested_by or getpass.getuser(),
            key=idempotency_key,
            watch=watch,
            json=json,
        )
    raise typer.Exit(code)


Reference = Annotated[str | None, typer.Option(help="Where its evidence is, such as an address.")]


@top.command()
def checklist(
    out: Annotated[Path, typer.Option(help="The file to write.")],
    env: Env = "local",
    junit: Annotated[list[Path] | None, typer.Option(help="A JUnit report of the tests; once for each.")] = None,
    benchmark: Annotated[
        list[Path] | None, typer.Option(help="What `python -m benchmarks.NAME --json` printed; once for each.")
    ] = None,
    before: Annotated[Path | None, typer.Option(help="The release before, whose assembly is the way back.")] = None,
    security_review: Reference = None,
    documentation: Reference = None,
    run: Annotated[str, typer.Option(help="The pipeline's run, such as its address.")] = "",
    json: AsJson = False,
) -> None:
    """Collect the pre-deployment evidence into the file that `deploy` and `release promote` take. Needs no cloud."""
    from orchestrator.cli import evidence_files

    with answering(json):
        evidence_files.collect(
            env,
            reports=junit or [],
            benchmarks=benchmark or [],
            before=before,
            references={"security_review": security_review, "documentation": documentation},
            where=run,
            out=out,
            json=json,
        )
