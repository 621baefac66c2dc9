"""A standby region in memory, in which a failover runs by its definition, while the home region may return at any moment."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any

from orchestrator.application.failover.managed_clients import copy_record
from orchestrator.aws.dynamodb.backups import backup_name_as_of
from orchestrator.aws.ledger.clients import ClientRecords
from orchestrator.aws.oauth_tables.issuing_lease import IssuingLeaseStore
from orchestrator.aws.oauth_tables.managed_clients import ClientItems, encode_item
from orchestrator.aws.oauth_tables.restored_tokens import RestoredTokens
from orchestrator.domain.analysis.observations import HttpRequest, HttpResponse
from orchestrator.domain.clients.client import ManagedClient
from orchestrator.domain.deployment.gates import Approval
from orchestrator.domain.failover.issuing_region import IssuingLease, first_assignment, grant_lease
from orchestrator.domain.failover.record import Failover
from orchestrator.domain.recovery.record import Role
from orchestrator.domain.signing_keys import KeyPhase, SigningKey, SigningKeyRing
from orchestrator.probes.checks import REDIRECT_URI
from orchestrator.probes.synthetic_client import BROWSER_COOKIE, SUBJECT
from service.clients.managed import Limits
from service.clients.registry import ManagedClients
from service.oauth.clients import Client
from service.storage.clients import ClientStore
from state_machines import definitions
from tests.fakes.clouds import REGION, machine_arn
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.restorable_tables import RestorableTables
from tests.fakes.scaling import FakeScaling
from tests.fakes.tables import Tables
from tests.samples import FUNCTIONS
from tests.workflow.moto_interpreter import Ended, MotoInterpreter, moto_interpreter
from tests.workflow.restores import DECLARED, REVOCATIONS, STATE, TOKENS
from tests.workflow.world import Bridge, Invocation, Scenario, World, both, function_arns, straight

HOME = "us-east-2"
LEASE = timedelta(minutes=15)
KEYS = "ib-oauth-keys-test"
POLICY = {
    "region": REGION,
    "lease_seconds": int(LEASE.total_seconds()),
    "oldest_copy_hours": 26,
    "approval": {"approvers": ["ann", "bob"], "quorum": 2, "deadline_seconds": 3600},
}


@contextmanager
def failover_machine() -> Iterator[MotoInterpreter]:
    """The state machine of failovers, in an interpreter of its own."""
    with moto_interpreter() as moto:
        moto.create("failover", definitions.bind(definitions.load("failover"), function_arns("failover")))
        yield moto


class SyntheticService:
    """The service's functions as the synthetic client uses them. `broken`: the step that answers 500."""

    def __init__(self) -> None:
        self.broken = ""

    def invoke(self, _function: str, qualifier: str, request: HttpRequest) -> HttpResponse:
        assert qualifier == "live", "clients reach the live alias"
        path = request.path
        if path == self.broken:
            return HttpResponse(500, {}, "{}", 1.0)
        if path == "/authorize":
            self.state = request.query["state"]
            page = '<input type="hidden" name="transaction" value="tx-1">'
            return HttpResponse(200, {"set-cookie": (f"{BROWSER_COOKIE}=b; Secure",)}, page, 1.0)
        if path == "/login/synthetic":
            return HttpResponse(303, {"location": (f"{REDIRECT_URI}?code=c-1&state={self.state}",)}, "", 1.0)
        if path == "/token":
            assert (request.form or {})["grant_type"], "a token request has a grant type"
            return HttpResponse(200, {}, json.dumps({"access_token": "a", "refresh_token": "r"}), 1.0)
        return HttpResponse(200, {}, json.dumps({"sub": SUBJECT}), 1.0)


class FailoverWorld(World):
    """The standby region of one environment.

    Args:
        interpreter: runs the definition; its machine exists already.
        name: the failover's id, new to the interpreter.
        bridge: between states and tasks.

    Attributes:
        home_returns: the home region reads the assignment again, before every task.
        home_ledger: the ledger of the home region, of which only the records of clients are used.
        clients_backed_up: managed clients as the copies of the tokens table have them.
        both_issued: moments at which both regions might have issued tokens.
    """

    def __init__(self, interpreter: MotoInterpreter, name: str, bridge: Bridge = straight) -> None:
        super().__init__(interpreter, name, Scenario(changed=False), bridge)
        self.rows = Tables(STATE, TOKENS, REVOCATIONS, KEYS)
        vars(self.cloud)["restored_tokens"] = partial(RestoredTokens, self.rows)
        vars(self.cloud)["issuing_lease"] = IssuingLeaseStore(self.rows, KEYS)
        vars(self.cloud)["client_items"] = partial(ClientItems, self.rows)
        self.home_ledger = FakeDynamoDB()
        self.clients_backed_up: list[ManagedClient] = []
        self.service = SyntheticService()
        macs = SimpleNamespace(generate_mac=lambda *_: b"mac")
        vars(self.cloud)["probe_clients"] = SimpleNamespace(functions=self.service, macs=macs)
        ring = SigningKeyRing(0, self.clock.now(), (SigningKey("k", "kid-1", KeyPhase.SIGNING, self.clock.now()),))
        self.kid = "kid-1"
        vars(self.cloud)["key_ring"] = SimpleNamespace(read_ring=lambda: ring, read_kid=lambda _key: self.kid)
        self.tables = RestorableTables(self.clock.now)
        for table in (STATE, TOKENS):
            # A copy from the home region, which is of a table with another name.
            self.tables.add(f"{table}-copy")
            self.tables.back_up(f"{table}-copy", backup_name_as_of(self.clock.now()))
            del self.tables.tables[f"{table}-copy"]
            self.tables.add(table)
        self.clock.advance(60)
        for table in (STATE, TOKENS):
            # A later backup of the standby region's own table, which is empty.
            self.tables.back_up(table, "before a deployment")
        for function in FUNCTIONS:
            variables = {"STATE_TABLE": STATE, "TOKENS_TABLE": TOKENS, "ISSUER": "https://issuer.invalid"}
            self.plane.add(f"ib-oauth-{function}-test", Environment={"Variables": variables})
        pages = SimpleNamespace(paginate=lambda **_: [{"BackupSummaries": list(self.tables.backups.values())}])
        vaults = SimpleNamespace(paginate=lambda **_: [{"BackupVaultList": []}])
        listing = SimpleNamespace(
            get_paginator=lambda name: pages if name == "list_backups" else self.table_pages(name)
        )
        self.table_pages = self.table.get_paginator
        self.clients["dynamodb"] = both(listing, both(self.table, self.tables))
        self.clients["backup"] = SimpleNamespace(get_paginator=lambda _name: vaults)
        self.clients["application-autoscaling"] = FakeScaling()
        settings: Any = self.cloud.settings
        settings |= {
            "AWS_REGION": REGION,
            "HOME_REGION": HOME,
            "SOURCE_TABLES": json.dumps({"state": STATE, "tokens": TOKENS}),
            "FAILOVER_POLICY": json.dumps(POLICY),
            "DEFAULT_TABLE_SETTINGS": json.dumps(DECLARED),
            "REVOCATIONS_TABLE": REVOCATIONS,
            "DATA_KEY": "",
            "API_DOMAIN": "",
            "HOSTED_ZONE_ID": "",
        }
        self.cloud.failovers.create_assignment(first_assignment(HOME))
        self.home_lease: IssuingLease | None = None
        self.home_returns = True
        self.approvers = ("ann", "bob")
        self.both_issued: list[str] = []
        self.renew_home()

    @property
    def failover(self) -> Failover:
        """The record."""
        return self.cloud.failovers.read_failover(self.name).failover

    def run(self, execution: str = "") -> Ended:
        """Run an execution of the failover to its end; a second one resumes it."""
        execution_input = json.dumps({"failover": self.name, "requested_by": "ann", "reason": "the region is lost"})
        return self.interpreter.run(machine_arn("failover"), execution or self.name, execution_input)

    def call(self, invocation: Invocation) -> Any:
        """Run a task. Before and after it, the home region reads the assignment if it has returned."""
        self.renew_home()
        if invocation.state in {"InvalidateTokens", "DeployRelease"}:
            self._copy_items()
        answer = super().call(invocation)
        self.renew_home()
        return answer

    def _answer_hold(self, invocation: Invocation) -> None:
        """Approvers answer as soon as they are asked."""
        if invocation.payload.get("token"):
            for by in self.approvers:
                self.cloud.failovers.approve(self.name, Approval(by, self.clock.now()))
            if self.approvers:
                self.states.send_task_success(taskToken=invocation.payload["token"], output="{}")

    def renew_home(self) -> None:
        """Let the home region renew its lease if it may, and note a moment at which both regions may issue."""
        now = self.clock.now()
        if self.home_returns:
            granted = grant_lease(self.cloud.failovers.read_assignment().assignment, HOME, now, LEASE)
            self.home_lease = granted or self.home_lease
        own = self.cloud.issuing_lease.read_lease()
        if self.home_lease and self.home_lease.allows(now) and own and own.allows(now):
            self.both_issued.append(f"{now:%H:%M:%S}")

    def _copy_items(self) -> None:
        """Give the restored tables their items once."""
        for table in self.failover.tables:
            if table.target not in self.copied_tables:
                self.rows.add(table.target)
                self.copied_tables.add(table.target)
                for client in self.clients_backed_up if table.role is Role.TOKENS else ():
                    self.rows.put_item(TableName=table.target, Item=encode_item(client))

    def save_client(self, client: ManagedClient, *, copied: bool = True) -> None:
        """Have an operator change a client at home, whose record comes to this region or not."""
        records = ClientRecords(self.home_ledger, "ledger")
        records.save_client(client)
        if copied:
            copy_record(records, self.cloud.client_records, client, self.cloud.failovers.read_assignment())

    def known_client(self, client_id: str) -> Client | None:
        """A client as the service of this region knows it: None if it is refused everywhere."""
        (tokens,) = (table.target for table in self.failover.tables if table.role is Role.TOKENS)
        directory = ManagedClients(
            ClientStore(self.rows, STATE, tokens),
            Limits(frozenset({"profile"}), frozenset(), "https://issuer.invalid"),
            lambda: self.clock.now().timestamp(),
        )
        return directory.get(client_id)

    @property
    def copied_tables(self) -> set[str]:
        """The restored tables that have their items."""
        return self.__dict__.setdefault("_copied", set())

    def used(self) -> set[str]:
        """The tables that the live versions use."""
        live = [
            self.plane.functions[name].versions[self.plane.routing(name)[0]]
            for name in (f"ib-oauth-{function}-test" for function in FUNCTIONS)
        ]
        return {
            table
            for version in live
            for table in (
                version["Environment"]["Variables"]["STATE_TABLE"],
                version["Environment"]["Variables"]["TOKENS_TABLE"],
            )
        }

    def may_issue(self) -> bool:
        """Whether this region may issue tokens now."""
        lease = self.cloud.issuing_lease.read_lease()
        return lease is not None and lease.allows(self.clock.now())
