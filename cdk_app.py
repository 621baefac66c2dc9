"""Composes the stacks of one environment. Makes no call to AWS and needs no credentials.

Context (``cdk synth -c key=value``):
    environment: a name in environments.toml; `local` where it is not given.
    service_source: a folder laid over `service/`, which makes another release of it.
    signed: a folder with service.zip and orchestrator.zip, signed: they are deployed as they are, and still tell the release's build.
    without_code: any value synthesises the templates around empty code, where only they are looked at.
    environments: another file than environments.toml, such as a rehearsal's.
    endpoint_url, platform_url: local environment only: addresses of the local cloud and of its login platform.
"""

from __future__ import annotations

import sys
from pathlib import Path

from aws_cdk import App, Aspects, Tags

import environments
from backups.infrastructure import BackupStack
from backups.infrastructure_elsewhere import ElsewhereStack, regions_of
from monitoring.infrastructure import MonitoringStack
from orchestrator import infrastructure as orchestrator_stack
from orchestrator import packaging
from orchestrator.local.refused_types import LeaveOut
from security.infrastructure import SecurityStack
from security.infrastructure_boundary import bound
from security.infrastructure_findings import accept
from security.infrastructure_signing import want_signatures
from service import infrastructure as service_stack
from state_machines.infrastructure import StateMachines


def compose(
    app: App,
    environment: environments.Environment,
    service_build: service_stack.Build,
    orchestrator_build: orchestrator_stack.Build,
) -> None:
    """Add the stacks of an environment to an app."""
    security = SecurityStack(app, environment)
    service = service_stack.ServiceStack(app, environment, service_build)
    orchestrator = orchestrator_stack.OrchestratorStack(
        app, environment, orchestrator_build, service.description, service.signing_keys, service.variables_key
    )
    StateMachines(orchestrator, environment, orchestrator.tasks)
    backups = BackupStack(app, environment)
    for region in regions_of(environment):
        elsewhere = ElsewhereStack(app, environment, region)
        service.add_stack_dependency(elsewhere)
        backups.add_stack_dependency(elsewhere)
    # Last, because it watches whatever alarms the others have.
    MonitoringStack(app, environment, service, orchestrator, security)
    for guarded in (service, orchestrator):
        guarded.add_stack_dependency(security)
        bound(guarded, environment)
        want_signatures(guarded, environment, security.publisher)
    # Cost allocation tags: whose a bill is, by environment and by part.
    Tags.of(app).add("environment", environment.name)
    Tags.of(app).add("service", "ib-oauth")
    Tags.of(app).add("owner", environment.owner)
    for stack in app.node.children:
        Tags.of(stack).add("component", stack.node.id.removeprefix("ib-oauth-").removesuffix(f"-{environment.name}"))
    accept(app, environment)
    if environment.local:
        Aspects.of(app).add(LeaveOut())


def main() -> None:
    """Build the assets and synthesise the stacks that the app's context asks for; a setting that is refused is told in a sentence."""
    try:
        _synthesise(App())
    except environments.EnvironmentRefused as error:
        sys.exit(f"refused: {error}")


def _synthesise(app: App) -> None:
    file = Path(_text(app, "environments") or environments.FILE)
    environment = environments.load(_text(app, "environment") or "local", file)
    endpoint_url, platform_url = _text(app, "endpoint_url"), _text(app, "platform_url")
    if endpoint_url or platform_url:
        environment = environment.at(endpoint_url=endpoint_url, platform_url=platform_url)
    overlay = _text(app, "service_source")
    if _text(app, "without_code"):
        service = orchestrator = packaging.empty_asset()
    else:
        service = packaging.service_asset(environment, Path(overlay).resolve() if overlay else None)
        orchestrator = packaging.orchestrator_asset(environment)
    compose(
        app,
        environment,
        service_stack.Build(str(service.folder), service.digest, packaging.source_commit(), _signed(app, "service")),
        orchestrator_stack.Build(str(orchestrator.folder), orchestrator.digest, _signed(app, "orchestrator")),
    )
    app.synth()


def _signed(app: App, part: str) -> str | None:
    folder = _text(app, "signed")
    return str(Path(folder).resolve() / f"{part}.zip") if folder else None


def _text(app: App, key: str) -> str | None:
    value = app.node.try_get_context(key)
    return str(value) if value else None


if __name__ == "__main__":
    main()
