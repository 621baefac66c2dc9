"""The example releases do what they say, seen by real traffic."""

from __future__ import annotations

import ast
import time
from collections import Counter
from pathlib import Path

import pytest

from orchestrator import environments
from orchestrator.local.oauth_client import TrafficClient
from orchestrator.local.traffic_generator import Traffic

RELEASES = Path(__file__).resolve().parents[3] / "examples" / "releases"
CLIENTS = [
    TrafficClient("native", "http://127.0.0.1:5000/callback", share=2),
    TrafficClient("web", "https://web.example/cb?x=1", scope="profile", secret="a-secret-of-the-confidential-client"),
]


@pytest.fixture
def token_responses(serve, platform_url):
    """Let traffic run on the service, then have a release take over; return its traffic and its token responses."""

    def run(release, at_least):
        with Traffic(serve(), platform_url, CLIENTS, rate_per_second=120, seed=5) as before:
            _wait_for(before, 200)
        assert before.first_bad_response_after(0) is None
        after = Traffic(serve(RELEASES / release / "service"), platform_url, CLIENTS, rate_per_second=60, seed=6)
        after._sessions = before._sessions
        with after:
            _wait_for(after, at_least)
        return after, _of_token(after)

    return run


def _wait_for(traffic, token_requests):
    deadline = time.monotonic() + 60
    while len(_of_token(traffic)) < token_requests:
        assert time.monotonic() < deadline, traffic.report()
        time.sleep(0.05)


def _of_token(traffic):
    return [response for response in traffic.responses() if response.route == "POST /token"]


def test_the_good_release_serves_all_clients(token_responses):
    traffic, seen = token_responses("good", 60)
    assert traffic.first_bad_response_after(0) is None
    assert {response.status for response in seen} == {200}


def test_token_500s_answers_handled_500s_to_more_token_requests_than_the_alarm_bears(token_responses, tmp_path):
    _, seen = token_responses("token-500s", 250)
    statuses = Counter(response.status for response in seen)
    assert set(statuses) == {200, 500}
    # A third of the logins before, and none since: what is left of the share depends on how many logins come in between.
    borne = environments.load("local").service.alarms.server_error_percent / 100
    assert borne < statuses[500] / len(seen) < 0.5
    assert {response.error for response in seen if response.bad} == {"server_error"}
    assert all(response.version == "42" for response in seen)
    assert '"error":"TypeError"' in (tmp_path / "log").read_text()


def test_invalid_grant_answers_invalid_grant_to_all_clients_and_never_5xx(token_responses):
    traffic, seen = token_responses("invalid-grant", 40)
    assert {(response.status, response.error) for response in seen} == {(400, "invalid_grant")}
    assert max(response.status for response in traffic.responses()) < 500


@pytest.mark.parametrize("release", ["good", "token-500s", "invalid-grant", "incompatible-items"])
def test_a_release_changes_existing_files_of_the_service_only(release):
    overlay = RELEASES / release / "service"
    service = RELEASES.parents[1] / "service"
    changed = [path.relative_to(overlay) for path in overlay.rglob("*.py")]
    assert changed
    assert all((service / path).read_text() != (overlay / path).read_text() for path in changed)


def public_names(module: Path) -> set[str]:
    """Return the names that a module defines for others, by its text."""
    names = set()
    for node in ast.parse(module.read_text(encoding="utf-8")).body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case ast.Assign(targets=targets):
                names.update(target.id for target in targets if isinstance(target, ast.Name))
    return {name for name in names if not name.startswith("_")}


@pytest.mark.parametrize("release", ["good", "token-500s", "invalid-grant", "incompatible-items"])
def test_a_release_defines_every_name_of_the_module_that_it_replaces(release):
    """A name that is missing fails at import, which is another fault than the one that the release is for."""
    overlay = RELEASES / release / "service"
    service = RELEASES.parents[1] / "service"
    for module in overlay.rglob("*.py"):
        assert public_names(module) >= public_names(service / module.relative_to(overlay))
