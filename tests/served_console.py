"""The console over fakes: a client without a socket, and a server on loopback for browsers and the benchmark."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

from starlette.testclient import TestClient

from orchestrator.application.incidents.incident_log import change_incident
from orchestrator.aws.ledger.artifacts import ArtifactStore
from orchestrator.aws.ledger.evidence import EvidenceChain
from orchestrator.aws.ledger.evidence_keys import EvidenceKeys
from orchestrator.cli.context import Context
from orchestrator.console.app import Site
from orchestrator.console.guard import Guard
from orchestrator.console.live import Broadcast
from orchestrator.console.server import ConsoleServer, bound
from orchestrator.domain.deployment.record import DecisionEntry, Deployment
from orchestrator.domain.incidents import commands
from orchestrator.domain.incidents.policy import IncidentPolicy
from orchestrator.domain.incidents.register import Opening
from orchestrator.domain.incidents.severity import IncidentSeverity
from orchestrator.domain.recovery.record import CheckResult, Measured, RecoveryOutcome
from orchestrator.domain.signing_keys import KeyPhase, SigningKey, SigningKeyRing
from orchestrator.domain.verdict import Verdict
from tests import followed
from tests.fakes.oauth_service import Keys
from tests.fakes.s3 import FakeS3
from tests.samples import NOW, seconds
from tests.unit.cli.actions.scenes import Scene

KEY = "k" * 40
PORT = 8484
GUARD = Guard(KEY, PORT)
WITH_KEY = {"Authorization": f"Bearer {KEY}"}
HOSTILE = "<img src=x onerror=alert(1)>\"'&\x1b[31m\u202e"
"""What releases and requests may contain: markup, an escape sequence, and an override of the text's direction."""

PAGES = (
    "/", "/environments", "/deployments", "/deployments/d-1", "/deployments/d-1/report", "/deployments/d-0",
    "/recoveries", "/recoveries/dr-9", "/recoveries/dr-2/report", "/incidents", "/incidents/inc-1", "/alarms",
    "/freezes", "/evidence", "/evidence/dr-2", "/keys", "/costs",
)  # fmt: skip


def client_of(context: Context, guard: Guard = GUARD, **headers: str) -> TestClient:
    """A client that has the key; its requests raise what the console does not expect."""
    app = Site(context, guard).app()
    return TestClient(app, base_url=guard.address.rstrip("/"), headers=headers or WITH_KEY, follow_redirects=False)


@dataclass(frozen=True)
class Served:
    """A console that is being served."""

    guard: Guard
    console: Site

    @property
    def url(self) -> str:
        """Its address without a slash at the end."""
        return self.guard.address.rstrip("/")


@contextmanager
def served(context: Context, poll_seconds: float = 0.05) -> Iterator[Served]:
    """Serve the console of a context on a free port."""
    with bound(0) as listening:
        guard = Guard(KEY, listening.getsockname()[1])
        console = Site(context, guard, Broadcast(poll_seconds))
        with serving_site(console, listening):
            yield Served(guard, console)


@contextmanager
def serving_site(console: Site, listening: socket.socket) -> Iterator[None]:
    """Serve a console on a bound socket, in a thread of its own."""
    server = ConsoleServer(console)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()


@dataclass
class ConsoleScene(Scene):
    """An environment with a bucket of evidence."""

    bucket: FakeS3 = field(default_factory=FakeS3)

    def __post_init__(self) -> None:
        """Compose the evidence chain as well."""
        super().__post_init__()
        clients, table = {"s3": self.bucket, "dynamodb": self.table}.__getitem__, self.cloud.settings["LEDGER_TABLE"]
        artifacts = ArtifactStore(clients, table, "bucket")
        keys = EvidenceKeys(Keys(), ["evidence"], self.cloud.environment)
        chain = EvidenceChain(clients, table, artifacts, lambda: keys, lambda: None)
        vars(self.cloud).update(artifacts=artifacts, evidence=chain)


def scene_in_flight(decisions: int = 3, **changes: Any) -> tuple[ConsoleScene, Deployment]:
    """A scene whose deployment d-1 holds the lock, with so many decisions: those of `tests.followed` first."""
    scene = ConsoleScene()
    values = vars(followed.in_flight(**changes))
    record = scene.record(**{name: value for name, value in values.items() if name not in {"environment", "execution"}})
    scene.create(record)()
    scene.holding_lock()
    for number in range(1, decisions + 1):
        append_decision(scene, record, number)
    return scene, record


def append_decision(scene: Scene, record: Deployment, number: int) -> DecisionEntry:
    """Append the decision with a number: the first ones of `tests.followed`, and then the last one again."""
    known = followed.DECISIONS
    entry = known[number - 1] if number <= len(known) else replace(known[-1], at=scene.clock.now())
    entry = replace(entry, number=number, entered=f"t{number}")
    return scene.cloud.ledger.append_decision(entry, record, scene.cloud.ledger.read_lock().fencing_token)


def busy_scene(hostile: str = "") -> ConsoleScene:
    """An environment with something on every page: see `PAGES`. hostile: a part of every text that a person wrote."""
    scene, _ = scene_in_flight(requested_by=f"ann{hostile}")
    cloud, ledger = scene.cloud, scene.cloud.ledger
    earlier = followed.rolled_back(
        id="d-0", requested_by=f"bob{hostile}", reason=f"token fails{hostile}", requested_at=NOW - timedelta(hours=1)
    )
    ledger.create_record(replace(earlier, environment="local"))
    for number in (2, 3):
        _add_drill(scene, number)
    cloud.drills.create_record(replace(followed.recovery_snapshot().recovery, requested_by=f"ann{hostile}"))
    opening = Opening("logins", f"Logins fail{hostile}", IncidentSeverity.SEV2, f"many calls{hostile}", f"ann{hostile}")
    change_incident(
        cloud,
        lambda register: replace(
            commands.open_incident(opening, register, cloud.incidents.read_incident, IncidentPolicy(), NOW),
            incident_id="inc-1",
        ),
    )
    cloud.freezes.freeze(f"ann{hostile}", f"the auditors are here{hostile}", NOW)
    keys = (
        SigningKey("arn:1", "kid-old", KeyPhase.SIGNING, NOW - timedelta(days=80)),
        SigningKey("arn:2", "kid-new", KeyPhase.PUBLISHED, NOW - timedelta(minutes=5)),
    )
    vars(cloud)["key_ring"] = SimpleNamespace(
        read_ring=lambda: SigningKeyRing(3, NOW, keys),
        read_states=lambda _ring: {"arn:1": "Enabled", "arn:2": "PendingDeletion"},
    )
    scene.alarms.ringing = {"ib-oauth-token-latency-test"}
    return scene


def _add_drill(scene: Scene, number: int) -> None:
    cloud = scene.cloud
    requested = NOW - timedelta(days=10 - number)
    drill = followed.drill(
        f"dr-{number}",
        1, 1, 2, 60 + number, 20, 5,
        requested_at=requested,
        ended_at=requested + seconds(100),
        outcome=RecoveryOutcome.SUCCEEDED,
        reason="all 1 checks passed",
        measured=Measured(seconds(70 + number), seconds(2), "heartbeats"),
        check_results=(CheckResult("content.state", Verdict.passed("equal")),),
    )  # fmt: skip
    cloud.drills.create_record(drill)
    cloud.evidence.append_entry(drill, None, requested + seconds(100))


class Tables(HTMLParser):
    """The tables of a page: `rows[id]` are the rows of the table in the section with this id, without its head."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: dict[str, list[list[str]]] = {}
        self.words: dict[str, list[str]] = {}
        self._section, self._in_body, self._cell = "", False, False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open a section, a row or a cell."""
        named = dict(attrs)
        if tag == "div" and named.get("class") == "section":
            self._section = str(named["id"])
        elif tag == "tbody":
            self._in_body = True
        elif self._in_body and tag == "tr":
            self.rows.setdefault(self._section, []).append([])
        elif self._in_body and tag in {"td", "th"}:
            self.rows[self._section][-1].append("")
            self._cell = True

    def handle_endtag(self, tag: str) -> None:
        """Close a cell or a body."""
        if tag in {"td", "th"}:
            self._cell = False
        elif tag == "tbody":
            self._in_body = False

    def handle_data(self, data: str) -> None:
        """Take a text."""
        text = data.replace("\u00a0", " ")
        if self._in_body and self._cell:
            self.rows[self._section][-1][-1] += text
        if text.strip():
            self.words.setdefault(self._section, []).append(text.strip())
