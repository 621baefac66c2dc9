"""The evidence chain, verified each time that the page is shown, and one report of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.cli.actions.evidence.reports import read_report
from orchestrator.cli.context import Context
from orchestrator.cli.rendering.deployment_timeline import spaced
from orchestrator.cli.rendering.reports.report import BAD, GOOD, OPEN, Fact
from orchestrator.console.pages.words import minute
from orchestrator.console.sections import Facts, Heading, Link, Page, Table, present
from orchestrator.domain.compliance.report import KIND as COMPLIANCE
from orchestrator.domain.upkeep.report import KIND as UPKEEP

PLACE = "Evidence"
LISTED = 100
_TONES = {"SUCCEEDED": GOOD, "FAILED": BAD}


def evidence_page(context: Context) -> Page:
    """Return the page of the chain. Every entry and file is verified now, as `evidence verify` does."""
    chain = context.cloud.evidence
    faults, head = chain.verify_chain(), chain.read_head()
    entries = chain.read_entries()[::-1][:LISTED]
    words = (
        f"{len(faults)} faults: the evidence differs from what was recorded."
        if faults
        else f"{head.number} entries, all files as recorded; the chain head is {head.number}:{head.hash}."
    )
    rows = tuple(
        (
            Link(entry.recovery, f"/evidence/{entry.recovery}"),
            str(entry.number),
            minute(entry.recorded_at),
            entry.kind,
            entry.outcome,
            entry.hash[:12],
        )
        for entry in entries
    )
    found = tuple((fault.where, fault.what) for fault in faults)
    return Page(
        "Evidence",
        PLACE,
        present(
            Heading(
                "Evidence chain",
                f"verified {context.cloud.now():%Y-%m-%d %H:%M:%S} UTC",
                "BROKEN" if faults else "SOUND",
                BAD if faults else GOOD,
                (words,),
            ),
            Table("faults", "Faults", ("where", "what"), found) if found else None,
            Table(
                "entries",
                "Entries",
                ("report", "entry", "recorded (UTC)", "kind", "outcome", "hash"),
                rows,
                empty="There is no evidence yet: `orchestrator drill` creates some.",
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
            "not measured" if one["measured_seconds"] is None else f"{one['measured_seconds']:.0f} s",
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
