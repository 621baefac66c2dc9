"""Signatures of the evidence chain: published keys, signed entries, and signed heads in a second place.

A key in KMS signs each entry; only the functions that record evidence may use it. So an entry that was forged by a
writer of the bucket and of the ledger has no signature that verifies. Entries from before the first signature stay
unsigned: the first signed entry names their hash. The newest entry is always signed.

The signed head of each entry is also kept in a bucket in another region. It shows entries that are missing at the end.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from orchestrator.domain.base64url import decode_base64url
from orchestrator.domain.configuration.normalization import canonical_json
from orchestrator.domain.errors import Refused
from orchestrator.domain.evidence.chain import (
    ChainEntry,
    ChainFault,
    ChainHead,
    entry_file,
    entry_range,
    readable_entries,
    require_text,
    require_whole_numbers,
)
from orchestrator.domain.evidence.es256 import PublicKey, verifies
from orchestrator.domain.untrusted_json import decode_untrusted, problem_of, quoted

SECOND_PLACE = "the second place"
_ENTRY, _HEAD = b"ib-oauth evidence entry\n", b"ib-oauth evidence head\n"
"""What the signed bytes begin with, so that the signature of an entry is none of a head."""

Sign = Callable[[bytes], str]
"""Signs a message with the newest key; returns base64url of r and s."""


@dataclass(frozen=True)
class PublishedKeys:
    """The public keys of an environment's evidence, oldest first; the last one signs."""

    environment: str
    keys: tuple[PublicKey, ...]

    def index(self, kid: str) -> int | None:
        """Return the position of a key; None if it is not published."""
        return next((number for number, key in enumerate(self.keys) if key.kid == kid), None)


@dataclass(frozen=True)
class SignedHead:
    """The newest entry at a time, signed. It is kept apart from the chain.

    Attributes:
        number: of the entry, and so the count of entries.
        hash: of the entry.
        recorded_at: when the entry was recorded.
        key_id: thumbprint of the key that signed it.
        signature: ES256 over all other fields, in base64url.
    """

    environment: str
    number: int
    hash: str
    recorded_at: datetime
    key_id: str
    signature: str = ""

    @property
    def head(self) -> ChainHead:
        """The head, without its signature."""
        return ChainHead(self.number, self.hash)


# --- signing -----------------------------------------------------------------------------------------------


def sign_entry(entry: ChainEntry, sign: Sign) -> ChainEntry:
    """Return a placed entry with its signature."""
    return replace(entry, signature=sign(entry_message(entry)))


def sign_head(entry: ChainEntry, sign: Sign) -> SignedHead:
    """Return the signed head of a chain whose newest entry this is."""
    head = SignedHead(entry.environment, entry.number, entry.hash, entry.recorded_at, entry.key_id)
    return replace(head, signature=sign(_head_message(head)))


def entry_message(entry: ChainEntry) -> bytes:
    """Return the bytes of an entry that its signature covers."""
    return _ENTRY + entry_file(replace(entry, signature=""))


def is_signed(entry: ChainEntry, keys: PublishedKeys) -> bool:
    """Return whether one of the keys signed an entry of their environment."""
    return not _entry_problem(entry, keys)


# --- documents ---------------------------------------------------------------------------------------------


def head_file(head: SignedHead) -> bytes:
    """Serialize a signed head as the file that is stored."""
    return canonical_json({**asdict(head), "recorded_at": head.recorded_at.isoformat()})


def read_head(text: bytes) -> SignedHead:
    """Read a signed head from its file.

    Raises:
        Refused: it is none, or is not serialized as we serialize it.
    """
    try:
        document: Any = json.loads(text)
        head = SignedHead(**{**document, "recorded_at": datetime.fromisoformat(document["recorded_at"])})
        serialized = head_file(head)
        require_text(head.hash, head.key_id, head.signature)
        require_whole_numbers(head.number)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        problem = f"it is not a signed head of an evidence chain: {problem_of(error)}"
        raise Refused("head", f"{len(text)} bytes", problem) from error
    if serialized != text:
        raise Refused("head", str(head.number), "its bytes differ from the serialized head: it was changed")
    return head


def keys_document(keys: PublishedKeys) -> bytes:
    """Serialize public keys as the file that is published: a JWK set (RFC 7517) with the name of the environment."""
    members = [{**key.to_jwk(), "alg": "ES256", "kid": key.kid, "use": "sig"} for key in keys.keys]
    text = json.dumps({"environment": keys.environment, "keys": members}, indent=2, allow_nan=False)
    return f"{text}\n".encode()


def read_keys(text: bytes) -> PublishedKeys:
    """Read a published file of keys.

    Raises:
        Refused: it is none, or a key's id is not its thumbprint.
    """
    try:
        document: Any = decode_untrusted(text)
        keys = PublishedKeys(str(document["environment"]), tuple(_key(member) for member in document["keys"]))
    except (ValueError, KeyError, TypeError) as error:
        remedy = f"give the file that has the public keys, as `orchestrator evidence key --output FILE` writes it: {problem_of(error)}"
        raise Refused("key", f"{len(text)} bytes", remedy) from error
    if not keys.keys:
        raise Refused("key", f"{len(text)} bytes", "it has no key: write it again with `orchestrator evidence key`")
    return keys


def _key(member: Mapping[str, str]) -> PublicKey:
    if (member["kty"], member["crv"]) != ("EC", "P-256"):
        raise ValueError("a key is not of P-256")
    require_text(member["x"], member["y"])
    key = PublicKey(*(int.from_bytes(decode_base64url(member[name])) for name in ("x", "y")))
    if member["kid"] != key.kid:
        raise ValueError("the id of a key is not its thumbprint")
    return key


# --- verification ------------------------------------------------------------------------------------------


def signature_faults(entries: Sequence[bytes], keys: PublishedKeys) -> tuple[ChainFault, ...]:
    """Check the signature of each entry. Entries that cannot be read are left to `verify_chain`.

    Args:
        entries: the entries' files, in stored order.
        keys: the environment's keys.
    """
    faults: list[ChainFault] = []
    readable = list(readable_entries(entries))
    newest_key: int | None = None
    for entry in readable:
        if entry.environment != keys.environment:
            faults.append(ChainFault(entry.title, f"it is of {quoted(entry.environment)}, not of {keys.environment}"))
        elif not entry.signature and not entry.key_id and newest_key is None:
            continue  # from before the first signature
        elif problem := _entry_problem(entry, keys):
            faults.append(ChainFault(entry.title, problem))
        else:
            index = keys.index(entry.key_id) or 0
            if newest_key is not None and index < newest_key:
                faults.append(ChainFault(entry.title, f"it is signed by key {entry.key_id}, which was replaced before"))
            newest_key = max(index, newest_key or 0)
    if readable and newest_key is None and not faults:
        problem = "no entry is signed: record one, for example by a drill, if signatures are new here"
        faults.append(ChainFault(readable[-1].title, problem))
    return tuple(faults)


def second_place_faults(
    heads: Iterable[bytes], entries: Sequence[bytes], keys: PublishedKeys
) -> tuple[ChainFault, ...]:
    """Compare the chain with the heads that are kept in the second place.

    Args:
        heads: every version of every file there.
        entries: the entries' files.
        keys: the environment's keys.
    """
    faults: list[ChainFault] = []
    by_number = {entry.number: entry for entry in readable_entries(entries)}
    newest = max(by_number, default=0)
    kept = 0
    for text in sorted(set(heads)):
        try:
            head = read_head(text)
        except Refused as error:
            faults.append(ChainFault(SECOND_PLACE, f"{error.value}: {error.remedy}"))
            continue
        if problem := head_problem(head, keys):
            faults.append(ChainFault(SECOND_PLACE, f"its head {head.number}: {problem}"))
            continue
        kept = max(kept, head.number)
        entry = by_number.get(head.number)
        if entry and entry.hash != head.hash:
            faults.append(ChainFault(SECOND_PLACE, f"it has another entry {head.number}, with hash {head.hash}"))
    if kept > newest:
        faults.append(ChainFault(SECOND_PLACE, f"missing at the end: {entry_range(newest + 1, kept)}, which it knows"))
    elif kept < newest and by_number[newest].signature:
        remedy = "verify again in a minute; then record evidence again"
        faults.append(ChainFault(SECOND_PLACE, f"it lacks the head of entry {newest}: {remedy}"))
    return tuple(faults)


def newest_head(heads: Iterable[bytes], keys: PublishedKeys) -> SignedHead | None:
    """Return the newest head that one of the keys signed; None without any."""
    newest: SignedHead | None = None
    for text in heads:
        try:
            head = read_head(text)
        except Refused:
            continue
        if not head_problem(head, keys) and (newest is None or head.number > newest.number):
            newest = head
    return newest


def head_problem(head: SignedHead, keys: PublishedKeys) -> str:
    """Return why a signed head is not one of the environment; empty if it is."""
    if head.environment != keys.environment:
        return f"it is of {quoted(head.environment)}, not of {keys.environment}"
    return _signature_problem(head.key_id, head.signature, _head_message(head), keys)


def _entry_problem(entry: ChainEntry, keys: PublishedKeys) -> str:
    if entry.environment != keys.environment:
        return f"it is of {quoted(entry.environment)}, not of {keys.environment}"
    return _signature_problem(entry.key_id, entry.signature, entry_message(entry), keys)


def _signature_problem(kid: str, signature: str, message: bytes, keys: PublishedKeys) -> str:
    if not signature:
        return "it has no signature: it was forged"
    index = keys.index(kid)
    if index is None:
        return f"it names the key {quoted(kid)}, which is not one of the published keys"
    if not verifies(keys.keys[index], message, signature):
        return f"its signature is not of key {kid}: it was forged or changed"
    return ""


def _head_message(head: SignedHead) -> bytes:
    return _HEAD + head_file(replace(head, signature=""))
