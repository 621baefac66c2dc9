"""The probes whose checks and flows are repeated: a broken canary is refused within 5 s, and chance refuses none.

The service answers in memory, in simulated time (`tests.fakes.two_versions`). Threads are replaced by a loop, so that a
seed decides which call fails.
"""

from __future__ import annotations

import json
import random
from concurrent.futures import Future
from dataclasses import replace

import pytest

from orchestrator.domain.analysis.repeated_checks import BURST_CALLS
from orchestrator.domain.errors import Throttled, Unreachable
from orchestrator.domain.verdict import Outcome
from orchestrator.probes import analysis_run, checks, health, oauth_flows, paired_flows, security
from orchestrator.probes.context import after_promotion, before_traffic
from orchestrator.probes.ports import ProbeClients
from tests.fakes.two_versions import CANARY, STABLE, Bursts, TwoVersions
from tests.samples import NOW, cut_over, deployment, policy, seconds

BEFORE = before_traffic(deployment(), NOW)
DURING = replace(BEFORE, weight_percent=10)
AFTER_CUTOVER = after_promotion(deployment(cutover=cut_over()), NOW, NOW + seconds(60))
REFUSED_WITHIN_SECONDS = 5.0
MOST_CALLS_OF_A_VERSION = 400


class OneThread:
    """An executor that runs everything at once, in order."""

    def __init__(self, *_):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def map(self, call, items):
        return [call(item) for item in items]

    def submit(self, call, *arguments):
        future = Future()
        try:
            future.set_result(call(*arguments))
        except Exception as error:  # noqa: BLE001 - as an executor does
            future.set_exception(error)
        return future


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    for module in (checks, analysis_run):
        monkeypatch.setattr(module, "ThreadPoolExecutor", OneThread)


def clients(service):
    return ProbeClients(None, None, None, service, service, service, None, service.time.pace)


PROBES = {
    "health": lambda context, service: health.run(context, service, service, service.time.pace, at_the_edge=False),
    "security": lambda context, service: security.run(context, service, service, service.time.pace, at_the_edge=False),
    "flows": lambda context, service: oauth_flows.run(context, clients(service)),
    "paired": lambda context, service: paired_flows.run(context, clients(service)),
}


# --- faults ----------------------------------------------------------------------------------------------


def always_500(of):
    return lambda function, _, right: replace(right, status=500, body="") if function == of else None


def crashes(_, __, right):
    return replace(right, status=502, headers={}, body="", unhandled="ImportError")


def other_issuer(_, request, right):
    if not request.path.endswith("openid-configuration"):
        return None
    return replace(right, body=json.dumps({**json.loads(right.body), "issuer": "https://evil.invalid"}))


def no_referrer_policy(_, __, right):
    return replace(right, headers={name: value for name, value in right.headers.items() if name != "referrer-policy"})


def other_version(_, __, right):
    return replace(right, headers={**right.headers, "x-ib-oauth-version": ("9",)})


def other_subject(_, request, right):
    return replace(right, body='{"sub": "else"}') if request.path == "/userinfo" and right.status == 200 else None


def invalid_grant(function, _, right):
    issues = function == "token" and right.status == 200
    return replace(right, status=400, body='{"error": "invalid_grant"}') if issues else None


def refuses_refresh(function, request, right):
    return invalid_grant(function, request, right) if "refresh_token" in (request.form or {}) else None


FAULTS = [
    ("health", always_500("token"), "token:2 unknown code: returned 500 without invalid_grant in 137 of 137, stable 0 of"),
    ("health", always_500("authorize"), "authorize:2 authorization: returned 500 instead of 303 in"),
    ("health", crashes, "public:2 health: raised ImportError in 52 of 52, stable 0 of 52"),
    ("health", other_version, "public:2 health: identifies itself as version 9 in"),
    ("security", other_issuer, "public:2 metadata: the issuer is https://evil.invalid, not https://issuer.invalid in 137 of"),
    ("security", no_referrer_policy, "authorize:2 authorization headers: Referrer-Policy is missing in 137 of 137"),
    ("flows", invalid_grant, "all canary: redeem by canary (token:2) returned 400 invalid_grant instead of 200 in 21 of 21"),
    ("flows", refuses_refresh, "all canary: refresh by canary (token:2) returned 400 invalid_grant instead of 200 in 21 of"),
    ("flows", other_subject, "all canary: userinfo by canary (public:2) named another subject in 21 of 21, stable 0 of 20"),
    ("flows", crashes, "all canary: authorize by canary (authorize:2) raised ImportError in 21 of 21, stable 0 of 20"),
    ("paired", invalid_grant, "all canary: redeem by canary (token:2) returned 400 invalid_grant instead of 200 in"),
]  # fmt: skip


@pytest.mark.parametrize(("probe", "fault", "reason"), FAULTS, ids=[f"{row[0]}-{row[2][:40]}" for row in FAULTS])
@pytest.mark.parametrize("rate", [0.0, 0.02])
def test_a_canary_that_always_fails_is_refused_within_five_seconds(probe, fault, reason, rate):
    """Also where both versions return 5xx to 2 % of their calls, in bursts."""
    bursts = Bursts(rate, 5, random.Random(3)) if rate else None
    service = TwoVersions({CANARY: fault}, bursts)
    run = PROBES[probe](BEFORE, service)
    verdict = run.evidence.verdict
    assert verdict.outcome is Outcome.FAIL, verdict.reason
    if not rate:
        assert verdict.reason.startswith(reason)
    assert "to 1 against chance" in verdict.reason
    assert service.time.seconds <= REFUSED_WITHIN_SECONDS
    assert max(service.calls.values()) <= MOST_CALLS_OF_A_VERSION
    spent = run.evidence.figures["false_alarm"]
    assert spent["evidence"] >= spent["needed"] == 5000.0


@pytest.mark.parametrize(("probe", "fault"), [row[:2] for row in FAULTS if row[0] in {"health", "security"}])
def test_it_is_refused_as_fast_when_it_begins_to_fail_late(probe, fault):
    """After evaluations in which now canary, now stable failed once."""
    service = TwoVersions(bursts=Bursts(0.03, 2, random.Random(11)))
    context = DURING
    for _ in range(6):
        run = PROBES[probe](context, service)
        context = replace(context, prior={probe: run.tests.to_json()})
    begun, service.faults = service.time.seconds, {CANARY: fault}
    assert PROBES[probe](context, service).evidence.verdict.outcome is Outcome.FAIL
    assert service.time.seconds - begun <= REFUSED_WITHIN_SECONDS


@pytest.mark.parametrize(("probe", "fault"), [row[:2] for row in FAULTS])
def test_a_failure_that_stable_shares_is_inconclusive(probe, fault):
    service = TwoVersions({CANARY: fault, STABLE: fault})
    verdict = PROBES[probe](BEFORE, service).evidence.verdict
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.reason.startswith("stable fails in the same way: ")
    assert service.time.seconds <= REFUSED_WITHIN_SECONDS


@pytest.mark.parametrize(("probe", "fault"), [row[:2] for row in FAULTS])
def test_a_canary_that_repairs_stable_passes(probe, fault):
    service = TwoVersions({STABLE: fault})
    if probe == "flows":  # what stable alone cannot do fails in every mixture with it
        assert PROBES[probe](BEFORE, service).evidence.verdict.outcome is not Outcome.FAIL
    else:
        assert PROBES[probe](BEFORE, service).evidence.verdict.outcome is Outcome.PASS


@pytest.mark.parametrize("probe", PROBES)
@pytest.mark.parametrize("calls", [1, 5, BURST_CALLS])
def test_a_burst_of_errors_of_the_canary_alone_is_passed_and_named(probe, calls):
    left = [calls]

    def once(function, _, right):
        if function != "token" or not left[0]:
            return None
        left[0] -= 1
        return replace(right, status=500, body="", headers={})

    service = TwoVersions({CANARY: once})
    run = PROBES[probe](BEFORE, service)
    assert run.evidence.verdict.outcome is Outcome.PASS
    assert "not proved: " in run.evidence.verdict.reason
    assert "stable 0 of" in run.note
    spent = run.evidence.figures["false_alarm"]
    assert spent["evidence"] < spent["needed"] / 20
    assert service.time.seconds <= REFUSED_WITHIN_SECONDS


@pytest.mark.parametrize("probe", ["health", "security", "flows"])
def test_after_a_cutover_the_canary_is_judged_alone_because_stable_fails_by_design(probe):
    blocked = {STABLE: always_500("token")}
    healthy = PROBES[probe](AFTER_CUTOVER, TwoVersions(blocked))
    assert healthy.evidence.verdict.outcome is Outcome.PASS
    service = TwoVersions({**blocked, CANARY: always_500("token")})
    broken = PROBES[probe](AFTER_CUTOVER, service)
    assert broken.evidence.verdict.outcome is Outcome.FAIL
    assert "stable" not in broken.evidence.verdict.reason.split(":", 2)[2]
    assert STABLE not in service.calls
    assert service.time.seconds <= REFUSED_WITHIN_SECONDS


def test_a_check_that_always_fails_is_found_although_another_function_has_a_burst():
    """One evaluation decides before traffic, so every function that failed is asked again."""
    left = [3]

    def fault(function, request, right):
        if function == "public" and left[0]:
            left[0] -= 1
            return replace(right, status=500, body="")
        return always_500("authorize")(function, request, right)

    verdict = PROBES["health"](BEFORE, TwoVersions({CANARY: fault})).evidence.verdict
    assert verdict.outcome is Outcome.FAIL
    assert verdict.reason.startswith("authorize:2 authorization")


def test_half_a_proof_keeps_a_release_baking_and_starts_it():
    """The canary fails one call in three, and the time is over before that is proved."""
    count = [0]

    def every_third(function, _, right):
        count[0] += function == "token"
        return replace(right, status=500, body="") if function == "token" and count[0] % 3 == 1 else None

    class Slow(TwoVersions):
        def invoke(self, *arguments):
            self.time.pass_by(0.08)
            return super().invoke(*arguments)

    verdicts = []
    for context in (BEFORE, DURING):
        count[0] = 0
        verdicts.append(PROBES["health"](context, Slow({CANARY: every_third})).evidence.verdict)
    assert [verdict.outcome for verdict in verdicts] == [Outcome.PASS, Outcome.INCONCLUSIVE]
    assert all("token:2 unknown code: returned 500 without invalid_grant in" in verdict.reason for verdict in verdicts)


# --- our own calls ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [Throttled("slow down"), Unreachable("no answer")])
@pytest.mark.parametrize("probe", ["health", "security"])
def test_calls_that_are_lost_are_an_error_and_no_failure(probe, error):
    service = TwoVersions()
    service.errors = [error]
    with pytest.raises(type(error)):
        PROBES[probe](BEFORE, service)


@pytest.mark.parametrize("error", [Throttled("slow down"), Unreachable("no answer")])
@pytest.mark.parametrize("probe", ["flows", "paired"])
def test_a_flow_whose_response_was_lost_is_begun_anew(probe, error):
    service = TwoVersions()
    service.errors = [error]
    assert PROBES[probe](BEFORE, service).evidence.verdict.outcome is Outcome.PASS
    service.errors = [error] * oauth_flows.FLOW_ATTEMPTS
    with pytest.raises(type(error)):
        PROBES[probe](BEFORE, service)


# --- chance ----------------------------------------------------------------------------------------------

RATES = [(rate, length) for rate in (0.001, 0.01, 0.02) for length in (1, 5)]


@pytest.mark.parametrize(("rate", "length"), RATES)
def test_chance_rejects_no_release_before_traffic(rate, length):
    """0 of 40 in each cell. Judged by single answers, 25 % failed at 1 %."""
    rng = random.Random(f"before {rate} {length}")
    rejected = []
    for _ in range(40):
        service = TwoVersions(bursts=Bursts(rate, length, rng))
        analysis = analysis_run.verify_before_traffic(BEFORE, clients(service))
        if analysis.verdict.outcome is not Outcome.PASS:
            rejected.append(analysis.verdict.reason)
    assert rejected == []


@pytest.mark.parametrize(("rate", "length"), RATES)
def test_chance_fails_no_evaluation_of_a_whole_deployment(rate, length):
    """Four deployments of twelve evaluations, with health and security at the edge, too. Their tests are carried on."""
    rng = random.Random(f"during {rate} {length}")
    failed = []
    for number in range(4):
        service = TwoVersions(bursts=Bursts(rate, length, rng), weight_percent=10)
        service.seed(number)
        context = replace(DURING, prior=analysis_run.verify_before_traffic(BEFORE, clients(service)).running)
        for evaluation in range(12):
            weight = 10 if evaluation < 6 else 50
            context, service.weight_percent = replace(context, weight_percent=weight), weight
            runs = [probe.run(context, service, service, service.time.pace) for probe in (health, security)]
            failed += [run.evidence.verdict.reason for run in runs if run.evidence.verdict.outcome is Outcome.FAIL]
            context = replace(
                context, prior={**context.prior, **{run.evidence.probe: run.tests.to_json() for run in runs}}
            )
    assert failed == []


def test_a_canary_that_returns_5xx_to_five_percent_is_found_by_the_probes_calls_alone():
    """Within ten evaluations, in 9 of 10 deployments, without a single request of a client."""
    rng, found = random.Random(17), []
    for _ in range(10):
        fault = lambda _, __, right: replace(right, status=500, headers={}, body="") if rng.random() < 0.05 else None  # noqa: E731
        service, context = TwoVersions({CANARY: fault}), DURING
        outcomes = set()
        for _ in range(10):
            runs = [PROBES[name](context, service) for name in ("health", "security")]
            outcomes |= {run.evidence.verdict.outcome for run in runs}
            context = replace(context, prior={run.evidence.probe: run.tests.to_json() for run in runs})
        found.append(Outcome.FAIL in outcomes)
    assert sum(found) >= 9


# --- cost ------------------------------------------------------------------------------------------------


def test_a_healthy_evaluation_sends_72_direct_calls_and_11_through_the_api():
    """docs/adr/0048-checks-that-failed-are-repeated.md states these numbers."""
    service = TwoVersions(weight_percent=10)
    sent = []
    service.send = lambda url, request, send=service.send: sent.append(request) or send(url, request)
    for probe in (health, security):
        probe.run(DURING, service, service, service.time.pace)
    assert service.calls == {CANARY: 36, STABLE: 36}
    assert len(sent) == 11


# --- what is carried -------------------------------------------------------------------------------------


def test_the_tests_and_what_was_not_proved_leave_every_analysis():
    left = [1]

    def once(function, _, right):
        if function != "token" or not left[0]:
            return None
        left[0] -= 1
        return replace(right, status=500, body="")

    service = TwoVersions({CANARY: once})
    analysis = analysis_run.verify_before_traffic(BEFORE, clients(service))
    assert analysis.verdict.outcome is Outcome.PASS
    assert {*analysis.running} == {"health", "security", "flows"}
    assert analysis.running["health"]["checks"]["episodes"] == 1
    assert analysis.notes == (
        "not proved: token:2 unknown code: returned 500 without invalid_grant in 1 of 41, stable 0 of 41",
    )
    assert analysis.verdict.reason.endswith(f"; health {analysis.notes[0]}")
    later = analysis_run.run_flows(replace(BEFORE, prior=analysis.running), clients(service))
    assert later.running["health"] == analysis.running["health"]
    assert later.running["flows"] != analysis.running["flows"]
    after = analysis_run.verify_after_cutover(replace(AFTER_CUTOVER, prior=analysis.running), clients(service))
    assert after.running["health"]["checks"]["episodes"] == 1


def test_a_probe_that_breaks_leaves_its_tests_as_they_were():
    context = replace(BEFORE, prior={"health": {"checks": {"episodes": 4, "bets": [-1.0, -2.0]}}})
    service = TwoVersions()
    service.errors = [Throttled("slow down")] * 1000
    analysis = analysis_run.verify_before_traffic(context, clients(service))
    assert analysis.running == context.prior
    assert {one.verdict.outcome for one in analysis.evidence} == {Outcome.ERROR}


def test_three_probes_spend_the_share_of_the_checks():
    thresholds = policy().limits.thresholds
    service = TwoVersions()
    analysis = analysis_run.verify_before_traffic(BEFORE, clients(service))
    spent = [one.figures["false_alarm"]["percent"] for one in analysis.evidence if "false_alarm" in one.figures]
    assert len(spent) == 3
    assert sum(spent) == pytest.approx(100 * thresholds.false_alarm_probability("checks"))
