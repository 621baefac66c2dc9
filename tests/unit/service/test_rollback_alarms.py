"""No outsider causes a rollback: what visitors, clients and identity providers can make the alarms and the verdict show.

Each row of the table in docs/reference/security.md ("What can roll a release back") is a scene here. The real functions
get its requests; their log lines become metrics as CloudWatch makes them; the alarms' own expressions, as synthesised
for prod, are evaluated on them, and so are the probes of the verdict. No alarm may fire and no probe may fail the
release. Real faults are scenes, too: there both must.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from types import SimpleNamespace

import pytest

from orchestrator import environments
from orchestrator.domain.analysis.observations import HttpResponse, LogLine, LogPage
from orchestrator.domain.deployment.plan import Function
from orchestrator.domain.deployment.record import DeploymentPhase, Shift
from orchestrator.domain.verdict import Outcome
from orchestrator.local.emulator.cloudwatch import embedded_metrics, metric_store
from orchestrator.local.emulator.cloudwatch.alarm_config import normalize_metrics, parse_alarm
from orchestrator.local.emulator.cloudwatch.alarm_state import ALARM, evaluate
from orchestrator.local.emulator.cloudwatch.metric_data_queries import MetricStat, read_statistic
from orchestrator.probes import context as probe_context
from orchestrator.probes import health, logs, metrics, performance, security
from orchestrator.probes.metric_queries import measure_versions
from service.clients import metadata_documents
from service.login import identity_provider
from service.oauth import validity
from tests.fakes.two_versions import TwoVersions
from tests.samples import NOW, deployment, policy, seconds, thresholds_table
from tests.unit.service.conftest import SECRET, Service

PROD = environments.load("prod")
MINIMUM = PROD.service.alarms.minimum_requests
PERIODS, PERIOD_SECONDS = 18, 10
"""Three minutes: as many as have to breach for any alarm to fire, with ten-second and with one-minute periods."""
BUSY, QUICK = (0, 1, 2, 6, 12), (0, 1, 2)
"""Periods with requests: enough for every alarm, and enough for those with ten-second periods."""
SLOW_MS, SLOW_SECONDS = 900, 1.2
"""The alarm's limit and how long others take where latency matters; a busy machine stays below."""
START = 1_800_000_000 // 60 * 60
STABLE, CANARY = "41", "42"
RELEASES = Path(__file__).resolve().parents[3] / "examples" / "releases"
DOCUMENTS = {"CLIENT_DOCUMENTS": "on", "SELF_DESCRIBED_CLIENT_SCOPES": "profile"}

Attack = Callable[[Service, int], None]
"""Sends the requests of one turn; the turn's number is given."""


@pytest.fixture(scope="module")
def synthesised():
    """Return a function that returns prod's alarms that trigger a rollback, as CloudFormation gets them."""
    templates = importlib.import_module("tests.infrastructure.templates")  # before aws_cdk: it chooses its Node
    cdk, service = importlib.import_module("aws_cdk"), importlib.import_module("infrastructure.service.alarms")

    def create(p99_latency_ms: int) -> list[dict]:
        settings = dataclasses.replace(PROD.service.alarms, p99_latency_ms=p99_latency_ms)
        environment = dataclasses.replace(PROD, service=dataclasses.replace(PROD.service, alarms=settings))
        app = cdk.App()
        service.create_alarms(cdk.Stack(app, "alarms"), environment, "IbOauth")
        template = app.synth().get_stack_by_name("alarms").template
        return list(templates.resources(template, "AWS::CloudWatch::Alarm").values())

    return create


@pytest.fixture(scope="module")
def alarms(synthesised):
    """Prod's alarms."""
    return synthesised(PROD.service.alarms.p99_latency_ms)


@pytest.fixture(scope="module")
def impatient(synthesised):
    """Prod's alarms, except that `SLOW_MS` are slow, so that a test need not take its time."""
    return synthesised(SLOW_MS)


@pytest.fixture(autouse=True)
def cloudwatch():
    """The metrics of one scene."""
    store = importlib.import_module("ministack.services.cloudwatch")._metrics
    store.clear()
    yield store
    store.clear()


@pytest.fixture
def scene(aws, variables, capsys):
    """Return a function that plays an attack and publishes its metrics; it returns the lines with errors."""

    def play(
        attack: Attack,
        turns_a_period: int = MINIMUM + 2,
        periods: tuple[int, ...] = BUSY,
        version_of: Callable[[], str] = lambda: CANARY,
        **changes: str,
    ) -> list[LogLine]:
        service = Service(aws, {**variables, **changes})
        lines: list[str] = []
        for period in periods:
            for turn in range(turns_a_period):
                service.now = START + period * PERIOD_SECONDS + turn * PERIOD_SECONDS / turns_a_period
                attack(service, period * turns_a_period + turn)
            lines += capsys.readouterr().out.splitlines()
        return publish(lines, version_of)

    return play


def publish(lines: list[str], version_of: Callable[[], str] = lambda: CANARY) -> list[LogLine]:
    """Publish what the lines say, and what API Gateway and Lambda say of the same requests, at their times.

    The lines of a request are of one version and one time; its last one has its metrics.
    """
    errors, failed = [], []
    version = version_of()
    for written in lines:
        line = written.replace(f'"version":"{CANARY}"', f'"version":"{version}"')
        entry = json.loads(line)
        if "_aws" not in entry:
            if "ERROR" in line:  # as the canary analysis filters
                failed.append(line)
            continue
        at = entry["_aws"]["Timestamp"] / 1000
        errors += [LogLine(datetime.fromtimestamp(at, UTC), f"x[{version}]y", one) for one in failed]
        embedded_metrics.publish_embedded_metrics(line.replace('"environment":"local"', '"environment":"prod"'), at)
        count_at_the_edge(at, entry["function"], entry["status"])
        failed, version = [], version_of()
    return errors


def count_at_the_edge(at: float, function: str, status: int, *, throttled: bool = False) -> None:
    """Publish what API Gateway and Lambda count of one request."""
    api, lambda_ = {"ApiName": "ib-oauth-api-prod", "Stage": "prod"}, {"FunctionName": f"ib-oauth-{function}-prod"}
    metric_store.put_metric("AWS/ApiGateway", "Count", api, 1, at=at)
    metric_store.put_metric("AWS/ApiGateway", "5XXError", api, int(status >= 500), at=at)
    metric_store.put_metric("AWS/Lambda", "Throttles", lambda_, int(throttled), at=at)
    metric_store.put_metric("AWS/Lambda", "Errors", lambda_, 0, at=at)
    metric_store.put_metric("AWS/Lambda", "Invocations", lambda_, int(not throttled), at=at)


def firing(alarms: list[dict]) -> set[str]:
    """The names of the alarms that were in ALARM at any time of the scene."""
    fired = set()
    for template in alarms:
        alarm = template | ({"Metrics": normalize_metrics(template["Metrics"])} if "Metrics" in template else {})
        watch = parse_alarm(alarm)
        assert watch is not None
        period, length = watch.period_seconds, watch.rule.range_periods
        for end in range(START + period, START + PERIODS * PERIOD_SECONDS + 2 * period, period):
            periods = [end - period * age for age in range(length, 0, -1)]
            judged = evaluate(watch.rule, watch.read_datapoints(periods), periods)
            if judged is not None and judged.state == ALARM:
                fired.add(alarm["AlarmName"])
    return fired


class StoredMetrics:
    """The metrics of the scene, as the probes read them."""

    def read_metrics(self, queries, window):
        values = {}
        for query in queries:
            stat = MetricStat(query.namespace, query.name, query.dimensions, query.statistic)
            span = (int(window.start.timestamp()), int(window.end.timestamp()))
            found = read_statistic(stat, query.period_seconds, lambda _, span=span: span)
            values[query.id] = {datetime.fromtimestamp(at, UTC): value for at, value in found.items()}
        return values


def normal_traffic_before() -> None:
    """An hour of ordinary traffic on stable, which a promoted release is compared with."""
    for minute in range(60):
        at = START - 3600 + 60 * minute
        for function in ("authorize", "token", "public"):
            base = {"environment": "prod", "function": function, "version": STABLE}
            for name, value in (("Requests", 100), ("ServerErrors", 0), ("KnownGrants", 60), ("RefusedGrants", 1)):
                metric_store.put_metric("IbOauth", name, base, value, at=at)
            metric_store.put_metric("IbOauth", "Latency", base, 8, at=at)
            for result, value in (("issued", 59), ("invalid_grant", 1)):
                metric_store.put_metric("IbOauth", "Grants", {**base, "result": result}, value, at=at)


def verdicts(errors: list[LogLine], weight_percent: int = 100) -> dict[str, Outcome]:
    """What the probes that measure clients' requests say of a release that got this weight when the scene began."""
    normal_traffic_before()
    begun = datetime.fromtimestamp(START, UTC)
    functions = tuple(
        Function(name, f"ib-oauth-{name}-prod", STABLE, CANARY) for name in ("authorize", "public", "token")
    )
    strict = policy(metric_delay_seconds=0, thresholds={**THRESHOLDS, "minimum_requests": 10})
    shifted = deployment(
        environment="prod",
        functions=functions,
        phase=DeploymentPhase.SHIFTING,
        shifts=(Shift(0, weight_percent, begun),),
        plan=dataclasses.replace(deployment().plan, limits=strict.limits),
    )
    now = begun + seconds(PERIODS * PERIOD_SECONDS)
    context = (
        probe_context.for_step(shifted, 0, 0, now)
        if weight_percent < 100
        else probe_context.after_promotion(shifted, begun, now)
    )
    measured = measure_versions(context, StoredMetrics())
    page = SimpleNamespace(
        read_errors=lambda group, window: LogPage(tuple(errors) if window.start >= begun else (), True)
    )
    return {
        "metrics": metrics.run(context, measured).evidence.verdict.outcome,
        "performance": performance.run(context, measured).evidence.verdict.outcome,
        "logs": logs.run(context, measured, page).evidence.verdict.outcome,
    }


THRESHOLDS = thresholds_table() | {"minimum_requests": 10, "latency_floor_ms": 150}


# What an anonymous visitor sends


def token_request(**form: str) -> Attack:
    return lambda service, _: service.call("token", "POST", "/token", form=form)


def send(function: str, method: str, path: str, **request) -> Attack:
    return lambda service, _: service.call(function, method, path, **request)


VISITOR: dict[str, Attack] = {
    "garbage refresh token": token_request(grant_type="refresh_token", client_id="native", refresh_token="garbage"),
    "invented refresh token": token_request(
        grant_type="refresh_token", client_id="native", refresh_token=f"ibr_{'A' * 22}.{'A' * 43}"
    ),
    "invented code": lambda service, _: service.redeem(f"ibc_{'A' * 43}"),
    "unknown client": token_request(grant_type="refresh_token", client_id="nobody", refresh_token="x"),
    "wrong secret": token_request(
        grant_type="refresh_token", client_id="web", client_secret="wrong", refresh_token="x"
    ),
    "nothing at all": token_request(),
    "unknown grant type": token_request(grant_type="password", client_id="native"),
    "body that is no form": send("token", "POST", "/token", body="{}", headers={"content-type": "text/plain"}),
    "invented token to revoke": send("token", "POST", "/revoke", form={"client_id": "native", "token": "x" * 99}),
    "introspection without a secret": send("token", "POST", "/introspect", form={"client_id": "native", "token": "x"}),
    "registration without a token": send("token", "POST", "/register", body="{}"),
    "unknown redirect": lambda service, _: service.authorize(redirect="https://evil.example/"),
    "authorization without PKCE": lambda service, _: service.authorize(code_challenge="", code_challenge_method="plain"),
    "logins that nobody finishes": lambda service, _: service.authorize(),
    "cookies that nobody set": send(
        "authorize", "GET", "/login/poll", query={"transaction": "x"},
        headers={"cookie": 'consent={"a":1}; __Host-ib-oauth-browser="\\015\\012X: 1"'},
    ),
    "invented transaction": send("authorize", "POST", "/login", form={"transaction": f"ibl_{'A' * 43}"}),
    "invented access token": lambda service, _: service.userinfo("a.b.c"),
    "unknown address": send("public", "GET", "/nothing"),
    "one source beyond its rate": lambda service, _: [service.authorize() for _ in range(3)],
    "a document that is not there": lambda service, turn: service.authorize(
        client=f"https://127.0.0.1/{turn}", redirect="https://127.0.0.1/cb"
    ),
}  # fmt: skip


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


# What an upstream identity provider does


@contextmanager
def server(answer: bytes | None, delay_seconds: float = 0.0) -> Iterator[str]:
    """A host that answers every connection with these octets after a delay, or never."""
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.recv(65536)
            time.sleep(delay_seconds)
            if answer is not None:
                connection.sendall(answer)
            connection.close()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        stop.set()
        listener.close()


def http(status: str, body: bytes) -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
        status.encode(), len(body), body,
    )  # fmt: skip


BROKEN_PROVIDERS = {
    "answers 500": (http("500 Internal Server Error", b"{}"), 0.0),
    "answers no JSON": (http("200 OK", b"<html>"), 0.0),
    "answers a lone surrogate": (http("200 OK", rb'{"sid":"s","content":"\ud800","logintimeoutperiod":24}'), 0.0),
    "hangs up": (None, 0.0),
    "is slow and fails": (None, SLOW_SECONDS),
}


def login_form(service: Service, transaction: str):
    form = {"transaction": transaction, "platform": "demo", "decision": "allow"}
    return service.call("authorize", "POST", "/login", form=form, headers={"cookie": service.cookie})


@pytest.mark.parametrize("name", BROKEN_PROVIDERS)
def test_an_identity_provider_that_fails_rolls_no_release_back(scene, impatient, name):
    answer, delay = BROKEN_PROVIDERS[name]
    statuses = set()

    def attack(service: Service, _turn: int) -> None:
        statuses.add(login_form(service, service.transaction()).status)

    with server(answer, delay) as url:
        platforms = json.dumps({"demo": {"url": url, "title": "Demo platform"}})
        errors = scene(attack, *((1, QUICK) if delay else (MINIMUM + 2, BUSY)), PLATFORMS=platforms)
    assert statuses == {503}, "users are told that it is unavailable"
    assert errors == [], "a line with ERROR would be an error of the release"
    assert firing(impatient) == set()
    assert Outcome.FAIL not in verdicts(errors).values()


def test_an_identity_provider_that_is_slow_fires_no_latency_alarm(scene, impatient):
    body = json.dumps({"sid": "s", "content": "c", "logintimeoutperiod": 24}).encode()
    with server(http("200 OK", body), SLOW_SECONDS) as url:
        platforms = json.dumps({"demo": {"url": url, "title": "Demo platform"}})
        errors = scene(lambda service, _: login_form(service, service.transaction()), 1, QUICK, PLATFORMS=platforms)
    assert firing(impatient) == set()
    assert Outcome.FAIL not in verdicts(errors).values()


def test_a_document_host_that_hangs_fires_no_latency_alarm(scene, impatient, monkeypatch):
    limits = dataclasses.replace(metadata_documents.LIMITS, deadline_seconds=SLOW_SECONDS)
    monkeypatch.setattr(metadata_documents, "LIMITS", limits)
    statuses = set()

    def attack(service: Service, turn: int) -> None:
        statuses.add(service.authorize(client=f"{url}/client{turn}", redirect=f"{url}/cb").status)

    with server(None, 2 * SLOW_SECONDS) as url:
        errors = scene(attack, 1, QUICK, **DOCUMENTS)
    assert statuses == {400}
    assert firing(impatient) == set()
    assert Outcome.FAIL not in verdicts(errors).values()


def test_the_time_of_others_is_logged_apart_from_ours(aws, variables, capsys):
    with server(None, SLOW_SECONDS) as url:
        service = Service(aws, {**variables, "PLATFORMS": json.dumps({"demo": {"url": url, "title": "Demo"}})})
        transaction = service.transaction()
        capsys.readouterr()
        assert login_form(service, transaction).status == 503
    failure, line = (json.loads(text) for text in capsys.readouterr().out.splitlines())
    assert (failure["level"], failure["error"]) == ("WARNING", "UpstreamUnavailable")
    assert line["waited_ms"] >= 1000 * SLOW_SECONDS
    assert line["Latency"] < SLOW_MS
    assert (line["ServerErrors"], line["UpstreamErrors"]) == (0, 1)


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


@pytest.mark.parametrize("name", ["local", "dev", "staging", "prod"])
def test_waiting_for_others_ends_before_a_function_does(name):
    """A function that Lambda ends at its timeout counts as one that failed; `Errors` has no way to say whose fault."""
    waits = identity_provider.DEADLINE_SECONDS + metadata_documents.LIMITS.deadline_seconds
    assert environments.load(name).service.functions["authorize"].timeout_seconds >= waits + 3


# And the other way round: what the service is responsible for does fire


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


@pytest.mark.parametrize("name", ["garbage refresh token", "unknown client", "logins that nobody finishes"])
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
