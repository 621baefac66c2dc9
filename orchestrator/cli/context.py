"""The environment of a command: its settings, resource names and AWS clients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from threading import Lock
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.credentials import Credentials

from orchestrator import environments
from orchestrator.application.cloud import Cloud
from orchestrator.aws.clients import BRIEF, CONFIG
from orchestrator.aws.dynamodb.raw_client import RawClient
from orchestrator.domain.deployment.policy import DeliveryPolicy
from orchestrator.domain.errors import AliasConflict, Refused
from orchestrator.domain.incidents.policy import encode_policy
from orchestrator.domain.mail.settings import encode_mail
from orchestrator.domain.names import bucket_name, event_bus_name, resource_name, state_machine_arn
from orchestrator.domain.recovery.record import Role
from orchestrator.domain.status_page.settings import encode_status_page
from orchestrator.environments import project
from orchestrator.environments.evidence import key_alias


@dataclass(frozen=True)
class Context:
    """One environment with access to its cloud.

    Attributes:
        clients: returns the botocore client of a service, for the environment's region and endpoint.
    """

    environment: environments.Environment
    clients: Callable[[str], Any]

    @property
    def name(self) -> str:
        """The environment's name."""
        return self.environment.name

    @cached_property
    def account(self) -> str:
        """The id of the account, from the caller identity."""
        return str(self.clients("sts").get_caller_identity()["Account"])

    @cached_property
    def cloud(self) -> Cloud:
        """The orchestrator's adapters."""
        settings = {
            "ENVIRONMENT": self.name,
            "AWS_REGION": self.environment.region,
            "LEDGER_TABLE": resource_name("ledger", self.name),
            "EVENT_BUS": event_bus_name(self.name),
            "ROLLBACK_MACHINE": self.state_machine_arn("rollback"),
            "KEYS_TABLE": resource_name("keys", self.name),
            "BACKUP_VAULT": resource_name("backups", self.name),
            "COPY_REGION": self.environment.backups.copy_region or "",
            "COPY_VAULT": resource_name("backup-copies", self.name),
            "EVIDENCE_BUCKET": self._evidence_bucket,
            "MAIL": encode_mail(self.environment.mail),
            "EVIDENCE_KEYS": ",".join(
                key_alias(number, self.name) for number in range(1, self.environment.evidence.signing_keys + 1)
            ),
            "EVIDENCE_HEADS_BUCKET": self._heads_bucket,
            "EVIDENCE_HEADS_REGION": self.environment.backups.copy_region or "",
            "REPORT_RECORDER": resource_name("event-record-report", self.name),
            "INCIDENTS": encode_policy(self.environment.incidents),
            "HEARTBEATS_TABLE": resource_name("heartbeats", self.name),
            "STATUS_PAGE": encode_status_page(self.environment.status_page),
            "STATUS_HEARTBEATS": "yes" if self.environment.recovery.get("heartbeats") else "",
            "STATUS_BUCKET": status_bucket(self.environment, self.account),
            "STATUS_REGION": self.environment.status_page.region or self.environment.region,
            "SIGNING_KEY_ID": f"alias/{resource_name('signing', self.name)}",
        }
        return Cloud(
            settings,
            clients=self.clients,
            client_in=lambda service, region: clients_of(self.environment, region)(service),
            brief_client_in=lambda service, region: clients_of(self.environment, region, BRIEF)(service),
        )

    def of_record(self, name: str) -> Context:
        """Return the context whose ledger has a deployment or a recovery: this one, or one that reads a copied ledger.

        Args:
            name: its id. This context is returned for an id that no ledger has.
        """
        # Most commands use only this region's ledger.
        from orchestrator.application.failover.copied_ledgers import cloud_that_has, has_record  # noqa: PLC0415

        cloud = cloud_that_has(self.cloud, has_record(name))
        if cloud is self.cloud:
            return self
        copied = Context(self.environment, cloud.clients)
        vars(copied)["cloud"] = cloud
        return copied

    @property
    def revocations_table(self) -> str:
        """The name of the table with the log of revocations."""
        return resource_name("revocations", self.name)

    @property
    def standby_region(self) -> str | None:
        """The standby region; None without one, and after a failover, when the service runs there."""
        failover = self.environment.failover
        return failover.region if failover and failover.region != self.environment.region else None

    @property
    def _evidence_bucket(self) -> str:
        return self._bucket("evidence")

    @property
    def _heads_bucket(self) -> str:
        """The second place of the evidence chain (infrastructure/backups/copy_region_stack.py); empty without one."""
        return self._bucket("evidence-heads") if self.environment.backups.copy_region else ""

    @property
    def signing_bucket(self) -> str:
        """The bucket of packages for AWS Signer (infrastructure/security/code_signing.py)."""
        return self._bucket("signing")

    def _bucket(self, name: str) -> str:
        return bucket_name(name, self.name, self.account, self.environment.region_in_names)

    @cached_property
    def policy(self) -> DeliveryPolicy:
        """The delivery policy of the environment."""
        return DeliveryPolicy.parse(self.environment.delivery)

    @cached_property
    def live_tables(self) -> Mapping[Role, str]:
        """The tables of the live versions; before the first release, those of the settings.

        After a restore they differ from those of the settings until `restore --write-settings` is deployed.

        Raises:
            Unreachable: the live versions cannot be read.
        """
        # Every command's start would wait for this import, and few commands need it.
        from orchestrator.application.recovery_planning import tables_in_use  # noqa: PLC0415

        service = self.environment.service
        try:
            return tables_in_use(self.cloud, {name: self.function_name(name) for name in service.functions})
        except (AliasConflict, Refused):
            return {Role.STATE: service.state_table, Role.TOKENS: service.tokens_table}

    def state_machine_arn(self, name: str) -> str:
        """Return the ARN of a state machine."""
        return state_machine_arn(name, self.name, self.account, self.environment.region)

    def function_name(self, function: str) -> str:
        """Return the name of one of the service's functions."""
        return resource_name(function, self.name)


def status_bucket(environment: environments.Environment, account: str) -> str:
    """Return the name of the status page's bucket (infrastructure/status/stack.py).

    Args:
        environment: the environment.
        account: of the environment; the bucket is in another one if the settings say so.
    """
    return bucket_name("status", environment.name, environment.status_page.account or account, None)


def context_of(name: str) -> Context:
    """Return the context of an environment.

    Raises:
        Refused: there is no such environment.
        LocalCloudNotRunning: the environment is local, and the local cloud does not run.
    """
    if name not in environments.names():
        raise Refused("env", name, f"name one of {', '.join(environments.names())}")
    environment = environments.load(name)
    return Context(environment, clients_of(environment, environment.region))


def clients_of(environment: environments.Environment, region: str, config: Config = CONFIG) -> Callable[[str], Any]:
    """Return a function that creates clients for a region, at the environment's endpoint.

    Raises:
        LocalCloudNotRunning: the environment is local, and the local cloud does not run.
    """
    return _clients(region, _address(environment), config)


def wires_of(environment: environments.Environment, region: str) -> Callable[[str], RawClient]:
    """Return a function that opens raw connections to a region, by service name.

    Raises:
        LocalCloudNotRunning: the environment is local, and the local cloud does not run.
    """
    # Few commands read whole tables.
    from orchestrator.aws.dynamodb.raw_client import raw_client_like  # noqa: PLC0415

    clients, address = clients_of(environment, region), _address(environment)
    credentials: Any
    if address:
        credentials = Credentials(address["aws_access_key_id"], address["aws_secret_access_key"])
    else:
        credentials = botocore.session.get_session().get_credentials()
    return lambda service: raw_client_like(clients(service), service, credentials)


def _address(environment: environments.Environment) -> Mapping[str, Any]:
    if environment.cloud != "local":
        return {}
    # Imported here, because commands on AWS accounts do not need the local cloud's modules.
    from orchestrator.local.cloud import LocalCloud  # noqa: PLC0415

    variables = LocalCloud.find(project.local_folder()).environ
    return {
        "endpoint_url": variables["AWS_ENDPOINT_URL"],
        "aws_access_key_id": variables["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": variables["AWS_SECRET_ACCESS_KEY"],
    }


def _clients(region: str, address: Mapping[str, Any], config: Config) -> Callable[[str], Any]:
    # A session is not safe for threads, and the console has some; its clients are.
    session, one_at_a_time = botocore.session.get_session(), Lock()

    @cache
    def create(service: str) -> Any:
        with one_at_a_time:
            return session.create_client(service, region_name=region, config=config, **address)

    return create
