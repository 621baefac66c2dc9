"""The page of the last runs: docs/reference/rehearsals.md, generated from what was recorded."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from orchestrator.domain.rehearsal.result import Rehearsal, verdict_of
from orchestrator.domain.rehearsal.scenario import Scenario
from orchestrator.domain.texts import NOT_MEASURED

WIDTH: Final = 100
NEVER: Final = "never run"

_INTRO: Final = """\
For on-call engineers and auditors: what happens in each disaster, what a person must type, and what the last rehearsal
measured. After reading it you know which commands bring an environment back, and how long it takes.

A **rehearsal** is a disaster on a local cloud of its own, with the commands of its runbook. A drill, in contrast, runs
on the environment.

`orchestrator rehearse --scenario all --record docs/reference/rehearsals.json` runs the scenarios on a local cloud under
traffic and writes this page; `orchestrator rehearse --scenario NAME` runs one, `orchestrator rehearse list` lists them.
`tests/unit/local/test_rehearsals_page.py` compares the page with the recorded runs.

A result is PASS only if recovery time and data loss were measured and are within the objectives, the end is the expected
one, and the alarm fired."""

_MEASURES: Final = """\
**Recovery time**: from the fault to the first of the complete flows (login, refresh, userinfo) after which none failed.
A flow that fails is repeated once at once, as clients do. The time includes the wait for the alarm, and not the time in
which a person reads.

**Data loss**: the time in which writes were lost that the service had acknowledged. One client is registered each second;
at the end the service is asked for each of them.

**Logins ended**: logins of before the fault whose refresh token was rejected at the end, of those that were tried. Their
users log in again. It is not part of the data loss: a restore ends logins on purpose where their validity is not proven
([restore](../runbooks/restore.md)).

**Objectives**: those of a local cloud, where a restore takes a second. An environment's own are `rto_minutes` and
`rpo_minutes` of its settings."""


def render_page(scenarios: Sequence[Scenario], runs: Mapping[str, Rehearsal]) -> str:
    """Return the page, as Markdown.

    Args:
        scenarios: in the order of the page.
        runs: the last run of each scenario, by name. A scenario without a run is on the page as such.
    """
    lines = ["# Rehearsed disasters", "", *_paragraphs(_INTRO), "## Results", ""]
    lines += [
        "| scenario | result | end | recovery time | data loss | alarm after | flows failed | writes lost | logins ended |"
    ]
    lines += ["|---|---|---|---|---|---|---|---|---|"]
    lines += [_row(scenario, runs.get(scenario.name)) for scenario in scenarios]
    lines += ["", *(line for measure in _MEASURES.split("\n\n") for line in _item(" ".join(measure.split()))), ""]
    for scenario in scenarios:
        lines += _section(scenario, runs.get(scenario.name))
    return "\n".join(lines).rstrip() + "\n"


def _row(scenario: Scenario, run: Rehearsal | None) -> str:
    link = f"[{scenario.name}](#{scenario.name})"
    if run is None:
        return f"| {link} | {NEVER} |{' |' * 7}"
    cells = (
        link,
        str(verdict_of(scenario, run).outcome),
        str(run.ended or "not in service"),
        _seconds(run.recovery_seconds),
        _seconds(run.loss_seconds),
        _seconds(run.alarm_seconds) if scenario.alarm else "none",
        f"{run.failed_flows} of {run.flows}",
        f"{run.lost_writes} of {run.writes}",
        f"{run.ended_logins} of {run.logins}" if run.logins else NOT_MEASURED,
    )
    return f"| {' | '.join(cells)} |"


def _section(scenario: Scenario, run: Rehearsal | None) -> Iterator[str]:
    yield from (f"## {scenario.name}", "")
    yield from _paragraphs(scenario.injected)
    yield from _item(f"**Expected end:** {scenario.expected}.")
    yield from _item(f"**A person:** {scenario.action or 'Nothing.'}")
    if scenario.alarm:
        yield from _item(f"**Alarm:** `{scenario.alarm}`")
    yield from _item(f"**Runbook:** [{scenario.runbook}](../runbooks/{scenario.runbook})")
    objectives = scenario.objectives
    yield from _item(
        f"**Objectives:** recovery time {objectives.recovery_time.total_seconds():g} s, "
        f"data loss {objectives.data_loss.total_seconds():g} s"
    )
    if scenario.limits:
        yield from _item(f"**Not shown here:** {scenario.limits}")
    yield ""
    if scenario.commands:
        yield from ("```text", *"\n".join(scenario.commands).splitlines(), "```", "")
    if run is None:
        yield from (f"This scenario was {NEVER}.", "")
        return
    verdict = verdict_of(scenario, run)
    yield from _paragraphs(f"Last run {run.started_at:%Y-%m-%d %H:%M} UTC, {verdict.outcome}: {verdict.reason}.")
    yield from ("| seconds | what happened |", "|---|---|")
    yield from (f"| {step.seconds:.1f} | {step.what.replace('|', '/')} |" for step in run.steps)
    yield ""


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in text.split("\n\n"):
        yield from _wrapped(" ".join(paragraph.split()), "")
        yield ""


def _item(text: str) -> list[str]:
    return _wrapped(text, "- ")


def _wrapped(text: str, first: str) -> list[str]:
    rest = " " * len(first)
    return textwrap.wrap(
        text, WIDTH, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )


def _seconds(seconds: float | None) -> str:
    return NOT_MEASURED if seconds is None else f"{seconds:.1f} s"
