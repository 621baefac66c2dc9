"""The errors of the orchestrator. The Catch clauses of the state machines name them, so their names are stable.

OrchestratorError
├── Refused                 invalid input, or a state of the environment that forbids the action; nothing was changed
│   └── EnvironmentRefused  an invalid setting in environments.toml (orchestrator/domain/schema.py)
├── LockLost                another execution holds the environment lock; this writer must not change anything more
├── KeyRingConflict         another writer changed the key ring; nothing was written, retry
├── KeyNotYetUsable         KMS does not apply the tags of a new signing key yet; the next run continues with it
├── AliasConflict           an alias was changed from outside while we hold the lock
├── TableNotReadable        a table does not exist, or is not completely restored yet
├── SourceStateUnknown      what a source held at the recovery point cannot be determined
├── ExportFailed            an export failed, or differs from its manifest
├── RestoreFailed           a restored table does not exist, or was not ready before it expired
├── TablesOutOfSync         a failback's original table does not hold what the table in use holds
├── ClosingEnded            the service did not stay closed for as long as a failback needs; close it again
├── ResourcePolicyConflict  another writer changed a table's resource policy; nothing was written, retry
├── PolicyNotEffective      a blocked table does not deny yet, or an unblocked one still denies; check again
├── NotRecorded             a command made its change, and the ledger did not record the event; the audit trail lacks it
├── NotCopied               a command changed clients, and the standby region's ledger does not have it; copy it again
├── CheckNotReadable        a check or a hook of the environment's own has no valid answer
├── Throttled               AWS throttled the request, or is busy with another change of the resource; retry
└── Unreachable             AWS could not be reached, or failed itself; retry
"""

from __future__ import annotations

from datetime import datetime

from orchestrator.domain.printable import one_line
from orchestrator.domain.texts import shortened
from orchestrator.domain.untrusted_json import quoted


class OrchestratorError(Exception):
    """The base class of all errors that the orchestrator raises."""


class Refused(OrchestratorError):
    """The input is invalid, or the state of the environment forbids the action. Nothing was changed.

    Args:
        field: the wrong field, as the user wrote it, such as ``strategy.steps[1].weight_percent``.
        value: its value. The message quotes only its beginning if it is long.
        remedy: what would be valid.
    """

    def __init__(self, field: str, value: object, remedy: str) -> None:
        self.field, self.value, self.remedy = field, value, remedy
        super().__init__(f"{shortened(one_line(field))}: {quoted(value)} is refused: {remedy}")


class LockLost(OrchestratorError):
    """The environment lock has another fencing token than ours."""


class KeyRingConflict(OrchestratorError):
    """The key ring is no longer the version that was read."""


class KeyNotYetUsable(OrchestratorError):
    """A signing key was created a moment ago, and KMS does not authorize its use by its tags yet."""


class AliasConflict(OrchestratorError):
    """The alias was changed by a writer that does not hold the environment lock."""


class TableNotReadable(OrchestratorError):
    """A table must not be read: it does not exist, is not active, or is still being restored."""


class SourceStateUnknown(OrchestratorError):
    """What a source held at the recovery point cannot be determined; the message says why."""


class ExportFailed(OrchestratorError):
    """An export failed, or differs from its manifest; the message says where."""


class RestoreFailed(OrchestratorError):
    """A table that was being restored no longer exists, or was not ready in time."""


class TablesOutOfSync(OrchestratorError):
    """The original table of a failback does not hold what the table in use holds."""


class ClosingEnded(OrchestratorError):
    """The service did not stay closed to writes for as long as a failback needs: it is open, and can be closed again."""


class ResourcePolicyConflict(OrchestratorError):
    """A table's resource policy is no longer the one that was read."""


class PolicyNotEffective(OrchestratorError):
    """A table's resource policy is not in effect yet: DynamoDB still responds by the previous one."""


class NotCopied(OrchestratorError):
    """Managed clients were changed in the home region, but the standby region's ledger does not have the change.

    Args:
        clients: their ids, and what was done.
        region: the standby region.
        environment: the environment's name.
        cause: why it does not have it.
    """

    def __init__(self, clients: str, region: str, environment: str, cause: object) -> None:
        super().__init__(
            f"{clients}: this is done and in effect, but the ledger in {region} does not have it ({cause}), so a failover"
            f" would bring an earlier state back: `orchestrator clients reapply --reason … --env {environment}` copies it"
        )


class CheckNotReadable(OrchestratorError):
    """The source of a check, or a hook, gave no valid answer; the message says why. It quotes nothing secret."""


class NotRecorded(OrchestratorError):
    """A command made its change, but the ledger did not record the event.

    Args:
        name: the command.
        why: what was changed, or the reason.
        at: when.
        cause: why the ledger did not record it.
    """

    def __init__(self, name: str, why: str, at: datetime, cause: Exception) -> None:
        self.at = at
        super().__init__(
            f"{name}: {why}: this is done, but the ledger did not record its event ({type(cause).__name__}: {cause}), so"
            f" the audit trail lacks it; note it in the incident or the ticket, with its time {at.isoformat()}"
        )


class Throttled(OrchestratorError):
    """AWS throttled the request, or was busy with another change of the resource, even after the client's retries."""


class Unreachable(OrchestratorError):
    """AWS could not be reached, failed itself, or rejected our credentials.

    Attributes:
        sent: False if there was no connection, so that the request has had no effect. State machines retry by the name
            of the class, so it has no subclass for this.
    """

    def __init__(self, *words: object, sent: bool = True) -> None:
        super().__init__(*words)
        self.sent = sent
