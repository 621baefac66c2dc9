"""The commands of `evidence`: list, show, export and verify evidence reports."""

from __future__ import annotations

import json as json_text
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from orchestrator.aws.ledger.evidence import entry_as_json
from orchestrator.cli.context import Context
from orchestrator.cli.rendering.deployment_timeline import spaced
from orchestrator.cli.rendering.output import console, print_json, text_table
from orchestrator.domain.compliance.report import KIND as COMPLIANCE
from orchestrator.domain.compliance.result import Status
from orchestrator.domain.errors import Refused
from orchestrator.domain.evidence.chain import (
    REPORT_FILE,
    ChainEntry,
    ChainFault,
    ChainHead,
    EvidenceFile,
    entry_file,
    read_entry,
)
from orchestrator.domain.evidence.chain import verify_chain as faults_of
from orchestrator.domain.upkeep.report import KIND as UPKEEP

SOUND, BROKEN = 0, 1
ENTRY_FILE, HEAD_FILE = "entry.json", "head.json"


def list_entries(context: Context, limit: int, *, json: bool) -> None:
    """List the chain entries, newest first."""
    entries = context.cloud.evidence.read_entries()[::-1][:limit]
    if json:
        print_json({"head": context.cloud.evidence.read_head(), "entries": [entry_as_json(entry) for entry in entries]})
        return
    if not entries:
        console().print("no evidence yet; `orchestrator drill` creates some")
        return
    rows = [
        (
            entry.number,
            f"{entry.recorded_at.astimezone():%Y-%m-%d %H:%M}",
            entry.kind,
            entry.recovery,
            entry.outcome,
            entry.hash[:12],
        )
        for entry in entries
    ]
    console().print(
        text_table(("entry", "recorded", "kind", "recovery", "outcome", "hash"), rows, ("recorded", "recovery"))
    )


def read_report(context: Context, recovery: str) -> tuple[ChainEntry, Mapping[str, Any]]:
    """Return the chain entry of a recovery or a kept report, and its report, verified by the entry's digest.

    Raises:
        Refused: there is none, or its file differs from its recorded digest.
    """
    entry = context.cloud.evidence.read_entry(recovery)
    return entry, json_text.loads(_read_verified(context, next(one for one in entry.files if one.name == REPORT_FILE)))


def show(context: Context, recovery: str, *, json: bool) -> None:
    """Show the evidence report of a drill or restore, or a kept compliance or upkeep report.

    Raises:
        Refused: there is none, or its file differs from its recorded digest.
    """
    entry, report = read_report(context, recovery)
    if json:
        print_json(report)
        return
    screen = console()
    tone = {"SUCCEEDED": "bold green", "FAILED": "bold red"}.get(entry.outcome, "bold")
    screen.print(f"{entry.outcome}  {report['summary']}", style=tone, markup=False)
    if entry.kind == COMPLIANCE:
        _show_controls(screen, report["controls"])
    elif entry.kind == UPKEEP:
        _show_findings(screen, report["findings"])
    else:
        _show_recovery(screen, report)
    for file in entry.files:
        screen.print(f"{file.name}  {file.key} in {context.cloud.artifacts.bucket}", style="dim", markup=False)


def _show_controls(screen: Console, controls: Sequence[Mapping[str, str]]) -> None:
    rows = [
        (one["id"], one["status"], one["severity"], one["owner"], one["reason"])
        for one in controls
        if one["status"] in {Status.FAIL, Status.NOT_CHECKED}
    ]
    if rows:
        screen.print(text_table(("control", "status", "severity", "owner", "found"), rows, ("control",)))


def _show_findings(screen: Console, findings: Sequence[Mapping[str, str]]) -> None:
    rows = [(one["id"], one["severity"], one["owner"], one["due_at"][:10], one["remedy"]) for one in findings]
    if rows:
        screen.print(text_table(("finding", "severity", "owner", "due", "remedy"), rows, ("finding",)))


def _show_recovery(screen: Console, report: Mapping[str, Any]) -> None:
    for objective in report["objectives"]:
        seconds = objective["measured_seconds"]
        measured = "not measured" if seconds is None else f"{seconds:.0f} s"
        result = "met" if objective["met"] else "MISSED"
        name = spaced(objective["name"]).replace("_", " ")
        screen.print(
            f"{name}: {measured}, objective {objective['promised_seconds']:.0f} s: {result}",
            markup=False,
        )
    timeline = report["timeline"]
    rows = [(spaced(phase["name"]), _clock(phase["began"]), f"{phase['seconds']:.1f}") for phase in timeline["phases"]]
    screen.print(
        text_table(("phase", "started", "seconds"), [*rows, ("wall time", "", f"{timeline['wall_seconds']:.1f}")])
    )
    for problem in report["went_wrong"]:
        screen.print(f"failed      {problem}", style="red", markup=False)
    for remainder in report["residual"]:
        screen.print(f"remaining   {remainder}", markup=False)
    screen.print(f"{len(report['went_well'])} of {len(report['findings'])} checks passed", markup=False)


def export(context: Context, folder: Path, *, json: bool) -> None:
    """Write all chain entries and their files into a new folder.

    Raises:
        Refused: the folder is not empty, or a file differs from its recorded digest (`verify` lists them).
    """
    if folder.exists() and any(folder.iterdir()):
        raise Refused("folder", str(folder), "name a new or an empty folder")
    chain = context.cloud.evidence
    entries, head = chain.read_entries(), chain.read_head()
    contents = [(entry, {file.name: _read_verified(context, file) for file in entry.files}) for entry in entries]
    for entry, files in contents:
        subfolder = folder / f"{entry.number:06}-{entry.recovery}"
        subfolder.mkdir(parents=True)
        (subfolder / ENTRY_FILE).write_bytes(entry_file(entry))
        for name, content in files.items():
            (subfolder / name).write_bytes(content)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / HEAD_FILE).write_text(
        json_text.dumps({"number": head.number, "hash": head.hash}, allow_nan=False), encoding="utf-8"
    )
    if json:
        print_json({"folder": str(folder), "entries": len(entries), "head": head})
        return
    screen = console()
    screen.print(
        f"{len(entries)} evidence reports in {folder}; the chain head is {head.number}:{head.hash}", markup=False
    )
    screen.print(
        "verify them with `orchestrator evidence verify --folder`; compare the head with one from another channel",
        style="dim",
    )


def verify(context: Context, head: str, *, json: bool) -> int:
    """Verify the chain in the cloud; return the exit code.

    Raises:
        Refused: a head is given, although the ledger has it.
    """
    if head:
        raise Refused("--head", head, "use it with --folder only; otherwise the ledger has the head")
    chain = context.cloud.evidence
    return _report(chain.verify_chain(), chain.read_head(), json=json)


def verify_folder(folder: Path, head: str, *, json: bool) -> int:
    """Verify an exported folder; return the exit code.

    Raises:
        Refused: it is no exported folder, or the head cannot be read.
    """
    if not (folder / HEAD_FILE).is_file():
        raise Refused("--folder", str(folder), f"name a folder that `evidence export` wrote; it has a {HEAD_FILE}")
    subfolders = sorted(path for path in folder.iterdir() if path.is_dir())
    entries = [
        (subfolder / ENTRY_FILE).read_bytes() if (subfolder / ENTRY_FILE).is_file() else b"" for subfolder in subfolders
    ]
    by_key = dict(
        pair for subfolder, text in zip(subfolders, entries, strict=True) for pair in _files_of(subfolder, text)
    )
    newest = _head(head) if head else _head_in(folder)
    faults = faults_of(
        entries, lambda file: by_key[file.key].read_bytes() if by_key[file.key].is_file() else None, newest
    )
    return _report(faults, newest, json=json)


def _files_of(subfolder: Path, text: bytes) -> list[tuple[str, Path]]:
    try:
        return [(file.key, subfolder / Path(file.name).name) for file in read_entry(text).files]
    except Refused:
        return []  # the verification reports it


def _head_in(folder: Path) -> ChainHead:
    try:
        head = json_text.loads((folder / HEAD_FILE).read_bytes())
        return ChainHead(int(head["number"]), str(head["hash"]))
    except (ValueError, KeyError, TypeError) as error:
        raise Refused(
            "--folder", str(folder / HEAD_FILE), "it has no chain head: export again, or give --head"
        ) from error


def _head(text: str) -> ChainHead:
    number, _, digest = text.partition(":")
    if not number.isdigit() or not digest:
        raise Refused("--head", text, "give number:hash, as `evidence list --json` and `evidence export` print it")
    return ChainHead(int(number), digest)


def _report(faults: Sequence[ChainFault], head: ChainHead, *, json: bool) -> int:
    if json:
        print_json({"sound": not faults, "head": head, "faults": faults})
    else:
        screen = console()
        for fault in faults:
            screen.print(f"{fault.where}: {fault.what}", style="red", markup=False)
        if faults:
            screen.print(
                f"{len(faults)} faults: the evidence differs from what was recorded", style="bold red", markup=False
            )
        else:
            screen.print(
                f"{head.number} entries, all files as recorded; the chain head is {head.number}:{head.hash}",
                style="green",
                markup=False,
            )
    return BROKEN if faults else SOUND


def _read_verified(context: Context, file: EvidenceFile) -> bytes:
    return context.cloud.artifacts.get_file(file.key, file.sha256)


def _clock(at: str) -> str:
    return f"{datetime.fromisoformat(at).astimezone():%H:%M:%S}"
