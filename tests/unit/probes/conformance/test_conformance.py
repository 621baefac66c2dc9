"""The conformance checks against the service itself, and against releases that break one rule each."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from orchestrator.domain.compliance.catalogue.controls import controls_of
from orchestrator.domain.compliance.control import Framework
from orchestrator.domain.compliance.result import Status
from orchestrator.domain.errors import Unreachable
from orchestrator.probes.conformance.run import CHECKS, run_checks
from orchestrator.probes.conformance.session import ATTEMPTS, SPACING_SECONDS, Session
from orchestrator.probes.synthetic_client import SyntheticIdentity
from tests.fakes import oauth_api
from tests.fakes.oauth_api import ISSUER, SYNTHETIC_KEY, BrokenApi, OAuthApi
from tests.fakes.two_versions import SimulatedTime

VIOLATIONS = {
    oauth_api.no_pkce_required: {"oauth-pkce-required"},
    oauth_api.plain_accepted: {"oauth-pkce-plain"},
    oauth_api.redirect_by_prefix: {
        "oauth-redirect-longer-path",
        "oauth-redirect-traversal",
        "oauth-redirect-other-query",
        "oauth-redirect-fragment",
    },
    oauth_api.no_iss: {"oauth-error-iss", "oauth-code-iss"},
    oauth_api.code_twice: {
        "oauth-code-once",
        "oauth-code-replay-revokes-access",
        "oauth-code-replay-revokes-refresh",
    },
    oauth_api.refresh_not_rotated: {"oauth-refresh-rotated", "oauth-refresh-reuse-refused"},
    oauth_api.tokens_cached: {"oauth-token-no-store", "oauth-token-error-no-store"},
    oauth_api.other_challenge: {
        "oauth-bearer-challenge",
        "oauth-bearer-resource-metadata",
        "oauth-bearer-invalid-token",
    },
    oauth_api.token_in_query: {"oauth-bearer-query"},
    oauth_api.lying_metadata: {"oauth-metadata-endpoints-answer", "oauth-openid-metadata-agrees"},
    oauth_api.state_dropped: {"oauth-error-state"},
    oauth_api.open_redirector: {
        "oauth-authorize-unknown-client",
        "oauth-redirect-unregistered",
        "oauth-redirect-longer-path",
        "oauth-redirect-traversal",
        "oauth-redirect-other-query",
        "oauth-redirect-host-prefix",
        "oauth-redirect-user-information",
        "oauth-redirect-scheme",
        "oauth-redirect-port",
        "oauth-redirect-case",
        "oauth-redirect-fragment",
        "oauth-authorize-no-client",
    },
    oauth_api.implicit_grant: {"oauth-response-type-token"},
    oauth_api.framed_page: {"oauth-page-not-framed"},
    oauth_api.tokens_survive_revocation: {"oauth-revocation-refresh", "oauth-revocation-access"},
    oauth_api.private_key_published: {"oauth-keys-public"},
    oauth_api.unsigned_accepted: {"oauth-bearer-unsigned"},
    oauth_api.issuer_from_request: {"oauth-metadata-issuer-not-from-request"},
}
"""Each broken release, with the controls that it must fail. It fails no others."""


def session_of(api, pace=None):
    identity = SyntheticIdentity(api, SYNTHETIC_KEY, "test")
    return Session(api, ISSUER, identity, pace or oauth_api.pace())


def results_of(api):
    return {result.control: result for result in run_checks(session_of(api))}


def failing(results):
    return {name for name, result in results.items() if result.status is Status.FAIL}


def test_every_control_of_the_framework_has_a_check_and_every_check_a_control():
    controls = [control.id for control in controls_of([Framework.OAUTH])]

    assert set(CHECKS) == set(controls)
    assert len(controls) == len(set(controls)) >= 120


def test_the_service_itself_passes_and_says_what_does_not_apply():
    results = results_of(OAuthApi())

    assert {name: result.reason for name, result in results.items() if result.status is Status.FAIL} == {}
    assert {name for name, result in results.items() if result.status is Status.NOT_CHECKED} == set()
    assert {name for name, result in results.items() if result.status is Status.NOT_APPLICABLE} == {
        "oauth-openid-metadata-rs256",
        "oauth-registration-authorized",
        "oauth-registration-wrong-token",
    }
    assert set(results) == set(CHECKS)


@pytest.mark.strategy("Compliance Checks: OAuth compliance")
@pytest.mark.parametrize("rule", VIOLATIONS, ids=lambda rule: rule.__name__)
def test_a_release_that_breaks_a_rule_is_found_and_the_rule_is_named(rule):
    results = results_of(BrokenApi(OAuthApi(), rule))

    assert failing(results) == VIOLATIONS[rule]
    assert all(results[name].reason for name in VIOLATIONS[rule])


def test_requests_are_sent_no_faster_than_five_a_second():
    time = SimulatedTime()
    api = OAuthApi()

    run_checks(session_of(api, time.pace))

    assert time.seconds > (len(api.sent) - 1.5) * SPACING_SECONDS
    assert len(api.sent) < 250


def test_a_throttled_request_waits_as_long_as_the_service_says_and_is_sent_again():
    time, api = SimulatedTime(), OAuthApi()
    busy = iter([True, True, False])

    def throttle(_, request, send):
        response = send(request)
        return replace(response, status=429, headers={"retry-after": ("3",)}) if next(busy, False) else response

    results = {one.control: one for one in run_checks(session_of(BrokenApi(api, throttle), time.pace))}

    assert failing(results) == set()
    assert time.seconds > 6


def test_a_service_that_stays_busy_is_not_checked_and_never_a_pass():
    def throttle(_, request, send):
        return replace(send(request), status=429)

    api = OAuthApi()
    statuses = Counter(result.status for result in results_of(BrokenApi(api, throttle)).values())

    assert statuses == {Status.NOT_CHECKED: len(CHECKS)}
    assert len(api.sent) == 3 * ATTEMPTS


@pytest.mark.parametrize(("status", "body"), [(404, ""), (200, "{}"), (200, "<html>"), (400, "{}"), (500, "")])
def test_a_server_that_is_another_one_passes_only_what_its_connection_proves(status, body):
    def other(_, request, send):
        return replace(send(request), status=status, headers={}, body=body)

    passed = {name for name, one in results_of(BrokenApi(OAuthApi(), other)).items() if one.status is Status.PASS}

    assert passed == {"oauth-metadata-address", "oauth-tls", "oauth-tls-certificate"}


def test_what_a_web_acl_refuses_is_not_checked():
    def block(_, request, send):
        return replace(send(request), status=403, version="", headers={})

    results = results_of(BrokenApi(OAuthApi(), block))

    assert results["oauth-redirect-unregistered"].status is Status.NOT_CHECKED
    assert "before it reached the service" in results["oauth-redirect-unregistered"].reason


def test_an_issuer_that_does_not_answer_gets_no_further_request():
    class Silent(OAuthApi):
        def send(self, base_url, request):
            self.sent.append(request)
            raise Unreachable("issuer.invalid: timed out")

    api = Silent()
    results = run_checks(session_of(api))

    assert {result.status for result in results} == {Status.NOT_CHECKED}
    assert len(results) == len(CHECKS)
    assert len(api.sent) == 3


def test_a_flow_that_fails_is_one_failure_and_the_controls_that_need_it_are_not_checked():
    def refuse(_, request, send):
        response = send(request)
        return replace(response, status=403, body="{}") if request.path == "/login/synthetic" else response

    results = results_of(BrokenApi(OAuthApi(), refuse))

    assert failing(results) == {"oauth-flow-completes"}
    assert results["oauth-refresh-rotated"].status is Status.NOT_CHECKED
    assert results["oauth-refresh-rotated"].remedy == "solve oauth-flow-completes first"


def test_no_reason_quotes_a_secret():
    api = OAuthApi()
    secrets = set()

    def remember(_, request, send):
        response = send(request)
        for found in (*(request.form or {}).items(), *request.query.items()):
            if found[0] in {"code", "code_verifier", "refresh_token", "token", "mac", "transaction"}:
                secrets.add(found[1])
        return replace(response, status=418, body=f"{response.body}!")

    results = results_of(BrokenApi(api, remember))

    assert not any(secret in result.reason for result in results.values() for secret in secrets if len(secret) > 20)


def test_nothing_of_a_run_stays_valid():
    api = OAuthApi()
    session = session_of(api)
    run_checks(session)

    kept = session.openid_grant
    assert (
        api.send(
            ISSUER, replace(api.sent[0], path="/userinfo", headers={"Authorization": f"Bearer {kept.access}"})
        ).status
        == 401
    )
