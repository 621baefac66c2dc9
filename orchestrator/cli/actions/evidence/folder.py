"""The command `evidence export`, and the folder that it writes for a reader without access to the account.

| file                         | holds                                                                        |
|------------------------------|------------------------------------------------------------------------------|
| ``000031-dr-…/entry.json``   | a chain entry, in addition to the files that it names                        |
| ``head.json``                | number and hash of the newest entry, as the ledger has them                  |
| ``heads.jsonl``              | the signed heads of the second place, one a line; absent without such a place |
| ``keys.json``                | the public keys                                                              |
"""

from __future__ import annotations

import json as json_text
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.cli.actions.evidence.reports import read_verified
from orchestrator.cli.context import Context
from orchestrator.cli.files import FOLDER, written
from orchestrator.cli.rendering.output import console, print_json
from orchestrator.domain.errors import Refused
from orchestrator.domain.evidence.chain import ChainHead, EvidenceFile, entry_file, read_entry
from orchestrator.domain.evidence.signatures import keys_document

ENTRY_FILE, HEAD_FILE, HEADS_FILE, KEYS_FILE = "entry.json", "head.json", "heads.jsonl", "keys.json"


@dataclass(frozen=True)
class ExportedFolder:
    """A folder as it was read. Nothing of it is checked yet.

    Attributes:
        entries: the entries' files, in the order of the folders' names.
        files: path by key of each file that an entry names.
        head: of the ledger.
        heads: of the second place; None if the folder has none.
        keys: the file of public keys; None if the folder has none.
    """

    entries: tuple[bytes, ...]
    files: Mapping[str, Path]
    head: ChainHead
    heads: tuple[bytes, ...] | None
    keys: bytes | None

    def read_file(self, file: EvidenceFile) -> bytes | None:
        """Read a file that an entry names; None if it does not exist."""
        path = self.files[file.key]
        return path.read_bytes() if path.is_file() else None


def export(context: Context, folder: Path, *, json: bool) -> None:
    """Write all chain entries with their files, the heads and the public keys into a new folder.

    Raises:
        Refused: the folder is not empty or cannot be written, or a file differs from its recorded digest (`verify` lists
            them).
    """
    with written("folder", folder, FOLDER):
        if folder.exists() and any(folder.iterdir()):
            raise Refused("folder", str(folder), "name a new or an empty folder")
    chain = context.cloud.evidence
    entries, head, keys = chain.read_entries(), chain.read_head(), keys_document(chain.published_keys())
    heads = chain.heads.read_versions() if chain.heads else None
    contents = [(entry, {file.name: read_verified(context, file) for file in entry.files}) for entry in entries]
    with written("folder", folder, FOLDER):
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
        (folder / KEYS_FILE).write_bytes(keys)
        if heads is not None:
            (folder / HEADS_FILE).write_bytes(b"".join(text + b"\n" for text in sorted(set(heads))))
    if json:
        print_json({"folder": str(folder), "entries": len(entries), "head": head})
        return
    screen = console()
    screen.print(
        f"{len(entries)} evidence reports in {folder}; the chain head is {head.number}:{head.hash}", markup=False
    )
    screen.print(
        "verify them with `orchestrator evidence verify --folder`, with the key and the head from another channel",
        style="dim",
    )


def read_folder(folder: Path) -> ExportedFolder:
    """Read a folder that `evidence export` wrote.

    Raises:
        Refused: it is no such folder, or its head cannot be read.
    """
    if not (folder / HEAD_FILE).is_file():
        raise Refused("--folder", str(folder), f"name a folder that `evidence export` wrote; it has a {HEAD_FILE}")
    try:
        return _read_folder(folder)
    except OSError as error:
        raise Refused("--folder", str(folder), f"name a folder that can be read ({error.strerror})") from error


def _read_folder(folder: Path) -> ExportedFolder:
    subfolders = sorted(path for path in folder.iterdir() if path.is_dir())
    entries = [_content(subfolder / ENTRY_FILE) or b"" for subfolder in subfolders]
    files = [pair for subfolder, text in zip(subfolders, entries, strict=True) for pair in _files_of(subfolder, text)]
    heads = _content(folder / HEADS_FILE)
    return ExportedFolder(
        entries=tuple(entries),
        files=dict(files),
        head=_head_in(folder),
        heads=None if heads is None else tuple(heads.splitlines()),
        keys=_content(folder / KEYS_FILE),
    )


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


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
