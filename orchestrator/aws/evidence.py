"""The evidence of an environment's recoveries: files in the archive, and the chain that names them in the ledger.

| pk           | sk                | holds                                                       |
|--------------|-------------------|-------------------------------------------------------------|
| ``evidence`` | ``head``          | number and hash of the newest link                          |
| ``evidence`` | ``link#000001`` … | the links, byte for byte as in the archive                  |
| ``evidence`` | ``recovery#{id}`` | the number of a recovery's link: each recovery has one      |
| ``evidence`` | ``green#{kind}``  | the newest that was green, and had not been broken on purpose |

A bundle's files are put first, named by their digests, so that a second try puts the same ones again or others beside them; then
the link is appended, in one transaction with the head; last the link's file is put. Whoever dies in between leaves files that no
link names, or a link whose file the next try puts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

import msgspec
from botocore.exceptions import ClientError

from orchestrator.aws.archive import Archive
from orchestrator.aws.claims import ClaimedTable, decoded, refuse_busy
from orchestrator.aws.clients import code_of, narrowed
from orchestrator.domain.configuration import Taken
from orchestrator.domain.errors import Refused, Throttled
from orchestrator.domain.evidence import document, report_of
from orchestrator.domain.evidence_chain import (
    BUNDLE,
    PAGE,
    Fault,
    File,
    Head,
    Link,
    chained,
    link_file,
    read_link,
    verify,
)
from orchestrator.domain.evidence_page import page_of
from orchestrator.domain.recovery import Recovery, RecoveryEnding

_EVIDENCE, _HEAD = "evidence", "head"
ATTEMPTS = 5
"""Two recoveries that end at the same moment contend for the next number."""


class EvidenceChain(ClaimedTable):
    """The chain of an environment. Appending needs no claim: each recovery has one link, and the head moves by one.

    Args:
        clients: botocore client by service.
        table: the ledger's name.
        archive: where files lie.
    """

    def __init__(self, clients: Callable[[str], Any], table: str, archive: Archive) -> None:
        super().__init__(clients("dynamodb"), table)
        self._archive = archive

    def record(self, recovery: Recovery, configuration: Taken | None, now: datetime) -> tuple[Link, bool]:
        """Write a recovery's evidence, once; returns its link, and whether it is a new one.

        Args:
            recovery: as it ended.
            configuration: the newest configuration bundle, if there is one.
            now: when it is recorded.

        Raises:
            Throttled: others kept appending meanwhile; trying again is right.
        """
        found = self.of(recovery.id)
        if found is None:
            files = self._put_files(recovery, configuration)
            ending = str(recovery.ending or RecoveryEnding.RED)
            new = Link(0, recovery.environment, recovery.id, str(recovery.kind), ending, now, files, "")
            link, appended = self._append(new, recovery)
        else:
            link, appended = found, False
        self._archive.put(link_key(link), link_file(link), "application/json")
        return link, appended

    def head(self) -> Head:
        """The newest link's number and hash; number 0 before there was one."""
        item = self._get(_EVIDENCE, _HEAD)
        return decoded(item, Head) if item else Head()

    def links(self) -> list[Link]:
        """Every link that the ledger holds, first one first."""
        return [read_link(item["body"]["S"].encode()) for item in self._items()]

    def of(self, recovery_id: str) -> Link | None:
        """The link of a recovery; None where there is none."""
        item = self._get(_EVIDENCE, f"recovery#{recovery_id}")
        if not item:
            return None
        kept = self._get(_EVIDENCE, _key(int(item["body"]["S"])))
        assert kept, "a recovery's number was put in one transaction with its link"
        return read_link(kept["body"]["S"].encode())

    def link(self, recovery_id: str) -> Link:
        """The link of a recovery.

        Raises:
            Refused: there is none.
        """
        found = self.of(recovery_id)
        if found is None:
            raise Refused("recovery", recovery_id, "name one that `orchestrator evidence list` lists")
        return found

    def newest_green(self, kind: str) -> Link | None:
        """The newest green link of a kind of recovery that was not broken on purpose."""
        item = self._get(_EVIDENCE, f"green#{kind}")
        return read_link(item["body"]["S"].encode()) if item else None

    def read(self, file: File) -> bytes | None:
        """Read a file that a link names, as it is; None where there is none."""
        return self._archive.find(file.key)

    def verify(self) -> tuple[Fault, ...]:
        """Check everything: the archive's links byte for byte with the ledger's, the files, the order, and the head."""
        kept = [item["body"]["S"].encode() for item in self._items()]
        faults = list(verify(kept, self.read, self.head()))
        for position, text in enumerate(kept, start=1):
            try:
                key = link_key(read_link(text))
            except Refused:
                continue  # said already
            found = self._archive.find(key)
            if found is None:
                faults.append(Fault(f"link {position}", f"its file is missing: {key}"))
            elif found != text:
                faults.append(Fault(f"link {position}", f"its file is not what the ledger holds: {key}"))
        return tuple(faults)

    def _put_files(self, recovery: Recovery, configuration: Taken | None) -> tuple[File, ...]:
        bundle = document(report_of(recovery, configuration))
        page = page_of(json.loads(bundle), sha256(bundle).hexdigest())
        files = []
        for name, content, content_type in (
            (BUNDLE, bundle, "application/json"),
            (PAGE, page, "text/html; charset=utf-8"),
        ):
            digest = sha256(content).hexdigest()
            stem, _, suffix = name.partition(".")
            file = File(name, f"evidence/{recovery.id}/{stem}-{digest}.{suffix}", digest, len(content))
            self._archive.put(file.key, content, content_type)
            files.append(file)
        return tuple(files)

    def _append(self, new: Link, recovery: Recovery) -> tuple[Link, bool]:
        for _ in range(ATTEMPTS):
            head = self.head()
            link = chained(head, new)
            if self._appended(head, link, recovery):
                return link, True
            found = self.of(new.recovery)  # a try of ours whose answer was lost, or another one of the same recovery
            if found:
                return found, False
        raise Throttled(f"the head moved {ATTEMPTS} times while {new.recovery} was appended")

    def _appended(self, head: Head, link: Link, recovery: Recovery) -> bool:
        """Whether it was appended; False where the head moved, or the recovery has a link already."""
        first = "attribute_not_exists(pk)"
        moved = self._put(_EVIDENCE, _HEAD, Head(link.number, link.hash), newest={"S": link.hash})
        moved["ConditionExpression"] = first
        if head.number:
            moved |= {"ConditionExpression": "newest = :seen", "ExpressionAttributeValues": {":seen": {"S": head.hash}}}
        text = link_file(link).decode()
        puts = [moved, self._text(_key(link.number), text), self._text(f"recovery#{link.recovery}", str(link.number))]
        puts[1]["ConditionExpression"] = puts[2]["ConditionExpression"] = first
        if recovery.ending is RecoveryEnding.GREEN and not recovery.sabotage:
            puts.append(self._text(f"green#{link.kind}", text))
        try:
            with narrowed():
                self._client.transact_write_items(TransactItems=[{"Put": put} for put in puts])
        except ClientError as error:
            if code_of(error) != "TransactionCanceledException":
                raise
            refuse_busy(error)
            return False
        return True

    def _items(self) -> Sequence[Any]:
        return self._query(_EVIDENCE, prefix="link#", forward=True)

    def _text(self, sk: str, text: str) -> dict[str, Any]:
        return {"TableName": self._table, "Item": {"pk": {"S": _EVIDENCE}, "sk": {"S": sk}, "body": {"S": text}}}


def link_key(link: Link) -> str:
    """Where a link's file lies in the archive."""
    return f"evidence/links/{link.number:06}-{link.recovery}.json"


def told(link: Link) -> dict[str, Any]:
    """A link as JSON, for who lists them."""
    found: dict[str, Any] = msgspec.to_builtins(link)
    return found


def _key(number: int) -> str:
    return f"link#{number:06}"
