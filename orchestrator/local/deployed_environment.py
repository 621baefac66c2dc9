"""A complete local environment: upstream identity provider, local cloud and both stacks.

The demo, the benchmarks and the end-to-end tests run in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import botocore.session
from botocore.config import Config

from orchestrator import environments
from orchestrator.application.cloud import Cloud
from orchestrator.aws.clients import CONFIG
from orchestrator.aws.step_functions import execution_arn
from orchestrator.domain.deployment.record import Deployment
from orchestrator.domain.names import bucket_name, event_bus_name, resource_name, state_machine_arn
from orchestrator.domain.recovery.record import Recovery
from orchestrator.domain.schema import EnvironmentRefused
from orchestrator.environments import project
from orchestrator.environments.evidence import key_alias
from orchestrator.environments.toml_editor import with_original_tables
from orchestrator.local import cdk_deploy, identity_provider
from orchestrator.local.cloud import ACCOUNT, LocalCloud
from orchestrator.local.emulator.options import Options, Profile
from orchestrator.local.waiting import wait_until

T = TypeVar("T")
ENVIRONMENT = "local"
EVIDENCE_BUCKET = bucket_name("evidence", ENVIRONMENT, ACCOUNT, None)
RELEASES = Path(__file__).resolve().parents[2] / "examples" / "releases"
POLL_SECONDS = 0.2


class WaitTimeout(Exception):
    """A condition was not met in time."""


@dataclass(frozen=True)
class LocalEnvironment:
    """A running local environment.

    Attributes:
        local: the local cloud.
        cloud: the orchestrator's services in the local cloud.
        platform_url: URL of the upstream identity provider.
        api_url: URL of the OAuth service, with its stage.
    """

    local: LocalCloud
    cloud: Cloud
    platform_url: str
    api_url: str

    def deploy_release(self, release: str | Path) -> Path:
        """Deploy a release with the CDK command line; the live version does not change.

        Args:
            release: one of `examples/releases`, or the path of a folder like them.

        Returns:
            The cloud assembly.
        """
        return cdk_deploy.deploy(
            self.local,
            environments.load(ENVIRONMENT),
            service_source=RELEASES / release / "service",
            platform_url=self.platform_url,
            stacks=(cdk_deploy.SERVICE,),
        )

    def state_machine_arn(self, name: str) -> str:
        """Return the ARN of a state machine."""
        return state_machine_arn(name, ENVIRONMENT, ACCOUNT, self.local.region)

    def start_deployment(self, deployment_id: str, **options: object) -> str:
        """Start a deployment. Return its execution's ARN."""
        machine = self.state_machine_arn("deployment")
        self.cloud.executions.start_execution(machine, deployment_id, {"requested_by": "stage", **options})
        return execution_arn(machine, deployment_id)

    def wait_for_deployment(self, deployment_id: str, seconds: float) -> Deployment:
        """Wait until a deployment has ended and the environment lock is free. Return its record.

        Raises:
            WaitTimeout: it has not ended in time, or it was refused and never will.
        """
        return self.wait_until(lambda: self._ended_deployment(deployment_id), seconds, f"the end of {deployment_id}")

    def start_drill(self, recovery_id: str, **options: object) -> None:
        """Start a recovery drill."""
        self.cloud.executions.start_execution(
            self.state_machine_arn("drill"), recovery_id, {"requested_by": "stage", **options}
        )

    def wait_for_drill(self, recovery_id: str, seconds: float) -> Recovery:
        """Wait until a drill has ended and its lock is free. Return its record.

        Raises:
            WaitTimeout: it has not ended in time.
        """
        return self.wait_until(lambda: self._ended_drill(recovery_id), seconds, f"the end of {recovery_id}")

    def _ended_drill(self, recovery_id: str) -> Recovery | None:
        record = self.cloud.drills.find_record(recovery_id)
        return record if record and record.ended_at and not self.cloud.drills.read_lock().held else None

    def _ended_deployment(self, deployment_id: str) -> Deployment | None:
        record = self.cloud.ledger.find_record(deployment_id)
        if record is None and (refusal := self.cloud.ledger.read_refusal(deployment_id)):
            raise WaitTimeout(f"the end of {deployment_id}: it was refused: {refusal.why}")
        return record if record and record.ended_at and not self.cloud.ledger.read_lock().held else None

    @staticmethod
    def wait_until(condition: Callable[[], T | None], seconds: float, what: str) -> T:
        """Wait until a condition returns a value, and return it.

        Raises:
            WaitTimeout: it returned None until the time was over.
        """
        return wait_until(condition, seconds, what, WaitTimeout, POLL_SECONDS)


def cloud_for(environ: Mapping[str, str], evidence_bucket: str = EVIDENCE_BUCKET) -> Cloud:
    """Return the orchestrator's services at the endpoint that the environment variables name.

    This process's own environment variables are ignored.
    """
    settings = {
        "ENVIRONMENT": ENVIRONMENT,
        "AWS_REGION": environ["AWS_REGION"],
        "LEDGER_TABLE": resource_name("ledger", ENVIRONMENT),
        "EVENT_BUS": event_bus_name(ENVIRONMENT),
        "EVIDENCE_BUCKET": evidence_bucket,
        "EVIDENCE_KEYS": key_alias(1, ENVIRONMENT),
        "EVIDENCE_HEADS_BUCKET": "",
    }
    return Cloud(settings, clients=client_factory(environ, CONFIG))


def client_factory(environ: Mapping[str, str], config: Config) -> Callable[[str], Any]:
    """Return a function that creates the AWS clients of a region once each, by service name.

    Args:
        environ: region, endpoint and credentials, as environment variables.
        config: time-outs and retries.
    """
    session = botocore.session.get_session()

    @cache
    def create_client(service: str) -> Any:
        return session.create_client(
            service,
            region_name=environ["AWS_REGION"],
            endpoint_url=environ["AWS_ENDPOINT_URL"],
            aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
            config=config,
        )

    return create_client


@contextmanager
def original_settings(folder: Path) -> Iterator[None]:
    """Use the project's settings with the tables that the stack creates, if they name restored ones.

    Args:
        folder: where they are written if they differ.

    Raises:
        EnvironmentRefused: the settings cannot be read or edited.
    """
    document = environments.settings_file().read_text(encoding="utf-8")
    original = with_original_tables(document, ENVIRONMENT)
    file = None
    if original != document:
        file = folder / project.NAME
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(original, encoding="utf-8")
    with project.selected(file):
        yield


def refuse_restored_tables(environment: environments.Environment) -> None:
    """Refuse settings that name restored tables, for a new cloud: it has only the tables that the stack creates.

    Raises:
        EnvironmentRefused: they name restored tables.
    """
    for role, table in {"state": environment.service.state_table, "tokens": environment.service.tokens_table}.items():
        if table != resource_name(role, environment.name):
            remedy = "remove the restored tables from the settings: this local cloud is new, and has none"
            raise EnvironmentRefused(f"{environment.name}.service.tables.{role}", table, remedy)
    if epoch := environment.service.least_epoch:
        remedy = "remove the revocation epoch of a restore from the settings: the tables of a new cloud have epoch 0"
        raise EnvironmentRefused(f"{environment.name}.service.tables.least_epoch", epoch, remedy)


@contextmanager
def local_environment(
    folder: Path,
    *,
    profile: Profile = "instant",
    seed: int | None = None,
    restore_seconds: float = Options.restore_seconds,
    settings: Path | None = None,
    backups: bool = False,
) -> Iterator[LocalEnvironment]:
    """Start the upstream identity provider and a local cloud, deploy both stacks, and stop both on exit.

    Args:
        folder: directory of the local cloud's state and log.
        profile: `instant`, or `aws-timing`.
        seed: makes random draws repeatable.
        restore_seconds: how long a table's restore takes.
        settings: the settings file, if it is not environments.toml.
        backups: deploy the stack of backups as well.

    Raises:
        EnvironmentRefused: the settings name restored tables; nothing was started.
    """
    stacks = (cdk_deploy.SERVICE, cdk_deploy.ORCHESTRATOR, *((cdk_deploy.BACKUPS,) if backups else ()))
    environment = environments.load(ENVIRONMENT, settings)
    refuse_restored_tables(environment)
    with (
        identity_provider.serve() as platform_url,
        LocalCloud.start(folder, profile=profile, seed=seed, restore_seconds=restore_seconds) as local,
    ):
        cdk_deploy.deploy(local, environment, platform_url=platform_url, settings=settings, stacks=stacks)
        cloud = cloud_for(local.environ)
        yield LocalEnvironment(
            local, cloud, platform_url, stack_output(cloud, cdk_deploy.SERVICE, "ApiUrl").rstrip("/")
        )


def stack_output(cloud: Cloud, stack: str, key: str) -> str:
    """Return an output of a stack of the local environment."""
    description = cloud.clients("cloudformation").describe_stacks(StackName=f"{stack}-{ENVIRONMENT}")["Stacks"][0]
    return str(next(output["OutputValue"] for output in description["Outputs"] if output["OutputKey"] == key))
