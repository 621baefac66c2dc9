"""The injectors: one for each scenario of `orchestrator.domain.rehearsal.catalogue`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from orchestrator.local.rehearsal.injectors import (
    backups,
    control_plane,
    environment,
    everything,
    evidence,
    keys,
    ledger,
    tables,
)
from orchestrator.local.rehearsal.stage import Stage


def _nothing(stage: Stage) -> None:
    del stage


@dataclass(frozen=True)
class Injector:
    """How one scenario runs.

    Attributes:
        inject: brings the fault about.
        remedy: types the runbook's commands in a person's place, or waits for the end of a fault that ends by itself.
        verify: returns what is as it must be after the recovery, in one sentence; raises RehearsalFailed otherwise.
        prepare: what must be there before the fault.
        undo: ends the fault if the run failed, so that the next scenario starts from a healthy environment.
    """

    inject: Callable[[Stage], None]
    remedy: Callable[[Stage], None]
    verify: Callable[[Stage], str]
    prepare: Callable[[Stage], None] = _nothing
    undo: Callable[[Stage], None] = _nothing


INJECTORS: Final[Mapping[str, Injector]] = {
    "ledger-lost": Injector(ledger.delete, ledger.restore, ledger.verify),
    "evidence-unreadable": Injector(
        evidence.make_unreadable, evidence.make_readable, evidence.verify, undo=evidence.undo
    ),
    "lambda-throttled": Injector(
        control_plane.throttle,
        control_plane.end_throttle,
        control_plane.verify,
        control_plane.start_deployment,
        control_plane.undo,
    ),
    "key-disabled": Injector(keys.disable, keys.enable, keys.verify, undo=keys.undo),
    "key-pending-deletion": Injector(keys.schedule_deletion, keys.cancel_deletion, keys.verify, undo=keys.undo),
    "backups-emptied": Injector(backups.empty, backups.restore_protection, backups.verify, backups.back_up),
    "table-deleted": Injector(tables.delete, tables.restore_deleted, tables.verify),
    "table-emptied": Injector(tables.start_emptying, tables.restore_emptied, tables.verify),
    "environment-emptied": Injector(environment.empty, environment.rebuild, environment.verify, environment.back_up),
    "all-but-region": Injector(everything.inject, everything.remedy, everything.verify),
}
"""The injectors by scenario; the loss of a region has a cloud of its own (`region`)."""
