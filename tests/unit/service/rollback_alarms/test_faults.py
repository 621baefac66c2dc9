"""What the service is responsible for fires the alarms and fails the verdict."""

from __future__ import annotations

import importlib
import importlib.util
import time
from pathlib import Path

from orchestrator.domain.verdict import Outcome
from service.login import identity_provider
from service.oauth import validity
from tests.unit.service.conftest import Service
from tests.unit.service.rollback_alarms.conftest import (
    PERIOD_SECONDS,
    PERIODS,
    QUICK,
    SLOW_SECONDS,
    START,
    count_at_the_edge,
    firing,
    verdicts,
)
from tests.unit.service.rollback_alarms.visitors import VISITOR

RELEASES = Path(__file__).resolve().parents[4] / "examples" / "releases"


def overlaid(release: str, module: str):
    """Return a module of an example release."""
    path = RELEASES / release / "service" / Path(*module.split(".")[1:]).with_suffix(".py")
    spec = importlib.util.spec_from_file_location(f"overlaid_{path.stem}", path)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def test_the_release_that_refuses_every_grant_fires_the_alarm_and_fails_the_verdict(scene, alarms, monkeypatch):
    broken = overlaid("invalid-grant", "service.oauth.validity")
    monkeypatch.setattr(validity, "counts", broken.counts)
    seen = set()

    def people_log_in(service: Service, _turn: int) -> None:
        seen.add(service.redeem(service.code()).json.get("error"))

    errors = scene(people_log_in, periods=QUICK)
    assert seen == {"invalid_grant"}
    assert firing(alarms) == {"ib-oauth-token-refused-grants-prod"}
    assert verdicts(errors)["metrics"] is Outcome.FAIL


def test_the_release_that_fails_is_found_by_both_alarms_and_by_the_verdict(scene, alarms, monkeypatch):
    def raising(*_):
        raise TypeError("a bug")

    monkeypatch.setattr(identity_provider, "login_url", raising)
    monkeypatch.setattr("service.oauth.token_request.authenticate_client", raising)
    errors = scene(VISITOR["garbage refresh token"])
    assert firing(alarms) == {"ib-oauth-token-server-errors-prod", "ib-oauth-api-server-errors-prod"}
    assert errors
    # With all traffic on the canary, where an error appears says nothing: the logs fail no release.
    found = verdicts(errors)
    assert found["metrics"] is Outcome.FAIL
    assert found["logs"] is not Outcome.FAIL


def test_a_slow_release_fires_the_latency_alarm(scene, impatient, monkeypatch):
    original = validity.counts
    monkeypatch.setattr(validity, "counts", lambda **arguments: (time.sleep(SLOW_SECONDS), original(**arguments))[1])
    tokens = []

    def refresh(service: Service, _turn: int) -> None:
        if not tokens:
            tokens.append(service.redeem(service.code()).json["refresh_token"])
        tokens.append(service.refresh(tokens[-1]).json["refresh_token"])

    scene(refresh, 1, QUICK)
    assert "ib-oauth-token-latency-prod" in firing(impatient)


def test_api_gateway_s_own_errors_fire_although_no_function_reports_any(alarms):
    for turn in range(PERIODS * 20):
        count_at_the_edge(START + turn * PERIOD_SECONDS / 20, "token", 502 if turn % 5 == 0 else 200)
    assert firing(alarms) == {"ib-oauth-api-server-errors-prod"}
