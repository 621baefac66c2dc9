"""Compare the versions before a pooled alarm is obeyed. Judged in `orchestrator.domain.rollback.destination`.

A rollback must start within seconds, so the comparison is one call to CloudWatch with a deadline. Whatever goes wrong,
the rollback goes to stable.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from orchestrator.domain.rollback.destination import Destination, choose_destination, unread_destination
from orchestrator.probes.context import ProbeContext
from orchestrator.probes.metric_queries import measure_versions
from orchestrator.probes.ports import MetricsReader

DEADLINE = timedelta(seconds=3)
"""The longest time that the comparison delays a rollback."""


def run(
    context: ProbeContext, open_metrics: Callable[[], MetricsReader], deadline: timedelta = DEADLINE
) -> Destination:
    """Return where a rollback sends the traffic. Nothing is raised: without an answer in time, it is stable.

    Args:
        context: `context.for_comparison` of the deployment.
        open_metrics: returns the reader of CloudWatch.
        deadline: how long to wait for it.
    """
    threads = ThreadPoolExecutor(1)
    try:
        measured = threads.submit(lambda: measure_versions(context, open_metrics()))
        functions = measured.result(deadline.total_seconds())
        return choose_destination(functions, context.thresholds, context.window.start)
    except Exception as error:  # noqa: BLE001 - no error of a comparison may prevent a rollback
        return unread_destination(f"{type(error).__name__} {error}".strip())
    finally:
        threads.shutdown(wait=False)
