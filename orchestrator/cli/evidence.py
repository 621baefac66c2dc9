"""Listing, telling, exporting and checking evidence."""

from __future__ import annotations

import json as json_text
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from orchestrator.aws.evidence import told
from orchestrator.cli.context import Context
from orchestrator.cli.output import as_json, console, table_of
from orchestrator.cli.story import spaced
from orchestrator.domain.errors import Refused
from orchestrator.domain.evidence_chain import BUNDLE, Fault, File, Head, link_file, read_link
from orchestrator.domain.evidence_chain import verify as faults_of

SOUND, BROKEN = 0, 1
LINK, HEAD = "link.json", "head.json"


def listed(context: Context, limit: int, *, json: bool) -> None:
    """List links, newest first."""
    found = context.cloud.evidence.links()[::-1][:limit]
    if json:
        as_json({"head": context.cloud.evidence.head(), "links": [told(link) for link in found]})
        return
    if not found:
        console().print("no evidence yet; `orchestrator drill` makes some")
        return
    rows = [
        (
            link.number,
            f"{link.recorded_at.astimezone():%Y-%m-%d %H:%M}",
            link.kind,
            link.recovery,
            link.ending,
            link.hash[:12],
        )
        for link in found
    ]
    console().print(
        table_of(("link", "recorded", "kind", "recovery", "ending", "hash"), rows, ("recorded", "recovery"))
    )


def show(context: Context, recovery: str, *, json: bool) -> None:
    """Tell what the document of a recovery says.

    Raises:
        Refused: there is none, or its file is not what was recorded.
    """
    link = context.cloud.evidence.link(recovery)
    report = json_text.loads(_whole(context, next(file for file in link.files if file.name == BUNDLE)))
    if json:
        as_json(report)
        return
    screen = console()
    tone = {"GREEN": "bold green", "RED": "bold red"}.get(link.ending, "bold")
    screen.print(f"{link.ending}  {report['summary']}", style=tone, markup=False)
    for one in report["objectives"]:
        measured = "not measured" if one["measured_seconds"] is None else f"{one['measured_seconds']:.0f} s"
        met = "met" if one["met"] else "MISSED"
        screen.print(
            f"{spaced(one['name']).replace('_', ' ')}: {measured} of {one['promised_seconds']:.0f} s promised: {met}",
            markup=False,
        )
    timeline = report["timeline"]
    rows = [(spaced(one["name"]), _clock(one["began"]), f"{one['seconds']:.1f}") for one in timeline["phases"]]
    screen.print(table_of(("phase", "began", "seconds"), [*rows, ("wall time", "", f"{timeline['wall_seconds']:.1f}")]))
    for one in report["went_wrong"]:
        screen.print(f"went wrong  {one}", style="red", markup=False)
    for one in report["residual"]:
        screen.print(f"remains     {one}", markup=False)
    screen.print(f"{len(report['went_well'])} of {len(report['findings'])} checks passed", markup=False)
    for file in link.files:
        screen.print(f"{file.name}  {file.key} in {context.cloud.archive.bucket}", style="dim", markup=False)


def export(context: Context, folder: Path, *, json: bool) -> None:
    """Write all links and their files into a new folder.

    Raises:
        Refused: the folder is there already, or a file is not what was recorded: `verify` says which.
    """
    if folder.exists() and any(folder.iterdir()):
        raise Refused("folder", str(folder), "name one that is not there yet, or empty")
    chain = context.cloud.evidence
    links, head = chain.links(), chain.head()
    contents = [(link, {file.name: _whole(context, file) for file in link.files}) for link in links]
    for link, files in contents:
        place = folder / f"{link.number:06}-{link.recovery}"
        place.mkdir(parents=True)
        (place / LINK).write_bytes(link_file(link))
        for name, content in files.items():
            (place / name).write_bytes(content)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / HEAD).write_text(json_text.dumps({"number": head.number, "hash": head.hash}), encoding="utf-8")
    if json:
        as_json({"folder": str(folder), "links": len(links), "head": head})
        return
    screen = console()
    screen.print(f"{len(links)} bundles in {folder}; the newest is {head.number}:{head.hash}", markup=False)
    screen.print(
        "check them with `orchestrator evidence verify --folder`, and the head against one told on another way",
        style="dim",
    )


def verify(context: Context, head: str, *, json: bool) -> int:
    """Check the chain in the cloud; returns the exit code.

    Raises:
        Refused: a head was given, which the ledger holds itself.
    """
    if head:
        raise Refused("--head", head, "give it with --folder; without, the ledger holds the head")
    chain = context.cloud.evidence
    return _answer(chain.verify(), chain.head(), json=json)


def verify_folder(folder: Path, head: str, *, json: bool) -> int:
    """Check a folder that `export` wrote; returns the exit code.

    Raises:
        Refused: it is none, or the head cannot be read.
    """
    if not (folder / HEAD).is_file():
        raise Refused("--folder", str(folder), f"name a folder that `evidence export` wrote; it has a {HEAD}")
    places = sorted(place for place in folder.iterdir() if place.is_dir())
    links = [(place / LINK).read_bytes() if (place / LINK).is_file() else b"" for place in places]
    by_key = dict(pair for place, text in zip(places, links, strict=True) for pair in _files_of(place, text))
    newest = _head(head) if head else _head_in(folder)
    faults = faults_of(
        links, lambda file: by_key[file.key].read_bytes() if by_key[file.key].is_file() else None, newest
    )
    return _answer(faults, newest, json=json)


def _files_of(place: Path, text: bytes) -> list[tuple[str, Path]]:
    try:
        return [(file.key, place / Path(file.name).name) for file in read_link(text).files]
    except Refused:
        return []  # verify says so


def _head_in(folder: Path) -> Head:
    try:
        found = json_text.loads((folder / HEAD).read_bytes())
        return Head(int(found["number"]), str(found["hash"]))
    except (ValueError, KeyError, TypeError) as error:
        raise Refused("--folder", str(folder / HEAD), "it holds no head: export again, or give --head") from error


def _head(text: str) -> Head:
    number, _, digest = text.partition(":")
    if not number.isdigit() or not digest:
        raise Refused("--head", text, "give number:hash, as `evidence list --json` and `evidence export` tell it")
    return Head(int(number), digest)


def _answer(faults: Sequence[Fault], head: Head, *, json: bool) -> int:
    if json:
        as_json({"sound": not faults, "head": head, "faults": faults})
    else:
        screen = console()
        for fault in faults:
            screen.print(f"{fault.where}: {fault.what}", style="red", markup=False)
        if faults:
            screen.print(f"{len(faults)} faults: this is not what was recorded", style="bold red", markup=False)
        else:
            screen.print(
                f"{head.number} links, every byte as it was recorded; the newest is {head.number}:{head.hash}",
                style="green",
                markup=False,
            )
    return BROKEN if faults else SOUND


def _whole(context: Context, file: File) -> bytes:
    return context.cloud.archive.get(file.key, file.sha256)


def _clock(at: str) -> str:
    return f"{datetime.fromisoformat(at).astimezone():%H:%M:%S}"
