"""Composes the stacks of one environment. Makes no call to AWS and needs no credentials.

Context (``cdk synth -c key=value``):
    environment: a name in environments.toml; default `local`.
    standby: any value; the stacks of the environment's standby region (`[….failover]`) instead of its own.
    service_source: a folder whose files replace those of `service/`, which results in another release.
    signed: a folder with the signed service.zip and orchestrator.zip, which are deployed as they are. The build id of
        the release stays the same.
    without_code: any value; synthesises the templates with empty code.
    rule_packs: any value; has cdk-nag check the stacks. A violation fails the synthesis, and is in validation-report.json.
    environments: another settings file than the project's environments.toml, such as that of a rehearsal.
    endpoint_url, platform_url: for the local environment: addresses of the local cloud and of its identity provider.
"""

from __future__ import annotations

import sys
from pathlib import Path

from aws_cdk import App, Aspects, Tags

from infrastructure.backups.copy_region_stack import CopyRegionStack
from infrastructure.backups.stack import BackupStack
from infrastructure.common import stack_tags
from infrastructure.lambda_functions import Package
from infrastructure.monitoring.stack import MonitoringStack
from infrastructure.orchestrator import stack as orchestrator_stack
from infrastructure.orchestrator.local_overrides import RemoveUnsupported
from infrastructure.orchestrator.state_machines import StateMachines
from infrastructure.rule_packs import add_packs
from infrastructure.security.code_signing import require_signatures
from infrastructure.security.nag_suppressions import apply_suppressions
from infrastructure.security.permissions_boundary import apply_boundary
from infrastructure.security.stack import SecurityStack
from infrastructure.service import stack as service_stack
from infrastructure.status.stack import StatusStack
from orchestrator import environments
from orchestrator.environments.monitoring import OWN_BOUNDARY
from orchestrator.packaging import assets

CONTEXT = {
    "@aws-cdk/core:newStyleStackSynthesis": True,
    "@aws-cdk/core:suppressTemplateIndentation": True,
}
"""Feature flags of the CDK. They are here and not in cdk.json, which an installation does not have."""


def compose(
    app: App,
    environment: environments.Environment,
    service_build: service_stack.Build,
    orchestrator_package: Package,
) -> None:
    """Add the stacks of an environment to an app."""
    security = SecurityStack(app, environment)
    service = service_stack.ServiceStack(app, environment, service_build)
    orchestrator = orchestrator_stack.OrchestratorStack(
        app, environment, orchestrator_package, service.service_settings, service.signing_keys, service.variables_key
    )
    StateMachines(orchestrator, environment, orchestrator.tasks)
    backups = BackupStack(app, environment)
    for region in environment.other_regions:
        copy_region = CopyRegionStack(app, environment, region)
        service.add_stack_dependency(copy_region)
        orchestrator.add_stack_dependency(copy_region)
        backups.add_stack_dependency(copy_region)
    # Last, because it refers to the alarms of the other stacks.
    MonitoringStack(app, environment, service, orchestrator, security)
    if environment.status_page.enabled:
        page = StatusStack(app, environment, orchestrator_package)
        # The environment's own boundary ends at its region, where the page is not.
        if environment.security.permission_boundary != OWN_BOUNDARY and not environment.status_page.account:
            apply_boundary(page, environment)
    for workload in (service, orchestrator):
        workload.add_stack_dependency(security)
        apply_boundary(workload, environment)
        require_signatures(workload, environment, security.publisher)
    for stack in app.node.children:
        for key, value in stack_tags(environment, stack.node.id).items():
            Tags.of(stack).add(key, value)
    apply_suppressions(app, environment)
    if environment.local:
        Aspects.of(app).add(RemoveUnsupported())


def main() -> None:
    """Build the assets and synthesise the stacks for the app's context; print an invalid setting as one sentence."""
    try:
        _synthesise(App(context=CONTEXT))
    except environments.EnvironmentRefused as error:
        sys.exit(f"refused: {error}")


def _synthesise(app: App) -> None:
    file = _text(app, "environments")
    environment = environments.load(_text(app, "environment") or "local", Path(file) if file else None)
    if _text(app, "standby"):
        environment = environment.in_standby_region()
    endpoint_url, platform_url = _text(app, "endpoint_url"), _text(app, "platform_url")
    if endpoint_url or platform_url:
        environment = environment.with_addresses(endpoint_url=endpoint_url, platform_url=platform_url)
    overlay = _text(app, "service_source")
    if _text(app, "without_code"):
        service = orchestrator = assets.empty_asset()
    else:
        service = assets.service_asset(environment, Path(overlay).resolve() if overlay else None)
        orchestrator = assets.orchestrator_asset(environment)
    compose(
        app,
        environment,
        service_stack.Build(
            Package(str(service.folder), service.digest, _signed(app, "service")), assets.source_commit()
        ),
        Package(str(orchestrator.folder), orchestrator.digest, _signed(app, "orchestrator")),
    )
    if _text(app, "rule_packs"):
        add_packs(app)
    app.synth()


def _signed(app: App, part: str) -> str | None:
    folder = _text(app, "signed")
    return str(Path(folder).resolve() / f"{part}.zip") if folder else None


def _text(app: App, key: str) -> str | None:
    value = app.node.try_get_context(key)
    return str(value) if value else None


if __name__ == "__main__":
    main()
