"""Everything at once except the loss of the region."""

from __future__ import annotations

import time

from orchestrator.domain.rehearsal.catalogue import EVIDENCE_COMMAND, LEDGER_COMMANDS
from orchestrator.local.rehearsal.injectors import evidence, keys, ledger, tables
from orchestrator.local.rehearsal.stage import Stage

_THROTTLED_SECONDS = 60.0


def inject(stage: Stage) -> None:
    """Bring all faults about: keys first, because the commands that find them need the ledger's environment."""
    keys.schedule_deletion(stage)
    evidence.disable_key(stage)
    ledger.delete(stage)
    tables.delete(stage)
    stage.here.local.throttle("lambda")


def remedy(stage: Stage) -> None:
    """Recover in the order of the dependencies: the ledger, the keys, then the table, which needs all of them."""
    time.sleep(_THROTTLED_SECONDS)
    stage.here.local.throttle()
    stage.type(LEDGER_COMMANDS)
    stage.type(EVIDENCE_COMMAND)
    keys.cancel_deletion(stage)
    tables.restore_deleted(stage)


def verify(stage: Stage) -> str:
    """Verify the tables, the key and the chain of evidence."""
    found = [tables.verify(stage), keys.verify(stage), ledger.verify_chain(stage)]
    return "; ".join(found)
