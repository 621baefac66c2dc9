"""The drawing of a deployment and of a recovery: complete at every width, in the height there is, in the terminal's characters."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace

import pytest
from rich.console import Console
from rich.text import Text

from orchestrator.cli.actions import explain
from orchestrator.cli.live.deployment_tree import draw_deployment
from orchestrator.cli.live.drawing import EntryLines, Frame
from orchestrator.cli.live.layout import ASCII, UNICODE, BarRow, Flow, Glyphs, Row, duration, significant
from orchestrator.cli.live.operator_keys import KeyAction, Notice, OperatorKeys
from orchestrator.cli.live.recovery_tree import draw_recovery
from orchestrator.cli.rendering.screen import Screen
from orchestrator.domain.deployment.record import DeploymentPhase, PauseToken
from orchestrator.domain.recovery.record import CheckResult, RecoveryOutcome
from orchestrator.domain.verdict import Verdict
from tests.followed import (
    DECISIONS,
    alarms,
    decision,
    drill,
    in_flight,
    metrics,
    recovery_snapshot,
    rolled_back,
    snapshot,
)
from tests.samples import ALARM, NOW, seconds
from tests.unit.cli.actions.scenes import Scene

WIDTHS = (60, 80, 120, 200)
DASH = UNICODE.none
PAUSED = snapshot(
    in_flight(phase=DeploymentPhase.PAUSED), pause=PauseToken("t", NOW, NOW + seconds(600), 0, 2, "no evidence")
)
FIRING = snapshot(decisions=(*DECISIONS, decision(4, 29, "BAKE", evidence=(metrics(odds=900.0), alarms("ALARM")))))
DEPLOYMENTS = {
    "planned": snapshot(in_flight(shifts=()), decisions=()),
    "in flight": snapshot(),
    "large numbers": snapshot(decisions=(decision(1, 9, "BAKE", evidence=(metrics(scale=123_457, odds=1e9),)),)),
    "an alarm": FIRING,
    "paused": PAUSED,
    "rolled back": snapshot(rolled_back(), at=60),
}
RECOVERIES = {
    "under way": recovery_snapshot(),
    "just begun": recovery_snapshot(recovery=drill("dr-9"), earlier=[], at=1),
    "failed": recovery_snapshot(
        recovery=drill(
            "dr-9", 1, 2, 2, 70, fault="ttl-off", outcome=RecoveryOutcome.FAILED, ended_at=NOW + seconds(75),
            check_results=(CheckResult("settings.tokens", Verdict.failed("ttl is off")), CheckResult("x", Verdict.error("y"), decides=False)),
        )
    ),
}  # fmt: skip
SNAPSHOTS = [(draw_deployment, one) for one in DEPLOYMENTS.values()] + [
    (draw_recovery, one) for one in RECOVERIES.values()
]
NAMES = [*DEPLOYMENTS, *RECOVERIES]


def frame(draw, shown, glyphs=UNICODE, **options):
    return Frame(draw(shown, glyphs), lambda: draw(shown, glyphs, compact=True), glyphs, EntryLines(glyphs), **options)


def rendered(renderable, width, encoding="utf-8"):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="replace")
    Screen(file=stream, width=width).print(renderable)
    stream.flush()
    return stream.buffer.getvalue().decode(encoding).splitlines()


def numbers(lines):
    return set(re.findall(r"\d[\d.,:]*", "\n".join(lines)))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(("draw", "shown"), SNAPSHOTS, ids=NAMES)
def test_no_width_cuts_a_number_or_exceeds_the_terminal(draw, shown, width):
    lines, widest = (rendered(frame(draw, shown), columns) for columns in (width, 1000))
    assert max(map(len, lines)) <= width
    assert numbers(lines) == numbers(widest)
    assert len(widest) > 5


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("height", [8, 16, 24, 50, 200])
@pytest.mark.parametrize(("draw", "shown"), SNAPSHOTS, ids=NAMES)
def test_a_live_frame_is_never_higher_than_the_terminal_and_ends_with_the_keys(draw, shown, height, width):
    keys = OperatorKeys((), "again")
    lines = rendered(frame(draw, shown, keys=keys, height=height), width)
    assert len(lines) <= height
    assert lines[-1] == "q quit watching"
    assert lines[0].startswith(("d-1  ", "dr-9  "))


@pytest.mark.parametrize("width", [80, 120])
def test_a_low_terminal_keeps_the_newest_entries_of_the_time_line_and_says_how_many_it_hides(width):
    many = tuple(decision(number, number, "BAKE") for number in range(1, 40))
    lines = rendered(frame(draw_deployment, snapshot(decisions=many), height=30), width)
    shown = [line for line in lines if "analyze canary" in line]
    assert 3 <= len(shown) < 20
    assert "03:00:39" in shown[-1] or NOW.astimezone().strftime("%H:%M") in shown[-1]
    (label,) = [line for line in lines if "time line" in line]
    assert f"{len(many) + 2 - len(shown)} earlier" in label


def test_a_long_reason_is_shortened_while_it_is_live_and_complete_at_the_end():
    reason = " ".join(f"word{number}" for number in range(60))
    long = snapshot(decisions=(replace(decision(1, 9, "BAKE"), verdict=Verdict.failed(reason), decision=replace(decision(1, 9, "BAKE").decision, reason=reason)),))  # fmt: skip
    live, end = (rendered(frame(draw_deployment, long, height=height), 120) for height in (60, None))
    assert "word59" not in " ".join(live)
    assert "word59" in " ".join(end)
    assert any(line.rstrip().endswith("…") for line in live)


@pytest.fixture
def explained(capsys):
    """A scene with a deployment in flight, and what `explain --json` says about it."""
    scene = Scene()
    record = scene.record(**{name: value for name, value in vars(in_flight()).items() if name not in {"environment", "execution"}})  # fmt: skip
    scene.create(record)()
    token = scene.holding_lock()
    for entry in DECISIONS:
        scene.cloud.ledger.append_decision(entry, record, token)
    explain.explain(scene.context, "d-1", json=True)
    return scene, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("width", WIDTHS)
def test_every_number_is_that_of_explain(explained, width):
    scene, document = explained
    ledger = scene.cloud.ledger
    read = snapshot(ledger.read_record("d-1"), decisions=tuple(ledger.read_decisions("d-1")))
    lines = rendered(frame(draw_deployment, read), width)
    text = "\n".join(lines)
    functions = document["decisions"][-1]["evidence"][0]["figures"]["functions"]
    for figures in functions.values():
        assert f"{figures['observed_percent']:.1f} %" in text
        for side in ("stable", "canary"):
            version = figures[side]
            assert re.search(rf"{side} {version['version']}\b", text)
            shown = [
                version["requests"],
                version["server_errors"],
                f"{version['p50_ms']:g} ms",
                f"{version['p99_ms']:g} ms",
            ]
            assert all(re.search(rf"(?<![\d.]){re.escape(str(one))}(?![\d.])", text) for one in shown), version
            assert all(f"{result} {count}" in text for result, count in version["grants"].items())
    for spent in document["false_alarms"]:
        odds = DASH if spent["evidence"] is None else significant(spent["evidence"])
        assert f"odds {odds} of {significant(spent['needed'])}" in text
    watch = document["deployment"]["running"]["metrics"]["watches"]["token/server_errors"]
    canary, stable = (f"{watch[side]['bad']} of {watch[side]['trials']}" for side in ("canary", "stable"))
    assert f"token server errors: canary {canary}, stable {stable}" in text
    states = document["decisions"][-1]["evidence"][1]["figures"]["states"]
    assert f"{list(states.values()).count('OK')} of {len(states)} OK" in text


def test_what_no_evaluation_has_recorded_is_a_dash():
    lines = rendered(frame(draw_deployment, DEPLOYMENTS["planned"]), 120)
    (canary,) = [line for line in lines if "canary 15" in line][-1:]
    assert canary.split()[-6:] == ["%", DASH, DASH, DASH, DASH, DASH]
    assert sum(f"odds {DASH} of" in line for line in lines) == 6


def test_an_alarm_and_the_measure_that_reached_its_threshold_stand_out():
    text = "\n".join(rendered(frame(draw_deployment, FIRING), 120))
    assert re.search(rf"ALARM\s+{ALARM.rpartition(':')[2]}", text)
    assert "1 of 2 OK" in text
    bar = next(line for line in text.splitlines() if "request metrics" in line)
    assert "━" * 32 in bar
    assert "odds 900 of 133 ◀ leads" in bar


def test_a_pause_shows_its_deadline_and_who_may_answer():
    text = " ".join(" ".join(rendered(frame(draw_deployment, PAUSED), 100)).split())
    deadline = f"{(NOW + seconds(600)).astimezone():%H:%M:%S}"
    assert f"rolled back at {deadline} without an answer, in 9 min 30 s" in text
    assert "may act: any operator: resume, promote, abort" in text


def test_a_recovery_shows_its_phases_with_their_medians_and_the_used_objective():
    text = [" ".join(line.split()) for line in rendered(frame(draw_recovery, recovery_snapshot()), 100)]
    assert "│ ✔ await restore 1 min 10 s 1 min 03 s" in text
    assert "│ ● compare contents 25 s 20 s" in text
    assert f"│ ○ clean up {DASH} 5 s" in text
    assert any(line.endswith("1 min 40 s of 2 h 00 min (1.4 %)") for line in text)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437", "no-such-encoding"])
def test_an_encoding_without_the_characters_of_bars_gets_ascii(encoding):
    assert Glyphs.of(encoding) is ASCII
    assert Glyphs.of("utf-8") is UNICODE


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize(("draw", "shown"), SNAPSHOTS, ids=NAMES)
def test_a_terminal_without_these_characters_shows_no_question_marks_for_them(draw, shown, encoding):
    lines = rendered(frame(draw, shown, Glyphs.of(encoding)), 100, encoding)
    assert not [line for line in lines if "?" in line.replace(" ? ", " -> ")]  # the arrow of a decision is text


def test_hostile_texts_of_the_records_are_shown_and_not_obeyed():
    hostile = "\x1b[2J\n[bold]x[/bold]"
    shown = snapshot(in_flight(requested_by=hostile, id="d-1" + hostile))
    keys = OperatorKeys((), "again")
    keys.notice = Notice(hostile, bad=True)
    text = "\n".join(rendered(frame(draw_deployment, shown, keys=keys, height=60), 120))
    assert "\x1b" not in text
    assert text.count(r"\x1b[2J\n[bold]x[/bold]") >= 3


def test_a_question_replaces_the_legend_until_it_is_answered():
    keys = OperatorKeys([KeyAction("a", "abort", "Abort d-1?", lambda: "done")], "again")
    assert rendered(frame(draw_deployment, snapshot(), keys=keys, height=60), 100)[-1] == "a abort   q quit watching"
    keys.press("a")
    assert rendered(frame(draw_deployment, snapshot(), keys=keys, height=60), 100)[-1] == "Abort d-1? y/n"


@pytest.mark.parametrize("width", [20, 30, 40])
def test_a_flow_breaks_between_its_pieces(width):
    pieces = [Text(f"piece {number}") for number in range(9)]
    lines = rendered(Flow(pieces, indent=2), width)
    assert max(map(len, lines)) <= width
    assert [piece.plain for piece in pieces] == re.findall(r"piece \d", "\n".join(lines))
    assert all(line.startswith("  ") for line in lines[1:])


def test_a_row_is_aligned_if_it_fits_and_flows_with_the_names_of_its_columns_if_not():
    row = Row([Text("canary 15"), Text("10 %"), Text("90")], ("", "asked", "requests"), (10, 5, 8))
    assert rendered(row, 40) == ["canary 15    10 %        90"]
    assert rendered(row, 20) == ["canary 15", "  asked 10 %", "  requests 90"]
    heading = Row([Text("token"), Text("asked"), Text("requests")], (), (10, 5, 8))
    assert rendered(heading, 20) == ["token"]


@pytest.mark.parametrize(
    ("filled", "bar"), [(0.0, "──────────"), (0.001, "━─────────"), (0.5, "━━━━━─────"), (0.999, "━━━━━━━━━─"), (1.0, "━━━━━━━━━━")]
)  # fmt: skip
def test_a_bar_is_empty_only_at_nothing_and_full_only_at_its_limit(filled, bar):
    row = BarRow(Text("x"), filled, Text("y"), 1, 1, UNICODE, "")
    assert rendered(row, 16) == [f"x  {bar}  y"]
    assert rendered(row, 11) == ["x  y"]


@pytest.mark.parametrize(
    ("length", "words"),
    [(-5, "0 s"), (7.4, "7 s"), (155, "2 min 35 s"), (3840, "1 h 04 min"), (183_600, "2 d 3 h")],
)
def test_a_duration_has_its_two_largest_units(length, words):
    assert duration(seconds(length)) == words


@pytest.mark.parametrize(
    ("value", "text"),
    [(14.21, "14.2"), (133.333, "133"), (1e9, "1,000,000,000"), (0.0123, "0.0123"), (2000.0, "2,000")],
)
def test_odds_have_three_significant_digits_and_no_exponent(value, text):
    assert significant(value) == text


def test_the_console_that_records_gets_the_same_frame():
    console = Console(record=True, width=100, file=io.StringIO())
    console.print(frame(draw_deployment, snapshot()))
    assert "token server errors: canary 7 of 90, stable 1 of 810" in console.export_text()
