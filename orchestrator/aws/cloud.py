"""Everything that a task can reach, composed once a process from the function's environment variables.

What is behind a property is imported with its first use: a task uses a handful of these, and importing them all took a third of its start.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from time import sleep
from typing import TYPE_CHECKING, Any, TypeVar

from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError

from orchestrator.aws.aliases import Aliases
from orchestrator.aws.clients import client
from orchestrator.aws.executions import Executions
from orchestrator.aws.exports import Exports
from orchestrator.aws.freezes import Freezes
from orchestrator.aws.ledger import Ledger
from orchestrator.aws.messages import Bus, Topics
from orchestrator.aws.pace import Pace
from orchestrator.aws.versions import Versions
from orchestrator.aws.warmth import ProvisionedConcurrency
from orchestrator.aws.wire import Asks, wire
from orchestrator.domain.errors import OrchestratorError
from orchestrator.domain.records import Kind

if TYPE_CHECKING:
    from orchestrator.aws.alarms import Alarms
    from orchestrator.aws.archive import Archive
    from orchestrator.aws.backups import Backups
    from orchestrator.aws.contents import Hashing
    from orchestrator.aws.doors import Doors
    from orchestrator.aws.evidence import EvidenceChain
    from orchestrator.aws.instruments import Instruments
    from orchestrator.aws.key_ring import KeyRing
    from orchestrator.aws.levelling import Levels
    from orchestrator.aws.measures import Measures
    from orchestrator.aws.readings import Readings
    from orchestrator.aws.receipts import Receipts
    from orchestrator.aws.recovery_ledger import Recoveries
    from orchestrator.aws.restored_tokens import RestoredTokens
    from orchestrator.aws.restoring import Restoring
    from orchestrator.aws.retargeting import Retargeting
    from orchestrator.aws.serving import Serving
    from orchestrator.aws.stream_changes import StreamChanges
    from orchestrator.aws.table_content import TableContents
    from orchestrator.aws.table_settings import SettingsOfTables
    from orchestrator.aws.tables import Tables
    from orchestrator.aws.witnesses import SealedWitnesses
    from orchestrator.domain.configuration import Bundle

A = TypeVar("A")
B = TypeVar("B")
LIVE = "live"
PARALLEL_CALLS = 8
"""Lambda's control plane takes 15 requests a second: more threads would only be throttled."""

logger = Logger()


def now() -> datetime:
    """The time, aware, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Cloud:
    """The environment's services, each made when first used.

    Attributes:
        settings: the function's environment variables, or the command line's equivalent.
        clients: botocore client by service name.
        now: the clock.
        wires: opens a connection for reading whole tables and streams, by service name.
        sleep: waits for some seconds.
    """

    settings: Mapping[str, str]
    clients: Callable[[str], Any] = client
    now: Callable[[], datetime] = now
    wires: Callable[[str], Asks] = wire
    sleep: Callable[[float], None] = sleep

    @classmethod
    def of_this_function(cls) -> Cloud:
        """The cloud as this Lambda function is configured to see it."""
        return cls(os.environ)

    @property
    def environment(self) -> str:
        """The environment's name, such as ``prod``."""
        return self.settings["ENVIRONMENT"]

    @cached_property
    def ledger(self) -> Ledger:
        """The environment's ledger."""
        return Ledger(self.clients("dynamodb"), self.settings["LEDGER_TABLE"])

    @cached_property
    def freezes(self) -> Freezes:
        """The environment's freeze switch."""
        return Freezes(self.clients("dynamodb"), self.settings["LEDGER_TABLE"])

    @cached_property
    def drills(self) -> Recoveries:
        """The ledger's recoveries, under the claim of drills."""
        from orchestrator.aws.recovery_ledger import Recoveries

        return Recoveries(self.clients("dynamodb"), self.settings["LEDGER_TABLE"], Kind.DRILL)

    @cached_property
    def restores(self) -> Recoveries:
        """The ledger's recoveries, under the environment's claim."""
        from orchestrator.aws.recovery_ledger import Recoveries

        return Recoveries(self.clients("dynamodb"), self.settings["LEDGER_TABLE"], Kind.RESTORE)

    def recoveries(self, kind: Kind) -> Recoveries:
        """The ledger's recoveries, under the claim that a recovery of this kind takes."""
        return self.restores if kind is Kind.RESTORE else self.drills

    @cached_property
    def aliases(self) -> Aliases:
        """The alias `live` of the service's functions."""
        return Aliases(self.clients("lambda"), LIVE, Pace().wait)

    @cached_property
    def versions(self) -> Versions:
        """The versions of the service's functions."""
        return Versions(self.clients("lambda"))

    @cached_property
    def provisioned(self) -> ProvisionedConcurrency:
        """Which versions of the service's functions are kept warm."""
        return ProvisionedConcurrency(self.clients("lambda"))

    @cached_property
    def executions(self) -> Executions:
        """Executions of the state machines."""
        return Executions(self.clients("stepfunctions"))

    @cached_property
    def tables(self) -> Tables:
        """The service's tables as things to be recovered."""
        from orchestrator.aws.tables import Tables

        return Tables(self.clients("dynamodb"))

    @cached_property
    def backups(self) -> Backups:
        """Backups of the service's tables."""
        from orchestrator.aws.backups import Backups

        return Backups(self.clients("dynamodb"))

    @cached_property
    def restoring(self) -> Restoring:
        """Tables that are restored beside their sources."""
        from orchestrator.aws.restoring import Restoring

        return Restoring(self.clients("dynamodb"))

    @cached_property
    def witnesses(self) -> SealedWitnesses:
        """What was given before the point of a drill, sealed."""
        from orchestrator.aws.witnesses import SealedWitnesses

        return SealedWitnesses(
            self.clients("dynamodb"),
            self.clients("kms"),
            ledger=self.settings["LEDGER_TABLE"],
            key_id=self.settings["WITNESS_KEY"],
            environment=self.environment,
        )

    @cached_property
    def serving(self) -> Serving:
        """The functions that serve restored tables."""
        from orchestrator.aws.serving import Serving

        return Serving(self.clients("lambda"))

    def restored_tokens(self, copy: str, source: str, log: str) -> RestoredTokens:
        """A restored copy of the tokens table, beside its source and the log of revocations."""
        from orchestrator.aws.bulk import in_bulk
        from orchestrator.aws.restored_tokens import RestoredTokens

        return RestoredTokens(self.clients("dynamodb"), copy, source, log, lambda: in_bulk(self.wires("dynamodb")))

    def levels(self, in_use: str, other: str, hashing: Hashing) -> Levels:
        """A table in use, and the one that is to be brought level with it."""
        from orchestrator.aws.levelling import Levels

        return Levels(in_use, other, hashing, self.wires)

    @cached_property
    def table_settings(self) -> SettingsOfTables:
        """What tables are, apart from their items."""
        from orchestrator.aws.table_settings import SettingsOfTables

        return SettingsOfTables(self.clients("dynamodb"), self.clients("application-autoscaling"))

    @cached_property
    def table_contents(self) -> TableContents:
        """What tables hold."""
        from orchestrator.aws.table_content import TableContents

        return TableContents(self.clients("dynamodb"), self.wires)

    @cached_property
    def stream_changes(self) -> StreamChanges:
        """What changed in tables, by their streams."""
        from orchestrator.aws.stream_changes import StreamChanges

        return StreamChanges(self.clients("dynamodbstreams"), self.wires, self.now, pause=self.sleep)

    @cached_property
    def exports(self) -> Exports:
        """Exports of tables at a point."""
        return Exports(self.clients, self.settings["EXPORTS_BUCKET"])

    @cached_property
    def readings(self) -> Readings:
        """What the ledger keeps of tables that are being compared."""
        from orchestrator.aws.readings import Readings

        return Readings(self.clients("dynamodb"), self.settings["LEDGER_TABLE"])

    @cached_property
    def doors(self) -> Doors:
        """The service's tables as things that can be closed to everybody."""
        from orchestrator.aws.doors import Doors

        return Doors(self.clients("dynamodb"))

    @cached_property
    def retargeting(self) -> Retargeting:
        """The service's functions as things that are told which tables to use."""
        from orchestrator.aws.retargeting import Retargeting

        return Retargeting(self.clients("lambda"))

    @cached_property
    def receipts(self) -> Receipts:
        """Rows that tell what a restore lost."""
        from orchestrator.aws.receipts import Receipts

        return Receipts(self.clients("dynamodb"), self.settings["RECEIPTS_TABLE"])

    @cached_property
    def key_ring(self) -> KeyRing:
        """The service's signing keys."""
        from orchestrator.aws.key_ring import KeyRing

        return KeyRing(
            self.clients("dynamodb"),
            self.clients("kms"),
            self.clients("resourcegroupstaggingapi"),
            table=self.settings["KEYS_TABLE"],
            stack_key=self.settings["SIGNING_KEY_ID"],
            environment=self.environment,
        )

    @cached_property
    def archive(self) -> Archive:
        """Evidence and configuration bundles."""
        from orchestrator.aws.archive import Archive

        return Archive(self.clients, self.settings["LEDGER_TABLE"], self.settings["EVIDENCE_BUCKET"])

    @cached_property
    def evidence(self) -> EvidenceChain:
        """Evidence of recoveries."""
        from orchestrator.aws.evidence import EvidenceChain

        return EvidenceChain(self.clients, self.settings["LEDGER_TABLE"], self.archive)

    def configuration(self, why: str) -> Bundle:
        """What the environment is configured as, now.

        Raises:
            Throttled, Unreachable: a part of it could not be read; half of it is none.
        """
        from orchestrator.aws.configuration import read_configuration
        from orchestrator.aws.configuration_readers import Names

        return read_configuration(
            self.clients,
            Names(self.environment, self.settings["EVIDENCE_BUCKET"]),
            account=str(self.clients("sts").get_caller_identity()["Account"]),
            region=self.settings["AWS_REGION"],
            now=self.now(),
            why=why,
        )

    @cached_property
    def alarms(self) -> Alarms:
        """CloudWatch alarms."""
        from orchestrator.aws.alarms import Alarms

        return Alarms(self.clients("cloudwatch"))

    @cached_property
    def instruments(self) -> Instruments:
        """What the probes look through."""
        from orchestrator.aws.instruments import instruments

        return instruments(self.clients)

    @cached_property
    def measures(self) -> Measures:
        """What is counted of the orchestrator itself."""
        from orchestrator.aws.measures import Measures

        return Measures(self.environment, self.now)

    @cached_property
    def topics(self) -> Topics:
        """The topics of operators and clients."""
        return Topics(self.clients("sns"))

    @cached_property
    def bus(self) -> Bus:
        """The environment's event bus."""
        return Bus(self.clients("events"), self.settings["EVENT_BUS"])

    def announce(self, detail_type: str, deployment: str, **detail: object) -> None:
        """Put an event of this deployment on the bus. Who listens must not be able to stop a deployment: a failure
        is logged and passed over.
        """  # noqa: D205 - one thought
        self._announced(detail_type, {"deployment": deployment, **detail})

    def announce_recovery(self, what: str, kind: Kind, recovery: str, **detail: object) -> None:
        """Put an event of a drill or a restore on the bus, as ``DrillStarted`` or ``RestoreStarted``; fails as `announce` does."""
        self._announced(f"{kind.title()}{what}", {"recovery": recovery, **detail})

    def _announced(self, detail_type: str, detail: Mapping[str, object]) -> None:
        body = {"environment": self.environment, "at": self.now(), **detail}
        try:
            self.bus.put(detail_type, body)
        except (OrchestratorError, ClientError) as error:
            logger.warning("event was not put", extra={"detail_type": detail_type, "error": str(error)})


def for_each(items: Iterable[A], call: Callable[[A], B]) -> list[B]:
    """Call once an item, side by side, and give the results in order; the first failure is raised after all ended."""
    listed = list(items)
    if len(listed) < 2:  # noqa: PLR2004 - one needs no thread
        return [call(item) for item in listed]
    with ThreadPoolExecutor(min(PARALLEL_CALLS, len(listed))) as threads:
        return list(threads.map(call, listed))
