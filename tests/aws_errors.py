"""Generate docs/reference/aws-errors.md: the failures of AWS itself, of every operation in use, and what is done then.

``python -m tests.aws_errors`` writes the page; `tests/unit/aws/test_clients.py` compares it with the source and with
botocore's models, and raises each error through the adapters' translation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Any

from botocore.retries.standard import ThrottledRetryableChecker, TransientRetryableChecker

from orchestrator.aws.clients import BUSY, transient_error
from tests.aws_operations import ROOT, Operation, called_operations, model, session

PAGE = ROOT / "docs" / "reference" / "aws-errors.md"
SERVER_ERROR, BAD_REQUEST = 500, 400
THROTTLES = frozenset(ThrottledRetryableChecker._THROTTLED_ERROR_CODES)
TRANSIENT = frozenset(TransientRetryableChecker._TRANSIENT_ERROR_CODES)
COMMON = (("InternalFailure", 500), ("ServiceUnavailable", 503), ("ThrottlingException", 400), ("RequestTimeout", 400))
"""Errors that any operation of any service may have and that the models do not list ("Common Errors" of each API)."""

WORDS = ("Throttl", "Concurrent", "Conflict", "InUse", "NotReady", "InProgress", "Unavailable", "ExecutionLimit")
"""What the models do not mark and AWS documents as temporary has one of these in its name, or else a reason below."""

OTHERWISE: Mapping[str, str] = {
    "DataUnavailableException of ce GetCostAndUsage": "there is no bill yet: the cost is not checked",
    "ResourceConflictException of lambda CreateFunction": "the function exists: an earlier attempt created it",
    "ResourceConflictException of lambda DeleteFunction": "the cleanup continues at its next run",
    "ResourceConflictException of lambda DeleteProvisionedConcurrencyConfig": "the next check removes it",
    "ResourceConflictException of lambda PutProvisionedConcurrencyConfig": "the next check provisions it",
    "ResourceInUseException of dynamodb DeleteTable": "the cleanup continues at its next run",
    "ResourceInUseException of dynamodb UpdateTable": "the settings are written again when the table is ACTIVE",
    "ResourceInUseException of dynamodb UpdateTimeToLive": "the settings are written again when the table is ACTIVE",
    "ResourceInUseException of dynamodb TagResource": "the settings are written again when the table is ACTIVE",
    "ResourceInUseException of dynamodb UntagResource": "the settings are written again when the table is ACTIVE",
    "ContinuousBackupsUnavailableException of dynamodb UpdateContinuousBackups": (
        "the settings are written again when the table is ACTIVE"
    ),
    "TableInUseException of dynamodb RestoreTableFromBackup": "an earlier attempt started the restore",
    "TableInUseException of dynamodb RestoreTableToPointInTime": "an earlier attempt started the restore",
    "PointInTimeRecoveryUnavailableException of dynamodb ExportTableToPointInTime": "refused: it is off",
    "PointInTimeRecoveryUnavailableException of dynamodb RestoreTableToPointInTime": "refused: it is off",
    "XksKeyAlreadyInUseException of kms CreateKey": "impossible: no key of ours is in an external key store",
}
"""Errors with such a word that are not retried as they are, each with what is done instead, or why it cannot occur."""

_INTRODUCTION = """# Failures of AWS

For developers and for reviewers. After this page you know what happens if AWS throttles a request,
is busy with the resource, or fails itself, for every operation that the product uses.

Generated from the source and from botocore's models by `python -m tests.aws_errors`.
`tests/unit/aws/test_clients.py` compares this page with both, and raises each of these
{errors} errors of {operations} operations.

1. **botocore** repeats the call with back-off: up to five attempts of the orchestrator, three of
   the service.
2. **The orchestrator** then raises `Throttled` or `Unreachable`
   (`orchestrator/aws/clients.py`). Every task of every state machine retries these two by name
   (`state_machines/fragments.py`): for one minute while clients use a canary, and for five minutes
   otherwise. An event handler fails; Lambda repeats it twice, and the reconciler runs every minute.
   A command prints the error.
3. **The service** answers 503, and never claims that nothing was decided
   ([ADR 28](../adr/0028-a-lost-response-can-be-repeated.md)). It uses operations of `dynamodb` and
   `kms` only.

Any operation may also have
{common},
and any error with an HTTP status of 429 or of 500 or more. They are treated in the same way. All
other errors are not repeated: a state's Catch decides by the name of the error.
"""


@dataclass(frozen=True, order=True)
class Failure:
    """An error of an operation that a later attempt may not have.

    Attributes:
        code: the code in the response.
        status: the HTTP status; of an error that AWS marks as its own fault without a status it is 500.
    """

    operation: Operation
    code: str
    status: int

    @property
    def otherwise(self) -> str:
        """What is done in place of a retry; empty if it is retried as it is."""
        return OTHERWISE.get(f"{self.code} of {self.operation.service} {self.operation.name}", "")

    @property
    def raised(self) -> str:
        """The name of the orchestrator's error that it becomes."""
        error = transient_error(self.code, self.status) or BUSY.get(self.code)
        return error.__name__ if error else ""


@cache
def _shapes(service: str) -> Mapping[str, Mapping[str, Any]]:
    """Return a model's shapes as they are written: botocore's own classes leave the mark `fault` out."""
    shapes: Mapping[str, Mapping[str, Any]] = (
        session().get_component("data_loader").load_service_model(service, "service-2")["shapes"]
    )
    return shapes


def failures_of(operation: Operation) -> Iterator[Failure]:
    """Yield the errors of an operation that are AWS's own, that throttle, or that are worth a retry by their names."""
    for shape in model(operation.service).operation_model(operation.name).error_shapes:
        written = _shapes(operation.service)[shape.name]
        error = written.get("error", {})
        code = str(error.get("code", shape.name))
        fault = bool(written.get("fault")) and not error.get("senderFault")
        status = int(error.get("httpStatusCode", SERVER_ERROR if fault else BAD_REQUEST))
        marked = fault or "retryable" in written or status >= SERVER_ERROR or code in THROTTLES | TRANSIENT
        if marked or any(word in code for word in WORDS):
            yield Failure(operation, code, status)


def failures() -> list[Failure]:
    """Return the failures of all operations in use."""
    return sorted(failure for operation in called_operations() for failure in failures_of(operation))


def page() -> str:
    """Return the page's text."""
    found = failures()
    common = ", ".join(f"`{code}`" for code, _ in COMMON)
    introduction = _INTRODUCTION.format(errors=len(found), operations=len(called_operations()), common=common)
    return "\n".join([introduction, *_sections(found), ""])


def _sections(found: list[Failure]) -> Iterator[str]:
    operations = sorted(called_operations())
    for service, group in groupby(operations, lambda operation: operation.service):
        yield f"## {service}\n"
        yield "| operation | error | HTTP | what we do |\n|---|---|---|---|"
        for operation in group:
            own = [failure for failure in found if failure.operation == operation]
            yield from (_row(failure) for failure in own)
            if not own:
                yield f"| {operation.name} | none but the common ones | | `Throttled` or `Unreachable`, retried |"
        yield ""


def _row(failure: Failure) -> str:
    done = failure.otherwise or f"`{failure.raised}`, retried"
    return f"| {failure.operation.name} | {failure.code} | {failure.status} | {done} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
