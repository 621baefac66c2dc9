"""An environment in memory whose tables are restored for real: restore, deployment and rollback run on it, each by its definition."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from orchestrator.aws.dynamodb.late_writes import LateWrites
from orchestrator.aws.dynamodb.streams import StreamChanges
from orchestrator.aws.dynamodb.table_reader import TableReader
from orchestrator.aws.dynamodb.table_sync import TableSync
from orchestrator.aws.dynamodb.write_closing import WriteClosing
from orchestrator.aws.ledger.evidence_heads import EvidenceHeads
from orchestrator.aws.oauth_tables.managed_clients import ClientItems
from orchestrator.aws.oauth_tables.restored_tokens import RestoredTokens
from orchestrator.domain.clients.client import ManagedClient
from orchestrator.domain.recovery.record import CheckResult, Recovery, Role
from orchestrator.domain.verdict import Verdict
from state_machines import definitions
from tests.fakes.attached import NothingAttached
from tests.fakes.clouds import REGION, execution_arn, machine_arn
from tests.fakes.contents import Contents
from tests.fakes.oauth_service import Keys
from tests.fakes.restorable_tables import RestorableTables
from tests.fakes.s3 import FakeS3
from tests.fakes.scaling import FakeScaling
from tests.fakes.tables import Tables
from tests.fakes.tagging import FakeTagging
from tests.fakes.wired import Wired
from tests.samples import FUNCTIONS, recovery_table
from tests.workflow.moto_interpreter import Ended, MotoInterpreter, moto_interpreter
from tests.workflow.world import Bridge, Invocation, Scenario, World, both, function_arns, straight

STATE, TOKENS, REVOCATIONS = "ib-oauth-state-test", "ib-oauth-tokens-test", "ib-oauth-revocations-test"
ITEMS = 20
DECLARED = {
    "time_to_live": "delete_at",
    "recovery": 35,
    "deletion_protection": True,
    "stream": "NEW_AND_OLD_IMAGES",
    "tags": {"environment": "test"},
    "units": {},
    "target_utilisation_percent": 0,
}


@contextmanager
def restore_machines() -> Iterator[MotoInterpreter]:
    """The machines of which a restore is made, in an interpreter of their own."""
    with moto_interpreter() as moto:
        for name in ("deployment", "rollback", "restore"):
            moto.create(name, definitions.bind(definitions.load(name), function_arns(name)))
        yield moto


def family_item(family: str) -> dict[str, Any]:
    """A login as the tokens table has it."""
    return {
        "pk": {"S": f"family#{family}"},
        "client_id": {"S": "native"},
        "epoch": {"N": "0"},
        "generation": {"N": "1"},
        "refresh_hash": {"S": f"hash of {family}"},
        "expires_at": {"N": "4000000000"},
    }


class Streamed:
    """A wire whose PutItem comes into the table's stream."""

    def __init__(self, world: RestoreWorld, service: str) -> None:
        self._world, self._wire = world, world.wired(service)

    def call(self, operation: str, params: Mapping[str, Any], decode: Callable[[bytes], Any]) -> Any:
        """Ask once."""
        if operation == "PutItem":
            self._world.contents.put(params["TableName"], params["Item"])
        return self._wire.call(operation, params, decode)

    def close(self) -> None:
        """Nothing is open."""


class RestoreWorld(World):
    """One environment with two tables, whose functions say which they use.

    Args:
        interpreter: runs the definitions; their machines exist already.
        name: the restore's id, new to the interpreter.
        scenario: how the deployment that cuts over does.
        bridge: between states and tasks.
        policy: changes of the environment's [recovery].
    """

    def __init__(
        self,
        interpreter: MotoInterpreter,
        name: str,
        scenario: Scenario | None = None,
        bridge: Bridge = straight,
        **policy: Any,
    ) -> None:
        super().__init__(interpreter, f"d-{name}", scenario or Scenario(changed=False), bridge)
        self.restore_name, self.copied = name, False
        self.rows = Tables(STATE, TOKENS, REVOCATIONS)
        vars(self.cloud)["restored_tokens"] = partial(RestoredTokens, self.rows)
        vars(self.cloud)["client_items"] = partial(ClientItems, self.rows)
        self.attached = NothingAttached()
        vars(self.cloud)["table_attachments"] = self.attached
        self.wired = Wired(self.rows)
        vars(self.cloud)["table_sync"] = partial(TableSync, wires=self.wired)
        self.tables = RestorableTables(self.clock.now)
        self.clients["resourcegroupstaggingapi"] = FakeTagging(self.tables)
        for table in (STATE, TOKENS):
            self.tables.add(table)
        self.contents = Contents(self.tables, self.clock.now)
        for table in (STATE, TOKENS):
            self.contents.stream(table)
            for number in range(ITEMS):
                self.contents.put(table, {"pk": {"S": f"item {number}"}, "n": {"N": str(number)}})
        # All of that was long ago.
        self.clock.advance(3600)
        for function in FUNCTIONS:
            variables = {"STATE_TABLE": STATE, "TOKENS_TABLE": TOKENS, "ISSUER": "https://issuer.invalid"}
            self.plane.add(f"ib-oauth-{function}-test", Environment={"Variables": variables})
        self.clients["dynamodb"] = both(both(self.table, self.table_access), self.tables)
        self.scaling = FakeScaling()
        self.clients["application-autoscaling"] = self.scaling
        self.clients["kms"] = Keys()
        vars(self.cloud)["evidence_heads"] = EvidenceHeads(FakeS3(), "heads")  # in another region
        vars(self.cloud)["table_reader"] = TableReader(self.tables, self.contents.wire)
        vars(self.cloud)["stream_changes"] = StreamChanges(
            self.contents, self.contents.wire, self.clock.now, sleep=self.clock.advance
        )
        vars(self.cloud)["late_writes"] = LateWrites(
            self.cloud.table_reader, self.cloud.stream_changes, self.wired, sleep=self.clock.advance
        )
        vars(self.cloud)["write_closing"] = WriteClosing(partial(Streamed, self))
        settings: Any = self.cloud.settings
        settings |= {
            "AWS_REGION": REGION,
            # A restore takes 20 minutes, in which clients write to what it replaces.
            "RECOVERY_POLICY": json.dumps(recovery_table(**{"rpo_minutes": 60, **policy})),
            "SOURCE_TABLES": json.dumps({"state": STATE, "tokens": TOKENS}),
            "DEFAULT_TABLE_SETTINGS": json.dumps(DECLARED),
        }

    def begin_another(self, name: str) -> None:
        """Let what is done next be another restore, under a name that is new to the interpreter."""
        self.restore_name, self.name, self.copied = name, f"d-{name}", False

    def restore(self, **params: Any) -> Ended:
        """Run a restore to its end, and then what follows."""
        execution_input, machine = json.dumps({"requested_by": "ann", **params}), machine_arn("restore")
        arn = execution_arn("restore", self.restore_name)
        self.states.start_execution(stateMachineArn=machine, name=self.restore_name, input=execution_input)
        self.states.pending.remove(arn)
        ended = self.interpreter.run(machine, self.restore_name, execution_input)
        self.states.end(arn, ended.phase)
        self.run_started()
        return ended

    def go_back(self, name: str, **params: Any) -> Ended:
        """Go back from the restore before, under a name that is new to the interpreter."""
        restore_name, self.restore_name, self.name = self.restore_name, name, f"d-{name}"
        return self.restore(failback_of=restore_name, **params)

    def call(self, invocation: Invocation) -> Any:
        """Run a task; while a restore waits for its deployment, that one runs."""
        if invocation.state == "AwaitCutover":
            self.run_started()
        if invocation.state == "SanitizeTokens" and not self.copied:
            self._copy()
        return super().call(invocation)

    @property
    def tokens_copy(self) -> str:
        """The name of the copy of the tokens table."""
        return self.recovery.table(Role.TOKENS).target

    def log_in(self, family: str) -> None:
        """Have a user logged in, in the live table."""
        self.rows.put_item(TableName=TOKENS, Item=family_item(family))

    def write(self, table: str, item: dict[str, Any]) -> None:
        """Have a client write an item, which then is in the table's stream."""
        self.rows.put_item(TableName=table, Item=item)
        self.contents.put(table, item)

    def save_client(self, client: ManagedClient) -> None:
        """Have an operator change a client: the ledger has it, and the table that the service uses."""
        self.cloud.client_records.save_client(client)
        used = self.used()["live"]
        (table,) = (name for name in used if "tokens" in name)
        assert self.cloud.client_items(table).apply(client)

    def revoke(self, family: str) -> None:
        """Have a login revoked: in the log first, then in the live table, as the service does."""
        self.rows.put_item(TableName=REVOCATIONS, Item={"pk": {"S": f"revoked#{family}"}})
        self.rows.put_item(TableName=TOKENS, Item={**family_item(family), "revoked_because": {"S": "request"}})

    def families(self, table: str) -> dict[str, bool]:
        """The families of a table, and whether each may be refreshed."""
        items = {item["pk"]["S"]: item for item in self.rows.scan(TableName=table)["Items"]}
        epoch = int(items["epoch"]["epoch"]["N"]) if "epoch" in items else 0
        return {
            key.removeprefix("family#"): "revoked_because" not in item and int(item["epoch"]["N"]) >= epoch
            for key, item in items.items()
            if key.startswith("family#")
        }

    def _copy(self) -> None:
        """Give the copies the items that the live tables have at this moment."""
        self.copied = True
        for table in self.recovery.tables:
            self.rows.add(table.target)
            for item in self.rows.scan(TableName=table.source)["Items"]:
                self.rows.put_item(TableName=table.target, Item=item)
            if table.gone:
                self.rows.delete_table(TableName=table.source)

    def held(self, table: str) -> dict[str, Any]:
        """What a table holds, by key."""
        return {item["pk"]["S"]: item for item in self.rows.scan(TableName=table)["Items"]}

    @property
    def recovery(self) -> Recovery:
        """What the ledger keeps of the restore."""
        return self.cloud.restores.read_record(self.restore_name)

    def variables(self) -> list[dict[str, str]]:
        """The variables of the versions that clients get."""
        functions = [self.plane.functions[f"ib-oauth-{name}-test"] for name in FUNCTIONS]
        return [one.versions[self.plane.routing(one.name)[0]]["Environment"]["Variables"] for one in functions]

    def used(self) -> dict[str, set[str]]:
        """Which tables the versions that clients get use, and those of `$LATEST`."""
        found: dict[str, set[str]] = {"live": set(), "latest": set()}
        for function in (f"ib-oauth-{name}-test" for name in FUNCTIONS):
            live = self.plane.functions[function].versions[self.plane.routing(function)[0]]
            for side, version in (("live", live), ("latest", self.plane.functions[function].latest)):
                variables = version["Environment"]["Variables"]
                found[side] |= {variables["STATE_TABLE"], variables["TOKENS_TABLE"]}
        return found


def copies(world: RestoreWorld) -> set[str]:
    """Return the names of the restored tables."""
    return {table.target for table in world.recovery.tables}


def verdict(world: RestoreWorld, check: str) -> Verdict:
    """Return the verdict of one check of the restore."""
    return next(finding.verdict for finding in world.recovery.check_results if finding.check == check)


def content(world: RestoreWorld) -> dict[str, CheckResult]:
    """Return the results of the comparison of contents, by check."""
    return {one.check: one for one in world.recovery.check_results if one.check.startswith("content.")}
