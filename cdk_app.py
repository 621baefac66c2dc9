"""Composes the stacks of one environment. Makes no call to AWS and needs no credentials.

Context (``cdk synth -c key=value``):
    environment: a name in environments.toml; `local` where it is not given.
    service_source: a folder laid over `service/`, which makes another release of it.
    endpoint_url, platform_url: local environment only: addresses of the local cloud and of its login platform.
"""

from __future__ import annotations

from pathlib import Path

from aws_cdk import App, Aspects, Tags

import environments
from orchestrator import infrastructure as orchestrator_stack
from orchestrator import packaging
from orchestrator.local.refused_types import LeaveOut
from service import infrastructure as service_stack
from state_machines.infrastructure import StateMachines


def compose(app: App) -> None:
    """Add the stacks of the environment that the app's context names."""
    environment = _environment(app)
    overlay = _text(app, "service_source")
    asset = packaging.service_asset(environment, Path(overlay).resolve() if overlay else None)
    service = service_stack.ServiceStack(
        app, environment, service_stack.Build(str(asset.folder), asset.digest, packaging.source_commit())
    )
    tasks = packaging.orchestrator_asset(environment)
    orchestrator = orchestrator_stack.OrchestratorStack(
        app, environment, orchestrator_stack.Build(str(tasks.folder), tasks.digest), service.description
    )
    StateMachines(orchestrator, environment, orchestrator.tasks)
    Tags.of(app).add("environment", environment.name)
    if environment.local:
        Aspects.of(app).add(LeaveOut())


def _environment(app: App) -> environments.Environment:
    environment = environments.load(_text(app, "environment") or "local")
    endpoint_url, platform_url = _text(app, "endpoint_url"), _text(app, "platform_url")
    if endpoint_url or platform_url:
        return environment.at(endpoint_url=endpoint_url, platform_url=platform_url)
    return environment


def _text(app: App, key: str) -> str | None:
    value = app.node.try_get_context(key)
    return str(value) if value else None


if __name__ == "__main__":
    cdk = App()
    compose(cdk)
    cdk.synth()
