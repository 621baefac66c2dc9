"""A case of the parity table: a request of ours, and the facts that AWS's recorded answer has.

The facts were read from the recordings in LocalStack's public repository (https://github.com/localstack/localstack,
`tests/aws/services/**/*.snapshot.json`, recorded on AWS). A case names its recording. The requests are ours; none of
that repository's code or data is copied. A fact does not depend on time, account or region: an error code, an HTTP
status, the fixed part of a message, a state, a value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError


class NotCovered(Exception):
    """The emulator does not have what the case needs; the text says what."""


@dataclass(frozen=True)
class Rejection:
    """AWS rejects the request.

    `message` is a regular expression that occurs in the message: its fixed part. Empty: the message is no fact.
    """

    code: str
    status: int
    message: str = ""

    def __str__(self) -> str:
        return f"{self.code} ({self.status})" + (f" “{self.message}”" if self.message else "")


@dataclass(frozen=True)
class Case:
    """One request and the facts of its answer.

    `operation` is botocore's service and operation (``lambda:UpdateAlias``). `recording` is the recording's path below
    LocalStack's `tests/aws/services`, without its ending, then the test (``lambda_/test_lambda_api::test_x``).
    `request` gets the emulator and returns its facts; an error that the service answers is a fact as well. `expected`
    is a Rejection, or what `request` returns on AWS.
    """

    operation: str
    title: str
    recording: str
    request: Callable[[Any], Any]
    expected: Any

    @property
    def service(self) -> str:
        return self.operation.partition(":")[0]


@dataclass(frozen=True)
class Outcome:
    """What an emulator answered: `verdict` is ``agree``, ``differ`` or ``not covered``; `answer` for a reader."""

    case: Case
    verdict: str
    answer: str


_NOT_IMPLEMENTED = re.compile(
    r"not (yet )?(been )?implemented|unknown(operation| action| api)|InvalidAction", re.IGNORECASE
)


def run(case: Case, emulator: Any) -> Outcome:
    """Send a case's request and compare the facts."""
    try:
        answer = case.request(emulator)
    except ClientError as error:
        answer = _rejection(error.response)
    except (NotCovered, NotImplementedError) as reason:
        return Outcome(case, "not covered", str(reason))
    except Exception as error:
        if emulator.endpoint_url is not None:
            raise
        # An emulator inside this process raises what a server would answer as an internal error.
        return Outcome(case, "not covered", _shown(error))
    if isinstance(answer, Rejection) and _is_not_implemented(answer):
        return Outcome(case, "not covered", str(answer))
    return Outcome(case, "agree" if _agrees(case.expected, answer) else "differ", _shown(answer))


def _rejection(response: Mapping[str, Any]) -> Rejection:
    error = response["Error"]
    status = response["ResponseMetadata"]["HTTPStatusCode"]
    return Rejection(error.get("Code", ""), status, error.get("Message") or "")


def _is_not_implemented(answer: Rejection) -> bool:
    return answer.status >= 500 or bool(_NOT_IMPLEMENTED.search(f"{answer.code} {answer.message}"))


def _agrees(expected: Any, answer: Any) -> bool:
    if isinstance(expected, Rejection):
        return (
            isinstance(answer, Rejection)
            and (answer.code, answer.status) == (expected.code, expected.status)
            and re.search(expected.message, answer.message) is not None
        )
    if isinstance(expected, re.Pattern):
        return isinstance(answer, str) and expected.search(answer) is not None
    if isinstance(expected, dict):
        return (
            isinstance(answer, dict)
            and expected.keys() == answer.keys()
            and all(_agrees(value, answer[key]) for key, value in expected.items())
        )
    return type(expected) is type(answer) and bool(expected == answer)


def _shown(answer: Any) -> str:
    text = str(answer) if isinstance(answer, Rejection) else repr(answer)
    return re.sub(r"\s+", " ", text)[:160]
