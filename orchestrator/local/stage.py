"""A whole local environment in one place: platform, local cloud, both stacks. Demo, benchmarks and end-to-end tests stand on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import botocore.session

import environments
from orchestrator.aws.clients import CONFIG
from orchestrator.aws.cloud import Cloud
from orchestrator.aws.executions import execution_arn
from orchestrator.domain.records import Deployment
from orchestrator.domain.recovery import Recovery
from orchestrator.local import platform, stacks
from orchestrator.local.cloud import ACCOUNT, LocalCloud
from orchestrator.local.fidelity.options import Profile

T = TypeVar("T")
ENVIRONMENT = "local"
EVIDENCE_BUCKET = f"ib-oauth-evidence-{ENVIRONMENT}-{ACCOUNT}"
RELEASES = Path(__file__).resolve().parents[2] / "examples" / "releases"
POLL_SECONDS = 0.2


class NotInTime(Exception):
    """Something that was waited for did not come."""


@dataclass(frozen=True)
class Stage:
    """A running local environment.

    Attributes:
        cloud: the orchestrator's services in it.
        api_url: the OAuth service's address with its stage.
    """

    local: LocalCloud
    cloud: Cloud
    platform_url: str
    api_url: str

    def put_into_latest(self, release: str) -> Path:
        """Deploy one of `examples/releases` with the CDK command line; `live` does not move. Returns its cloud assembly."""
        return stacks.deploy(
            self.local,
            environments.load(ENVIRONMENT),
            service_source=RELEASES / release / "service",
            platform_url=self.platform_url,
            stacks=(stacks.SERVICE,),
        )

    def machine(self, name: str) -> str:
        """The ARN of a state machine."""
        return f"arn:aws:states:{self.local.region}:{ACCOUNT}:stateMachine:ib-oauth-{name}-{ENVIRONMENT}"

    def start(self, deployment_id: str, **given: object) -> str:
        """Start a deployment; returns its execution's ARN."""
        machine = self.machine("deployment")
        self.cloud.executions.start(machine, deployment_id, {"requested_by": "stage", **given})
        return execution_arn(machine, deployment_id)

    def ended(self, deployment_id: str, seconds: float) -> Deployment:
        """Wait until a deployment has ended and the claim is free.

        Raises:
            NotInTime: it has not.
        """
        return self.until(lambda: self._ended(deployment_id), seconds, f"{deployment_id} to end")

    def drill(self, recovery_id: str, **given: object) -> None:
        """Start a drill."""
        self.cloud.executions.start(self.machine("drill"), recovery_id, {"requested_by": "stage", **given})

    def drilled(self, recovery_id: str, seconds: float) -> Recovery:
        """Wait until a drill has ended and its claim is free.

        Raises:
            NotInTime: it has not.
        """
        return self.until(lambda: self._drilled(recovery_id), seconds, f"{recovery_id} to end")

    def _drilled(self, recovery_id: str) -> Recovery | None:
        found = self.cloud.drills.find(recovery_id)
        return found if found and found.ended_at and not self.cloud.drills.claim().held else None

    def _ended(self, deployment_id: str) -> Deployment | None:
        found = self.cloud.ledger.find(deployment_id)
        return found if found and found.ended_at and not self.cloud.ledger.claim().held else None

    @staticmethod
    def until(condition: Callable[[], T | None], seconds: float, what: str) -> T:
        """Wait for a condition and return what it gave.

        Raises:
            NotInTime: it gave nothing.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = condition()
            if found is not None:
                return found
            time.sleep(POLL_SECONDS)
        raise NotInTime(f"waited {seconds:g} s for {what}")


def cloud_at(environ: Mapping[str, str], evidence_bucket: str = EVIDENCE_BUCKET) -> Cloud:
    """The orchestrator's services at the address that environment variables name, whatever this process's own say."""
    session = botocore.session.get_session()

    @cache
    def make(service: str) -> Any:
        return session.create_client(
            service,
            region_name=environ["AWS_REGION"],
            endpoint_url=environ["AWS_ENDPOINT_URL"],
            aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
            config=CONFIG,
        )

    settings = {
        "ENVIRONMENT": ENVIRONMENT,
        "AWS_REGION": environ["AWS_REGION"],
        "LEDGER_TABLE": f"ib-oauth-ledger-{ENVIRONMENT}",
        "EVENT_BUS": f"ib-oauth-{ENVIRONMENT}",
        "EVIDENCE_BUCKET": evidence_bucket,
    }
    return Cloud(settings, clients=make)


@contextmanager
def stage(folder: Path, *, profile: Profile = "instant", seed: int | None = None) -> Iterator[Stage]:
    """Start the platform and a local cloud, deploy both stacks, and stop both at the end.

    Args:
        folder: where the local cloud keeps its state and log.
        profile: `instant`, or `aws-timing`.
        seed: makes what is drawn at random repeatable.
    """
    with platform.serve() as platform_url, LocalCloud.start(folder, profile=profile, seed=seed) as local:
        stacks.deploy(local, environments.load(ENVIRONMENT), platform_url=platform_url)
        cloud = cloud_at(local.environ)
        yield Stage(local, cloud, platform_url, stack_output(cloud, stacks.SERVICE, "ApiUrl").rstrip("/"))


def stack_output(cloud: Cloud, stack: str, key: str) -> str:
    """One output of a stack of the local environment."""
    found = cloud.clients("cloudformation").describe_stacks(StackName=f"{stack}-{ENVIRONMENT}")["Stacks"][0]
    return str(next(output["OutputValue"] for output in found["Outputs"] if output["OutputKey"] == key))
