"""The register of findings in the ledger: one item, ``findings``/``register``, that is written with its version."""

from __future__ import annotations

from orchestrator.aws.ledger.lock import LockedTable
from orchestrator.domain.findings.register import FindingRegister

_REGISTER = ("findings", "register")


class FindingStore(LockedTable):
    """The findings of an environment that wait for their owners. The environment's lock does not fence them.

    Args:
        client: botocore's DynamoDB client.
        table: the ledger's name.
    """

    def read_register(self) -> FindingRegister:
        """Read the register, consistently; an empty one before the first report."""
        return self._read_or_new(*_REGISTER, FindingRegister)

    def write_register(self, register: FindingRegister) -> bool:
        """Write the register; return False if another writer was faster.

        Raises:
            Throttled: the transaction met another one. Nothing was written.
        """
        _, put = self._put_next(*_REGISTER, register)
        return self._write_together([put])
