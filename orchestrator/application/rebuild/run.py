"""The phases of a rebuild. Each may be repeated: what is there already is left as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from botocore.exceptions import ClientError

from orchestrator.application.cloud import Cloud
from orchestrator.aws.clients import error_code, translate_errors
from orchestrator.aws.dynamodb.descriptions import describe_table
from orchestrator.aws.rebuild.records import RebuildRecords
from orchestrator.aws.rebuild.stacks import Stacks
from orchestrator.domain.analysis.observations import HttpRequest
from orchestrator.domain.configuration.snapshot import read_snapshot, snapshot_differences
from orchestrator.domain.errors import RestoreFailed, Unreachable
from orchestrator.domain.names import SERVICE_STACK, resource_name
from orchestrator.domain.rebuild.plan import KeyState, PlannedTable, RebuildPlan, TableSource
from orchestrator.domain.rebuild.result import Phase, RebuildResult, describe_differences
from orchestrator.domain.recovery.token_sanitization import next_epoch

_TABLE_POLL_SECONDS, _TABLE_SECONDS = 5.0, 6 * 3600.0
_HEALTH_POLL_SECONDS, _HEALTH_SECONDS = 2.0, 180.0
_EXISTS: Final = frozenset({"TableAlreadyExistsException", "TableInUseException", "ResourceInUseException"})
_URL = "ApiUrl"
_PLAN_ANEW: Final = "`orchestrator rebuild --abandon` ends this rebuild, and the next one is planned anew"


class Rebuild:
    """A rebuild under way.

    Args:
        cloud: the environment's adapters.
        stacks: its stacks, from the assembly.
        records: of rebuilds.
        after_stack: called with the name of each stack that is complete.
        report: called with each phase that ended.
    """

    def __init__(
        self,
        cloud: Cloud,
        stacks: Stacks,
        records: RebuildRecords,
        after_stack: Callable[[str], None],
        report: Callable[[Phase], None],
    ) -> None:
        self._cloud, self._stacks, self._records = cloud, stacks, records
        self._after_stack, self._report = after_stack, report
        self._phases: list[Phase] = []

    def run(self, plan: RebuildPlan, requested_by: str) -> RebuildResult:
        """Perform the plan, and record the result once the service is healthy: a repetition could do no more.

        Raises:
            RestoreFailed: a table was not restored in time, or what the plan needs is gone.
            StackNotRebuilt: CloudFormation did not bring a stack to its template.
        """
        started_at = self._cloud.now()
        self._phase("keys", lambda: self._recover_keys(plan))
        self._phase("tables", lambda: self._restore_tables(plan))
        for stack in plan.stacks:
            self._phase(stack.name, lambda: self._rebuild_stack(stack))  # noqa: B023 - called before the next one
        healthy: list[bool] = []
        self._phase("service", lambda: self._await_health(plan, healthy))
        differences: list[Any] = []
        self._phase("configuration", lambda: self._compare(plan, differences))
        result = RebuildResult(
            id=plan.id,
            requested_by=requested_by,
            started_at=started_at,
            ended_at=self._cloud.now(),
            phases=tuple(self._phases),
            differences=tuple(differences),
            healthy=bool(healthy),
        )
        if result.healthy:
            self._records.end(result)
        return result

    def _phase(self, name: str, perform: Callable[[], str]) -> None:
        began = self._cloud.now()
        result = perform()
        phase = Phase(name, round((self._cloud.now() - began).total_seconds(), 1), result)
        self._phases.append(phase)
        self._report(phase)

    def _recover_keys(self, plan: RebuildPlan) -> str:
        client = self._cloud.clients("kms")
        for key_id in plan.keys:
            with translate_errors():
                state = client.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"]
                if state == KeyState.PENDING_DELETION:
                    client.cancel_key_deletion(KeyId=key_id)
                if state != KeyState.ENABLED:
                    client.enable_key(KeyId=key_id)
        return f"{len(plan.keys)} keys made usable again" if plan.keys else "all were usable"

    def _restore_tables(self, plan: RebuildPlan) -> str:
        retained = [table.name for table in plan.tables if table.source is TableSource.RETAINED]
        if gone := [name for name in retained if not self._describe(name)]:
            raise RestoreFailed(f"{', '.join(gone)}: retained when {plan.id} was planned, and gone now: {_PLAN_ANEW}")
        restored = [table for table in plan.tables if table.source is TableSource.BACKUP]
        for table in restored:
            self._start_restore(table)
        waiting = [table.name for table in plan.tables if table.source is not TableSource.EMPTY]
        waited = 0.0
        while waiting := [name for name in waiting if not self._complete(name)]:
            if waited > _TABLE_SECONDS:
                raise RestoreFailed(
                    f"{', '.join(waiting)}: not restored after {_TABLE_SECONDS:g} s; repeat the command"
                )
            self._cloud.sleep(_TABLE_POLL_SECONDS)
            waited += _TABLE_POLL_SECONDS
        for table in restored:
            if table.ends_logins:
                self._end_logins(plan, table)
        return f"{len(restored)} restored, {len(plan.tables) - len(restored)} others"

    def _start_restore(self, table: PlannedTable) -> None:
        encryption: Mapping[str, Any] = (
            {"SSESpecificationOverride": {"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": table.key_arn}}
            if table.key_arn
            else {}
        )
        try:
            with translate_errors():
                self._cloud.clients("dynamodb").restore_table_from_backup(
                    TargetTableName=table.name, BackupArn=table.backup_arn, **encryption
                )
        except ClientError as error:
            if error_code(error) == "BackupNotFoundException":
                raise RestoreFailed(f"{table.name}: its backup {table.backup_arn} is gone: {_PLAN_ANEW}") from error
            if error_code(error) not in _EXISTS:
                raise

    def _end_logins(self, plan: RebuildPlan, table: PlannedTable) -> None:
        """Raise the epoch of restored tokens: revocations since the backup are lost. Recorded before it is written."""
        log = resource_name("revocations", plan.environment)
        tokens = self._cloud.restored_tokens(table.name, table.name, log)
        # A log that comes back empty does not exist before its stack does.
        no_log = any(one.name == log and one.source is TableSource.EMPTY for one in plan.tables)
        in_force = [tokens.read_epoch()] if no_log else tokens.read_known_epochs().in_force
        epoch = self._records.record_epoch(plan.id, next_epoch(in_force))
        tokens.raise_epoch(epoch)
        if tokens.read_epoch() < epoch:
            raise RestoreFailed(f"{table.name} does not read back the epoch {epoch}")

    def _rebuild_stack(self, stack: Any) -> str:
        done = self._stacks.rebuild(stack)
        self._after_stack(stack.name)
        return done

    def _await_health(self, plan: RebuildPlan, healthy: list[bool]) -> str:
        url = self._stacks.output(f"{SERVICE_STACK}-{plan.environment}", _URL).rstrip("/")
        waited, answer = 0.0, ""
        while waited <= _HEALTH_SECONDS:
            answer = self._health(url)
            if not answer:
                healthy.append(True)
                return f"healthy at {url}"
            self._cloud.sleep(_HEALTH_POLL_SECONDS)
            waited += _HEALTH_POLL_SECONDS
        return f"not healthy: {answer}"

    def _health(self, url: str) -> str:
        """Return why the service is not healthy; empty if it is."""
        try:
            response = self._cloud.http.send(url, HttpRequest("GET", "/health/deep"))
        except Unreachable as error:
            return str(error)
        return "" if response.status == 200 else f"/health/deep answered {response.status}"  # noqa: PLR2004 - HTTP

    def _compare(self, plan: RebuildPlan, differences: list[Any]) -> str:
        before = read_snapshot(self._cloud.artifacts.get_file(plan.snapshot_key, plan.snapshot_sha256))
        after = self._cloud.configuration(f"rebuild {plan.id}")
        differences += snapshot_differences(before, after)
        record = self._cloud.artifacts.put_configuration(after)
        return f"{record.id}: {describe_differences(tuple(differences))}"

    def _complete(self, table: str) -> bool:
        """Return whether a table is there with all of its items."""
        described = self._describe(table)
        restoring = (described.get("RestoreSummary") or {}).get("RestoreInProgress", False)
        return bool(described and described["TableStatus"] == "ACTIVE" and not restoring)

    def _describe(self, table: str) -> Mapping[str, Any]:
        """Return the description of a table; empty if there is none."""
        return describe_table(self._cloud.clients("dynamodb"), table) or {}
