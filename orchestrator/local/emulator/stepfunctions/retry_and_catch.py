"""Step Functions: the errors that ``Retry`` and ``Catch`` match, and the delay of a retry.

AWS (https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html):

- States.ALL matches every error except States.DataLimitExceeded and States.Runtime, which end the execution.
- States.TaskFailed matches every error except States.Timeout (and those two).
- States.Timeout also matches a missed heartbeat; States.HeartbeatTimeout matches only that.
- A retry waits ``IntervalSeconds`` times ``BackoffRate`` to the power of the retries so far, at most
  ``MaxDelaySeconds``; with ``JitterStrategy`` FULL a random time between 0 and that.

Stock MiniStack lets States.ALL match everything, has no heartbeats, ignores ``MaxDelaySeconds`` and ``JitterStrategy``
and never waits more than 60 s.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap

PINNED = {
    "ministack.services.stepfunctions._error_matches": "519b9dc729c56a3c",
    "ministack.services.stepfunctions._find_matching_retrier": "cb494ae8503cce39",
    "ministack.services.stepfunctions._find_matching_catcher": "7fcca16317a49a2b",
    "ministack.services.stepfunctions._execute_task": "53c818d247dba62c",
    "ministack.services.stepfunctions._with_retry_and_catch": "b351699db7b381ef",
    "ministack.services.stepfunctions._scaled_sleep": "5ed19df2efa98412",
}

TERMINAL: Final = frozenset({"States.DataLimitExceeded", "States.Runtime"})
TIMEOUTS: Final = frozenset({"States.Timeout", "States.HeartbeatTimeout"})
_STOCK_MAX_SECONDS: Final = 60  # MiniStack's own maximum; this patch waits for the rest


def install(options: Options) -> None:
    """Install the patch in this process."""
    from ministack.services import stepfunctions  # noqa: PLC0415 - only in the server process

    generator = random.Random(options.seed)  # noqa: S311 - a delay, not a secret

    def finding(original: Callable[..., Any]) -> Callable[..., Any]:
        def find_matching_retrier(retriers: Sequence[Mapping[str, Any]], error: str, counts: Mapping[int, int]) -> Any:
            retrier, index = original(retriers, error, counts)
            if retrier is None:
                return retrier, index
            seconds = retry_delay_seconds(retrier, counts.get(index, 0), generator)
            stepfunctions._scaled_sleep(max(0, seconds - _STOCK_MAX_SECONDS))
            return {**retrier, "IntervalSeconds": min(seconds, _STOCK_MAX_SECONDS), "BackoffRate": 1.0}, index

        return find_matching_retrier

    wrap(stepfunctions, "_error_matches", lambda _: error_matches)
    wrap(stepfunctions, "_find_matching_retrier", finding)


def error_matches(error_equals: Collection[str], error: str) -> bool:
    """Return whether the ``ErrorEquals`` of a retrier or catcher matches an error."""
    if error in error_equals:
        return True
    if error in TERMINAL:
        return False
    if error in TIMEOUTS:
        return "States.ALL" in error_equals or "States.Timeout" in error_equals
    return "States.ALL" in error_equals or "States.TaskFailed" in error_equals


def retry_delay_seconds(retrier: Mapping[str, Any], retries: int, generator: random.Random) -> float:
    """Return the delay before the next retry after a number of retries."""
    longest = float(retrier.get("IntervalSeconds", 1) * retrier.get("BackoffRate", 2.0) ** retries)
    longest = min(longest, retrier.get("MaxDelaySeconds", longest))
    return generator.uniform(0, longest) if retrier.get("JitterStrategy") == "FULL" else longest
