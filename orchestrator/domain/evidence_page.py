"""The page of a bundle of evidence: what its document says, for a person. One file, which asks nobody for anything else.

Everything is escaped, no script runs, and the page's own policy forbids it to load or send anything. Colours follow the reader's
system; nothing is said by colour alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from html import escape
from typing import Any

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
.track { min-width: 12rem; width: 45%; }
.track span { display: block; height: 0.9rem; margin-top: 0.3rem; min-width: 3px; border-radius: 2px; background: var(--bar); }
code, .code { font: 0.875rem/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }
details { margin-top: 0.25rem; }
summary { cursor: pointer; color: var(--quiet); font-size: 0.875rem; }
pre { margin: 0.25rem 0 0; padding: 0.6rem 0.8rem; background: var(--panel); border-radius: 0.4rem; overflow-x: auto; font-size: 0.8125rem; }
footer { margin-top: 2.5rem; padding-bottom: 2.5rem; border-top: 1px solid var(--rule); font-size: 0.9375rem; }
@media print { .figures div, pre { border: 1px solid var(--rule); } details::details-content { display: block; } }
"""

_TONES = {"GREEN": "good", "PASS": "good", "RED": "bad", "FAIL": "bad"}
_SIGNS = {"good": "✓", "bad": "✗", "other": "!"}
_ORDER = {"FAIL": 0, "ERROR": 1, "INCONCLUSIVE": 2, "PASS": 3}
_IN_WORDS = {"recovery_time": "Recovery time", "data_loss": "Data loss"}


def page_of(report: Mapping[str, Any], bundle_sha256: str) -> bytes:
    """Write the page of a report.

    Args:
        report: what the bundle's document says.
        bundle_sha256: of that document's bytes.
    """
    recovery = report["recovery"]
    title = f"{recovery['kind'].title()} {recovery['id']} of {recovery['environment']}"
    body = [
        f"<header>{_badge(recovery['ending'])}<h1>{escape(title)}</h1><p>{escape(report['summary'])}</p>{_figures(report)}</header><main>",
        _section("Timeline", _timeline(report["timeline"])),
        _section("What was looked at", _findings(report["findings"])),
        _section("What remains", _list(report["residual"], "Nothing is left to be done.")),
        _section("Scope", _scope(report)),
        _section("How it was known what the source held", _sources(report["source_at_point"])),
        _section("Who, and under which circumstances", _circumstances(report)),
        f"</main><footer>{_footer(bundle_sha256, recovery['environment'])}</footer>",
    ]
    head = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f'<meta name="referrer" content="no-referrer"><title>{escape(title)}: {escape(recovery["ending"])}</title><style>{_STYLE}</style></head><body>'
    )
    return f"{head}{''.join(body)}</body></html>\n".encode()


def _figures(report: Mapping[str, Any]) -> str:
    shown = [_objective(one) for one in report["objectives"]]
    counts = f"{len(report['went_well'])} of {len(report['findings'])}"
    shown.append(("Checks that passed", counts, f"{len(report['went_wrong'])} did not"))
    cells = [f"<div><dt>{escape(name)}</dt><dd>{value}<small>{more}</small></dd></div>" for name, value, more in shown]
    point = f'<dd class="moment">{_moment(report["scope"]["point"])}<small>the same second for all tables</small></dd>'
    return f'<dl class="figures">{"".join(cells)}<div><dt>Restored to</dt>{point}</div></dl>'


def _objective(one: Mapping[str, Any]) -> tuple[str, str, str]:
    measured, promised = one["measured_seconds"], _length(one["promised_seconds"])
    met = _mark("good" if one["met"] else "bad", "met" if one["met"] else "missed")
    told = f"{met} promised {escape(promised)}"
    if one["measured_by"]:
        told += f"<br>measured by {escape(one['measured_by'])}"
    return (
        _IN_WORDS.get(one["name"], one["name"]),
        "not measured" if measured is None else escape(_length(measured)),
        told,
    )


def _timeline(timeline: Mapping[str, Any]) -> str:
    wall = timeline["wall_seconds"]
    rows, at = [], 0.0
    for phase in timeline["phases"]:
        left, width = (100 * share / wall if wall else 0 for share in (at, phase["seconds"]))
        bar = f'<span style="margin-left:{left:.2f}%;width:{width:.2f}%"></span>'
        began = f'<time datetime="{escape(phase["began"])}">{escape(_clock(phase["began"]))}</time>'
        rows.append(
            f'<tr><th scope="row">{escape(_spaced(phase["name"]))}</th><td>{began}</td>'
            f'<td class="number">{escape(_length(phase["seconds"]))}</td><td class="track" aria-hidden="true">{bar}</td></tr>'
        )
        at += phase["seconds"]
    rest = wall - at
    together = f'<tr><th scope="row">Together</th><td></td><td class="number">{escape(_length(at))}</td><td>{"which is the wall time" if abs(rest) < 0.001 else f"of {escape(_length(wall))}: {escape(_length(abs(rest)))} are not accounted for"}</td></tr>'  # noqa: PLR2004 - a millisecond
    columns = '<tr><th scope="col">Phase</th><th scope="col">Began (UTC)</th><th scope="col" class="number">Took</th><th scope="col" aria-hidden="true"></th></tr>'
    return _table("Each phase begins where the one before ended.", columns, rows, together)


def _findings(findings: Sequence[Mapping[str, Any]]) -> str:
    ordered = sorted(findings, key=lambda one: _ORDER[one["outcome"]])
    rows = [
        f'<tr><th scope="row" class="code">{escape(one["check"])}</th><td>{_mark(_TONES.get(one["outcome"], "other"), one["outcome"])}{"" if one.get("decides", True) else "<br>not decided by"}</td>'
        f"<td>{escape(one['reason'])}{_details(one['figures'])}</td></tr>"
        for one in ordered
    ]
    if not rows:
        return "<p>Nothing was looked at.</p>"
    columns = '<tr><th scope="col">Check</th><th scope="col">Outcome</th><th scope="col">What it rests on</th></tr>'
    return _table("What did not pass comes first.", columns, rows)


def _details(figures: Mapping[str, Any]) -> str:
    if not figures:
        return ""
    return f"<details><summary>figures</summary><pre>{escape(json.dumps(figures, indent=2, ensure_ascii=False))}</pre></details>"


def _scope(report: Mapping[str, Any]) -> str:
    rows = [
        f'<tr><th scope="row" class="code">{escape(one["source"])}</th><td class="code">{escape(one["target"])}</td>'
        f'<td class="number">{one["items"]:,}</td><td>{escape(_clock(one["asked_for_at"]))}</td><td>{escape(_clock(one["ready_at"]))}</td></tr>'
        for one in report["scope"]["tables"]
    ]
    columns = (
        '<tr><th scope="col">Table</th><th scope="col">Its copy</th><th scope="col" class="number">Items</th>'
        '<th scope="col">Asked for (UTC)</th><th scope="col">Ready (UTC)</th></tr>'
    )
    told = f"Items as DynamoDB counts them, up to six hours late. Functions: {', '.join(report['scope']['functions'])}."
    return _table(told, columns, rows)


def _sources(sources: Mapping[str, str]) -> str:
    told = [f"{check}: {how}" for check, how in sources.items()]
    return _list(told, "Nobody established it: the content of the copy is not proved.")


def _circumstances(report: Mapping[str, Any]) -> str:
    recovery, cost, configuration = report["recovery"], report["cost"], report["configuration"]
    rows = [
        ("Asked for by", recovery["requested_by"]),
        ("Asked for at", _moment(recovery["requested_at"])),
        ("Ended at", _moment(recovery["ended_at"])),
        ("Execution", recovery["execution"]),
        ("Epoch of the claim", str(recovery["epoch"])),
        ("Expected cost", f"{cost['expected_usd']:.2f} USD, at the prices of {cost['prices_of']}"),
        (
            "Configuration bundle",
            f"{configuration['bundle']} ({configuration['digest']})" if configuration else "none was taken",
        ),
    ]
    if recovery["sabotage"]:
        rows.append(("Broken on purpose", recovery["sabotage"]))
    cells = [
        f'<tr><th scope="row">{escape(name)}</th><td class="code">{escape(value)}</td></tr>' for name, value in rows
    ]
    return f'<div class="scroll"><table><tbody>{"".join(cells)}</tbody></table></div>'


def _footer(bundle_sha256: str, environment: str) -> str:
    command = f"orchestrator evidence verify --env {environment}"
    return (
        "<p>This page says what <code>bundle.json</code> beside it says. Both are named by their digests in a link of the chain of evidence.</p>"
        f"<p>SHA-256 of bundle.json: <code>{escape(bundle_sha256)}</code><br>Check all of it: <code>{escape(command)}</code></p>"
    )


def _section(title: str, content: str) -> str:
    anchor = title.lower().replace(",", "").replace(" ", "-")
    return f'<section aria-labelledby="{anchor}"><h2 id="{anchor}">{escape(title)}</h2>{content}</section>'


def _table(caption: str, columns: str, rows: Iterable[str], last: str = "") -> str:
    foot = f"<tfoot>{last}</tfoot>" if last else ""
    return f'<div class="scroll"><table><caption>{escape(caption)}</caption><thead>{columns}</thead><tbody>{"".join(rows)}</tbody>{foot}</table></div>'


def _list(told: Sequence[str], otherwise: str) -> str:
    return f"<ul>{''.join(f'<li>{escape(one)}</li>' for one in told)}</ul>" if told else f"<p>{escape(otherwise)}</p>"


def _badge(ending: str) -> str:
    return _mark(_TONES.get(ending, "other"), ending)


def _mark(tone: str, word: str) -> str:
    return f'<span class="badge {tone}"><span aria-hidden="true">{_SIGNS[tone]} </span>{escape(word)}</span>'


def _moment(at: str) -> str:
    return f"{datetime.fromisoformat(at):%Y-%m-%d %H:%M:%S} UTC"


def _clock(at: str | None) -> str:
    return f"{datetime.fromisoformat(at):%H:%M:%S}" if at else "never"


def _length(seconds: float) -> str:
    whole = timedelta(seconds=int(seconds))
    hours, rest = divmod(whole.seconds, 3600)
    minutes, left = divmod(rest, 60)
    hours += 24 * whole.days
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    if minutes:
        return f"{minutes} min {left} s" if left else f"{minutes} min"
    return f"{seconds:.1f} s"


def _spaced(name: str) -> str:
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()
    return words[:1].upper() + words[1:]
