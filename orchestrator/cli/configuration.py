"""Taking, listing, showing and comparing configuration bundles."""

from __future__ import annotations

import json as json_text
from collections import Counter
from collections.abc import Sequence

from rich.console import Console

from orchestrator.cli.context import Context
from orchestrator.cli.output import as_json, console, table_of
from orchestrator.domain.configuration import Bundle, Difference, Taken, differences
from orchestrator.domain.errors import Refused
from orchestrator.domain.normal_form import NOT_COMPARED

SAME, DIFFERENT = 0, 1
VALUE_WIDTH = 120
"""A longer value is cut for people; ``--json`` has it whole."""


def backup(context: Context, by: str, *, json: bool) -> None:
    """Take a bundle with the rights of whoever asks."""
    taken = context.cloud.archive.keep_configuration(context.cloud.configuration(f"asked for by {by}"))
    if json:
        as_json(taken)
        return
    console().print(f"{taken.id}: {taken.parts} parts, {taken.digest}", markup=False)
    console().print(f"kept as {taken.key} in {context.cloud.archive.bucket}", style="dim", markup=False)


def listed(context: Context, limit: int, *, json: bool) -> None:
    """List bundles, newest first, and where the configuration changed in between."""
    found = context.cloud.archive.configurations(limit)
    if json:
        as_json({"bundles": found})
        return
    if not found:
        console().print("no bundle yet; `orchestrator config backup` takes one")
        return
    earlier: Sequence[Taken | None] = [*found[1:], None]
    rows = [
        (f"{one.taken_at.astimezone():%Y-%m-%d %H:%M}", one.id, one.parts, _since(one, before), one.why)
        for one, before in zip(found, earlier, strict=True)
    ]
    console().print(table_of(("when", "bundle", "parts", "configuration", "taken for"), rows, ("when", "bundle")))


def show(context: Context, name: str, part: str, *, json: bool) -> None:
    """Show a bundle: how many parts of each kind, or all of those that were asked for.

    Raises:
        Refused: there is no such bundle, or it has no such part.
    """
    archive = context.cloud.archive
    taken = archive.taken(name)
    bundle = archive.configuration(taken)
    kind, _, thing = part.partition("/")
    chosen = [one for one in bundle.parts if not part or (one.kind == kind and thing in {"", one.name})]
    if not chosen:
        raise Refused(
            "--part", part, f"name one of {', '.join(sorted({one.kind for one in bundle.parts}))}, or kind/name"
        )
    if json:
        as_json({"bundle": taken, "region": bundle.region, "parts": chosen})
        return
    screen = console()
    screen.print(_title(bundle, taken.id), style="bold", markup=False)
    screen.print(taken.digest, style="dim", markup=False)
    if not part:
        counts = Counter(one.kind for one in bundle.parts)
        screen.print(table_of(("kind", "parts"), sorted(counts.items())))
        return
    for one in chosen:
        screen.print(f"\n{one.kind} {one.name}", style="bold", markup=False)
        screen.print(json_text.dumps(one.facts, indent=2, ensure_ascii=False), markup=False)


def diff(context: Context, name: str, against: str | None, *, live: bool, json: bool) -> int:
    """Compare a bundle with what is there, or with another; returns the exit code.

    Raises:
        Refused: there is no such bundle, or both --against and --live were given.
    """
    if against and live:
        raise Refused("--against", against, "give --against or --live, not both")
    archive = context.cloud.archive
    taken = archive.taken(name)
    before = archive.configuration(taken)
    other = archive.taken(against) if against else None
    after = archive.configuration(other) if other else context.cloud.configuration("diff")
    found = differences(before, after)
    told = other.id if other else "what is there now"
    if json:
        as_json({"before": taken, "after": other or {"live": True, "digest": after.digest}, "differences": found})
    else:
        _show(console(), f"{_title(before, taken.id)}, and {told}", found, len(after.parts))
    return DIFFERENT if found else SAME


def _show(screen: Console, title: str, found: Sequence[Difference], parts: int) -> None:
    screen.print(title, style="bold", markup=False)
    if not found:
        screen.print(f"the same in all {parts} parts", style="green")
        screen.print(
            f"not compared are {sum(map(len, NOT_COMPARED.values()))} kinds of facts: docs/evidence.md", style="dim"
        )
        return
    of = ""
    for one in found:
        if f"{one.kind} {one.name}" != of:
            of = f"{one.kind} {one.name}"
            screen.print(f"\n{of}", style="bold", markup=False)
        if not one.path:
            screen.print("  it is gone" if one.before else "  it was not there", style="red", markup=False)
            continue
        screen.print(f"  {one.path}", markup=False)
        for sign, value, style in (("-", one.before, "red"), ("+", one.after, "green")):
            if value:
                screen.print(f"    {sign} {_short(value)}", style=style, markup=False)
    things = len({(one.kind, one.name) for one in found})
    screen.print(f"\n{len(found)} differences in {things} of its parts", style="bold red")


def _since(one: Taken, before: Taken | None) -> str:
    if before is None:
        return one.digest.removeprefix("sha256:")[:12]
    return "unchanged" if one.digest == before.digest else f"{one.digest.removeprefix('sha256:')[:12]} (changed)"


def _title(bundle: Bundle, name: str) -> str:
    return f"{name} of {bundle.environment} ({bundle.taken_at.astimezone():%Y-%m-%d %H:%M}, {bundle.why})"


def _short(value: str) -> str:
    return value if len(value) <= VALUE_WIDTH else f"{value[:VALUE_WIDTH]}… ({len(value)} characters)"
