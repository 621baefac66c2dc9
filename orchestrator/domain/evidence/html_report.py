"""The HTML page of an evidence report: one file without external resources, for readers without our tools.

All text is escaped, no script runs, and the page's own policy forbids it to load or send anything. Colors follow the
reader's system; no information depends on color alone.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from orchestrator.domain.printable import printable
from orchestrator.domain.texts import NOT_MEASURED

_STYLE = """
:root { color-scheme: light dark; --ground: #fff; --panel: #f4f6f8; --text: #16202a; --quiet: #51606e; --rule: #d5dce3;
  --good: #0f6b3a; --good-ground: #e2f4e8; --bad: #a11222; --bad-ground: #fde8e8; --other: #7a4b00; --other-ground: #fcf0d9; --bar: #2f6db3; }
@media (prefers-color-scheme: dark) { :root { --ground: #12171d; --panel: #1b222a; --text: #e8edf2; --quiet: #a5b2bf; --rule: #36424e;
  --good: #7ddc9f; --good-ground: #12331f; --bad: #ff9aa2; --bad-ground: #431a1e; --other: #f0c36d; --other-ground: #3a2c0d; --bar: #6ba6e8; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--text); font: 16px/1.5 system-ui, sans-serif; }
main, header, footer { max-width: 68rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0.5rem 0 0.25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.25rem 0 0.5rem; }
p { margin: 0.5rem 0; max-width: 48rem; }
.quiet, caption, dt, footer { color: var(--quiet); }
.badge { display: inline-block; padding: 0.1rem 0.6rem; border-radius: 0.3rem; font-weight: 650; white-space: nowrap; border: 1px solid currentColor; }
.good { color: var(--good); background: var(--good-ground); }
.bad { color: var(--bad); background: var(--bad-ground); }
.other { color: var(--other); background: var(--other-ground); }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: 0.75rem; margin: 1.25rem 0 0; }
.figures div { background: var(--panel); border-radius: 0.5rem; padding: 0.75rem 1rem; }
.figures dt { font-size: 0.875rem; }
.figures dd { margin: 0; font-size: 1.35rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.figures dd.moment { font-size: 1.05rem; line-height: 1.9; }
.figures dd small { display: block; font-size: 0.875rem; font-weight: 400; color: var(--quiet); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: 0.35rem; font-size: 0.9375rem; }
th, td { text-align: left; vertical-align: top; padding: 0.4rem 0.75rem 0.4rem 0; border-bottom: 1px solid var(--rule); }
thead th { color: var(--quiet); font-weight: 500; font-size: 0.875rem; }
tbody th, tfoot th { font-weight: 500; }
tfoot th, tfoot td { font-weight: 650; border-bottom: 0; }
.number { text-align: right; white-space: nowrap; }
thead .number { white-space: normal; }
.finding { min-width: 11rem; }
.track { min-width: 12rem; width: 45%; }
.track span { display: block; height: 0.9rem; margin-top: 0.3rem; min-width: 3px; border-radius: 2px; background: var(--bar); }
code, .code { font: 0.875rem/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }
details { margin-top: 0.25rem; }
summary { cursor: pointer; color: var(--quiet); font-size: 0.875rem; }
pre { margin: 0.25rem 0 0; padding: 0.6rem 0.8rem; background: var(--panel); border-radius: 0.4rem; overflow-x: auto; font-size: 0.8125rem; }
footer { margin-top: 2.5rem; padding-bottom: 2.5rem; border-top: 1px solid var(--rule); font-size: 0.9375rem; }
@media print { .figures div, pre { border: 1px solid var(--rule); } details::details-content { display: block; } }
"""

_TONES = {"SUCCEEDED": "good", "PASS": "good", "FAILED": "bad", "FAIL": "bad"}
_SIGNS = {"good": "✓", "bad": "✗", "other": "!"}
_ORDER = {"FAIL": 0, "ERROR": 1, "INCONCLUSIVE": 2, "PASS": 3}
_IN_WORDS = {"recovery_time": "Recovery time", "data_loss": "Data loss"}


def render_html(report: Mapping[str, Any], bundle_sha256: str) -> bytes:
    """Return the HTML page of a report.

    Args:
        report: the report.
        bundle_sha256: SHA-256 of the report's file.
    """
    recovery = report["recovery"]
    title = f"{recovery['kind'].title()} {recovery['id']} of {recovery['environment']}"
    body = [
        f"<header>{_badge(recovery['outcome'])}<h1>{escape(title)}</h1>",
        f"<p>{escape(report['summary'])}</p>{_summary_figures(report)}</header><main>",
        _section("Timeline", _timeline(report["timeline"])),
        _section("Check results", _check_results(report["findings"])),
        _section("Remaining work", _list(report["residual"], "Nothing remains to be done.")),
        _section("Scope", _scope(report)),
        _section("Evidence for the source at the recovery point", _source_states(report["source_at_point"])),
        _section("Context", _context(report)),
        f"</main><footer>{_footer(bundle_sha256, recovery['environment'])}</footer>",
    ]
    return html_document(f"{title}: {recovery['outcome']}", "".join(body))


def html_document(title: str, body: str) -> bytes:
    """Return an HTML page: one file that loads nothing and runs nothing.

    Args:
        title: its plain text.
        body: its markup, with all text escaped.
    """
    head = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f'<meta name="referrer" content="no-referrer"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body>"
    )
    return f"{head}{body}</body></html>\n".encode()


def _summary_figures(report: Mapping[str, Any]) -> str:
    cells_data = [_objective(objective) for objective in report["objectives"]]
    counts = f"{len(report['went_well'])} of {len(report['findings'])}"
    cells_data.append(("Checks that passed", counts, f"{len(report['went_wrong'])} did not"))
    cells = [
        f"<div><dt>{escape(name)}</dt><dd>{value}<small>{more}</small></dd></div>" for name, value, more in cells_data
    ]
    point = (
        f'<dd class="moment">{_timestamp(report["scope"]["point"])}<small>the same second for all tables</small></dd>'
    )
    return f'<dl class="figures">{"".join(cells)}<div><dt>Restored to</dt>{point}</div></dl>'


def _objective(objective: Mapping[str, Any]) -> tuple[str, str, str]:
    measured, allowed = objective["measured_seconds"], _duration(objective["promised_seconds"])
    met = _label("good" if objective["met"] else "bad", "met" if objective["met"] else "missed")
    details = f"{met} objective {escape(allowed)}"
    if objective["measured_by"]:
        details += f"<br>measured by {escape(objective['measured_by'])}"
    return (
        _IN_WORDS.get(objective["name"], objective["name"]),
        NOT_MEASURED if measured is None else escape(_duration(measured)),
        details,
    )


def _timeline(timeline: Mapping[str, Any]) -> str:
    wall = timeline["wall_seconds"]
    rows, at = [], 0.0
    for phase in timeline["phases"]:
        left, width = (100 * share / wall if wall else 0 for share in (at, phase["seconds"]))
        bar = f'<span style="margin-left:{left:.2f}%;width:{width:.2f}%"></span>'
        began = f'<time datetime="{escape(phase["began"])}">{escape(_time_of_day(phase["began"]))}</time>'
        rows.append(
            f'<tr><th scope="row">{escape(_phase_title(phase["name"]))}</th><td>{began}</td>'
            f'<td class="number">{escape(_duration(phase["seconds"]))}</td>'
            f'<td class="track" aria-hidden="true">{bar}</td></tr>'
        )
        at += phase["seconds"]
    rest = wall - at
    exact = abs(rest) < 0.001  # noqa: PLR2004 - a millisecond
    unexplained = f"of {escape(_duration(wall))}: {escape(_duration(abs(rest)))} are not accounted for"
    total = (
        f'<tr><th scope="row">Total</th><td></td><td class="number">{escape(_duration(at))}</td>'
        f"<td>{'equals the wall time' if exact else unexplained}</td></tr>"
    )
    columns = (
        '<tr><th scope="col">Phase</th><th scope="col">Began (UTC)</th>'
        '<th scope="col" class="number">Duration</th><th scope="col" aria-hidden="true"></th></tr>'
    )
    return _table("Each phase begins when the previous one ends.", columns, rows, total)


def _check_results(check_results: Sequence[Mapping[str, Any]]) -> str:
    ordered = sorted(check_results, key=lambda result: _ORDER[result["outcome"]])
    rows = [
        f'<tr><th scope="row" class="code">{escape(result["check"])}</th>'
        f"<td>{_label(_TONES.get(result['outcome'], 'other'), result['outcome'])}"
        f"{'' if result.get('decides', True) else '<br>informational'}</td>"
        f"<td>{escape(result['reason'])}{_details(result['figures'])}</td></tr>"
        for result in ordered
    ]
    if not rows:
        return "<p>No check ran.</p>"
    columns = '<tr><th scope="col">Check</th><th scope="col">Outcome</th><th scope="col">Reason</th></tr>'
    return _table("Failed checks come first.", columns, rows)


def _details(figures: Mapping[str, Any]) -> str:
    if not figures:
        return ""
    text = escape(json.dumps(figures, indent=2, ensure_ascii=False, allow_nan=False))
    return f"<details><summary>figures</summary><pre>{text}</pre></details>"


def _scope(report: Mapping[str, Any]) -> str:
    rows = [
        f'<tr><th scope="row" class="code">{escape(table["source"])}</th>'
        f'<td class="code">{escape(table["target"])}{_backup(table)}</td>'
        f'<td class="number">{table["items"]:,}</td><td>{escape(_time_of_day(table["asked_for_at"]))}</td>'
        f"<td>{escape(_time_of_day(table['ready_at']))}</td></tr>"
        for table in report["scope"]["tables"]
    ]
    columns = (
        '<tr><th scope="col">Table</th><th scope="col">Restored table</th><th scope="col" class="number">Items</th>'
        '<th scope="col">Requested (UTC)</th><th scope="col">Ready (UTC)</th></tr>'
    )
    functions = ", ".join(report["scope"]["functions"])
    caption = f"Item counts by DynamoDB, up to six hours old. Functions: {functions}."
    return _table(caption, columns, rows)


def _backup(table: Mapping[str, Any]) -> str:
    """Return the backup that a table was restored from. Reports of earlier releases have no such fields."""
    if not table.get("backup_arn"):
        return ""
    return f"<br>from {escape(table['backup_arn'])} of {escape(table['backup_at'] or 'an unknown time')}"


def _source_states(sources: Mapping[str, str]) -> str:
    lines = [f"{check}: {how}" for check, how in sources.items()]
    return _list(lines, "There is no evidence, so the contents of the restored tables are not proved.")


def _context(report: Mapping[str, Any]) -> str:
    recovery, cost, configuration = report["recovery"], report["cost"], report["configuration"]
    rows = [
        ("Requested by", recovery["requested_by"]),
        ("Requested at", _timestamp(recovery["requested_at"])),
        ("Ended at", _timestamp(recovery["ended_at"])),
        ("Execution", recovery["execution"]),
        ("Fencing token", str(recovery["fencing_token"])),
        ("Expected cost", f"{cost['expected_usd']:.2f} USD, at the prices of {cost['prices_of']}"),
        (
            "Configuration snapshot",
            f"{configuration['bundle']} ({configuration['digest']})" if configuration else "none",
        ),
    ]
    if recovery["fault"]:
        rows.append(("Injected fault", recovery["fault"]))
    cells = [
        f'<tr><th scope="row">{escape(name)}</th><td class="code">{escape(value)}</td></tr>' for name, value in rows
    ]
    return f'<div class="scroll"><table><tbody>{"".join(cells)}</tbody></table></div>'


def _footer(bundle_sha256: str, environment: str) -> str:
    command = f"orchestrator evidence verify --env {environment}"
    return (
        "<p>This page shows the content of <code>bundle.json</code>. "
        "An entry of the evidence chain names both files with their digests.</p>"
        f"<p>SHA-256 of bundle.json: <code>{escape(bundle_sha256)}</code><br>"
        f"Verify the whole chain: <code>{escape(command)}</code></p>"
    )


def _section(title: str, content: str) -> str:
    anchor = title.lower().replace(",", "").replace(" ", "-")
    return f'<section aria-labelledby="{anchor}"><h2 id="{anchor}">{escape(title)}</h2>{content}</section>'


def _table(caption: str, columns: str, rows: Iterable[str], last: str = "") -> str:
    foot = f"<tfoot>{last}</tfoot>" if last else ""
    return (
        f'<div class="scroll"><table><caption>{escape(caption)}</caption><thead>{columns}</thead>'
        f"<tbody>{''.join(rows)}</tbody>{foot}</table></div>"
    )


def _list(lines: Sequence[str], otherwise: str) -> str:
    return (
        f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>" if lines else f"<p>{escape(otherwise)}</p>"
    )


def escape(text: str) -> str:
    """Return text for the page: what is markup, or controls the direction of text, is shown."""
    return html.escape(printable(text))


def _badge(outcome: str) -> str:
    return _label(_TONES.get(outcome, "other"), outcome)


def _label(tone: str, word: str) -> str:
    return f'<span class="badge {tone}"><span aria-hidden="true">{_SIGNS[tone]} </span>{escape(word)}</span>'


def _timestamp(at: str) -> str:
    return f"{datetime.fromisoformat(at):%Y-%m-%d %H:%M:%S} UTC"


def _time_of_day(at: str | None) -> str:
    return f"{datetime.fromisoformat(at):%H:%M:%S}" if at else "never"


def _duration(seconds: float) -> str:
    whole = timedelta(seconds=int(seconds))
    hours, rest = divmod(whole.seconds, 3600)
    minutes, left = divmod(rest, 60)
    hours += 24 * whole.days
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    if minutes:
        return f"{minutes} min {left} s" if left else f"{minutes} min"
    return f"{seconds:.1f} s"


def _phase_title(name: str) -> str:
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()
    return words[:1].upper() + words[1:]
