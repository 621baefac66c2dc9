"""The console while it shows a long deployment: the size of its pages, first paint, lag, and share of a core, and limits.

The ledger is in memory, as botocore answers it. The deployment has `DECISIONS` decisions, and a new one appears every
`NEW_SECONDS`. The console is served on loopback and one browser watches: a reader of its stream in this process, and
headless Chromium for the first paint, where it is installed.
"""

from __future__ import annotations

import sys
import threading
import time
import urllib.request
from statistics import median
from typing import Any

from benchmarks import Line, report
from benchmarks._chromium import chromium
from orchestrator.cli.rendering.follow import POLL_SECONDS
from orchestrator.domain.deployment.record import Deployment
from tests.served_console import WITH_KEY, ConsoleScene, Served, append_decision, client_of, scene_in_flight, served

DECISIONS = 300
NEW_SECONDS = 5.0
SECONDS = 60.0
TICK_SECONDS = 0.25
MOST_KB = 150.0
PAINT_SECONDS = 0.5
CORE_PERCENT = 5.0
LAG_SECONDS = 1.0
PAINTS = 5
PAGES = ("/", "/deployments", "/deployments/d-1", "/deployments/d-1/report")


def measure(
    seconds: float = SECONDS, decisions: int = DECISIONS, *, paint: bool = True
) -> tuple[list[Line], list[str]]:
    """Return the measurements, and notes on how they were taken.

    Args:
        seconds: how long the deployment is watched, in real time.
        decisions: how many it has had before.
        paint: measure the first paint in Chromium as well.
    """
    scene, record = scene_in_flight(decisions)
    client = client_of(scene.context)
    sizes = {path: len(client.get(path).content) / 1000 for path in PAGES}
    largest = max(sizes, key=lambda path: sizes[path])
    lines = [Line(f"largest page ({largest})", sizes[largest], "kB", MOST_KB, "limit")]
    notes = [f"{decisions} decisions; {path}: {size:.1f} kB" for path, size in sizes.items()]
    began = time.process_time()
    client.get(f"/deployments/{record.id}")
    notes.append(
        f"the console makes the page of the deployment in {time.process_time() - began:.3f} s of processor time"
    )
    with served(scene.context, POLL_SECONDS) as console:
        if paint and (paints := _first_paints(console)):
            lines.append(Line("first paint on loopback", median(paints), "s", PAINT_SECONDS, "limit"))
            notes.append(f"first contentful paint of {PAINTS} loads in Chromium, longest {max(paints):.2f} s")
        else:
            notes.append("first paint: not measured, Chromium is not installed or was not wanted")
        percent, lags = _watch(console, scene, record, seconds, decisions)
    lines += [
        Line("processor time while watching", percent, "%", CORE_PERCENT, "of a core"),
        Line("longest lag behind the ledger", max(lags), "s", LAG_SECONDS, "limit"),
    ]
    notes.append(
        f"{seconds:.0f} s, {len(lags)} new decisions, a read every {POLL_SECONDS} s; the reader is in this process"
    )
    return lines, notes


def _watch(
    console: Served, scene: ConsoleScene, record: Deployment, seconds: float, decisions: int
) -> tuple[float, list[float]]:
    """Watch the deployment while decisions are made; return the share of a core in percent, and how late each came."""
    written: dict[int, float] = {}
    seen: dict[int, float] = {}
    arrived = threading.Event()
    ended = threading.Event()

    def read() -> None:
        request = urllib.request.Request(f"{console.url}/deployments/{record.id}/events", headers=WITH_KEY)
        with urllib.request.urlopen(request, timeout=60) as stream:
            while not ended.is_set() and (line := stream.readline()):
                if line.startswith(b"data: "):
                    arrived.set()
                    if b'"timeline"' in line.partition(b'"sections"')[2]:
                        at = time.monotonic()
                        seen.update({number: at for number in list(written) if number not in seen})

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    assert arrived.wait(30), "the stream has not begun"
    number, ours = decisions, 0.0
    began, begun_at = time.process_time(), time.monotonic()
    next_at = begun_at + NEW_SECONDS / 2
    while (now := time.monotonic()) < begun_at + seconds:
        writing = time.process_time()
        scene.clock.advance(TICK_SECONDS)
        if now >= next_at:
            number += 1
            append_decision(scene, record, number)
            written[number] = time.monotonic()
            next_at += NEW_SECONDS
        ours += time.process_time() - writing
        time.sleep(TICK_SECONDS)
    used, length = time.process_time() - began - ours, time.monotonic() - begun_at
    time.sleep(2 * LAG_SECONDS)
    ended.set()
    return 100 * used / length, [seen.get(one, float("inf")) - at for one, at in written.items()]


def _first_paints(console: Served) -> list[float]:
    """Return the seconds until the first contentful paint of several loads; empty without Chromium."""
    with chromium() as browser:
        if browser is None:
            return []
        browser.get(console.guard.first_address)
        return [_paint_of(browser, f"{console.url}/deployments/d-1") for _ in range(PAINTS)]


def _paint_of(browser: Any, address: str) -> float:
    browser.get(address)
    script = (
        "const done = arguments[0];"
        "new PerformanceObserver(list => done(list.getEntries()[0].startTime))"
        ".observe({type: 'paint', buffered: true})"
    )
    return float(browser.execute_async_script(script)) / 1000


if __name__ == "__main__":
    sys.exit(report("console", *measure()))
