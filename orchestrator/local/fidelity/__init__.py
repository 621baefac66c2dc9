"""The mends: where MiniStack does not do what AWS does and the product depends on it, we mend it in its process.

One module a mend. Its docstring states the behaviour of AWS and where AWS documents it; ``PINNED`` names the internals
it relies on; ``install(options)`` puts it in place. `tests/contract` holds each to AWS's behaviour and shows that
MiniStack alone does not have it.

Nothing is imported from MiniStack here: it reads its environment when it is imported, so only the server process does.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Protocol, cast

from orchestrator.local.fidelity.options import PROFILES, Options, Profile
from orchestrator.local.fidelity.pins import PinBroken, verify, verify_version
from orchestrator.local.fidelity.wrapping import wrap

__all__ = ["MENDS", "PROFILES", "Mend", "Options", "PinBroken", "Profile", "apply", "wrap"]

# In the order of installation. Where two mends wrap the same function, the later one is outside: it sees an
# invocation first and its result last. So: what decides *which* version runs, then what runs it, then what measures it,
# then what happens because of the measurement, and last what delays it all.
MENDS: tuple[str, ...] = (
    "weighted_aliases",
    "alias_guards",
    "alias_concurrency",
    "version_packages",
    "provisioned_concurrency",
    "lambda_errors",
    "lambda_workers",
    "stepfunctions_timeouts",
    "stepfunctions_tasks",
    "stepfunctions_errors",
    "stepfunctions_paths",
    "stepfunctions_limits",
    "stepfunctions_events",
    "stepfunctions_history",
    "stepfunctions_maps",
    "cloudformation_alarms",
    "restoring_tables",
    "point_in_time_recovery",
    "table_backups",
    "table_exports",
    "scan_pages",
    "table_policies",
    "policy_context",
    "metric_queries",
    "lambda_metrics",
    "apigateway_headers",
    "apigateway_metrics",
    "late_logs",  # inside of what reads metrics out of the lines
    "emf",
    "alarms",
    "alarm_events",
    "late_metrics",
    "late_events",
    "late_aliases",
)


class Mend(Protocol):
    """A module of this package."""

    PINNED: Mapping[str, str]

    def install(self, options: Options) -> None:
        """Put the mend in place, in this process."""


def apply(options: Options, names: Sequence[str] = MENDS) -> tuple[str, ...]:
    """Verify MiniStack's version and every pin, then install the mends in order; returns their names.

    Raises PinBroken with nothing installed.
    """
    verify_version()
    mends = [(name, cast("Mend", importlib.import_module(f"{__name__}.{name}"))) for name in names]
    verify((name, mend.PINNED) for name, mend in mends)
    for _, mend in mends:
        mend.install(options)
    return tuple(names)
