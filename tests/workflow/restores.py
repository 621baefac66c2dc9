"""An environment in memory whose tables are restored for real: restore, deployment and rollback run on it, each by its definition."""

from __future__ import annotations

import json
from typing import Any

from orchestrator.domain.recovery import Recovery
from tests.fakes.clouds import REGION, execution_arn, machine_arn
from tests.fakes.restorable_tables import RestorableTables
from tests.samples import FUNCTIONS, recovery_table
from tests.workflow.moto_interpreter import Ended, MotoInterpreter
from tests.workflow.world import Bridge, Invocation, Scenario, World, both, straight

STATE, TOKENS = "ib-oauth-state-test", "ib-oauth-tokens-test"
DECLARED = {"time_to_live": "delete_at", "recovery": 35, "deletion_protection": True}


class RestoreWorld(World):
    """One environment with two tables, whose functions say which they use.

    Args:
        interpreter: runs the definitions; their machines exist already.
        name: the restore's id, new to the interpreter.
        scenario: how the deployment that cuts over does.
        bridge: between states and tasks.
    """

    def __init__(
        self, interpreter: MotoInterpreter, name: str, scenario: Scenario | None = None, bridge: Bridge = straight
    ) -> None:
        super().__init__(interpreter, f"d-{name}", scenario or Scenario(changed=False), bridge)
        self.restore_name = name
        self.tables = RestorableTables(self.clock.now)
        for table in (STATE, TOKENS):
            self.tables.add(table)
        for function in FUNCTIONS:
            variables = {"STATE_TABLE": STATE, "TOKENS_TABLE": TOKENS, "ISSUER": "https://issuer.invalid"}
            self.plane.add(f"ib-oauth-{function}-test", Environment={"Variables": variables})
        self.clients["dynamodb"] = both(both(self.table, self.doors), self.tables)
        self.clients["application-autoscaling"] = None
        settings: Any = self.cloud.settings
        settings |= {
            "AWS_REGION": REGION,
            "RECOVERY": json.dumps(recovery_table()),
            "TABLES": json.dumps({"state": STATE, "tokens": TOKENS}),
            "DECLARED": json.dumps(DECLARED),
        }

    def restore(self, **given: Any) -> Ended:
        """Run a restore to its end, and then what follows."""
        asked, machine = json.dumps({"requested_by": "ann", **given}), machine_arn("restore")
        arn = execution_arn("restore", self.restore_name)
        self.states.start_execution(stateMachineArn=machine, name=self.restore_name, input=asked)
        self.states.pending.remove(arn)
        ended = self.interpreter.run(machine, self.restore_name, asked)
        self.states.end(arn, ended.phase)
        self.run_started()
        return ended

    def call(self, invocation: Invocation) -> Any:
        """Run a task; while a restore waits for its deployment, that one runs."""
        if invocation.state == "AwaitCutOver":
            self.run_started()
        return super().call(invocation)

    @property
    def recovery(self) -> Recovery:
        """What the ledger keeps of the restore."""
        return self.cloud.restores.read(self.restore_name)

    def used(self) -> dict[str, set[str]]:
        """Which tables the versions that clients get use, and those of `$LATEST`."""
        found: dict[str, set[str]] = {"live": set(), "latest": set()}
        for function in (f"ib-oauth-{name}-test" for name in FUNCTIONS):
            live = self.plane.functions[function].versions[self.plane.routing(function)[0]]
            for side, version in (("live", live), ("latest", self.plane.functions[function].latest)):
                variables = version["Environment"]["Variables"]
                found[side] |= {variables["STATE_TABLE"], variables["TOKENS_TABLE"]}
        return found
