"""Erase a person: say what it takes, count, and with --yes delete until there is nothing left."""

from __future__ import annotations

import sys

from orchestrator.aws.people import People
from orchestrator.cli.context import Context
from orchestrator.cli.output import as_json, console
from orchestrator.domain.erasure import Cost, Counts, Subject, cost_of, subject_of
from orchestrator.domain.errors import OrchestratorError
from orchestrator.domain.records import Signal

MAX_PASSES = 5
FROM_STANDARD_INPUT = "-"


class NotErased(OrchestratorError):
    """Items kept appearing: the person, or somebody with their session, is logging in meanwhile."""


def erase(context: Context, given: str, units_per_second: float, *, yes: bool, json: bool) -> None:
    """Count a person's items, and erase them where that is said.

    Raises:
        Refused: the subject is nobody's.
        NotErased: items kept appearing; what was found is erased.
    """
    subject = subject_of(sys.stdin.readline().rstrip("\n") if given == FROM_STANDARD_INPUT else given)
    service = context.environment.service
    people = People(
        context.clients("dynamodb"),
        service.state_table,
        service.tokens_table,
        context.revocations_table,
        units_per_second=units_per_second,
    )
    cost = cost_of(people.table_bytes(), units_per_second)
    screen = console()
    screen.quiet = json
    screen.print(
        f"reading both tables takes {cost.read_units} read units, about {cost.seconds} s at {units_per_second:g} a second"
        f"{' for each pass, of which there are two or more' if yes else ''}"
    )
    counts = _erased(context, people, subject) if yes else people.count(subject)
    if json:
        as_json(_told(subject, cost, counts, yes=yes))
        return
    done = "erased" if yes else "found, and nothing was changed; add --yes to erase"
    screen.print(f"{subject.hash}: {counts.codes} codes and {counts.families} families {done}")


def _erased(context: Context, people: People, subject: Subject) -> Counts:
    """Erase until a pass finds nothing: a login that was under way may have ended meanwhile."""
    counts = Counts()
    for _ in range(MAX_PASSES):
        now = context.cloud.now()
        found = people.erase(subject, int(now.timestamp()))
        counts += found
        if found.none:
            context.cloud.ledger.signal(_signal(context, subject, counts))
            return counts
    raise NotErased(
        f"{subject.hash}: {counts.codes} codes and {counts.families} families were erased and more kept appearing;"
        " the person is logging in meanwhile: try again later"
    )


def _signal(context: Context, subject: Subject, counts: Counts) -> Signal:
    """What the ledger keeps of an erasure: that it was, whose by hash, and how much."""
    at = context.cloud.now()
    why = f"{counts.codes} codes and {counts.families} families"
    return Signal(f"erase-{subject.hash}-{at.isoformat()}", at, "person", f"erase {subject.hash}", acted=True, why=why)


def _told(subject: Subject, cost: Cost, counts: Counts, *, yes: bool) -> dict[str, object]:
    return {
        "subject": subject.hash,
        "erased": yes,
        "codes": counts.codes,
        "families": counts.families,
        "read_units": cost.read_units,
        "seconds": cost.seconds,
    }
