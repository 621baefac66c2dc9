"""The command `erase`: show the cost, count a user's items and, with --yes, delete them until none is left."""

from __future__ import annotations

import sys

from orchestrator.aws.oauth_tables.user_data import UserDataStore
from orchestrator.cli.context import Context
from orchestrator.cli.operator import operator_name
from orchestrator.cli.recorded_actions import record_action
from orchestrator.cli.rendering.output import console, print_json
from orchestrator.domain.errors import OrchestratorError
from orchestrator.domain.recovery.record import Role
from orchestrator.domain.user_erasure import ErasureCost, ErasureCounts, Subject, erasure_cost, parse_subject

MAX_PASSES = 5
FROM_STANDARD_INPUT = "-"


class NotErased(OrchestratorError):
    """New items kept appearing, because the user is logging in during the erasure."""


def erase(context: Context, subject_text: str, units_per_second: float, *, yes: bool, json: bool) -> None:
    """Count a user's items and, with `yes`, erase them.

    Args:
        context: the environment.
        subject_text: the user's `sub`, or `-` to read it from standard input.
        units_per_second: capacity units to use.
        yes: erase; otherwise only count.
        json: print one JSON object.

    Raises:
        Refused: the subject is invalid.
        NotErased: new items kept appearing; the items found so far are erased.
    """
    subject = parse_subject(sys.stdin.readline().rstrip("\n") if subject_text == FROM_STANDARD_INPUT else subject_text)
    tables = context.live_tables
    store = UserDataStore(
        context.clients("dynamodb"),
        tables[Role.STATE],
        tables[Role.TOKENS],
        context.revocations_table,
        units_per_second=units_per_second,
    )
    cost = erasure_cost(store.table_bytes(), units_per_second)
    screen = console()
    screen.quiet = json
    screen.print(
        f"reading both tables takes {cost.read_units} read units, about {cost.seconds} s at {units_per_second:g} "
        f"per second{', for each of at least two passes' if yes else ''}"
    )
    counts = _erase_all(context, store, subject) if yes else store.count_items(subject)
    if json:
        print_json(_json_object(subject, cost, counts, yes=yes))
        return
    result = "erased" if yes else "found; nothing was changed, add --yes to erase"
    screen.print(f"{subject.hash}: {counts.codes} codes and {counts.families} refresh token families {result}")


def _erase_all(context: Context, store: UserDataStore, subject: Subject) -> ErasureCounts:
    """Erase until a pass finds nothing, because a login may complete during a pass."""
    counts = ErasureCounts()
    for _ in range(MAX_PASSES):
        now = context.cloud.now()
        erased = store.erase_items(subject, int(now.timestamp()))
        counts += erased
        if erased.is_empty:
            _record(context, subject, counts)
            return counts
    raise NotErased(
        f"{subject.hash}: {counts.codes} codes and {counts.families} refresh token families were erased, but new items"
        " kept appearing because the user is logging in: try again later"
    )


def _record(context: Context, subject: Subject, counts: ErasureCounts) -> None:
    """Record an erasure: the hash of the subject, who erased, and the number of items."""
    at = context.cloud.now()
    why = f"{counts.codes} codes and {counts.families} families"
    name = f"erase {subject.hash} by {operator_name(None, context)}"
    record_action(context, f"erase-{subject.hash}-{at.isoformat()}", name, why, at=at)


def _json_object(subject: Subject, cost: ErasureCost, counts: ErasureCounts, *, yes: bool) -> dict[str, object]:
    return {
        "subject": subject.hash,
        "erased": yes,
        "codes": counts.codes,
        "families": counts.families,
        "read_units": cost.read_units,
        "seconds": cost.seconds,
    }
