"""The environment that a command is about: its settings, its names, and the way to its cloud."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import botocore.session

import environments
from orchestrator.aws.clients import CONFIG
from orchestrator.aws.cloud import Cloud
from orchestrator.domain.errors import Refused
from orchestrator.domain.policy import DeliveryPolicy

LOCAL_FOLDER = Path(".local")
"""Where the local cloud of the current folder keeps its state."""


@dataclass(frozen=True)
class Context:
    """One environment, reachable.

    Attributes:
        clients: botocore client by service name, for this environment's region and address.
    """

    environment: environments.Environment
    clients: Callable[[str], Any]

    @property
    def name(self) -> str:
        """The environment's name."""
        return self.environment.name

    @cached_property
    def account(self) -> str:
        """The account's number, by asking who we are."""
        return str(self.clients("sts").get_caller_identity()["Account"])

    @cached_property
    def cloud(self) -> Cloud:
        """The orchestrator's services."""
        settings = {
            "ENVIRONMENT": self.name,
            "AWS_REGION": self.environment.region,
            "LEDGER_TABLE": f"ib-oauth-ledger-{self.name}",
            "EVENT_BUS": f"ib-oauth-{self.name}",
            "ROLLBACK_MACHINE": self.machine("rollback"),
            "KEYS_TABLE": f"ib-oauth-keys-{self.name}",
            "EVIDENCE_BUCKET": self._evidence_bucket,
            "SIGNING_KEY_ID": f"alias/ib-oauth-signing-{self.name}",
        }
        return Cloud(settings, clients=self.clients)

    @property
    def revocations_table(self) -> str:
        """The name of the table with the log of revocations."""
        return f"ib-oauth-revocations-{self.name}"

    @property
    def _evidence_bucket(self) -> str:
        name = f"ib-oauth-evidence-{self.name}-{self.account}"
        # The names of all buckets are one set: what a lost region left has the plain name.
        return f"{name}-{self.environment.region}" if self.environment.lost_region else name

    @property
    def signing_bucket(self) -> str:
        """Where AWS Signer finds what is to be signed (security/infrastructure_signing.py)."""
        name = f"ib-oauth-signing-{self.name}-{self.account}"
        return f"{name}-{self.environment.region}" if self.environment.lost_region else name

    @cached_property
    def policy(self) -> DeliveryPolicy:
        """How this environment delivers."""
        return DeliveryPolicy.parse(self.environment.delivery)

    def machine(self, name: str) -> str:
        """The ARN of a state machine."""
        return f"arn:aws:states:{self.environment.region}:{self.account}:stateMachine:ib-oauth-{name}-{self.name}"

    def function_name(self, function: str) -> str:
        """The name of one of the service's functions."""
        return f"ib-oauth-{function}-{self.name}"


def context_of(name: str) -> Context:
    """Find an environment and the way to it.

    Raises:
        Refused: there is no such environment.
        LocalCloudNotRunning: it is the local one, and nothing runs.
    """
    if name not in environments.names():
        raise Refused("env", name, f"name one of {', '.join(environments.names())}")
    environment = environments.load(name)
    return Context(environment, clients_of(environment, environment.region))


def clients_of(environment: environments.Environment, region: str) -> Callable[[str], Any]:
    """Clients of a region of the cloud that an environment is in.

    Raises:
        LocalCloudNotRunning: it is the local one, and nothing runs.
    """
    return _clients(region, _address(environment))


def _address(environment: environments.Environment) -> Mapping[str, Any]:
    if environment.cloud != "local":
        return {}
    # Only here: nobody who talks to an account needs the local cloud's modules.
    from orchestrator.local.cloud import LocalCloud  # noqa: PLC0415

    found = LocalCloud.find(LOCAL_FOLDER).environ
    return {
        "endpoint_url": found["AWS_ENDPOINT_URL"],
        "aws_access_key_id": found["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": found["AWS_SECRET_ACCESS_KEY"],
    }


def _clients(region: str, address: Mapping[str, Any]) -> Callable[[str], Any]:
    session = botocore.session.get_session()

    @cache
    def make(service: str) -> Any:
        return session.create_client(service, region_name=region, config=CONFIG, **address)

    return make
