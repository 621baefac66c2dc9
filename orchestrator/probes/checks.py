"""Questions with one right answer, put to versions of the service. Health and security are made of them.

Every request is the synthetic identity's or carries its mark, so that none shows in the business metrics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from orchestrator.domain.observation import Answer, Request
from orchestrator.domain.plan import Function
from orchestrator.domain.verdict import Json
from orchestrator.probes.ports import Invokes

A = TypeVar("A")
B = TypeVar("B")

VERSION_HEADER = "x-ib-oauth-version"
TRIES = 2
"""A check is failed when it fails this often in a row: one lost request is no verdict."""
SIDE_BY_SIDE = 8

CLIENT_ID = "synthetic"
REDIRECT_URI = "https://synthetic.invalid/callback"
UNKNOWN_CODE = f"ibcs_{'A' * 43}"
"""An authorization code of the synthetic identity that was never issued. It is looked up like any other."""
VERIFIER = "A" * 43


@dataclass(frozen=True)
class Check:
    """A request to one function, and what is wrong with an answer (empty where nothing is)."""

    name: str
    function: str
    request: Request
    wrong: Callable[[Answer], str]


@dataclass(frozen=True)
class Finding:
    """What a check found on canary; where it found something wrong, what it finds on stable.

    Attributes:
        wrong: what is wrong with canary's answer; empty where nothing is.
        stable_too: stable's answer is wrong as well, so that it is nothing that canary brought.
    """

    check: str
    function: str
    version: str
    wrong: str
    status: int
    elapsed_ms: float
    stable_too: bool = False

    @property
    def told(self) -> str:
        """One clause for a reason."""
        return f"{self.function}:{self.version} {self.check}: {self.wrong}"


def examine(
    checks: Iterable[Check], functions: Sequence[Function], invokes: Invokes, *, of_canary: bool = True
) -> tuple[Finding, ...]:
    """Put checks to one version of the functions by direct invocation, side by side.

    Args:
        checks: those for functions that are not given are left out.
        functions: whose canary is asked.
        invokes: how to ask.
        of_canary: ask canary and, where it fails, stable for comparison; else ask stable alone.

    Raises:
        Throttled, Unreachable: Lambda did not let us.
    """
    known = {function.name: function for function in functions}

    def put(check: Check) -> Finding:
        function = known[check.function]
        version = function.canary_version if of_canary else function.stable_version
        answer, wrong = _ask(check, function, version, invokes)
        stable_too = bool(
            wrong and of_canary and function.changed and _ask(check, function, function.stable_version, invokes)[1]
        )
        return Finding(
            check.name, check.function, version, wrong, answer.status, round(answer.elapsed_ms, 1), stable_too
        )

    return tuple(side_by_side(put, [check for check in checks if check.function in known]))


def _ask(check: Check, function: Function, version: str, invokes: Invokes) -> tuple[Answer, str]:
    for left in reversed(range(TRIES)):
        answer = invokes.invoke(function.function_name, version, check.request)
        wrong = _died(answer) or _other_version(answer, version) or check.wrong(answer)
        if not wrong or not left:
            break
    return answer, wrong


def _died(answer: Answer) -> str:
    return f"raised {answer.unhandled}" if answer.unhandled else ""


def _other_version(answer: Answer, version: str) -> str:
    named = answer.header(VERSION_HEADER)
    return "" if named == version else f"says that it is version {named or 'unknown'}"


def side_by_side(call: Callable[[A], B], items: Sequence[A]) -> list[B]:
    """Call once an item in threads; results in order, the first failure raised."""
    if not items:
        return []
    with ThreadPoolExecutor(min(SIDE_BY_SIDE, len(items))) as threads:
        return list(threads.map(call, items))


def status(expected: int) -> Callable[[Answer], str]:
    """Anything but this HTTP status is wrong."""

    def wrong(answer: Answer) -> str:
        return "" if answer.status == expected else f"answered {answer.status} instead of {expected}"

    return wrong


def all_of(*judges: Callable[[Answer], str]) -> Callable[[Answer], str]:
    """Whatever the first of several judges finds wrong."""

    def wrong(answer: Answer) -> str:
        return next((found for judge in judges if (found := judge(answer))), "")

    return wrong


def saying(text: str) -> Callable[[Answer], str]:
    """An answer whose body does not hold the text is wrong. What it holds instead is not repeated: it may be a token."""

    def wrong(answer: Answer) -> str:
        return "" if text in answer.body else f"answered {answer.status} without {text}"

    return wrong


def figures(findings: Iterable[Finding]) -> Json:
    """Findings for the ledger."""
    return [
        {
            "check": one.check,
            "function": one.function,
            "version": one.version,
            "status": one.status,
            "ms": one.elapsed_ms,
            "wrong": one.wrong,
            "stable_too": one.stable_too,
        }
        for one in findings
    ]
