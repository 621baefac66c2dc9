"""``orchestrator release`` and ``checklist``: commands for the release pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.errors import AsJson, Env, JsonLines, RequestedBy, Watch, report_errors
from orchestrator.cli.extras import require
from orchestrator.cli.files import output_file
from orchestrator.cli.program import CommandLine

app = CommandLine(
    no_args_is_help=True,
    help="Build, sign and promote releases.",
)
top = CommandLine()
"""Commands without a group."""


@app.command()
def build(
    environment: Annotated[
        list[str] | None, typer.Argument(help="Environments to synthesise; default: all but local.")
    ] = None,
    assemblies: Annotated[bool, typer.Option(help="Synthesise an assembly for each environment.")] = True,
    json: AsJson = False,
) -> None:
    """Build packages, SBOMs and cloud assemblies."""
    with report_errors(json):
        require("release")
        from orchestrator.cli.actions import release

        release.build(environment or [], assemblies=assemblies, json=json)


@app.command()
def sign(
    folder: Annotated[Path, typer.Argument(help="Folder of the release.")],
    env: Env = "local",
    json: AsJson = False,
) -> None:
    """Sign the packages, if the environment requires it."""
    from orchestrator.cli.actions import release
    from orchestrator.cli.context import context_of

    with report_errors(json):
        release.sign(context_of(env), folder, json=json)


@app.command()
def promote(
    folder: Annotated[Path, typer.Argument(help="Folder of the release.")],
    env: Env = "local",
    after: Annotated[str | None, typer.Option(help="Environment that must have promoted this release.")] = None,
    checklist_file: Annotated[Path | None, typer.Option(help="File written by `orchestrator checklist`.")] = None,
    strategy: Annotated[str | None, typer.Option(help="Named strategy; `strategies` lists them.")] = None,
    changelog: Annotated[
        str | None, typer.Option(metavar="TEXT|@FILE", help="What changes for clients, sent to them on success.")
    ] = None,
    requested_by: RequestedBy = None,
    idempotency_key: Annotated[str | None, typer.Option(help="Key that identifies the deployment.")] = None,
    watch: Watch = False,
    json: JsonLines = False,
) -> None:
    """Announce a release that is in $LATEST; starts a deployment."""
    from orchestrator.cli.actions import release
    from orchestrator.cli.context import context_of
    from orchestrator.cli.operator import operator_name

    with report_errors(json, lines=watch):
        context = context_of(env)
        code = release.promote(
            context,
            folder,
            after=after,
            checklist=checklist_file,
            strategy=strategy,
            changelog=changelog,
            by=operator_name(requested_by, context),
            key=idempotency_key,
            watch=watch,
            json=json,
        )
    raise typer.Exit(code)


Reference = Annotated[str | None, typer.Option(help="Reference to the evidence, such as a URL.")]


@top.command()
def checklist(
    out: Annotated[Path, typer.Option(callback=output_file, help="File to write.")],
    env: Env = "local",
    junit: Annotated[list[Path] | None, typer.Option(help="JUnit report of the tests; repeatable.")] = None,
    benchmark: Annotated[list[Path] | None, typer.Option(help="JSON output of a benchmark; repeatable.")] = None,
    before: Annotated[Path | None, typer.Option(help="Preceding release, for a rollback of the stacks.")] = None,
    rollback_plan: Annotated[str | None, typer.Option(help="Reference to the plan, if no release precedes.")] = None,
    security_review: Reference = None,
    documentation: Reference = None,
    run: Annotated[str, typer.Option(help="Pipeline run, such as its URL.")] = "",
    json: AsJson = False,
) -> None:
    """Collect pre-deployment evidence into a checklist file."""
    from orchestrator.cli.actions import evidence_files

    with report_errors(json):
        evidence_files.collect(
            env,
            reports=junit or [],
            benchmarks=benchmark or [],
            before=before,
            references={
                "security_review": security_review,
                "documentation": documentation,
                "rollback_plan": rollback_plan,
            },
            where=run,
            out=out,
            json=json,
        )
