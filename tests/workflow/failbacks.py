"""A failback by its tasks, under the load of clients that write all the time. Time is simulated, and streams are late."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from random import Random
from types import SimpleNamespace
from typing import Any
from unittest import mock

from orchestrator.application.restored_tables import closing as closing_application
from orchestrator.aws.dynamodb.table_sync import TableSync
from orchestrator.aws.dynamodb.write_closing import WriteClosing
from orchestrator.domain.deployment.cutover import Cutover, blocked_policy
from orchestrator.domain.deployment.decision import Action
from orchestrator.domain.recovery.lost_writes.closing import Closing, may_promote
from orchestrator.tasks.common.replay_late_writes import replay_before_promotion
from orchestrator.tasks.deployment import sync_tables as sync_task
from orchestrator.tasks.deployment.block_source_tables import block_source_tables
from orchestrator.tasks.deployment.sync_tables import sync_tables
from service.storage.conditional_writes import StoreUnavailable
from service.storage.revocations import RevokingStore
from tests.fakes.hosted_tables import arn_of
from tests.workflow.cutovers import (
    PROMOTED_SECONDS,
    REVOCATIONS,
    TARGET,
    TASK_ROLE,
    CutoverWorld,
    Login,
    sequential,
)

PROCESSES = 6
"""Execution environments of the service for each set of tables: each knows a closing as of its last read."""
STATE_SECONDS = 0.25
"""What a state costs in addition to its task: a transition, and the invocation of a function that is warm."""


class FailbackWorld(CutoverWorld):
    """Tables, clients and the tasks of one failback. Clients use SOURCE; TARGET are the original tables.

    Args:
        random: draws everything.
        stream_seconds: how late a write may be in its stream.
        stop_at: when a rollback begins; None for none.
        stop_after_closing: how long after the begin of a closing a rollback begins; None for none.
        closings: how often ReplayLateWrites is tried.
    """

    def __init__(
        self,
        random: Random,
        stream_seconds: float,
        stop_at: float | None = None,
        stop_after_closing: float | None = None,
        closings: int = 21,
    ) -> None:
        self._closings = closings
        self._processes: dict[tuple[str, str], list[RevokingStore]] = {}
        self.refused_at: list[float] = []
        self._stop_after_closing = stop_after_closing
        super().__init__(random, policy_seconds=5, stop_at=stop_at)
        self.hosted.stream_seconds = stream_seconds

    def _begin(self) -> None:
        super()._begin()
        wires: Any = self.hosted.wire(TASK_ROLE)
        vars(self.cloud)["table_reader"] = self.hosted
        vars(self.cloud)["table_sync"] = partial(TableSync, wires=wires, sleep=self.clock.advance)
        closings = WriteClosing(wires)
        vars(self.cloud)["write_closing"] = SimpleNamespace(
            close=partial(self._close, closings), extend=closings.extend, open=closings.open, mark=closings.mark
        )
        for name in TARGET:
            policy = json.dumps(blocked_policy(None, arn_of(name)))
            self.hosted.put_resource_policy(ResourceArn=arn_of(name), Policy=policy, ExpectedRevisionId="NO_POLICY")
        for login in self.logins[:20]:
            item = self.item(TARGET[1], login.family)
            assert item is not None
            # What the restore discarded, and what it holds differently.
            self.hosted.put(TARGET[1], {**item, "pk": {"S": f"family#discarded-{login.family}"}})
            self.hosted.put(TARGET[1], {**item, "refresh_hash": {"S": "before the restore"}})
        self.cloud.restores.save_unlocked(replace(self.cloud.restores.read_record("re-1"), failback_of="re-0"))
        begun = self.deployment
        assert begun.cutover is not None
        failback = replace(begun, cutover=replace(begun.cutover, failback=True))
        self.cloud.ledger.save_record(failback, self.cloud.ledger.read_lock().fencing_token)

    def _read_ahead(self, token: int) -> None:
        """Do nothing: a failback restores nothing, and its deployment brings the tables in sync."""

    def _close(self, closings: WriteClosing, table: str, closing: Closing) -> None:
        closings.close(table, closing)
        if self._stop_after_closing is not None:
            begins = self.clock.seconds() + (closing.at - self.clock.now()).total_seconds()
            self.clock.at(begins + self._stop_after_closing, self._stop)

    def _store(self, tables: tuple[str, str]) -> RevokingStore:
        """One of the processes that serve these tables."""
        if tables not in self._processes:
            self._processes[tables] = [
                RevokingStore(
                    self.hosted.connection("service"),  # type: ignore[arg-type]
                    *tables,
                    REVOCATIONS,
                    clock=lambda: self.clock.now().timestamp(),
                )
                for _ in range(PROCESSES)
            ]
        return self.random.choice(self._processes[tables])

    def _serve(self, store: RevokingStore, tables: tuple[str, str], number: int) -> None:
        try:
            super()._serve(store, tables, number)
        except StoreUnavailable:
            self.refused_at.append(self.clock.seconds())
            raise

    def _note(self, tables: tuple[str, str], login: Login) -> None:
        """Nothing diverges: all that clients write is kept."""

    @property
    def cutover(self) -> Cutover:
        """What the ledger keeps of it."""
        assert self.deployment.cutover is not None
        return self.deployment.cutover

    def _deploy(self) -> bool:
        action = Action.SYNC_TABLES
        while action is not Action.PROCEED:
            task, state = (
                (replay_before_promotion, "CatchUp") if action is Action.REPLAY else (sync_tables, "SyncTables")
            )
            output = self._task(task, attempts=12, state=state)
            if output is None:
                return False
            action = output.decision.action
            self.clock.advance(max(STATE_SECONDS, output.decision.wait_seconds))
        if self._task(block_source_tables, attempts=1, state="BlockSourceTables") is None:
            return False
        if self._task(replay_before_promotion, attempts=self._closings, state="ReplayLateWrites") is None:
            return False
        self.clock.advance(STATE_SECONDS)
        if not may_promote(self.cutover.opens_at, self.clock.now()):
            return False
        promoting = replace(self.deployment, cutover=replace(self.cutover, replayed_at=self.clock.now()))
        self.cloud.ledger.save_record(promoting, self.cloud.ledger.read_lock().fencing_token)
        self.clock.advance(STATE_SECONDS)
        self._move(TARGET)
        assert self.cutover.block_requested_at is not None
        self.outage_seconds = (self.clock.now() - self.cutover.block_requested_at).total_seconds()
        if self._task(block_source_tables, attempts=21, state="BlockPreviousTables") is None:
            return False
        self.clock.advance(PROMOTED_SECONDS)
        return True


@contextmanager
def one_thread() -> Iterator[None]:
    """Have no threads: reading lets time pass for all."""

    def in_turn(items: Any, call: Any) -> list[Any]:
        return [call(item) for item in items]

    with (
        sequential(),
        mock.patch.object(closing_application, "for_each", in_turn),
        mock.patch.object(sync_task, "for_each", in_turn),
    ):
        yield
