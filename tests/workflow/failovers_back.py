"""Two regions in memory after a failover: the way back runs between them, while both renew their leases every minute."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any

from orchestrator.application.cloud import LIVE
from orchestrator.application.failover.back.copying import open_back
from orchestrator.application.failover.back.regions import BothRegions, HomeCloud
from orchestrator.application.failover.back.run import run_back
from orchestrator.application.failover.takeover import renew_lease
from orchestrator.aws.dynamodb.table_reader import TableReader
from orchestrator.aws.lambda_.aliases import Aliases
from orchestrator.aws.lambda_.versions import Versions
from orchestrator.aws.oauth_tables.issuing_lease import IssuingLeaseStore
from orchestrator.aws.oauth_tables.managed_clients import ClientItems
from orchestrator.aws.oauth_tables.restored_tokens import RestoredTokens
from orchestrator.domain.deployment.gates import Approval
from orchestrator.domain.errors import Unreachable
from orchestrator.domain.failover.record import Failover
from orchestrator.domain.recovery.record import Role
from orchestrator.domain.signing_keys import KeyPhase, SigningKey, SigningKeyRing
from tests.fakes.clouds import REGION
from tests.fakes.lambda_control_plane import LambdaControlPlane
from tests.fakes.restorable_tables import RestorableTables
from tests.fakes.scaling import FakeScaling
from tests.fakes.tables import Tables
from tests.fakes.wired import Wired
from tests.samples import FUNCTIONS
from tests.workflow.failovers import HOME, KEYS, FailoverWorld, SyntheticService
from tests.workflow.moto_interpreter import MotoInterpreter
from tests.workflow.restores import REVOCATIONS, STATE, TOKENS, family_item
from tests.workflow.world import both

BACK = "fb-1"
HOLD = timedelta(seconds=2)
_MINUTE = 60.0


class HomeTables(RestorableTables):
    """The home region's tables. A restore brings the rows that the standby region's table had when it was backed up."""

    def __init__(self, world: BackWorld) -> None:
        super().__init__(world.clock.now)
        self._world = world

    def restore_table_from_backup(self, **request: Any) -> dict[str, Any]:
        answer = super().restore_table_from_backup(**request)
        self._world.home_rows.add(request["TargetTableName"])
        for item in self._world.rows_backed_up[request["BackupArn"]]:
            self._world.home_rows.put_item(TableName=request["TargetTableName"], Item=item)
        return answer


class OfHome:
    """A client of the home region: every call fails while that is lost."""

    def __init__(self, world: BackWorld, client: Any) -> None:
        self._world, self._client = world, client

    def __getattr__(self, name: str) -> Any:
        if self._world.home_lost:
            raise Unreachable(f"{HOME} is lost")
        return getattr(self._client, name)


class BackWorld(FailoverWorld):
    """Both regions of one environment, whose service runs in the standby region since a failover.

    Args:
        interpreter: runs the failover.
        name: the failover's id, new to the interpreter.

    Attributes:
        said: what the run reported.
        before_step: called with each step and its failover before it is performed.
        home_lost: every call to the home region fails.
    """

    def __init__(self, interpreter: MotoInterpreter, name: str) -> None:
        super().__init__(interpreter, name)
        self.said: list[str] = []
        self.home_lost = False
        self.on_minute: Callable[[], object] = lambda: None
        self.rows_backed_up: dict[str, list[Mapping[str, Any]]] = {}
        self.home_rows = Tables(STATE, TOKENS, REVOCATIONS, KEYS, prefix="home-")
        self.home_tables = HomeTables(self)
        self.home_plane = LambdaControlPlane()
        self.home_service = SyntheticService()

    def fail_over(self) -> None:
        """Run the failover, and log a user in."""
        assert self.run().phase == "SUCCEEDED"
        self.home_returns = False
        self.home_lease = None
        self.tables.add(REVOCATIONS)
        self.home_tables.backups = self.tables.backups
        for table in (STATE, TOKENS, REVOCATIONS):
            self.home_tables.add(table)
        for function in FUNCTIONS:
            variables = {"STATE_TABLE": STATE, "TOKENS_TABLE": TOKENS, "ISSUER": "https://issuer.invalid"}
            self.home_plane.add(f"ib-oauth-{function}-test", Environment={"Variables": variables})
        self.regions = self._both_regions()
        self.log_in("first")

    def log_in(self, family: str, region: str = REGION) -> None:
        """A user logs in: the grant is in the tokens table that the region's live versions use."""
        rows, table = (self.rows, self.tokens_in_use) if region == REGION else (self.home_rows, TOKENS)
        rows.put_item(TableName=table, Item={**family_item(family), "epoch": {"N": "1"}})

    @property
    def tokens_in_use(self) -> str:
        """The standby region's tokens table."""
        tables = self.cloud.failovers.read_failover(self.name).failover.tables
        return next(table.target for table in tables if table.role is Role.TOKENS)

    @property
    def back(self) -> Failover:
        """The record of the way back."""
        return self.cloud.failovers.read_failover(BACK).failover

    def start(self) -> None:
        """Start the way back."""
        open_back(self.regions, BACK, "ann", "the home region is healthy")

    def go(self) -> Failover:
        """Run it until it ends or waits for approvals."""
        return run_back(self.regions, BACK, self.said.append).failover

    def approve(self) -> None:
        """Both approvers approve."""
        for by in ("ann", "bob"):
            self.cloud.failovers.approve(BACK, Approval(by, self.clock.now()))

    def go_back(self) -> Failover:
        """Start it, approve it, and run it to its end."""
        self.start()
        self.go()
        self.approve()
        return self.go()

    def families(self, rows: Tables, table: str) -> dict[str, Any]:
        """The families in a table, by name."""
        found = rows.scan(TableName=table)["Items"]
        return {
            item["pk"]["S"].removeprefix("family#"): item for item in found if item["pk"]["S"].startswith("family#")
        }

    def home_used(self) -> set[str]:
        """The tables that the home region's live versions use."""
        live = [
            self.home_plane.functions[name].versions[self.home_plane.routing(name)[0]]["Environment"]["Variables"]
            for name in (f"ib-oauth-{function}-test" for function in FUNCTIONS)
        ]
        return {variables[name] for variables in live for name in ("STATE_TABLE", "TOKENS_TABLE")}

    def home_may_issue(self) -> bool:
        """Whether the home region may issue tokens now."""
        lease = self.regions.home.issuing_lease.read_lease()
        return lease is not None and lease.allows(self.clock.now())

    def pass_time(self, seconds: float) -> None:
        """Let time pass, in which both regions renew their leases every minute."""
        while seconds > 0:
            self.clock.advance(min(seconds, _MINUTE))
            seconds -= _MINUTE
            self.renew_both()
            self.on_minute()

    def renew_both(self) -> None:
        """Renew both leases by the assignment, and note a moment at which both regions may issue."""
        renew_lease(self.cloud, self.cloud.failovers, REGION)
        if not self.home_lost:
            renew_lease(self.regions.home, self.cloud.failovers, HOME)
            if self.may_issue() and self.home_may_issue():
                self.both_issued.append(f"{self.clock.now():%H:%M:%S}")

    def renew_home(self) -> None:
        """As in a failover, until the way back begins."""
        if "regions" not in vars(self):
            super().renew_home()

    def _both_regions(self) -> BothRegions:
        object.__setattr__(self.cloud, "wires", Wired(self.rows))
        object.__setattr__(self.cloud, "sleep", self.pass_time)
        vars(self.cloud)["table_reader"] = TableReader(self.clients["dynamodb"], self.cloud.wires)
        vars(self.cloud)["point_in_time_recovery"] = SimpleNamespace(create_backup=self._back_up)
        self.cloud.settings["OPERATORS"] = "1"  # type: ignore[index]
        clients: dict[str, Any] = {
            "lambda": self.home_plane,
            "dynamodb": both(self.home_ledger, both(self.home_tables, self.home_rows)),
            "sns": self.topics,
            "application-autoscaling": FakeScaling(),
        }

        rows = OfHome(self, self.home_rows)
        home = HomeCloud(
            {**self.cloud.settings, "AWS_REGION": HOME},
            clients=lambda service: OfHome(self, clients[service]),
            now=self.clock.now,
            wires=Wired(rows),
            sleep=self.pass_time,
            store=self.cloud.failovers,
        )
        adapters = vars(home)
        adapters["aliases"] = Aliases(OfHome(self, self.home_plane), LIVE, sleep=lambda _: None)
        adapters["versions"] = Versions(OfHome(self, self.home_plane), sleep=lambda _: None)
        adapters["issuing_lease"] = IssuingLeaseStore(rows, KEYS)
        adapters["client_items"] = partial(ClientItems, rows)
        adapters["restored_tokens"] = lambda table, source, log: RestoredTokens(rows, table, source, log)
        adapters["probe_clients"] = SimpleNamespace(
            functions=OfHome(self, self.home_service), macs=SimpleNamespace(generate_mac=lambda *_: b"mac")
        )
        ring = SigningKeyRing(0, self.clock.now(), (SigningKey("h", "kid-h", KeyPhase.SIGNING, self.clock.now()),))
        keys = SimpleNamespace(read_ring=lambda: ring, read_kid=lambda _key: "kid-h")
        adapters["key_ring"] = OfHome(self, keys)
        return BothRegions(self.cloud, home, read_share_percent=25.0, block_hold=HOLD)

    def _back_up(self, table: str, name: str) -> str:
        self.tables.back_up(table, name)
        arn = next(reversed(self.tables.backups))
        self.rows_backed_up[arn] = self.rows.scan(TableName=table)["Items"]
        return arn
