"""The ledger's table is deleted."""

from __future__ import annotations

from orchestrator.domain.names import resource_name
from orchestrator.domain.rehearsal.catalogue import LEDGER_COMMANDS
from orchestrator.local.deployed_environment import ENVIRONMENT
from orchestrator.local.rehearsal.injectors.tables import delete_table
from orchestrator.local.rehearsal.stage import Stage
from orchestrator.local.rehearsal_clients import RehearsalFailed

_TABLE = resource_name("ledger", ENVIRONMENT)
_ITEMS = "ledger items"


def delete(stage: Stage) -> None:
    """Delete the table, and remember how many records of deployments it had."""
    stage.notes[_ITEMS] = str(len(stage.here.cloud.ledger.newest_records(50)))
    delete_table(stage, _TABLE)


def restore(stage: Stage) -> None:
    """Find that the ledger is missing, and restore it from the backup that its deletion left."""
    refused = stage.type("orchestrator status --env ENV", expected=None).output
    if "ledger" not in refused:
        raise RehearsalFailed(f"`orchestrator status` does not name the ledger: {refused}")
    stage.type(LEDGER_COMMANDS)


def verify(stage: Stage) -> str:
    """Verify that the records are there, and that the orchestrator writes again."""
    records = str(len(stage.here.cloud.ledger.newest_records(50)))
    if records != stage.notes[_ITEMS]:
        raise RehearsalFailed(f"the ledger had {stage.notes[_ITEMS]} deployments and has {records}")
    stage.type("orchestrator status --env ENV")
    return f"the ledger has its {records} deployments again"


def verify_chain(stage: Stage) -> str:
    """Verify the chain of evidence, whose index the ledger is."""
    return stage.type("orchestrator evidence verify --env ENV").output.splitlines()[-1]
