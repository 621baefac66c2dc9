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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.cli.actions.evidence.reports import read_verified
from orchestrator.cli.context import Context
from orchestrator.cli.files import FOLDER, written
from orchestrator.cli.rendering.output import console, print_json
from orchestrator.domain.errors import Refused
from orchestrator.domain.evidence.chain import (
    HTML_FILE,
    REPORT_FILE,
    ChainEntry,
    ChainFault,
    ChainHead,
    EvidenceFile,
    entry_file,
    read_entry,
    require_text,
    require_whole_numbers,
)
from orchestrator.domain.evidence.signatures import keys_document
from orchestrator.domain.printable import one_line
from orchestrator.domain.untrusted_json import decode_untrusted, problem_of

_NO_HEAD = "it is not the head that `evidence export` writes, so export again"
ENTRY_FILE, HEAD_FILE, HEADS_FILE, KEYS_FILE = "entry.json", "head.json", "heads.jsonl", "keys.json"


@dataclass(frozen=True)
class ExportedFolder:
    """A folder as it was read. Only its names are checked yet.

    Attributes:
        entries: the entries' files, in the order of the folders' names.
        files: path by key of each file that an entry names.
        head: of the ledger.
        heads: of the second place; None if the folder has none.
        keys: the file of public keys; None if the folder has none.
        faults: files that belong to no entry, and subfolders with the name of another entry.
    """

    entries: tuple[bytes, ...]
    files: Mapping[str, Path]
    head: ChainHead
    heads: tuple[bytes, ...] | None
    keys: bytes | None
    faults: tuple[ChainFault, ...]

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
            subfolder = folder / _subfolder_name(entry)
            subfolder.mkdir(parents=True)
            (subfolder / ENTRY_FILE).write_bytes(entry_file(entry))
            for name, content in files.items():
                (subfolder / name).write_bytes(content)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / HEAD_FILE).write_bytes(_head_file(head))
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
    texts = [_content(subfolder / ENTRY_FILE) or b"" for subfolder in subfolders]
    entries = {subfolder: _entry_of(text) for subfolder, text in zip(subfolders, texts, strict=True)}
    files = [pair for subfolder, entry in entries.items() if entry for pair in _files_of(subfolder, entry)]
    heads = _content(folder / HEADS_FILE)
    return ExportedFolder(
        entries=tuple(texts),
        files=dict(files),
        head=_head_in(folder),
        heads=None if heads is None else tuple(heads.splitlines()),
        keys=_content(folder / KEYS_FILE),
        faults=(*_name_faults(entries), *_added_files(folder, entries)),
    )


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _entry_of(text: bytes) -> ChainEntry | None:
    try:
        return read_entry(text)
    except Refused:
        return None  # the verification reports it


def _files_of(subfolder: Path, entry: ChainEntry) -> list[tuple[str, Path]]:
    return [(file.key, subfolder / Path(file.name).name) for file in entry.files]


def _subfolder_name(entry: ChainEntry) -> str:
    return f"{entry.number:06}-{entry.recovery}"


def _name_faults(entries: Mapping[Path, ChainEntry | None]) -> Iterator[ChainFault]:
    for subfolder, entry in entries.items():
        if entry and subfolder.name != _subfolder_name(entry):
            yield ChainFault(one_line(subfolder.name), f"it has {entry.title}, so it was renamed or replaced")


def _added_files(folder: Path, entries: Mapping[Path, ChainEntry | None]) -> Iterator[ChainFault]:
    """Yield the files that no entry names: a reader could take them for evidence."""
    known = {folder / name for name in (HEAD_FILE, HEADS_FILE, KEYS_FILE)}
    for subfolder, entry in entries.items():
        # An entry that cannot be read names no files. It is a fault already, and its usual files are no further ones.
        names = [path for _, path in _files_of(subfolder, entry)] if entry else []
        known |= {subfolder / ENTRY_FILE, *(names or (subfolder / REPORT_FILE, subfolder / HTML_FILE))}
    for path in sorted(folder.rglob("*")):
        if path not in known and (path.is_symlink() or not path.is_dir()):
            where = one_line(str(path.relative_to(folder)))
            yield ChainFault(where, "no entry names it, so it is no evidence: remove it, or export again")


def _head_file(head: ChainHead) -> bytes:
    return json_text.dumps({"number": head.number, "hash": head.hash}, allow_nan=False).encode()


def _head_in(folder: Path) -> ChainHead:
    text = (folder / HEAD_FILE).read_bytes()
    try:
        document: Any = decode_untrusted(text)
        head = ChainHead(**document)
        require_whole_numbers(head.number)
        require_text(head.hash)
    except (ValueError, TypeError) as error:
        raise Refused("--folder", str(folder / HEAD_FILE), f"{_NO_HEAD}: {problem_of(error)}") from error
    if _head_file(head) != text:
        raise Refused("--folder", str(folder / HEAD_FILE), f"{_NO_HEAD}: its bytes differ from the serialized head")
    return head
