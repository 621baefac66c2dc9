"""The commands `evidence verify`, `evidence key` and `evidence head`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from orchestrator.cli.actions.evidence.folder import KEYS_FILE, read_folder
from orchestrator.cli.context import Context
from orchestrator.cli.files import write
from orchestrator.cli.rendering.output import console, print_json
from orchestrator.domain.errors import Refused
from orchestrator.domain.evidence.chain import ChainFault, ChainHead, entry_range, known_head_faults, verify_chain
from orchestrator.domain.evidence.signatures import (
    PublishedKeys,
    SignedHead,
    head_file,
    head_problem,
    keys_document,
    newest_head,
    read_head,
    read_keys,
    second_place_faults,
    signature_faults,
)
from orchestrator.domain.printable import one_line

SOUND, BROKEN = 0, 1
NO_SECOND_PLACE = (
    "there is no second place: an end that is missing in the bucket and in the ledger is only found with a head from "
    "another channel (--head)"
)
_HEAD = re.compile(r"([0-9]{1,9}):([0-9a-f]{64})")
_T = TypeVar("_T")


def verify(context: Context, head: str, key: Path | None, *, json: bool) -> int:
    """Verify the chain in the cloud; return the exit code.

    Args:
        context: the environment.
        head: must be empty.
        key: a file of published keys, as an auditor has it; without it, KMS's.
        json: print one JSON object.

    Raises:
        Refused: a head is given, although the ledger has it; or the file of keys cannot be read.
    """
    if head:
        raise Refused("--head", head, "use it with --folder only; otherwise the ledger has the head")
    chain = context.cloud.evidence
    keys = _read("--key", key, read_keys) if key else None
    faults = chain.verify_chain(keys)
    notes = [] if chain.heads else [f"{NO_SECOND_PLACE}; set [{context.name}.backups] copy_region"]
    return _report(faults, chain.find_head(), notes, json=json)


def verify_folder(folder: Path, head: str, key: Path | None, *, json: bool) -> int:
    """Verify an exported folder; return the exit code.

    Args:
        folder: as `evidence export` wrote it.
        head: a head from another channel, as number:hash or as a file that `evidence head` wrote; it may be older than
            the export. Empty for none.
        key: a file of published keys; without it, the folder's own.
        json: print one JSON object.

    Raises:
        Refused: it is no exported folder, or the head or the keys cannot be read.
    """
    exported = read_folder(folder)
    if key:
        keys = _read("--key", key, read_keys)
    elif exported.keys is not None:
        keys = read_keys(exported.keys)
    else:
        raise Refused("--folder", str(folder), f"it has no {KEYS_FILE}: give the published file with --key")
    known = _head(head, keys) if head else None
    faults = [
        *exported.faults,
        *verify_chain(exported.entries, exported.read_file, exported.head),
        *signature_faults(exported.entries, keys),
    ]
    if exported.heads is not None:
        faults += second_place_faults(exported.heads, exported.entries, keys)
    if known:
        faults += known_head_faults(exported.entries, known)
    kids = ", ".join(one.kid for one in keys.keys)
    notes = [] if key else [f"the keys are the folder's own: compare {kids} with the published ones, or give --key"]
    if known is None and exported.heads is None:
        notes.append(NO_SECOND_PLACE)
    elif known and not faults and known.number < exported.head.number:
        notes.append(_continuation(known, exported.head))
    return _report(faults, exported.head, notes, json=json)


def show_key(context: Context, output: Path | None, *, json: bool) -> None:
    """Print the public keys of the evidence, or write them to a file.

    Raises:
        Refused: the file cannot be written.
    """
    keys = context.cloud.evidence.published_keys()
    if output:
        write("--output", output, keys_document(keys))
    if json:
        print_json({"environment": keys.environment, "keys": [one.kid for one in keys.keys], "file": output})
    elif output:
        console().print(f"{len(keys.keys)} keys in {output}; publish it where auditors find it", markup=False)
    else:
        console().print(keys_document(keys).decode(), end="", markup=False, highlight=False, soft_wrap=True)


def show_head(context: Context, output: Path | None, *, json: bool) -> None:
    """Print the newest signed head of the second place, or write it to a file.

    Raises:
        Refused: the environment has no second place, nothing is kept there yet, or the file cannot be written.
    """
    chain = context.cloud.evidence
    if chain.heads is None:
        remedy = f"set [{context.name}.backups] copy_region, or use the head that `evidence list --json` prints"
        raise Refused("env", context.name, f"it has no second place: {remedy}")
    head = newest_head(chain.heads.read_versions(), chain.published_keys())
    if head is None:
        raise Refused("env", context.name, f"nothing is kept in {chain.heads.bucket} yet: record evidence first")
    if output:
        write("--output", output, head_file(head))
    if json:
        print_json({"head": head.head, "recorded_at": head.recorded_at, "file": output})
    elif output:
        console().print(f"head {head.number}:{head.hash} in {output}", markup=False, soft_wrap=True)
    else:
        console().print(head_file(head).decode(), markup=False, highlight=False, soft_wrap=True)


def _head(text: str, keys: PublishedKeys) -> ChainHead:
    """Return the head that an option gives, or the signed one of a file."""
    if found := _HEAD.fullmatch(text.lower()):
        return ChainHead(int(found[1]), found[2])
    if not _is_file(text):
        remedy = (
            "give NUMBER:HASH with the 64 hexadecimal digits of the hash, as `evidence list --json` prints them, "
            "or a file that `evidence head` wrote"
        )
        raise Refused("--head", text, remedy)
    signed: SignedHead = _read("--head", Path(text), read_head)
    if problem := head_problem(signed, keys):
        raise Refused("--head", text, problem)
    return signed.head


def _continuation(known: ChainHead, newest: ChainHead) -> str:
    """Return what a known head proves that is older than the export."""
    later = entry_range(known.number + 1, newest.number)
    return (
        f"entry {known.number} has the hash of the given head, so the chain continues the one that ended there; "
        f"{later} came after it and rest on their signatures, and a later end that is missing is not found by this head"
    )


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except OSError:
        return False  # it is too long for a path


def _read(option: str, path: Path, read: Callable[[bytes], _T]) -> _T:
    try:
        return read(path.read_bytes())
    except OSError as error:
        raise Refused(option, str(path), f"name a file that can be read ({error.strerror})") from error
    except Refused as error:
        raise Refused(option, str(path), error.remedy) from error


def _report(faults: Sequence[ChainFault], head: ChainHead, notes: Sequence[str], *, json: bool) -> int:
    if json:
        print_json({"sound": not faults, "head": head, "faults": faults, "notes": notes})
        return BROKEN if faults else SOUND
    screen = console()
    for fault in faults:
        screen.print(f"{one_line(fault.where)}: {one_line(fault.what)}", style="red", markup=False)
    if faults:
        summary = f"{len(faults)} faults: the evidence differs from what was recorded"
    else:
        summary = f"{head.number} entries, all files as recorded; the chain head is {head.number}:{head.hash}"
    screen.print(summary, style="bold red" if faults else "green", markup=False)
    for note in notes:
        screen.print(note, style="dim", markup=False)
    return BROKEN if faults else SOUND
