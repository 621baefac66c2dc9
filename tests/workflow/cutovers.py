"""A cutover and its rollback by their tasks, under the load of clients, over tables whose policies spread host by host. Time is simulated.

The clients use the service's own store. Every response that says that something was written is remembered, and so is what it means for the
tables in the end.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from random import Random
from types import SimpleNamespace
from typing import Any
from unittest import mock

import msgspec

from orchestrator.application.cloud import Cloud
from orchestrator.application.cutover import passes, replays, unblocking
from orchestrator.aws.dynamodb.access_block import TableAccess
from orchestrator.aws.dynamodb.batch import batch_client
from orchestrator.aws.dynamodb.late_writes import LateWrites
from orchestrator.aws.dynamodb.streams import StreamChanges
from orchestrator.aws.oauth_tables.restored_tokens import RestoredTokens
from orchestrator.domain.deployment.cutover import is_blocked
from orchestrator.domain.deployment.decision import Action, Decision
from orchestrator.domain.deployment.record import Deployment, DeploymentOutcome
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.errors import OrchestratorError, PolicyNotEffective, ResourcePolicyConflict
from orchestrator.domain.recovery.record import CUTOVER_CHECK, CheckResult, RecoveryAction
from orchestrator.domain.recovery.token_sanitization import (
    DispositionCounts,
    RotatedPolicy,
    SanitizationStage,
    SanitizationState,
)
from orchestrator.domain.verdict import Outcome, Verdict
from orchestrator.tasks.common.replay_late_writes import replay_after_cutover, replay_before_promotion
from orchestrator.tasks.deployment.block_source_tables import block_source_tables
from orchestrator.tasks.rollback.replay_new_writes import replay_new_writes
from orchestrator.tasks.rollback.unblock_source_tables import unblock_source_tables
from orchestrator.tasks.runtime import RecoveryTaskInput, RecoveryTaskOutput, TaskInput, TaskOutput
from service.oauth import validity
from service.oauth.families import Cause, Family
from service.storage.conditional_writes import StoreUnavailable
from service.storage.revocations import RevokingStore
from tests.fakes.clock import SimulatedClock
from tests.fakes.clouds import SETTINGS, cloud_over
from tests.fakes.configuration import FakeCaller
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.errors import client_error
from tests.fakes.hosted_tables import HostedTables, arn_of
from tests.fakes.messages import FakeEvents
from tests.samples import FUNCTIONS, cut_over, deployment, recovery, recovery_table, restored_tables

CLIENTS = 200
SOURCE = ("ib-oauth-state-test", "ib-oauth-tokens-test")
TARGET = ("ib-oauth-restored-re-1-state-test", "ib-oauth-restored-re-1-tokens-test")
REVOCATIONS = "ib-oauth-revocations-test"
EPOCH = 1
"""The epoch of the restored tables. In their sources it is 0."""

IN_FLIGHT_SECONDS = 3.0
"""How long a request may still run after its alias was moved."""

BLOCK_AT, PROMOTED_SECONDS = 30.0, 60.0
TASK_ROLE = "arn:aws:iam::123456789012:role/ib-oauth-task-test"
_names = count()


class Stopped(BaseException):
    """The execution was stopped, in the middle of whatever it did."""


class Clock(SimulatedClock):
    """A clock with appointments: letting time pass lets everything happen that was due."""

    def __init__(self) -> None:
        super().__init__()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    def at(self, seconds: float, call: Callable[[], None]) -> None:
        """Have something happen at a time, in seconds since the start."""
        heapq.heappush(self._due, (seconds, next(self._order), call))

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        until = self.seconds() + seconds
        while self._due and self._due[0][0] <= until:
            due, _, call = heapq.heappop(self._due)
            super().advance(max(0.0, due - self.seconds()))
            call()
        super().advance(max(0.0, until - self.seconds()))


@dataclass
class Login:
    """The responses that a client got about one login.

    Attributes:
        token: the current refresh token; revoked: the response said that the login is over.
        diverged: the source was written between the copy and the request to block it, so the restore drops it.
        revocation_sent: it sent a request to revoke the login; without a response the login may be over or not.
        lost: the service no longer knew the client's token, or the login.
    """

    family: str
    token: str
    revoked: bool = False
    diverged: bool = False
    revocation_sent: bool = False
    lost: str = ""


class CutoverWorld:
    """Tables, clients and the tasks of one cutover.

    Args:
        random: draws everything.
        policy_seconds: the longest time until a host applies a policy.
        stop_at: when a rollback begins; None for none.
        rotated_tokens: the environment's policy.
        replays: the kinds that the restore's replay leaves out; None for no replay.
    """

    def __init__(
        self,
        random: Random,
        policy_seconds: float,
        stop_at: float | None,
        rotated_tokens: str = "revoke",
        replays: tuple[str, ...] | None = None,
    ) -> None:
        self.random, self.clock, self.replays = random, Clock(), replays
        self.policy_seconds, self.stop_at = policy_seconds, stop_at
        names = (*SOURCE, *TARGET, REVOCATIONS)
        self.hosted = HostedTables(names, self.clock.now, random, policy_seconds, f"w{next(_names)}-")
        self.live, self.moved_at, self.before = SOURCE, -100.0, SOURCE
        self.logins: list[Login] = []
        self.acknowledged = self.refused = 0
        self.outage_seconds = 0.0
        self.late_writes = 0
        self.block_requested = self.rolled_back = False
        self.cloud = self._cloud(rotated_tokens)
        self._begin()

    def _cloud(self, rotated_tokens: str) -> Cloud:
        policy = recovery_table(rotated_tokens=rotated_tokens)
        settings = {**SETTINGS, "RECOVERY_POLICY": json.dumps(policy)}
        task = self.hosted.wire(TASK_ROLE)
        clients = {
            "dynamodb": FakeDynamoDB(), "events": FakeEvents(), "sts": FakeCaller(), "lambda": None,
        }  # fmt: skip
        cloud = cloud_over(clients, self.clock.now, settings, self.clock.advance)
        # The task that unblocks probes as another role than the one that replays.
        vars(cloud)["table_access"] = TableAccess(
            self.hosted, lambda: self.hosted.connection("probe"), self.clock.now, sleep=self.clock.advance
        )
        vars(cloud)["table_reader"] = self.hosted
        streams = StreamChanges(self.hosted, task, self.clock.now, sleep=self.clock.advance)
        vars(cloud)["late_writes"] = LateWrites(self.hosted, streams, task, sleep=self.clock.advance)  # type: ignore[arg-type]
        vars(cloud)["restored_tokens"] = lambda table, source, log, *_, **__: RestoredTokens(
            self.hosted.connection(TASK_ROLE), table, source, log, lambda: batch_client(task("dynamodb"))
        )
        return cloud

    def _begin(self) -> None:
        """Have tables that were restored a moment ago, and a deployment that is about to cut over."""
        for table, epoch in ((SOURCE[1], 0), (TARGET[1], EPOCH)):
            item = {"pk": {"S": "epoch"}, "epoch": {"N": str(epoch)}}
            self.hosted.put(table, item)
        state = SanitizationState(
            "re-1", "SanitizeTokens", EPOCH, 0, RotatedPolicy.REVOKE, source_readable=True,
            stage=SanitizationStage.SAFE, cursors={}, dispositions=DispositionCounts(),
        )  # fmt: skip
        body = {"pk": {"S": "recovery"}, "body": {"S": msgspec.json.encode(state).decode()}}
        self.hosted.put(TARGET[1], body)
        for number in range(CLIENTS):
            login = self._log_in(self._store(SOURCE), f"old-{number}", 0)
            item = self.item(SOURCE[1], login.family)
            assert item is not None
            self.hosted.put(TARGET[1], {**item, "epoch": {"N": str(EPOCH)}})
            self.logins.append(login)
            self._plan(number)
        cutover = cut_over(
            changes=tuple(
                replace(
                    change,
                    leaves=replace(change.leaves, arn=arn_of(change.leaves.name)),
                    enters=replace(change.enters, arn=arn_of(change.enters.name)),
                )
                for change in cut_over().changes
            )
        )
        kept = recovery(
            id="re-1",
            kind=Kind.RESTORE,
            tables=restored_tables("re-1"),
            deployment="d-1",
            replays=self.replays,
            point=self.clock.now(),
        )
        passed = CheckResult(CUTOVER_CHECK, Verdict(Outcome.PASS, "d-1"))
        self.cloud.restores.create_record(kept.with_check_results(passed))
        self.cloud.ledger.create_record(deployment(cutover=cutover))
        self._lock("deployment", "d-1", Kind.DEPLOYMENT)
        if self.stop_at is not None:
            self.clock.at(self.stop_at, self._stop)

    # --- clients -----------------------------------------------------------------------------------------

    def _plan(self, number: int) -> None:
        """Have a client ask again some time later."""
        self.clock.at(self.clock.seconds() + self.random.expovariate(1 / 25), lambda: self._ask(number))

    def _ask(self, number: int) -> None:
        """Have a client ask something; the function that answers may be one of before, and takes a while to."""
        lag = self.random.uniform(0, IN_FLIGHT_SECONDS)
        tables = self.before if self.clock.seconds() - self.moved_at < lag else self.live
        try:
            self._serve(self._store(tables), tables, number)
            self.acknowledged += 1
        except StoreUnavailable:
            self.refused += 1
        self._plan(number)

    def _store(self, tables: tuple[str, str]) -> RevokingStore:
        client: Any = self.hosted.connection("service")
        return RevokingStore(client, *tables, REVOCATIONS)

    def _serve(self, store: RevokingStore, tables: tuple[str, str], number: int) -> None:
        login, now = self.logins[number], int(self.clock.now().timestamp())
        if login.revoked or login.lost:
            epoch = store.revocation_epoch()
            self.logins.append(login)
            self.logins[number] = self._log_in(store, f"new-{next(_names)}", epoch)
            self._note(tables, self.logins[number])
        elif self.random.random() < 0.15:
            login.revocation_sent = True  # It may be in the log although the response is 503.
            store.revoke(login.family, Cause.REQUEST, now, synthetic=False)
            login.revoked = True
        else:
            self._rotate(store, tables, login, now)

    def _rotate(self, store: RevokingStore, tables: tuple[str, str], login: Login, now: int) -> None:
        family, epoch = store.read_family_and_epoch(login.family, synthetic=False)
        if family is None or family.revoked_because is not None:
            login.lost = f"at {self.clock.seconds():.0f} s: {'no such family' if family is None else 'revoked'}"
            return
        if not validity.counts(ends_at=family.expires_at, epoch=family.epoch, now=now, current_epoch=epoch):
            login.lost = f"at {self.clock.seconds():.0f} s: another epoch"
            return
        if family.refresh_hash != login.token:
            store.revoke(login.family, Cause.REUSE, now, synthetic=False)
            login.revoked, login.lost = True, f"at {self.clock.seconds():.0f} s: its token was taken for a reused one"
            return
        token = f"token-{next(_names)}"
        if store.rotate(family, token, token, now, epoch, salt="salt") is None:
            login.token = token
            self._note(tables, login)

    def _note(self, tables: tuple[str, str], login: Login) -> None:
        if tables == SOURCE and self.block_requested and not self.rolled_back:
            self.late_writes += 1
        if tables == SOURCE and not self.block_requested and self.replays is None:
            login.diverged = True

    def _log_in(self, store: RevokingStore, name: str, epoch: int) -> Login:
        token = f"token-{next(_names)}"
        family = Family(
            family_id=name, synthetic=False, client_id="native", scope=("openid",), audience="api", subject="user",
            session=None, epoch=epoch, generation=1, refresh_hash=token, rotated_by=token, expires_at=4_000_000_000,
        )  # fmt: skip
        if not store.create_family(family):
            raise AssertionError(name)
        return Login(name, token)

    # --- the state machines ------------------------------------------------------------------------------

    def _stop(self) -> None:
        raise Stopped

    def _lock(self, machine: str, name: str, kind: Kind) -> int:
        seen = self.cloud.ledger.read_lock()
        return self.cloud.ledger.acquire_lock(seen, f"{machine}-{name}", name, kind, self.clock.now()).fencing_token

    def _task(self, run: Callable[[TaskInput, Cloud], TaskOutput], *, attempts: int, state: str) -> TaskOutput | None:
        """Run a task as its state does, with its retries; None if they are used up."""
        lock, decision = self.cloud.ledger.read_lock(), Decision(Action.REVERT, 0, 0, 0, "")
        task_input = TaskInput(
            execution=lock.execution, state_name=state, entered=f"{self.clock.now()}", deployment="d-1",
            state={"fencing_token": lock.fencing_token, "decision": msgspec.to_builtins(decision)},
        )  # fmt: skip
        for attempt in range(attempts):
            try:
                return run(task_input, self.cloud)
            except (PolicyNotEffective, ResourcePolicyConflict):
                self.clock.advance(min(5, 2**attempt))
            except OrchestratorError:
                self.clock.advance(5)
        return None

    def run(self) -> bool:
        """Cut over, or roll back at the given moment; return whether the restored tables are in use."""
        try:
            if self.replays is not None:
                self.clock.advance(BLOCK_AT)
            self._read_ahead(self._lock("restore", "re-1", Kind.RESTORE))
            self._lock("deployment", "d-1", Kind.DEPLOYMENT)
            self.clock.advance(max(0.0, BLOCK_AT - self.clock.seconds()))
            done = self._deploy()
        except Stopped:
            done = False
        if done:
            with suppress(Stopped):
                self._finish()
        else:
            self._roll_back()
        # What EventBridge and the reconciler do, and clients go on.
        self.cloud.ledger.release_lock(self.cloud.ledger.read_lock().fencing_token)
        for _ in range(3):
            self.reconcile()
            self.clock.advance(60)
        return done

    def _read_ahead(self, token: int) -> None:
        """Replay what was written before the cutover, while clients go on."""
        self._run_restore("ReplayWrites", token)

    def _deploy(self) -> bool:
        self.block_requested = True
        begun = self.clock.seconds()
        if self._task(block_source_tables, attempts=21, state="BlockSourceTables") is None:
            return False
        if self._task(replay_before_promotion, attempts=21, state="ReplayLateWrites") is None:
            return False
        self._move(TARGET)
        self.outage_seconds = self.clock.seconds() - begun
        self.clock.advance(PROMOTED_SECONDS)
        return True

    def _finish(self) -> None:
        """The deployment has succeeded, and the restore replays once more."""
        fencing_token = self.cloud.ledger.read_lock().fencing_token
        ended = replace(self.deployment, outcome=DeploymentOutcome.SUCCEEDED)
        self.cloud.ledger.save_record(ended, fencing_token)
        self._run_restore("ReplayLateWrites", self._lock("restore", "re-1", Kind.RESTORE))

    def _run_restore(self, state_name: str, token: int) -> None:
        """Run a state of the restore until it no longer waits."""
        state = dict[str, Any]()
        while True:
            task_input = RecoveryTaskInput(
                execution="restore-re-1", state_name=state_name, entered=f"{self.clock.now()}", recovery="re-1",
                kind=Kind.RESTORE, state={"fencing_token": token, **state},
            )  # fmt: skip
            output: RecoveryTaskOutput = replay_after_cutover(task_input, self.cloud)
            if output.decision.action is not RecoveryAction.WAIT:
                return
            self.clock.advance(output.decision.wait_seconds)
            state = {"decision": msgspec.to_builtins(output.decision)}

    def _roll_back(self) -> None:
        begun = self.clock.seconds()
        for _ in range(5):  # The next attempt of the rollback, which the reconciler starts.
            self._lock("rollback", "d-1", Kind.ROLLBACK)
            if not self.rolled_back:
                self.rolled_back = True
                self._move(SOURCE)
            # Also in a later attempt, as in the definition; and its Catch leads to the next state.
            self._task(replay_new_writes, attempts=3, state="ReplayNewWrites")
            if self._task(unblock_source_tables, attempts=8, state="UnblockSourceTables") is not None:
                break
            self.clock.advance(60)
        else:
            raise AssertionError("the tables in use stay blocked")
        self.outage_seconds = self.clock.seconds() - begun

    def _move(self, tables: tuple[str, str]) -> None:
        """Move the alias."""
        self.before, self.live, self.moved_at = self.live, tables, self.clock.seconds()

    def hosted_error(self) -> Exception:
        """What DynamoDB answers to a caller that may do nothing."""
        return client_error("AccessDeniedException", "not authorized")

    def reconcile(self) -> str:
        """What the reconciler does about live tables, whose names it reads from the live versions."""
        variables = dict(zip(("STATE_TABLE", "TOKENS_TABLE"), self.live, strict=True))
        version = SimpleNamespace(configuration={"Environment": {"Variables": variables}})
        vars(self.cloud)["versions"] = SimpleNamespace(describe_version=lambda *_: version)
        routing = SimpleNamespace(routing=SimpleNamespace(primary="1"))
        vars(self.cloud)["aliases"] = SimpleNamespace(read_alias=lambda _: routing)
        assert FUNCTIONS
        return unblocking.unblock_live_tables(self.cloud)

    @property
    def deployment(self) -> Deployment:
        """What the ledger keeps."""
        return self.cloud.ledger.read_record("d-1")

    # --- what it looks like in the end -------------------------------------------------------------------

    def item(self, table: str, family: str) -> dict[str, Any] | None:
        """A family as a table holds it."""
        found: dict[str, Any] | None = self.hosted.tables.get_item(
            TableName=table, Key={"pk": {"S": f"family#{family}"}}
        ).get("Item")
        return found

    def violations(self) -> Iterator[str]:
        """What responses said and is not so in the tables in use."""
        tokens = self.live[1]
        epoch = int(self.hosted.tables.get_item(TableName=tokens, Key={"pk": {"S": "epoch"}})["Item"]["epoch"]["N"])
        for login in self.logins:
            item = self.item(tokens, login.family)
            alive = item is not None and "revoked_because" not in item and int(item["epoch"]["N"]) >= epoch
            if login.revoked and alive:
                yield f"{login.family} was revoked, and is alive"
            # The restore drops what was written to its source between the recovery point and the block. Its client is
            # refused by the restored tables, and stays so after a rollback.
            if (login.diverged and (self.live == TARGET or login.lost)) or (
                login.revocation_sent and not login.revoked
            ):
                continue
            if login.lost:
                yield f"{login.family} was lost {login.lost}"
            elif not login.revoked and not (alive and item and item["refresh_hash"]["S"] == login.token):
                yield f"{login.family} has {item and item['refresh_hash']}, and its client has {login.token}"
        for name in self.live:
            policy = self.hosted.policies.get(arn_of(name))
            if policy and is_blocked(json.loads(policy[0])):
                yield f"{name} is in use and blocked"
            for host in range(1000):
                if self.hosted.denies(name, "PutItem", host, "service"):
                    yield f"{name} denies on some host"
                    break


@contextmanager
def sequential() -> Iterator[None]:
    """Have no threads: reading lets time pass for all."""
    with ExitStack() as patches:
        for module in (passes, replays, unblocking):
            patches.enter_context(
                mock.patch.object(module, "for_each", lambda items, call: [call(item) for item in items])
            )
        yield


HOLD = timedelta(seconds=recovery_table()["block_hold_seconds"])
