"""The ledger's recoveries: drills, which have a claim of their own, and restores, which take the environment's.

Beside the records (records.py, under ``recoveries`` and ``recovery#{id}``) there is the drills' claim: ``claim#drill``, ``claim``.
"""

from __future__ import annotations

from typing import Any

from orchestrator.aws.claims import CLAIM
from orchestrator.aws.records import Records
from orchestrator.domain.records import Kind
from orchestrator.domain.recovery import Recovery

DRILL_CLAIM = "claim#drill"


class Recoveries(Records[Recovery]):
    """Recoveries, under the claim that one of this kind takes. `newest` lists both kinds.

    Args:
        client: botocore's DynamoDB client.
        table: the ledger's name.
        kind: DRILL or RESTORE.
    """

    WHAT, LISTED, KIND = "recovery", "recoveries", Recovery

    def __init__(self, client: Any, table: str, kind: Kind) -> None:
        super().__init__(client, table, DRILL_CLAIM if kind is Kind.DRILL else CLAIM)
