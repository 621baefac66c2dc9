"""Clients of AWS that fail at one chosen call, in every way in which AWS does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError

ENDPOINT = "https://aws.invalid"


@dataclass(frozen=True)
class Fault:
    """A way to fail. makes: what comes in place of the answer, given how to have it all the same.

    takes_effect: the call did what it was asked, and only its answer got lost. cuts_off: no later call of the same request is answered
    either, nor takes effect. passes: a repetition of the call succeeds, so the request does.
    """

    name: str
    makes: Callable[[str, Callable[[], Any]], Any]
    takes_effect: bool = False
    cuts_off: bool = False
    passes: bool = False


def _refused(code: str, status: int) -> Fault:
    def makes(operation: str, _call: Callable[[], Any]) -> Any:
        response = {"Error": {"Code": code, "Message": "planted"}, "ResponseMetadata": {"HTTPStatusCode": status}}
        raise ClientError(response, operation)

    return Fault(code, makes)


def _raised(error: Exception) -> Fault:
    def makes(_operation: str, _call: Callable[[], Any]) -> Any:
        raise error

    return Fault(type(error).__name__, makes)


def _lost(_operation: str, call: Callable[[], Any]) -> Any:
    call()
    raise ReadTimeoutError(endpoint_url=ENDPOINT)


def _cancelled(operation: str, _call: Callable[[], Any]) -> Any:
    response = {
        "Error": {"Code": "TransactionCanceledException", "Message": "planted"},
        "CancellationReasons": [{"Code": "None"}, {"Code": "TransactionConflict"}],
    }
    raise ClientError(response, operation)


ANSWER_LOST = Fault("answer lost", _lost, takes_effect=True)
CUT_OFF = Fault("cut off", _lost, takes_effect=True, cuts_off=True)
DYNAMODB = (
    _refused("ProvisionedThroughputExceededException", 400),
    _refused("InternalServerError", 500),
    _raised(EndpointConnectionError(endpoint_url=ENDPOINT)),
    _raised(ReadTimeoutError(endpoint_url=ENDPOINT)),
    ANSWER_LOST,
    CUT_OFF,
)
KMS = (
    _refused("ThrottlingException", 400),
    _refused("KMSInternalException", 500),
    _refused("DisabledException", 400),
    _raised(ConnectTimeoutError(endpoint_url=ENDPOINT)),
)
UNPROCESSED = Fault(
    "UnprocessedKeys", lambda _operation, _call: {"Responses": {}, "UnprocessedKeys": {"t": {"Keys": [{}]}}}
)
CANCELLED = Fault("TransactionConflict", _cancelled, passes=True)
CONFLICT = replace(_refused("TransactionConflictException", 400), passes=True)


def faults_of(service: str, operation: str, *, every: bool = True) -> tuple[Fault, ...]:
    """The ways in which a call can fail: each, or one of each kind: refused, answer lost, and what this operation alone has."""
    if service == "kms":
        return KMS if every else KMS[:1]
    special = {
        "batch_get_item": (UNPROCESSED,), "transact_write_items": (CANCELLED,), "update_item": (CONFLICT,),
    }  # fmt: skip
    return (*(DYNAMODB if every else (DYNAMODB[0], ANSWER_LOST, CUT_OFF)), *special.get(operation, ()))


@dataclass
class Wire:
    """What goes to AWS: every call since `clear`, and the one that is to fail."""

    calls: list[tuple[str, str]] = field(default_factory=list)
    fails_at: int | None = None
    fault: Fault | None = None

    def clear(self) -> None:
        self.calls.clear()
        self.fails_at = self.fault = None

    def fail(self, index: int, fault: Fault) -> None:
        self.clear()
        self.fails_at, self.fault = index, fault

    def over(self, service: str, client: Any) -> Any:
        """Return a client whose calls are noted, and fail where they are to."""
        return _Wired(self, service, client)


class _Wired:
    def __init__(self, wire: Wire, service: str, client: Any) -> None:
        self._wire, self._service, self._client = wire, service, client

    def __getattr__(self, operation: str) -> Any:
        called = getattr(self._client, operation)

        def call(**arguments: Any) -> Any:
            wire = self._wire
            wire.calls.append((self._service, operation))
            if wire.fails_at == len(wire.calls) - 1:
                return wire.fault.makes(operation, lambda: called(**arguments))
            if wire.fault is not None and wire.fault.cuts_off and len(wire.calls) - 1 > wire.fails_at:
                raise ReadTimeoutError(endpoint_url=ENDPOINT)
            return called(**arguments)

        return call
