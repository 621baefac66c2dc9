"""The register of findings in the ledger: one item, ``findings``/``register``, that is written with its version."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.aws.ledger.lock import LockedTable, decoded, unless_changed
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
        item = self._get(*_REGISTER)
        return decoded(item, FindingRegister) if item else FindingRegister()

    def write_register(self, register: FindingRegister) -> bool:
        """Write the register; return False if another writer was faster.

        Raises:
            Throttled: the transaction met another one. Nothing was written.
        """
        written = replace(register, version=register.version + 1)
        put = self._put(*_REGISTER, written, record_version={"N": str(written.version)})
        return self._write_together([{**put, **unless_changed(register.version)}])
