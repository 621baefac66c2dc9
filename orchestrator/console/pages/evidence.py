"""The evidence chain, verified when its page is shown, and one report of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any

from orchestrator.cli.actions.evidence.reports import read_report
from orchestrator.cli.context import Context
from orchestrator.cli.rendering.deployment_timeline import spaced
from orchestrator.cli.rendering.reports.report import BAD, GOOD, OPEN, Fact
from orchestrator.console.pages.words import minute, moment
from orchestrator.console.sections import Facts, Heading, Link, Links, Page, Table, present
from orchestrator.domain.compliance.report import KIND as COMPLIANCE
from orchestrator.domain.errors import Refused
from orchestrator.domain.evidence.chain import ChainEntry, ChainFault, ChainHead
from orchestrator.domain.texts import measured_seconds
from orchestrator.domain.upkeep.report import KIND as UPKEEP

PLACE = "Evidence"
PATH, AGAIN = "/evidence", "verify=again"
SHOWN_SECONDS = 60
"""For how long a verification is shown to further requests."""
LISTED = 100
_TONES = {"SUCCEEDED": GOOD, "FAILED": BAD}


@dataclass(frozen=True)
class _Verified:
    """A verification of the whole chain.

    Attributes:
        head: of the chain before it.
        entries: the newest ones; None if an entry cannot be read.
        at: when it began.
        ended: when it ended, in seconds of the process.
    """

    head: ChainHead
    faults: tuple[ChainFault, ...]
    entries: Sequence[ChainEntry] | None
    at: datetime
    ended: float


class ChainPages:
    """The page of the chain, which is verified when the page is shown.

    Every entry and file is read and verified as `evidence verify` does, which takes some requests an entry. So requests at
    once get one verification, and it is shown for `SHOWN_SECONDS` unless the chain has grown or a person verifies again.
    The page says when it was made. Make one page at a time.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._verified: _Verified | None = None

    def prepare(self, *, again: bool) -> Callable[[], Page]:
        """Return what makes the page for a request that arrives now. `again`: it gets no earlier verification."""
        arrived = monotonic()
        return lambda: _chain_page(self._find(arrived, again=again))

    def _find(self, arrived: float, *, again: bool) -> _Verified:
        """Return a verification that ended after the request arrived, or a recent one of the same chain."""
        chain, known = self._context.cloud.evidence, self._verified
        at, head = self._context.cloud.now(), chain.find_head()
        if known is not None and known.head == head:
            recent = not again and monotonic() - known.ended < SHOWN_SECONDS
            if recent or known.ended >= arrived:
                return known
        faults = chain.verify_chain()
        self._verified = _Verified(head, faults, _newest_entries(self._context), at, monotonic())
        return self._verified


def _newest_entries(context: Context) -> Sequence[ChainEntry] | None:
    """Return the entries to list, newest first; None if one of them cannot be read, which is a fault."""
    try:
        return context.cloud.evidence.read_entries()[::-1][:LISTED]
    except Refused:
        return None


def _chain_page(verified: _Verified) -> Page:
    faults, head, entries = verified.faults, verified.head, verified.entries
    words = (
        f"{len(faults)} faults: the evidence differs from what was recorded."
        if faults
        else f"{head.number} entries, all files as recorded; the chain head is {head.number}:{head.hash}."
    )
    rows = tuple(
        (
            Link(entry.recovery, f"{PATH}/{entry.recovery}"),
            str(entry.number),
            minute(entry.recorded_at),
            entry.kind,
            entry.outcome,
            entry.hash[:12],
        )
        for entry in entries or ()
    )
    found = tuple((fault.where, fault.what) for fault in faults)
    return Page(
        "Evidence",
        PLACE,
        present(
            Heading(
                "Evidence chain",
                f"verified {moment(verified.at)}",
                "BROKEN" if faults else "SOUND",
                BAD if faults else GOOD,
                (words,),
            ),
            Links("Verification", (Link("Verify again", f"{PATH}?{AGAIN}"),), "verification"),
            Table("faults", "Faults", ("where", "what"), found) if found else None,
            Table(
                "entries",
                "Entries",
                ("report", "entry", "recorded (UTC)", "kind", "outcome", "hash"),
                rows,
                empty="There is no evidence yet: `orchestrator drill` creates some."
                if entries is not None
                else "An entry cannot be read, so none is listed: see the faults.",
            ),
        ),
    )


def evidence_report_page(context: Context, name: str) -> Page:
    """Return the page of one evidence report, whose file is verified by the chain entry.

    Raises:
        Refused: there is none, or its file differs from its recorded digest.
    """
    entry, report = read_report(context, name)
    files = tuple((file.name, file.key, f"{file.size_bytes:,}", file.sha256) for file in entry.files)
    return Page(
        f"Evidence of {name}",
        PLACE,
        present(
            Heading(
                name,
                f"entry {entry.number} of the chain, recorded {minute(entry.recorded_at)} UTC",
                entry.outcome,
                _TONES.get(entry.outcome, OPEN),
                (str(report["summary"]),),
            ),
            *_sections(entry.kind, report),
            Table("files", "Files", ("file", "key", "bytes", "SHA-256"), files, "The report was verified just now."),
        ),
    )


def _sections(kind: str, report: Mapping[str, Any]) -> tuple[Facts | Table | None, ...]:
    if kind == COMPLIANCE:
        columns = ("id", "status", "severity", "owner", "reason")
        return (_table("controls", "Controls", report["controls"], columns),)
    if kind == UPKEEP:
        columns = ("id", "severity", "owner", "due_at", "remedy")
        return (_table("findings", "Findings", report["findings"], columns),)
    facts = tuple(
        Fact(
            spaced(str(one["name"])).replace("_", " ").capitalize(),
            measured_seconds(one["measured_seconds"]),
            f"objective {one['promised_seconds']:.0f} s: {'met' if one['met'] else 'MISSED'}",
        )
        for one in report["objectives"]
    )
    problems = tuple((str(text),) for text in (*report["went_wrong"], *report["residual"]))
    phases = tuple(
        (spaced(phase["name"]), str(phase["began"]), f"{phase['seconds']:.1f}")
        for phase in report["timeline"]["phases"]
    )
    return (
        Facts(facts),
        Table("problems", "What went wrong or remains", ("finding",), problems) if problems else None,
        Table("phases", "Phases", ("phase", "began", "seconds"), phases),
    )


def _table(identifier: str, title: str, rows: list[Mapping[str, Any]], columns: tuple[str, ...]) -> Table:
    cells = tuple(tuple(str(row[column]) for column in columns) for row in rows)
    return Table(identifier, title, tuple(column.replace("_", " ") for column in columns), cells)
