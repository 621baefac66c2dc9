"""What the log's errors come to: how many there are on each version, and whether canary has kinds of its own.

An error's kind is its exception's class and its message with everything taken out that differs from one occurrence to the
next. Stable's kinds are known; a kind that only canary has is new. A rare kind that both versions have shows on one
of them first, by chance: with canary serving the share w of requests, all n occurrences fall on it with probability
wⁿ. So a new kind fails the release only when that probability is small (bets on n occurrences in a row: an e-value of
w⁻ⁿ, shared over the kinds in the order in which they came).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import log

from orchestrator.domain.observation import LogLine
from orchestrator.domain.policy import Thresholds
from orchestrator.domain.verdict import Verdict

LEVELS = frozenset({"ERROR", "CRITICAL", "FATAL"})
MESSAGE_LIMIT_CHARACTERS = 160

DOUBTFUL_FROM = 0.5
"""The part of the evidence for a failure, as a logarithm, from which a new kind is no longer advanced on. One odd failure
among thousands is noted and does not hold a release up."""

_VERSION_IN_STREAM = re.compile(r"\[(\$LATEST|[0-9]+)\]")
_PLAIN_ERROR = re.compile(r"\[ERROR\]\s+(?P<error>[\w.]+):?\s*(?P<message>[^\n]*)")
_TIMED_OUT = re.compile(r"Task timed out after")
_WHAT_DIFFERS = re.compile(
    r"""[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}    # request ids
    |   0x[0-9a-fA-F]+                     # addresses
    |   (?:'[^']*' | "[^"]*")              # quoted values
    |   \b[A-Za-z0-9_-]{20,}\b             # tokens, digests, keys
    |   [0-9]+(?:\.[0-9]+)?                # numbers""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class LoggedError:
    """An error in the log: whose, and of which kind."""

    version: str
    kind: str


@dataclass(frozen=True)
class Errors:
    """One function's errors by kind, and the requests they came out of.

    Attributes:
        before: stable's kinds in the time before the deployment; None where they were not asked for.
        complete: whether all lines were read.
    """

    name: str
    stable: Mapping[str, int]
    canary: Mapping[str, int]
    stable_requests: int
    canary_requests: int
    before: frozenset[str] | None = None
    before_requests: int = 0
    complete: bool = True

    @property
    def new_kinds(self) -> Mapping[str, int]:
        """Canary's kinds that stable does not know."""
        known = set(self.stable) | (self.before or frozenset())
        return {kind: count for kind, count in self.canary.items() if kind not in known}


def error_of(line: LogLine) -> LoggedError | None:
    """Read one log line; None where it is no error.

    Both forms count: the service's JSON lines, and what Lambda itself writes when a function dies.
    """
    version = _VERSION_IN_STREAM.search(line.stream)
    named = version.group(1) if version else ""
    if line.message.startswith("{"):
        return _structured(line.message, named)
    plain = _PLAIN_ERROR.search(line.message)
    if plain:
        return LoggedError(named, _kind(plain["error"], plain["message"]))
    return LoggedError(named, "Task timed out") if _TIMED_OUT.search(line.message) else None


def by_kind(errors: Iterable[LoggedError], version: str) -> Mapping[str, int]:
    """Count one version's errors by kind, in the order of their first occurrence."""
    return Counter(error.kind for error in errors if error.version == version)


def judge(functions: tuple[Errors, ...], thresholds: Thresholds, false_alarm_share: float = 1.0) -> Verdict:
    """Judge the kinds of errors; how many there are is judged by the metrics' test, which counts the same failures.

    Args:
        functions: those that changed.
        thresholds: the tolerated false alarms and the minimum of requests.
        false_alarm_share: this probe's part of the tolerated false alarms.
    """
    needed = -log(thresholds.false_alarm_percent / 100 * false_alarm_share / max(1, len(functions)))
    doubtful: list[str] = []
    noted: list[str] = []
    for one in functions:
        for number, (kind, count) in enumerate(one.new_kinds.items(), start=1):
            told = f"{one.name} has a new kind of error on canary, {count} times: {kind}"
            evidence = count * _log_odds(one) - log(number * (number + 1))
            if evidence >= needed:
                return Verdict.failed(f"{told}; stable knows none of it in {_background(one)} requests")
            (doubtful if evidence >= DOUBTFUL_FROM * needed else noted).append(told)
    partial = [one.name for one in functions if not one.complete]
    if partial:
        return Verdict.inconclusive(f"too many log lines to read all of them: {', '.join(partial)}")
    if doubtful:
        return Verdict.inconclusive(f"may be chance yet: {'; '.join(doubtful)}")
    few = [one for one in functions if one.canary_requests < thresholds.minimum_requests]
    if few:
        counts = ", ".join(f"{one.name} {one.canary_requests}" for one in few)
        return Verdict.inconclusive(f"too few requests on canary: {counts} of {thresholds.minimum_requests}")
    counted = [f"{one.name} {sum(one.canary.values())} in {one.canary_requests} requests" for one in functions]
    found = "; ".join(noted) or "no new kind of error on canary"
    return Verdict.passed(f"{found}; errors logged: {', '.join(counted)}")


def _background(errors: Errors) -> int:
    return errors.stable_requests + errors.before_requests


def _log_odds(errors: Errors) -> float:
    """The evidence of one more occurrence on canary alone: -ln(w). Nothing to compare with counts as an even split."""
    canary, background = errors.canary_requests, _background(errors)
    if not canary or not background:
        return log(2)
    return log((canary + background) / canary)


def _structured(message: str, version: str) -> LoggedError | None:
    try:
        entry = json.loads(message)
    except ValueError:
        return None
    level = entry.get("level")
    if level not in LEVELS:
        return None
    error = entry.get("error") or entry.get("errorType") or entry.get("exception_name") or str(level)
    said = str(entry.get("message") or entry.get("errorMessage") or "")
    cause = f" from {entry['cause']}" if entry.get("cause") else ""
    return LoggedError(str(entry.get("version") or version), _kind(f"{error}{cause}", said))


def _kind(error: str, message: str) -> str:
    template = _WHAT_DIFFERS.sub("*", message.strip())[:MESSAGE_LIMIT_CHARACTERS]
    return f"{error}: {template}" if template else error
