"""The page of the evidence chain: verified when it is shown, one verification at a time, and never in the way of an action."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from threading import Event
from typing import Any

import pytest

from orchestrator.console.app import Site
from orchestrator.console.pages import evidence, guards
from orchestrator.domain.errors import Throttled
from tests.samples import NOW
from tests.served_console import GUARD, PORT, WITH_KEY, Tables, busy_scene, client_of

AGAIN = "/evidence?verify=again"
MANY = 60
"""More requests than the server has worker threads."""


class Clock:
    """A clock of the process that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(evidence, "monotonic", clock)
    return clock


@pytest.fixture
def scene():
    return busy_scene()


class Verifications(list):
    """The verifications that were made. `begun`: there is one; each ends once `go_on` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.go_on = Event(), Event()
        self.go_on.set()


@pytest.fixture
def verified(monkeypatch, scene):
    made, verify = Verifications(), scene.cloud.evidence.verify_chain

    def verify_chain():
        made.append(scene.clock.now())
        made.begun.set()
        assert made.go_on.wait(30)
        return verify()

    monkeypatch.setattr(scene.cloud.evidence, "verify_chain", verify_chain)
    return made


@dataclass
class Answer:
    status_code: int
    text: str


async def get(app: Any, address: str) -> Answer:
    """Send a request to an application in the running loop, as one of several at once."""
    path, _, query = address.partition("?")
    headers = {"host": f"127.0.0.1:{PORT}", **WITH_KEY}
    scope = {
        "type": "http", "method": "GET", "path": path, "query_string": query.encode(), "http_version": "1.1",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip
    sent = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return Answer(sent[0]["status"], b"".join(message.get("body", b"") for message in sent).decode())


def state_of(response) -> str:
    assert response.status_code == 200
    return Tables(response.text).words["heading"][1]


def spoil(scene) -> None:
    """Change a file of the evidence."""
    key = next(file.key for file in scene.cloud.evidence.read_entry("dr-2").files if file.name == "bundle.json")
    scene.bucket.objects[key] = b"changed"


def test_evidence_is_verified_when_it_is_shown_and_again_on_request(scene, verified, clock):
    client = client_of(scene.context)
    assert state_of(client.get("/evidence")) == "SOUND"
    spoil(scene)
    clock.now += 1
    page = client.get(AGAIN)
    assert state_of(page) == "BROKEN"
    assert any("dr-2" in row[0] for row in Tables(page.text).rows["faults"])
    assert client.get("/evidence/dr-2").status_code == 404
    assert len(verified) == 2


def test_a_verification_is_shown_for_a_minute_with_its_time_and_then_made_again(scene, verified, clock):
    client = client_of(scene.context)
    client.get("/evidence")
    scene.clock.advance(50)
    clock.now += evidence.SHOWN_SECONDS - 1
    page = client.get("/evidence")
    assert f"verified {NOW:%Y-%m-%d %H:%M:%S} UTC" in Tables(page.text).words["heading"]
    assert f'href="{AGAIN}"' in page.text
    spoil(scene)
    clock.now += 1
    assert state_of(client.get("/evidence")) == "BROKEN"
    assert len(verified) == 2


def test_a_chain_that_has_grown_is_verified_again(scene, verified, clock):
    client = client_of(scene.context)
    client.get("/evidence")
    clock.now += 1
    drill = replace(scene.cloud.drills.read_record("dr-3"), id="dr-7")
    scene.cloud.evidence.append_entry(drill, None, NOW)
    page = Tables(client.get("/evidence").text)
    assert page.rows["entries"][0][0] == "dr-7"
    assert len(verified) == 2


@pytest.mark.parametrize("path", ["/evidence", AGAIN])
def test_requests_at_once_get_one_verification(scene, verified, path):
    async def two() -> list[str]:
        app = Site(scene.context, GUARD).app()
        return [state_of(answer) for answer in await asyncio.gather(get(app, path), get(app, path))]

    assert asyncio.run(two()) == ["SOUND", "SOUND"]
    assert len(verified) == 1


def test_a_request_that_comes_after_a_verification_gets_another(scene, verified, clock):
    client = client_of(scene.context)
    for _ in range(3):
        client.get(AGAIN)
        clock.now += 1
    assert len(verified) == 3


@pytest.mark.parametrize("path", ["/evidence", "/costs/estimate"])
def test_what_takes_long_holds_no_other_page_up(monkeypatch, scene, verified, path):
    verified.go_on.clear()
    monkeypatch.setattr(guards, "_estimated", lambda *_: scene.cloud.evidence.verify_chain())

    async def reload() -> int:
        app = Site(scene.context, GUARD).app()
        waiting = [asyncio.create_task(get(app, path)) for _ in range(MANY)]
        assert await asyncio.to_thread(verified.begun.wait, 20)
        for other in ("/deployments", "/actions/abort/d-1"):
            assert (await asyncio.wait_for(get(app, other), 20)).status_code == 200
        begun = len(verified)
        for task in waiting[1:]:
            task.cancel()
        verified.go_on.set()
        await asyncio.wait(waiting)
        return begun

    assert asyncio.run(reload()) == 1


def test_an_entry_that_cannot_be_read_is_a_fault_and_no_missing_page(scene):
    key = next(key for key in scene.table.items if key[0] == "evidence" and key[1].startswith("link#"))
    scene.table.items[key]["body"] = {"S": "{}"}
    page = client_of(scene.context).get("/evidence")
    assert state_of(page) == "BROKEN"
    assert Tables(page.text).rows["faults"]
    assert "An entry cannot be read" in page.text


def test_a_verification_that_fails_is_made_again(monkeypatch, scene):
    client = client_of(scene.context)
    verify, failures = scene.cloud.evidence.verify_chain, [Throttled("slow down")]

    def verify_chain():
        if failures:
            raise failures.pop()
        return verify()

    monkeypatch.setattr(scene.cloud.evidence, "verify_chain", verify_chain)
    assert client.get("/evidence").status_code == 503
    assert state_of(client.get("/evidence")) == "SOUND"
