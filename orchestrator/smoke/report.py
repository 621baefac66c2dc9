"""The report of a run: JSON, and one HTML page without external resources."""

from __future__ import annotations

import html
import json
from pathlib import Path

from orchestrator.domain.printable import printable
from orchestrator.smoke.results import Fact, Report, StepResult

_STYLE = """
body { margin: 2rem auto; max-width: 68rem; padding: 0 1rem; font: 16px/1.5 system-ui, sans-serif; color-scheme: light dark; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid; }
code { font-size: .85rem; overflow-wrap: anywhere; }
"""
_SIGNS = {"PASS": "✓", "FAIL": "✗", "MEASURED": "=", "NOT_RUN": "-"}


def write_report(report: Report, folder: Path) -> tuple[Path, Path]:
    """Write `report.json` and `report.html` into a folder; return both paths."""
    folder.mkdir(parents=True, exist_ok=True)
    as_json, page = folder / "report.json", folder / "report.html"
    as_json.write_text(f"{json.dumps(as_object(report), indent=2, allow_nan=False)}\n", encoding="utf-8")
    page.write_text(as_page(report), encoding="utf-8")
    return as_json, page


def as_object(report: Report) -> dict[str, object]:
    """Return the report as JSON's types."""
    return {
        "account": report.account,
        "region": report.region,
        "started_at": report.started_at.isoformat(),
        "ended_at": report.ended_at.isoformat(),
        "succeeded": report.succeeded,
        "interrupted": report.interrupted,
        "left": list(report.left),
        "steps": [_step_object(result) for result in report.results],
    }


def as_page(report: Report) -> str:
    """Return the report as an HTML page. All text is escaped."""
    outcome = "succeeded" if report.succeeded else "failed"
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
        "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>Smoke test {outcome}</title><style>{_STYLE}</style>",
        f"<h1>The smoke test {outcome}</h1>",
        f"<p>Account {_text(report.account)}, region {_text(report.region)}, {_period(report)}.</p>",
    ]
    if report.interrupted:
        parts.append("<p><strong>It was interrupted.</strong> Steps that had not ended are missing.</p>")
    if report.left:
        parts.append(f"<p><strong>Not removed:</strong> {_text(', '.join(report.left))}</p>")
    parts += [_section(result) for result in report.results]
    return "\n".join(parts)


def _period(report: Report) -> str:
    return f"{report.started_at:%Y-%m-%d %H:%M} to {report.ended_at:%H:%M} UTC"


def _step_object(result: StepResult) -> dict[str, object]:
    step = result.step
    return {
        "number": step.number,
        "title": step.title,
        "proves": step.proves,
        "verdict": result.verdict,
        "seconds": result.seconds,
        "problem": result.problem,
        "facts": [
            {"row": fact.row, "verdict": fact.verdict, "answer": fact.answer, "data": dict(fact.data)}
            for fact in result.facts
        ],
    }


def _section(result: StepResult) -> str:
    step = result.step
    rows = "\n".join(_row(fact) for fact in result.facts)
    problem = f"<p><strong>{_text(result.problem)}</strong></p>" if result.problem else ""
    return (
        f"<h2>{step.number}. {_text(step.title)}: {_SIGNS[result.verdict]} {result.verdict}</h2>"
        f"<p>{_text(step.proves)} {result.seconds} s.</p>{problem}"
        f"<table><thead><tr><th>row<th>verdict<th>answer<th>measured</thead><tbody>{rows}</tbody></table>"
    )


def _row(fact: Fact) -> str:
    data = ", ".join(f"{name} {value}" for name, value in fact.data.items())
    verdict = f"{_SIGNS[fact.verdict]} {fact.verdict}"
    return f"<tr><td>{_text(fact.row)}<td>{verdict}<td>{_text(fact.answer)}<td><code>{_text(data)}</code>"


def _text(value: str) -> str:
    return html.escape(printable(value))
