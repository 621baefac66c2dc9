"""Attacks on an evidence chain by an attacker who may write everything in the ledger and in the bucket, but not sign.

The attacker lifts the bucket's lock, knows our code, and makes the ledger and the bucket agree with each other. The second
place accepts new versions from the attacker, but keeps those that it has: that is what its lock is for. Tests and
`benchmarks.tampering` use the same attacks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256
from typing import Any

from orchestrator.aws.ledger.evidence_keys import EvidenceKeys
from orchestrator.aws.ledger.evidence_verification import ENTRIES_PREFIX, entry_key
from orchestrator.domain.evidence.chain import ChainEntry, ChainHead, entry_file, place_entry
from orchestrator.domain.evidence.signatures import head_file, sign_entry, sign_head
from orchestrator.domain.recovery.record import CheckResult, RecoveryPhase, concluded
from orchestrator.domain.verdict import Verdict
from tests.fakes.evidence import EvidenceInMemory
from tests.fakes.oauth_service import Keys
from tests.samples import NOW, recovery, seconds

GOOD, BAD = (
    CheckResult("content.state", Verdict.passed("equal")),
    CheckResult("content.tokens", Verdict.failed("3 are missing")),
)


def record(memory: EvidenceInMemory, numbers: range) -> None:
    """Record drills; each third one fails."""
    for number in numbers:
        ended = NOW + timedelta(days=number)
        phases = (RecoveryPhase("AwaitRestore", ended - seconds(60), ended),)
        one = recovery(
            id=f"dr-{number}",
            environment=memory.environment,
            requested_at=ended - seconds(60),
            phases=phases,
            check_results=(GOOD if number % 3 else BAD,),
        )
        memory.chain.append_entry(concluded(one, ended), None, ended)


def recorded(count: int = 6, environment: str = "test", *, second_place: bool = True) -> EvidenceInMemory:
    """Return an environment with that many drills in its evidence."""
    memory = EvidenceInMemory(environment, second_place=second_place)
    record(memory, range(1, count + 1))
    return memory


@dataclass(frozen=True)
class Attacker:
    """An attacker with write access to the ledger and the bucket, and with a key of their own."""

    memory: EvidenceInMemory

    @property
    def items(self) -> dict[tuple[str, str], dict[str, Any]]:
        """The ledger's items."""
        return self.memory.ledger.items

    @property
    def entries(self) -> list[ChainEntry]:
        """The chain as it is now."""
        return self.memory.chain.read_entries()

    @property
    def keys(self) -> EvidenceKeys:
        """The attacker's own key."""
        return EvidenceKeys(Keys(), ["mine"], self.memory.environment)

    def put(self, sort_key: str, body: str, **attributes: Mapping[str, str]) -> None:
        """Write an item."""
        key = {"pk": {"S": "evidence"}, "sk": {"S": sort_key}}
        self.items["evidence", sort_key] = {**key, "body": {"S": body}, **attributes}

    def forget(self, keep: Callable[[str], bool]) -> None:
        """Remove files from the bucket with all their versions, except those that a condition keeps."""
        bucket = self.memory.bucket
        bucket.versions = [one for one in bucket.versions if keep(one[0])]
        bucket.objects = {key: content for key, content in bucket.objects.items() if keep(key)}

    def put_file(self, key: str, content: bytes) -> None:
        """Write a file in the place of all its versions."""
        self.forget(lambda kept: kept != key)
        self.memory.bucket.put_object(Bucket="bucket", Key=key, Body=content, ChecksumAlgorithm="SHA256")

    def store(self, entries: Sequence[ChainEntry]) -> None:
        """Make the ledger and the bucket hold this chain, and agree in everything."""
        for key in [key for key in self.items if key[0] == "evidence"]:
            del self.items[key]
        self.forget(lambda key: not key.startswith(ENTRIES_PREFIX))
        for entry in entries:
            text = entry_file(entry).decode()
            self.put(f"link#{entry.number:06}", text)
            self.put(f"recovery#{entry.recovery}", str(entry.number))
            if entry.outcome == "SUCCEEDED":
                self.put(f"success#{entry.kind}", text)
            self.put_file(entry_key(entry), text.encode())
        if entries:
            newest = entries[-1]
            body = json.dumps({"number": newest.number, "hash": newest.hash}, separators=(",", ":"))
            self.put("head", body, newest={"S": newest.hash})

    def rewritten(
        self, entries: Sequence[ChainEntry], sign: Callable[[ChainEntry], ChainEntry], after: Sequence[ChainEntry] = ()
    ) -> list[ChainEntry]:
        """Return entries, numbered and hashed anew after those that stay as they are."""
        chain = list(after)
        for entry in entries:
            head = ChainHead(chain[-1].number, chain[-1].hash) if chain else ChainHead()
            chain.append(sign(place_entry(head, entry)))
        return chain

    def with_own_key(self, keys: EvidenceKeys) -> Callable[[ChainEntry], ChainEntry]:
        """Return what signs a placed entry with a key of the attacker's."""

        def sign(entry: ChainEntry) -> ChainEntry:
            head = ChainHead(entry.number - 1, entry.previous_hash)
            return sign_entry(place_entry(head, replace(entry, key_id=keys.signing_kid)), keys.sign)

        return sign

    def with_old_signature(self, entry: ChainEntry) -> ChainEntry:
        """Keep the signature that an entry had."""
        return replace(entry, signature=next(one.signature for one in self.entries if one.recovery == entry.recovery))

    def unsigned(self, entry: ChainEntry) -> ChainEntry:
        """Make an entry look as if it were older than signatures."""
        return place_entry(ChainHead(entry.number - 1, entry.previous_hash), replace(entry, key_id="", signature=""))


# --- the structural attacks --------------------------------------------------------------------------------


def change_a_byte(attacker: Attacker) -> None:
    """A failed drill's page says that it succeeded."""
    key = next(key for key in attacker.memory.bucket.objects if "dr-3/page" in key)
    attacker.put_file(key, attacker.memory.bucket.objects[key].replace(b"FAILED", b"PASSED"))


def change_an_entry(attacker: Attacker) -> None:
    """The newest entry, which failed, says that it succeeded, with new hashes everywhere and its old signature."""
    *before, newest = attacker.entries
    better = replace(newest, outcome="SUCCEEDED")
    attacker.store(attacker.rewritten([better], attacker.with_old_signature, before))


def swap_two_entries(attacker: Attacker) -> None:
    """Two entries change places, with new hashes everywhere."""
    first, second, *others = attacker.entries
    attacker.store(attacker.rewritten([second, first, *others], attacker.with_old_signature))


def remove_an_entry(attacker: Attacker) -> None:
    """A failed drill is removed everywhere, and those after it are numbered and hashed anew."""
    before, after = attacker.entries[:2], attacker.entries[3:]
    attacker.store(attacker.rewritten(after, attacker.with_old_signature, before))


def truncate_the_chain(attacker: Attacker) -> None:
    """The newest entries are removed everywhere, and the head is set back. What is left is genuine."""
    attacker.store(attacker.entries[:-2])


def replay_an_old_state(attacker: Attacker) -> None:
    """The ledger and the bucket are restored to an earlier time, and the old head is put again into the second place."""
    old = attacker.entries[:3]
    attacker.store(old)
    place = attacker.memory.second_place
    key, content = place.versions[len(old) - 1]
    place.objects.clear()
    place.put_object(Bucket="heads", Key=key, Body=content, ChecksumAlgorithm="SHA256")


def forge_an_entry(attacker: Attacker) -> None:
    """An entry for a drill that never ran is appended, signed by the attacker's key, and its head is put, too."""
    keys, newest = attacker.keys, attacker.entries[-1]
    forged = replace(newest, recovery="dr-forged", outcome="SUCCEEDED")
    chain = attacker.rewritten([forged], attacker.with_own_key(keys), attacker.entries)
    attacker.store(chain)
    put_head(attacker, sign_head(chain[-1], keys.sign))


def sign_everything_anew(attacker: Attacker) -> None:
    """A better chain is made of all entries, and signed by another key."""
    keys = attacker.keys
    better = [replace(entry, outcome="SUCCEEDED") for entry in attacker.entries]
    attacker.store(attacker.rewritten(better, attacker.with_own_key(keys)))


def strip_the_signatures(attacker: Attacker) -> None:
    """A better chain looks as if it were from before signatures."""
    better = [replace(entry, outcome="SUCCEEDED") for entry in attacker.entries]
    attacker.store(attacker.rewritten(better, attacker.unsigned))


def move_from_another_environment(attacker: Attacker) -> None:
    """A good drill of another environment, with its genuine signature, is appended here."""
    other = recorded(2, "other")
    (moved,) = other.chain.read_entries()[-1:]
    for file in moved.files:
        attacker.put_file(file.key, other.bucket.objects[file.key])
    attacker.store([*attacker.entries[:1], moved])


def delete_all_rows(attacker: Attacker) -> None:
    """Nothing is left in the ledger, and no entry in the bucket."""
    attacker.store([])


def change_a_recovery_pointer(attacker: Attacker) -> None:
    """The pointer of a failed drill names a good one."""
    attacker.put("recovery#dr-3", "2")


def change_the_success_pointer(attacker: Attacker) -> None:
    """The newest success, by which the overdue alarm goes, is forged in the ledger and in its entry."""
    newest = attacker.entries[-1]
    forged = replace(newest, outcome="SUCCEEDED", recorded_at=newest.recorded_at + timedelta(days=365))
    text = entry_file(place_entry(ChainHead(newest.number - 1, newest.previous_hash), forged)).decode()
    attacker.put(f"link#{newest.number:06}", text)
    attacker.put("success#drill", text)


def let_an_entry_expire(attacker: Attacker) -> None:
    """DynamoDB deletes the newest entry soon."""
    attacker.items["evidence", f"link#{len(attacker.entries):06}"]["expires_at"] = {"N": "1"}


def give_the_head_the_body_of_an_entry(attacker: Attacker) -> None:
    """The head has the newest entry's number and hash, among all other fields of that entry."""
    item = attacker.items["evidence", "head"]
    item["body"] = attacker.items["evidence", f"link#{len(attacker.entries):06}"]["body"]


def change_the_type_of_a_pointer(attacker: Attacker) -> None:
    """The pointer of a drill is a number instead of text, so that its entry is not found by it."""
    attacker.items["evidence", "recovery#dr-3"]["body"] = {"N": "3"}


def put_head(attacker: Attacker, head: Any) -> None:
    """Put a head into the second place."""
    attacker.memory.second_place.put_object(
        Bucket="heads", Key=f"heads/{head.number:06}.json", Body=head_file(head), ChecksumAlgorithm="SHA256"
    )


STRUCTURAL: Mapping[str, Callable[[Attacker], None]] = {
    one.__name__: one
    for one in (
        change_a_byte,
        change_an_entry,
        swap_two_entries,
        remove_an_entry,
        truncate_the_chain,
        replay_an_old_state,
        forge_an_entry,
        sign_everything_anew,
        strip_the_signatures,
        move_from_another_environment,
        delete_all_rows,
        change_a_recovery_pointer,
        change_the_success_pointer,
        let_an_entry_expire,
        give_the_head_the_body_of_an_entry,
        change_the_type_of_a_pointer,
    )
}
"""The structural attacks by name."""

OF_THE_LEDGER_ALONE = frozenset(
    {
        "change_a_recovery_pointer",
        "change_the_success_pointer",
        "let_an_entry_expire",
        "give_the_head_the_body_of_an_entry",
        "change_the_type_of_a_pointer",
    }
)
"""Those that leave an export as it was: it is made of the entries, and has no pointers."""


# --- random tampering --------------------------------------------------------------------------------------


def tamper(attacker: Attacker, random: Any) -> str:
    """Change something at random; return what."""
    name = random.choice(sorted(_RANDOM))
    _RANDOM[name](attacker, random)
    return name


def _flip(text: bytes, random: Any) -> bytes:
    position, bit = random.randrange(len(text)), 1 << random.randrange(7)
    return text[:position] + bytes([text[position] ^ bit]) + text[position + 1 :]


def _evidence_keys(attacker: Attacker) -> list[str]:
    return sorted(sort_key for pk, sort_key in attacker.items if pk == "evidence")


def _flip_in_the_bucket(attacker: Attacker, random: Any) -> None:
    key = random.choice(sorted(attacker.memory.bucket.objects))
    attacker.put_file(key, _flip(attacker.memory.bucket.objects[key], random))


def _flip_in_the_ledger(attacker: Attacker, random: Any) -> None:
    item = attacker.items["evidence", random.choice(_evidence_keys(attacker))]
    text = _flip(item["body"]["S"].encode(), random)
    item["body"] = {"S": text.decode("utf-8", "replace")}


def _remove_an_item(attacker: Attacker, random: Any) -> None:
    del attacker.items["evidence", random.choice(_evidence_keys(attacker))]


def _remove_a_file(attacker: Attacker, random: Any) -> None:
    gone = random.choice(sorted(attacker.memory.bucket.objects))
    attacker.forget(lambda key: key != gone)


def _swap_two_bodies(attacker: Attacker, random: Any) -> None:
    bodies = sorted({item["body"]["S"] for key, item in attacker.items.items() if key[0] == "evidence"})
    first, second = random.sample(bodies, 2)
    changed = {first: second, second: first}
    for key, item in attacker.items.items():
        if key[0] == "evidence" and item["body"]["S"] in changed:
            item["body"] = {"S": changed[item["body"]["S"]]}
            break


def _let_something_expire(attacker: Attacker, random: Any) -> None:
    attacker.items["evidence", random.choice(_evidence_keys(attacker))]["expires_at"] = {"N": str(random.randrange(9))}


def _truncate(attacker: Attacker, random: Any) -> None:
    attacker.store(attacker.entries[: random.randrange(len(attacker.entries))])


def _rewrite_from(attacker: Attacker, random: Any) -> None:
    entries = attacker.entries
    place = random.randrange(len(entries))
    field, value = random.choice(
        [
            ("outcome", "REFUSED"),
            ("kind", "restore"),
            ("recovery", f"dr-{random.randrange(1000, 9999)}"),
            ("recorded_at", entries[place].recorded_at + timedelta(seconds=random.randrange(1, 10**6))),
            ("environment", "other"),
        ]
    )
    changed = [replace(entries[place], **{field: value}), *entries[place + 1 :]]
    sign = random.choice([attacker.unsigned, attacker.with_own_key(attacker.keys), lambda entry: entry])
    attacker.store(attacker.rewritten(changed, sign, entries[:place]))


def _replace_a_report(attacker: Attacker, random: Any) -> None:
    entries = attacker.entries
    place = random.randrange(len(entries))
    content = b'{"forged":%d}' % random.randrange(10**9)
    digest = sha256(content).hexdigest()
    first, *others = entries[place].files
    file = replace(first, key=f"evidence/forged-{digest}.json", sha256=digest, size_bytes=len(content))
    attacker.put_file(file.key, content)
    changed = [replace(entries[place], files=(file, *others)), *entries[place + 1 :]]
    attacker.store(attacker.rewritten(changed, lambda entry: entry, entries[:place]))


def _change_a_signature(attacker: Attacker, random: Any) -> None:
    entries = attacker.entries
    place = random.randrange(len(entries))
    text = bytearray(entries[place].signature.encode())
    position = random.randrange(len(text))
    text[position] = random.choice([one for one in b"ABCabc019-_" if one != text[position]])
    entries[place] = replace(entries[place], signature=text.decode())
    attacker.store(entries)


def _exchange_signatures(attacker: Attacker, random: Any) -> None:
    entries = attacker.entries
    one, other = random.sample(range(len(entries)), 2)
    signatures = entries[one].signature, entries[other].signature
    entries[one] = replace(entries[one], signature=signatures[1])
    entries[other] = replace(entries[other], signature=signatures[0])
    attacker.store(entries)


def _put_into_the_second_place(attacker: Attacker, random: Any) -> None:
    key, content = random.choice(attacker.memory.second_place.versions)
    changed = _flip(content, random)
    attacker.memory.second_place.put_object(Bucket="heads", Key=key, Body=changed, ChecksumAlgorithm="SHA256")


_RANDOM: Mapping[str, Callable[[Attacker, Any], None]] = {
    "a bit of a file is flipped": _flip_in_the_bucket,
    "a bit of an item is flipped": _flip_in_the_ledger,
    "an item is deleted": _remove_an_item,
    "a file is deleted with its versions": _remove_a_file,
    "an item has the body of another": _swap_two_bodies,
    "an item expires": _let_something_expire,
    "the chain is truncated": _truncate,
    "the chain is rewritten from an entry on": _rewrite_from,
    "a report is replaced": _replace_a_report,
    "a signature is changed": _change_a_signature,
    "two signatures are exchanged": _exchange_signatures,
    "a changed head is put into the second place": _put_into_the_second_place,
}
