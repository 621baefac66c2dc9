"""No outsider causes a rollback: what visitors, clients and identity providers can make the alarms and the verdict show.

Each row of the table in docs/reference/security.md ("What can roll a release back") is a scene here. The real functions
get its requests; their log lines become metrics as CloudWatch makes them; the alarms' own expressions, as synthesised
for prod, are evaluated on them, and so are the probes of the verdict. No alarm may fire and no probe may fail the
release. Real faults are scenes, too: there both must.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random

import pytest

from orchestrator.domain.analysis.observations import HttpResponse
from orchestrator.domain.deployment.record import Shift
from orchestrator.domain.verdict import Outcome
from orchestrator.probes import context as probe_context
from orchestrator.probes import health, security
from tests.fakes.two_versions import TwoVersions
from tests.samples import NOW, deployment, seconds
from tests.unit.service.conftest import SECRET, Service
from tests.unit.service.rollback_alarms.conftest import (
    CANARY,
    PERIOD_SECONDS,
    PERIODS,
    STABLE,
    START,
    Attack,
    count_at_the_edge,
    firing,
    verdicts,
)
from tests.unit.service.rollback_alarms.visitors import VISITOR, token_request

DOCUMENTS = {"CLIENT_DOCUMENTS": "on", "SELF_DESCRIBED_CLIENT_SCOPES": "profile"}


@pytest.mark.parametrize("name", VISITOR)
def test_nothing_that_a_visitor_sends_rolls_a_release_back(scene, alarms, name):
    changes = {"SOURCE_REQUESTS_PER_SECOND": "1", "SOURCE_BURST_REQUESTS": "1"} if "source" in name else {}
    errors = scene(VISITOR[name], **DOCUMENTS, **changes)
    assert firing(alarms) == set()
    assert Outcome.FAIL not in verdicts(errors).values()


# What clients and people with an account send


def once(make: Callable[[Service], str], use: Callable[[Service, str], object]) -> Attack:
    """Make something true by one real login, and use it in every turn."""
    made: list[str] = []

    def attack(service: Service, _turn: int) -> None:
        if not made:
            made.append(make(service))
        use(service, made[0])

    return attack


def used_code(service: Service) -> str:
    code = service.code()
    assert service.redeem(code).status == 200
    return code


def replaced_token(service: Service) -> str:
    first = service.redeem(service.code()).json["refresh_token"]
    second = service.refresh(first).json["refresh_token"]
    service.now += 3600  # beyond every grace
    assert service.refresh(second).status == 200
    return first


def revoked_token(service: Service) -> str:
    token = service.redeem(service.code()).json["refresh_token"]
    assert service.call("token", "POST", "/revoke", form={"client_id": "native", "token": token}).status == 200
    return token


def refresh_token(service: Service) -> str:
    return service.redeem(service.code()).json["refresh_token"]


AS_WEB = {"client_id": "web", "client_secret": SECRET}
WITH_AN_ACCOUNT: dict[str, Attack] = {
    "a code with a wrong verifier, again and again": once(
        lambda service: service.code(), lambda service, code: service.redeem(code, code_verifier="w" * 43)
    ),
    "a code with a wrong redirect, again and again": once(
        lambda service: service.code(), lambda service, code: service.redeem(code, redirect_uri="http://127.0.0.1:1/")
    ),
    "a used code, again and again": once(used_code, lambda service, code: service.redeem(code)),
    "a replaced refresh token, again and again": once(replaced_token, lambda service, token: service.refresh(token)),
    "a revoked refresh token, again and again": once(revoked_token, lambda service, token: service.refresh(token)),
    "another client's code": once(lambda service: service.code(), lambda service, code: service.redeem(code, **AS_WEB)),
    "another client's refresh token": once(refresh_token, lambda service, token: service.refresh(token, **AS_WEB)),
    "a resource that was not granted": once(
        refresh_token, lambda service, token: service.refresh(token, resource="https://elsewhere.example")
    ),
    "a scope that was not granted": once(
        refresh_token, lambda service, token: service.refresh(token, scope="profile email admin")
    ),
    "a real secret and garbage": token_request(grant_type="refresh_token", refresh_token="garbage", **AS_WEB),
}


@pytest.mark.parametrize("name", WITH_AN_ACCOUNT)
def test_nothing_that_a_client_or_a_person_repeats_rolls_a_release_back(scene, alarms, name):
    errors = scene(WITH_AN_ACCOUNT[name])
    assert firing(alarms) == set()
    assert Outcome.FAIL not in verdicts(errors).values()


def test_many_processes_count_one_refused_grant_once(aws, variables, capsys):
    services = [Service(aws, variables) for _ in range(5)]
    code = services[0].code()
    capsys.readouterr()
    for service in services:
        service.now = services[0].now
        assert service.redeem(code, code_verifier="w" * 43).json["error"] == "invalid_grant"
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line.get("RefusedGrants") for line in lines] == [1, None, None, None, None]
    assert services[0].redeem(code).status == 200, "a wrong presentation takes nothing from the right one"


# A flood


def test_throttled_invocations_of_a_flood_fire_no_alarm_that_rolls_back(alarms):
    for turn in range(PERIODS * 100):
        throttled = turn % 4 == 0  # API Gateway answers 5xx where Lambda throttles
        at = START + turn * PERIOD_SECONDS / 100
        count_at_the_edge(at, "authorize", 500 if throttled else 200, throttled=throttled)
    assert firing(alarms) == set()


def test_a_throttled_api_fails_no_release():
    """The stage's throttle answers 429 before any function runs: the probes' requests through the API, too."""
    context = probe_context.for_step(deployment(shifts=(Shift(0, 10, NOW),)), 0, 0, NOW + seconds(60))
    throttled = HttpResponse(429, {}, "{}", 1.0)
    service = TwoVersions()
    service.send = lambda *_: throttled
    for probe in (health, security):
        evidence = probe.run(context, service, service, service.time.pace).evidence
        assert evidence.verdict.outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize("name", ["garbage refresh token", "unknown client", "unfinished logins"])
def test_garbage_reaches_both_versions_of_a_split_and_fails_neither(scene, alarms, name):
    random = Random(7)  # as Lambda draws the version of each request
    errors = scene(VISITOR[name], version_of=lambda: random.choice((STABLE, CANARY)), **DOCUMENTS)
    assert firing(alarms) == set()
    assert Outcome.FAIL not in verdicts(errors, weight_percent=50).values()


def test_refusals_of_the_canary_alone_fail_it_while_the_traffic_is_split(scene, monkeypatch):
    """Compared with stable's, every result counts: `invalid_client` of a canary that knows no client any more."""
    turn = iter(range(10_000))
    scene(
        lambda service, number: service.refresh("garbage", **(AS_WEB if number % 2 else {"client_id": "nobody"})),
        version_of=lambda: STABLE if next(turn) % 2 else CANARY,
    )
    assert verdicts([], weight_percent=50)["metrics"] is Outcome.FAIL
