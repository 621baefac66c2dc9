"""Every time that a command prints has its date and its zone, or stands below one that has them."""

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator import cli
from orchestrator.cli.rendering.local_times import local_minute, local_second, local_time

AT = datetime(2026, 11, 28, 23, 30, 5, tzinfo=UTC)
SOURCES = Path(cli.__path__[0])


@pytest.fixture
def zone(monkeypatch):
    yield lambda name: (monkeypatch.setenv("TZ", name), time.tzset())
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("name", "minute", "second", "of_day"),
    [
        ("UTC", "2026-11-28 23:30 UTC", "2026-11-28 23:30:05 UTC", "23:30:05"),
        ("Europe/Berlin", "2026-11-29 00:30 CET", "2026-11-29 00:30:05 CET", "00:30:05"),
        ("America/New_York", "2026-11-28 18:30 EST", "2026-11-28 18:30:05 EST", "18:30:05"),
    ],
)
def test_a_time_names_the_zone_of_the_terminal(zone, name, minute, second, of_day):
    zone(name)
    assert (local_minute(AT), local_second(AT), local_time(AT)) == (minute, second, of_day)


def test_no_command_writes_a_local_time_in_another_way():
    sources = sorted(SOURCES.rglob("*.py"))
    assert len(sources) > 100
    assert [str(source) for source in sources if ".astimezone()" in source.read_text()] == [
        str(SOURCES / "rendering" / "local_times.py")
    ]


def test_a_time_of_day_alone_stands_only_below_a_date_with_its_zone():
    alone = {
        source.relative_to(SOURCES).as_posix()
        for source in SOURCES.rglob("*.py")
        if "local_time(" in source.read_text() and source.name != "local_times.py"
    }
    # Each is a view of one deployment or drill, whose beginning it shows with both.
    assert alone == {
        "actions/explain.py",
        "live/deployment_tree.py",
        "live/recovery_tree.py",
        "rendering/gates_and_checks.py",
        "rendering/output.py",
    }
