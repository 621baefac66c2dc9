"""The errors of the orchestrator. A state machine's Catch names them, so each is a promise.

OrchestratorError
├── Refused          the input or the state of the environment does not allow it; nothing was touched
├── ClaimLost        somebody else holds the claim now; this writer must change nothing more
├── RingChanged      somebody else changed the key ring meanwhile; nothing was written, trying again is right
├── AliasConflict    the alias changed under us and the claim is still ours: somebody outside moved it
├── NotRestored      an alias could not be read back on its stable version
├── NotReadable      a table is not there, or holds only a part of what it will hold
├── SourceUntold     nothing tells what a source held at a point
├── ExportBroken     an export failed, or is not what DynamoDB said it wrote
├── RestoreFailed    a copy of a table did not come to be, or not before its lease ended
├── NotLevel         a table that is gone back to does not hold what the one in use holds
├── DoorChanged      somebody else changed a table's policy meanwhile; nothing was written, trying again is right
├── DoorAjar         a table that was closed does not deny yet, or one that was opened still does; looking again is right
├── Throttled        AWS asked us to slow down; trying again is right
└── Unreachable      the cloud did not answer
"""

from __future__ import annotations


class OrchestratorError(Exception):
    """The root of everything that the orchestrator raises on purpose."""


class Refused(OrchestratorError):
    """Bad input or a state that forbids it. Nothing was touched.

    Args:
        field: what is wrong, as the user spelt it, such as ``strategy.steps[1].weight_percent``.
        value: what was given.
        remedy: what would be right.
    """

    def __init__(self, field: str, value: object, remedy: str) -> None:
        self.field, self.value, self.remedy = field, value, remedy
        super().__init__(f"{field}: {value!r} is refused: {remedy}")


class ClaimLost(OrchestratorError):
    """The environment's claim carries another epoch than ours."""


class RingChanged(OrchestratorError):
    """The key ring is no longer the one that was read."""


class AliasConflict(OrchestratorError):
    """The alias was changed by somebody who does not hold the claim."""


class NotRestored(OrchestratorError):
    """A function's alias does not read back as stable after a rollback wrote it."""


class NotReadable(OrchestratorError):
    """A table may not be read: it is not there, not active, or still being restored."""


class SourceUntold(OrchestratorError):
    """What a source held at the point cannot be told any more; says why."""


class ExportBroken(OrchestratorError):
    """An export failed, or is not what DynamoDB said it wrote; says where."""


class RestoreFailed(OrchestratorError):
    """A table that was being restored is not there any more, or was not ready in time."""


class NotLevel(OrchestratorError):
    """A table that is to be gone back to does not hold what the one in use holds."""


class DoorChanged(OrchestratorError):
    """A table's resource policy is no longer the one that was read."""


class DoorAjar(OrchestratorError):
    """A table's door is not as it was put: what DynamoDB answers does not follow its policy yet."""


class Throttled(OrchestratorError):
    """The control plane's request limit was met even after the client's own retries."""


class Unreachable(OrchestratorError):
    """The cloud could not be reached, or refused our credentials."""
