"""An evidence chain in memory: its ledger, its bucket, its keys, and its second place in another region."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from datetime import datetime
from types import SimpleNamespace

from orchestrator.aws.ledger.artifacts import ArtifactStore
from orchestrator.aws.ledger.evidence import EvidenceChain
from orchestrator.aws.ledger.evidence_heads import EvidenceHeads
from orchestrator.aws.ledger.evidence_keys import EvidenceKeys
from orchestrator.domain.evidence.kept_report import entry_of_report
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.oauth_service import Keys
from tests.fakes.s3 import FakeS3


class EvidenceInMemory:
    """A chain, and everything that an attacker could write to.

    Args:
        environment: its name.
        keys: how many keys it has had.
        second_place: whether there is one.
    """

    def __init__(self, environment: str = "test", *, keys: int = 1, second_place: bool = True) -> None:
        self.environment, self.kms = environment, Keys()
        self.ledger, self.bucket, self.second_place = FakeDynamoDB(), FakeS3(), FakeS3()
        clients = {"s3": self.bucket, "dynamodb": self.ledger}.__getitem__
        self.artifacts = ArtifactStore(clients, "ledger", "bucket")
        self.heads = EvidenceHeads(self.second_place, "heads") if second_place else None
        self.keys = self._keys(keys)
        self.chain = EvidenceChain(clients, "ledger", self.artifacts, lambda: self.keys, lambda: self.heads)

    def rotate(self) -> None:
        """Replace the key that signs."""
        self.keys = self._keys(len(self.keys.published.keys) + 1)

    def copy(self) -> EvidenceInMemory:
        """Return the same chain, with the same keys, in places of its own."""
        other = EvidenceInMemory(self.environment, second_place=self.heads is not None)
        other.kms, other.keys = self.kms, self.keys
        other.ledger.items = deepcopy(self.ledger.items)
        for mine, its in ((self.bucket, other.bucket), (self.second_place, other.second_place)):
            its.objects, its.versions = dict(mine.objects), list(mine.versions)
        return other

    def _keys(self, count: int) -> EvidenceKeys:
        names = [f"{self.environment}-{number}" for number in range(1, count + 1)]
        return EvidenceKeys(self.kms, names, self.environment)


def recorder(chain: Callable[[], EvidenceChain], environment: str, now: Callable[[], datetime]) -> SimpleNamespace:
    """Return what keeps reports in a chain, without a function between."""

    def record(document: bytes, page: bytes) -> None:
        chain().append_report(entry_of_report(document, environment, now()), document, page)

    return SimpleNamespace(record=record)
