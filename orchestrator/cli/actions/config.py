"""The commands of `config`: take, list, show and compare configuration snapshots."""

from __future__ import annotations

import json as json_text
from collections import Counter
from collections.abc import Sequence

from rich.console import Console

from orchestrator.cli.context import Context
from orchestrator.cli.rendering.local_times import local_minute
from orchestrator.cli.rendering.output import console, print_json, text_table
from orchestrator.domain.configuration.normalization import NOT_COMPARED
from orchestrator.domain.configuration.snapshot import (
    ConfigurationSnapshot,
    Difference,
    SnapshotRecord,
    snapshot_differences,
)
from orchestrator.domain.errors import Refused

SAME, DIFFERENT = 0, 1
VALUE_WIDTH = 120
"""The longest value that the text output shows; ``--json`` has the whole value."""


def take_snapshot(context: Context, by: str, *, json: bool) -> None:
    """Take and store a snapshot of the configuration, with the caller's permissions."""
    record = context.cloud.artifacts.put_configuration(context.cloud.configuration(f"requested by {by}"))
    if json:
        print_json(record)
        return
    console().print(f"{record.id}: {record.parts} resources, {record.digest}", markup=False)
    console().print(f"stored as {record.key} in {context.cloud.artifacts.bucket}", style="dim", markup=False)


def list_snapshots(context: Context, limit: int, *, json: bool) -> None:
    """List snapshots, newest first, and whether the configuration changed in between."""
    records = context.cloud.artifacts.list_snapshots(limit)
    if json:
        print_json({"snapshots": records})
        return
    if not records:
        console().print("no snapshot yet; `orchestrator config backup` takes one")
        return
    earlier: Sequence[SnapshotRecord | None] = [*records[1:], None]
    rows = [
        (local_minute(record.taken_at), record.id, record.parts, _change(record, before), record.why)
        for record, before in zip(records, earlier, strict=True)
    ]
    console().print(
        text_table(("when", "snapshot", "resources", "configuration", "reason"), rows, ("when", "snapshot"))
    )


def show(context: Context, name: str, part: str, *, json: bool) -> None:
    """Show a snapshot: the number of resources by kind, or the resources that `part` selects (KIND or KIND/NAME).

    Raises:
        Refused: there is no such snapshot, or it has no such resource.
    """
    artifacts = context.cloud.artifacts
    record = artifacts.find_snapshot(name)
    snapshot = artifacts.read_snapshot(record)
    kind, _, resource_name = part.partition("/")
    chosen = [
        resource
        for resource in snapshot.parts
        if not part or (resource.kind == kind and resource_name in {"", resource.name})
    ]
    if not chosen:
        raise Refused(
            "--part",
            part,
            f"name one of {', '.join(sorted({resource.kind for resource in snapshot.parts}))}, or kind/name",
        )
    if json:
        print_json({"snapshot": record, "region": snapshot.region, "parts": chosen})
        return
    screen = console()
    screen.print(_title(snapshot, record.id), style="bold", markup=False)
    screen.print(record.digest, style="dim", markup=False)
    if not part:
        counts = Counter(resource.kind for resource in snapshot.parts)
        screen.print(text_table(("kind", "resources"), sorted(counts.items())))
        return
    for resource in chosen:
        screen.print(f"\n{resource.kind} {resource.name}", style="bold", markup=False)
        screen.print(json_text.dumps(resource.facts, indent=2, ensure_ascii=False, allow_nan=False), markup=False)


def diff(context: Context, name: str, against: str | None, *, live: bool, json: bool) -> int:
    """Compare a snapshot with the live configuration or with another snapshot; return the exit code.

    Raises:
        Refused: there is no such snapshot, or both --against and --live were given.
    """
    if against and live:
        raise Refused("--against", against, "give --against or --live, not both")
    artifacts = context.cloud.artifacts
    record = artifacts.find_snapshot(name)
    before = artifacts.read_snapshot(record)
    other = artifacts.find_snapshot(against) if against else None
    after = artifacts.read_snapshot(other) if other else context.cloud.configuration("diff")
    changes = snapshot_differences(before, after)
    compared_with = other.id if other else "the live configuration"
    if json:
        print_json({"before": record, "after": other or {"live": True, "digest": after.digest}, "differences": changes})
    else:
        _show(console(), f"{_title(before, record.id)}, compared with {compared_with}", changes, len(after.parts))
    return DIFFERENT if changes else SAME


def _show(screen: Console, title: str, changes: Sequence[Difference], resources: int) -> None:
    screen.print(title, style="bold", markup=False)
    if not changes:
        screen.print(f"equal: {resources} resources", style="green")
        screen.print(
            f"{sum(map(len, NOT_COMPARED.values()))} kinds of attributes are not compared: docs/reference/evidence.md",
            style="dim",
        )
        return
    heading = ""
    for change in changes:
        if f"{change.kind} {change.name}" != heading:
            heading = f"{change.kind} {change.name}"
            screen.print(f"\n{heading}", style="bold", markup=False)
        if not change.path:
            screen.print("  removed" if change.before else "  added", style="red", markup=False)
            continue
        screen.print(f"  {change.path}", markup=False)
        for sign, value, style in (("-", change.before, "red"), ("+", change.after, "green")):
            if value:
                screen.print(f"    {sign} {_truncated(value)}", style=style, markup=False)
    changed = len({(change.kind, change.name) for change in changes})
    screen.print(f"\n{len(changes)} differences in {changed} resources", style="bold red")


def _change(record: SnapshotRecord, before: SnapshotRecord | None) -> str:
    if before is None:
        return record.digest.removeprefix("sha256:")[:12]
    return "unchanged" if record.digest == before.digest else f"{record.digest.removeprefix('sha256:')[:12]} (changed)"


def _title(snapshot: ConfigurationSnapshot, name: str) -> str:
    return f"{name} of {snapshot.environment} ({local_minute(snapshot.taken_at)}, {snapshot.why})"


def _truncated(value: str) -> str:
    return value if len(value) <= VALUE_WIDTH else f"{value[:VALUE_WIDTH]}… ({len(value)} characters)"
