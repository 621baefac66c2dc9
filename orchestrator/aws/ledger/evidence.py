"""The evidence of an environment: files in the evidence bucket, and the hash chain in the ledger.

Each drill, each restore, and each compliance or upkeep report that was kept has one entry. A key in KMS signs it.

| pk           | sk                  | holds                                                             |
|--------------|---------------------|-------------------------------------------------------------------|
| ``evidence`` | ``head``            | number and hash of the newest chain entry                         |
| ``evidence`` | ``link#000001`` …   | the chain entries, byte for byte as in the bucket                 |
| ``evidence`` | ``recovery#{id}``   | the number of an entry: each recovery and each report has one     |
| ``evidence`` | ``success#{kind}``  | the newest entry of a success without an injected fault           |

A report's files are put first. Their names contain their digests, so a second attempt puts the same files again or
adds others. Then the entry is appended, in one transaction with the head. Last, the entry's file is put, and the signed
head into the second place. A process that dies in between leaves files that no entry names, or an entry whose files the
next attempt puts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from typing import Any

import msgspec

from orchestrator.aws.ledger.artifacts import ArtifactStore
from orchestrator.aws.ledger.evidence_heads import EvidenceHeads
from orchestrator.aws.ledger.evidence_keys import EvidenceKeys
from orchestrator.aws.ledger.evidence_verification import entry_key, verify_stored_chain
from orchestrator.aws.ledger.lock import LockedTable, decoded
from orchestrator.aws.ledger.records import RECORD, Recoveries
from orchestrator.domain.configuration.snapshot import SnapshotRecord
from orchestrator.domain.errors import Refused, Throttled
from orchestrator.domain.evidence.chain import (
    HTML_FILE,
    REPORT_FILE,
    ChainEntry,
    ChainFault,
    ChainHead,
    EvidenceFile,
    entry_file,
    place_entry,
    read_entry,
)
from orchestrator.domain.evidence.html_report import render_html
from orchestrator.domain.evidence.kept_report import KINDS as KEPT_REPORTS
from orchestrator.domain.evidence.ledger_items import entry_sort_key
from orchestrator.domain.evidence.report import report_document, report_of
from orchestrator.domain.evidence.signatures import (
    PublishedKeys,
    is_signed,
    sign_entry,
    sign_head,
)
from orchestrator.domain.objectives.scenarios import ScenarioRun, evidence_kind
from orchestrator.domain.recovery.record import Recovery, RecoveryOutcome

_EVIDENCE, _HEAD = "evidence", "head"
ATTEMPTS = 5
"""Two recoveries that end at the same moment compete for the next number."""


class EvidenceChain(LockedTable):
    """The evidence chain of an environment. It needs no lock: each recovery has one entry, and the head moves by one.

    Args:
        clients: botocore client by service.
        table: the ledger's name.
        artifacts: stores the files.
        keys: returns the keys that sign; not every reader may use them.
        heads: returns the second place; None if the environment has none.
    """

    def __init__(
        self,
        clients: Callable[[str], Any],
        table: str,
        artifacts: ArtifactStore,
        keys: Callable[[], EvidenceKeys],
        heads: Callable[[], EvidenceHeads | None],
    ) -> None:
        super().__init__(clients("dynamodb"), table)
        self._artifacts, self._keys, self._heads = artifacts, keys, heads

    @cached_property
    def heads(self) -> EvidenceHeads | None:
        """The second place; None if the environment has none."""
        return self._heads()

    def append_entry(
        self,
        recovery: Recovery,
        configuration: SnapshotRecord | None,
        now: datetime,
        earlier: Sequence[ScenarioRun] = (),
    ) -> tuple[ChainEntry, bool]:
        """Write a recovery's evidence, once; return its entry, and whether the entry is new.

        Args:
            recovery: as it ended.
            configuration: the newest configuration snapshot, if there is one.
            now: when it is recorded.
            earlier: earlier runs of its scenario, oldest first.

        Raises:
            Throttled: other recoveries kept appending meanwhile; it may be tried again.
        """
        existing = self.find_entry(recovery.id)
        if existing is None:
            report = report_document(report_of(recovery, configuration, earlier))
            html = render_html(json.loads(report), sha256(report).hexdigest())
            files = self._put_files(recovery.id, report, html)
            outcome = str(recovery.outcome or RecoveryOutcome.FAILED)
            new = ChainEntry(0, recovery.environment, recovery.id, evidence_kind(recovery), outcome, now, files, "")
            succeeded = recovery.outcome is RecoveryOutcome.SUCCEEDED and not recovery.fault
            entry, appended = self._append(new, succeeded=succeeded)
        else:
            entry, appended = existing, False
        self._put_entry(entry)
        return entry, appended

    def append_report(self, new: ChainEntry, report: bytes, html: bytes) -> ChainEntry:
        """Write a report that is no recovery's, once; return its entry.

        Args:
            new: its environment, id (as `recovery`), kind, outcome and time; all else is placed here.
            report: its document.
            html: its page.

        Raises:
            Throttled: other processes kept appending meanwhile; it may be tried again.
        """
        entry = self.find_entry(new.recovery)
        if entry is None:
            files = self._put_files(new.recovery, report, html)
            entry, _ = self._append(replace(new, files=files), succeeded=False)
        self._put_entry(entry)
        return entry

    def newest_of_kind(self, kind: str) -> ChainEntry | None:
        """Return the newest entry of a kind; None if there is none."""
        return next((entry for entry in reversed(self.read_entries()) if entry.kind == kind), None)

    def read_head(self) -> ChainHead:
        """Return the newest entry's number and hash; number 0 before the first."""
        item = self._get(_EVIDENCE, _HEAD)
        return decoded(item, ChainHead) if item else ChainHead()

    def find_head(self) -> ChainHead:
        """Return the head to show: number 0 also if its item cannot be read, which `verify_chain` reports."""
        try:
            return self.read_head()
        except (msgspec.MsgspecError, LookupError, TypeError):
            return ChainHead()

    def read_entries(self) -> list[ChainEntry]:
        """Return every entry that the ledger holds, oldest first."""
        return [read_entry(item["body"]["S"].encode()) for item in self._entry_items()]

    def find_entry(self, recovery_id: str) -> ChainEntry | None:
        """Return the entry of a recovery; None if there is none."""
        item = self._get(_EVIDENCE, f"recovery#{recovery_id}")
        if not item:
            return None
        entry = self._get(_EVIDENCE, entry_sort_key(int(item["body"]["S"])))
        assert entry, "a recovery's number was put in one transaction with its entry"
        return read_entry(entry["body"]["S"].encode())

    def read_entry(self, recovery_id: str) -> ChainEntry:
        """Return the entry of a recovery.

        Raises:
            Refused: there is none, or the ledger names another recovery's entry.
        """
        entry = self.find_entry(recovery_id)
        if entry is None:
            raise Refused("recovery", recovery_id, "name one that `orchestrator evidence list` lists")
        if entry.recovery != recovery_id:
            problem = (
                f"the ledger names the {entry.title} for it, so it was changed: run `orchestrator evidence verify`"
            )
            raise Refused("recovery", recovery_id, problem)
        return entry

    def newest_success(self, kind: str) -> ChainEntry | None:
        """Return the newest entry of a kind of recovery that succeeded without an injected fault.

        A copy that differs from the chain's entry, or that we did not sign, counts as none, so that the alarm for overdue
        drills fires.
        """
        item = self._get(_EVIDENCE, f"success#{kind}")
        if not item:
            return None
        text = item["body"]["S"]
        try:
            entry = read_entry(text.encode())
        except Refused:
            return None
        kept = self._get(_EVIDENCE, entry_sort_key(entry.number))
        genuine = (
            kept and kept["body"]["S"] == text and (entry.kind, entry.outcome) == (kind, RecoveryOutcome.SUCCEEDED)
        )
        return entry if genuine and is_signed(entry, self.published_keys()) else None

    def read_file(self, file: EvidenceFile) -> bytes | None:
        """Read a file that an entry names, without checking it; None if it does not exist."""
        return self._artifacts.find_file(file.key)

    def published_keys(self) -> PublishedKeys:
        """Return the public keys of the environment's evidence."""
        return self._keys().published

    def verify_chain(self, keys: PublishedKeys | None = None) -> tuple[ChainFault, ...]:
        """Verify the chain, its signatures, the ledger's references to it, and the copies of it; return every fault.

        Args:
            keys: as an auditor has them; without them, those of KMS.
        """
        return verify_stored_chain(
            self._query(_EVIDENCE, forward=True),
            self._artifacts,
            self.heads,
            keys or self.published_keys(),
            self._read_outcomes,
        )

    def _read_outcomes(self, entries: Iterable[ChainEntry]) -> Mapping[str, str | None]:
        """Return the outcomes of the recoveries' records that have one; None for a record that cannot be read."""
        outcomes: dict[str, str | None] = {}
        for name in (entry.recovery for entry in entries if entry.kind not in KEPT_REPORTS):
            for item in self._query(f"{Recoveries.WHAT}#{name}", prefix=RECORD):
                outcome = _outcome_of(item)
                if outcome != "":
                    outcomes[name] = outcome
        return outcomes

    def _put_files(self, identifier: str, report: bytes, html: bytes) -> tuple[EvidenceFile, ...]:
        files = []
        for name, content, content_type in (
            (REPORT_FILE, report, "application/json"),
            (HTML_FILE, html, "text/html; charset=utf-8"),
        ):
            digest = sha256(content).hexdigest()
            stem, _, suffix = name.partition(".")
            file = EvidenceFile(name, f"evidence/{identifier}/{stem}-{digest}.{suffix}", digest, len(content))
            self._artifacts.put_file(file.key, content, content_type)
            files.append(file)
        return tuple(files)

    def _put_entry(self, entry: ChainEntry) -> None:
        """Put an entry's file, and its signed head into the second place."""
        self._artifacts.put_file(entry_key(entry), entry_file(entry), "application/json")
        if self.heads and entry.signature:
            self.heads.put_head(sign_head(entry, self._keys().sign))

    def _append(self, new: ChainEntry, *, succeeded: bool) -> tuple[ChainEntry, bool]:
        """Append an entry; return it, and whether it is new. succeeded: it is the newest success of its kind."""
        for _ in range(ATTEMPTS):
            head = self.read_head()
            entry = place_entry(head, replace(new, key_id=self._keys().signing_kid))
            entry = sign_entry(entry, self._keys().sign)
            if self._try_append(head, entry, succeeded=succeeded):
                return entry, True
            # An earlier attempt whose response was lost, or another execution of this recovery, may have written it.
            existing = self.find_entry(new.recovery)
            if existing:
                return existing, False
        raise Throttled(f"the head moved {ATTEMPTS} times while {new.recovery} was appended")

    def _try_append(self, head: ChainHead, entry: ChainEntry, *, succeeded: bool) -> bool:
        """Append an entry; return False if the head moved or the recovery has an entry already."""
        absent = "attribute_not_exists(pk)"
        new_head = self._put(_EVIDENCE, _HEAD, ChainHead(entry.number, entry.hash), newest={"S": entry.hash})
        new_head["ConditionExpression"] = absent
        if head.number:
            new_head |= {
                "ConditionExpression": "newest = :seen",
                "ExpressionAttributeValues": {":seen": {"S": head.hash}},
            }
        text = entry_file(entry).decode()
        puts = [
            new_head,
            {**self._put_text(entry_sort_key(entry.number), text), "ConditionExpression": absent},
            {**self._put_text(f"recovery#{entry.recovery}", str(entry.number)), "ConditionExpression": absent},
        ]
        if succeeded:
            puts.append(self._put_text(f"success#{entry.kind}", text))
        return self._write_together(puts)

    def _entry_items(self) -> Sequence[Any]:
        return self._query(_EVIDENCE, prefix="link#", forward=True)

    def _put_text(self, sk: str, text: str) -> dict[str, Any]:
        return {"TableName": self._table, "Item": {"pk": {"S": _EVIDENCE}, "sk": {"S": sk}, "body": {"S": text}}}


def _outcome_of(record: Mapping[str, Any]) -> str | None:
    """Return the outcome in the item of a recovery's record: empty if it has none yet, None if it cannot be read."""
    try:
        document = json.loads(record["body"]["S"])
        outcome, ended_at = document["outcome"], document["ended_at"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    if outcome is None and ended_at is None:
        return ""
    return str(outcome) if outcome else None


def entry_as_json(entry: ChainEntry) -> dict[str, Any]:
    """Return an entry as JSON, for the command line."""
    builtins: dict[str, Any] = msgspec.to_builtins(entry)
    return builtins
