"""The options of the program itself, and ``orchestrator init``: the project that the other commands work on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.errors import AsJson, report_errors
from orchestrator.cli.extras import PACKAGE
from orchestrator.cli.program import CommandLine

app = CommandLine()


def _print_version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        typer.echo(f"orchestrator {version(PACKAGE)}")
        raise typer.Exit


def options(
    context: typer.Context,
    settings: Annotated[
        Path | None,
        typer.Option("--settings", metavar="FILE", help="Settings file; default: the nearest environments.toml."),
    ] = None,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Select the settings file for the command."""
    del version
    if settings is not None:
        from orchestrator.environments import project

        context.with_resource(project.selected(settings))


@app.command()
def init(
    region: Annotated[str | None, typer.Option(help="AWS region; default us-west-1.")] = None,
    account: Annotated[str | None, typer.Option(help="Production's AWS account, 12 digits.")] = None,
    email: Annotated[str | None, typer.Option(help="Address for alarms, findings and budgets.")] = None,
    domain: Annotated[str | None, typer.Option(help="Production's domain, such as login.example.com.")] = None,
    hosted_zone_id: Annotated[str | None, typer.Option(help="Id of the Route 53 zone of the domain.")] = None,
    repository: Annotated[str | None, typer.Option(help="GitHub repository that deploys, OWNER/NAME.")] = None,
    workflow: Annotated[bool, typer.Option("--workflow", help="Write .github/workflows/deploy.yml, too.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing: take defaults for what is not given.")] = False,
    json: AsJson = False,
) -> None:
    """Create environments.toml in the current folder."""
    from orchestrator.cli.actions.project import init as action

    with report_errors(json):
        answers = {
            "region": region,
            "account": account,
            "email": email,
            "domain": domain,
            "hosted_zone_id": hosted_zone_id,
            "repository": repository,
        }
        action.init(
            {name: value for name, value in answers.items() if value},
            workflow=workflow,
            ask=not (yes or json),
            json=json,
        )
