"""What the steps work on: one environment in an account or in the local cloud, and how stacks get there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol, TypeVar

from orchestrator import environments
from orchestrator.cli.context import Context
from orchestrator.domain.deployment.record import Deployment
from orchestrator.domain.recovery.record import Recovery
from orchestrator.local import cdk_deploy
from orchestrator.local.cloud import LocalCloud
from orchestrator.local.waiting import wait_until

T = TypeVar("T")
POLL_SECONDS = 2.0
DEPLOYMENT_SECONDS, RECOVERY_SECONDS = 3600.0, 7200.0
STACKS = (cdk_deploy.SECURITY, cdk_deploy.SERVICE, cdk_deploy.ORCHESTRATOR, cdk_deploy.MONITORING, cdk_deploy.BACKUPS)
DeployFailed = cdk_deploy.DeployFailed


class TimedOut(Exception):
    """A condition was not met in time."""


class Deployer(Protocol):
    """Puts stacks into the cloud."""

    def bootstrap(self, region: str) -> None:
        """Create what the CDK command line needs in a region."""

    def deploy(self, assembly: Path, stacks: Sequence[str]) -> None:
        """Deploy stacks, given by their complete names.

        Raises:
            DeployFailed: the command line failed.
        """


@dataclass(frozen=True)
class AccountDeployer:
    """Deploys to an AWS account with the caller's own credentials."""

    account: str

    def bootstrap(self, region: str) -> None:
        """Create the CDK's bootstrap stack in a region; one that exists stays."""
        self._cdk("bootstrap", f"aws://{self.account}/{region}")

    def deploy(self, assembly: Path, stacks: Sequence[str]) -> None:
        """Deploy stacks."""
        self._cdk("deploy", *stacks, "--app", str(assembly), "--exclusively", "--require-approval=never")

    @staticmethod
    def _cdk(*arguments: str) -> None:
        command = [str(cdk_deploy.NODE), str(cdk_deploy.CDK), *arguments, "--no-notices", "--no-color"]
        ended = subprocess.run(  # noqa: S603 - our own command line, without a shell
            command,
            cwd=cdk_deploy.SOURCES,
            env={**os.environ, "CDK_VALIDATION": "false", "CI": "true"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if ended.returncode:
            raise DeployFailed(f"cdk {' '.join(arguments)} ended with {ended.returncode}:\n{ended.stdout}")


@dataclass(frozen=True)
class LocalDeployer:
    """Deploys to the local cloud."""

    cloud: LocalCloud
    environment: environments.Environment

    def bootstrap(self, region: str) -> None:
        """Create the CDK's bootstrap stack."""
        del region
        cdk_deploy.bootstrap(self.cloud)

    def deploy(self, assembly: Path, stacks: Sequence[str]) -> None:
        """Deploy stacks."""
        short = tuple(stack.removesuffix(f"-{self.environment.name}") for stack in stacks)
        cdk_deploy.deploy_assembly(self.cloud, self.environment, assembly, short)


@dataclass
class World:
    """The environment that the steps work on.

    Attributes:
        settings: the settings file.
        name: the environment's name in it.
        clients_of: returns, for a region, a function that creates botocore clients.
        deployer: puts stacks into the cloud.
        folder: for assemblies and generated releases.
        synthesis: context of the app that only the local cloud needs.
        second_region: a region for the step that loses the first one.
        started_at: the beginning of the run.
    """

    settings: Path
    name: str
    clients_of: Callable[[str], Callable[[str], Any]]
    deployer: Deployer
    folder: Path
    synthesis: Mapping[str, str] = field(default_factory=dict)
    second_region: str = ""
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def environment(self) -> environments.Environment:
        """The environment, as the settings file says now."""
        return environments.load(self.name, self.settings)

    @property
    def region(self) -> str:
        """The environment's region."""
        return self.environment.region

    @cached_property
    def clients(self) -> Callable[[str], Any]:
        """Creates botocore clients of the environment's region."""
        return self.clients_of(self.region)

    @cached_property
    def account(self) -> str:
        """The account's id."""
        return str(self.clients("sts").get_caller_identity()["Account"])

    @property
    def context(self) -> Context:
        """The environment as the command line sees it."""
        return Context(self.environment, self.clients)

    def stack(self, part: str) -> str:
        """Return the complete name of a stack."""
        return f"{part}-{self.name}"

    def synthesise(self, release: Path | None = None, settings: Path | None = None) -> Path:
        """Synthesise the stacks, with the release in a folder or with our own sources; return the assembly."""
        context = {"environment": self.name, "environments": str((settings or self.settings).resolve())}
        if release:
            context["service_source"] = str(release.resolve())
        number = len(list(self.folder.glob("assembly-*")))
        return cdk_deploy.synthesise({**context, **self.synthesis}, self.folder / f"assembly-{number}")

    def deploy(self, assembly: Path, *parts: str) -> None:
        """Deploy stacks of an assembly, in this order.

        Raises:
            DeployFailed: the command line failed.
        """
        self.deployer.deploy(assembly, [self.stack(part) for part in parts])

    def output(self, part: str, key: str) -> str:
        """Return an output of a stack."""
        found = self.clients("cloudformation").describe_stacks(StackName=self.stack(part))["Stacks"][0]["Outputs"]
        return next(str(one["OutputValue"]) for one in found if one["OutputKey"] == key)

    @property
    def api_url(self) -> str:
        """The service's address, without a trailing slash."""
        return self.output(cdk_deploy.SERVICE, "ApiUrl").rstrip("/")

    def ship(self, key: str, **options: object) -> Deployment:
        """Start a deployment and wait for its end.

        Raises:
            TimedOut: it has not ended in time.
        """
        context, name = self.context, f"d-{key}"
        request = {"requested_by": "smoke", **options}
        context.cloud.executions.start_execution(context.state_machine_arn("deployment"), name, request)

        def ended() -> Deployment | None:
            record = context.cloud.ledger.find_record(name)
            return record if record and record.ended_at and not context.cloud.ledger.read_lock().held else None

        return self.wait_until(ended, DEPLOYMENT_SECONDS, f"the end of {name}")

    def drill(self, key: str) -> Recovery:
        """Start a drill and wait for its end.

        Raises:
            TimedOut: it has not ended in time.
        """
        context, name = self.context, f"dr-{key}"
        context.cloud.executions.start_execution(context.state_machine_arn("drill"), name, {"requested_by": "smoke"})
        return self._ended_recovery(lambda: context.cloud.drills.find_record(name), name)

    def restore(self, key: str) -> Recovery:
        """Start a restore with its cutover and wait for its end.

        Raises:
            TimedOut: it has not ended in time.
        """
        context, name = self.context, f"dr-{key}"
        context.cloud.executions.start_execution(context.state_machine_arn("restore"), name, {"requested_by": "smoke"})
        return self._ended_recovery(lambda: context.cloud.restores.find_record(name), name)

    def _ended_recovery(self, find: Callable[[], Recovery | None], name: str) -> Recovery:
        def ended() -> Recovery | None:
            record = find()
            return record if record and record.ended_at else None

        return self.wait_until(ended, RECOVERY_SECONDS, f"the end of {name}")

    @staticmethod
    def wait_until(
        condition: Callable[[], T | None], seconds: float, what: str, every_seconds: float = POLL_SECONDS
    ) -> T:
        """Wait until a condition returns a value, and return it.

        Raises:
            TimedOut: it returned None until the time was over.
        """
        return wait_until(condition, seconds, what, TimedOut, every_seconds)


def broken_copy(assembly: Path, stack: str, folder: Path) -> Path:
    """Copy an assembly so that the creation of one stack fails last of all, when everything else of it exists.

    A wait condition that nothing signals fails after its time-out, in every account. The template is an asset under its
    content's digest, so the copy gets another one.
    """
    shutil.copytree(assembly, folder)
    file = folder / f"{stack}.template.json"
    template = json.loads(file.read_bytes())
    everything = sorted(template["Resources"])
    template["Resources"]["SmokeHandle"] = {"Type": "AWS::CloudFormation::WaitConditionHandle"}
    template["Resources"]["SmokeBreak"] = {
        "Type": "AWS::CloudFormation::WaitCondition",
        "DependsOn": everything,
        "Properties": {"Handle": {"Ref": "SmokeHandle"}, "Timeout": "1", "Count": 1},
    }
    text = json.dumps(template, allow_nan=False)
    file.write_text(text, encoding="utf-8")
    assets = folder / f"{stack}.assets.json"
    old = next(
        digest
        for digest, asset in json.loads(assets.read_bytes())["files"].items()
        if asset["source"]["path"] == file.name
    )
    for named in (assets, folder / "manifest.json"):
        named.write_text(named.read_text(encoding="utf-8").replace(old, sha256(text.encode()).hexdigest()))
    return folder
