"""Seeded grants of a drill: seed them before its recovery point, change them after it, and check them afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from orchestrator.domain.analysis.observations import HttpRequest, HttpResponse
from orchestrator.domain.recovery.record import CheckResult
from orchestrator.domain.recovery.seeded_grants import (
    ISSUED,
    REFUSED,
    SERVER_ERRORS_FROM,
    GrantAttempt,
    SeededGrants,
    judge_accepted,
    judge_rejected,
    judge_rotated,
    not_seeded,
)
from orchestrator.domain.recovery.token_sanitization import RotatedPolicy
from orchestrator.domain.verdict import Outcome, Verdict
from orchestrator.probes import synthetic_client
from orchestrator.probes.ports import Invoker
from orchestrator.probes.synthetic_client import (
    Code,
    FlowFailed,
    Login,
    SyntheticIdentity,
    oauth_error,
    refuse_unexpected,
)

GRANT_CHECKS = (
    "tokens.kept",
    "tokens.used_code",
    "tokens.revoked_before",
    "tokens.revoked_since",
    "tokens.rotated_since",
    "tokens.open_code",
    "tokens.open_login",
)
"""The checks that need seeded grants."""


@dataclass(frozen=True)
class GrantClient:
    """A client of the service through Lambda.

    Attributes:
        invoker: invokes functions.
        functions: short name of a function to its Lambda name and qualifier.
    """

    invoker: Invoker
    functions: Mapping[str, tuple[str, str]]

    def send(self, _step: str, function: str, request: HttpRequest, expected: int) -> HttpResponse:
        """Send a request. Raises FlowFailed for another status than `expected`; Throttled, Unreachable."""
        return refuse_unexpected(self.try_send(function, request), expected)

    def try_send(self, function: str, request: HttpRequest) -> HttpResponse:
        """Send a request, and accept any status. Raises Throttled, Unreachable."""
        name, qualifier = self.functions[function]
        return self.invoker.invoke(name, qualifier, request)


def seed_grants(client: GrantClient, identity: SyntheticIdentity, now: Callable[[], datetime]) -> SeededGrants:
    """Have the service issue the grants. Raises FlowFailed."""
    send = client.send
    codes = [synthetic_client.complete_login(send, synthetic_client.begin_login(send), identity) for _ in range(5)]
    kept, revoked, revoked_since, rotated = (synthetic_client.redeem_code(send, code).refresh for code in codes[:4])
    synthetic_client.revoke_token(send, revoked)
    login = synthetic_client.begin_login(send)
    return SeededGrants(
        written_at=now(),
        kept=kept,
        used_code=(codes[0].code, codes[0].verifier),
        revoked=revoked,
        revoked_since=revoked_since,
        rotated=rotated,
        open_code=(codes[4].code, codes[4].verifier),
        open_login=(login.transaction, login.cookie, login.verifier, login.state),
    )


def revoke_and_rotate(client: GrantClient, grants: SeededGrants) -> SeededGrants:
    """Make the changes after the recovery point: revoke one family, rotate another one's token. Raises FlowFailed."""
    synthetic_client.revoke_token(client.send, grants.revoked_since)
    return grants.after_rotation(synthetic_client.refresh_tokens(client.send, grants.rotated).refresh)


def check_grants(
    client: GrantClient,
    identity: SyntheticIdentity,
    grants: SeededGrants | None,
    policy: RotatedPolicy,
    *,
    expected: bool,
) -> list[CheckResult]:
    """Check every grant, and a new flow, against the service with the restored tables.

    Args:
        client: of the isolated service.
        identity: the synthetic identity.
        grants: what was seeded before the recovery point; None if nothing was.
        policy: what happens to tokens that were rotated after the recovery point.
        expected: whether there must be grants, so that missing ones are a result of their own.

    Raises:
        Throttled, Unreachable: Lambda or KMS did not accept the calls.
    """
    results = [_check_new_flow(client, identity)]
    if grants is None or not grants.changed:
        return results + ([not_seeded(check) for check in GRANT_CHECKS] if expected else [])
    kept, used_code, revoked_before, revoked_since, _, open_code, open_login = GRANT_CHECKS
    # The used code comes last: using it again ends the family that it started.
    return [
        *results,
        judge_accepted(kept, _refresh(client, grants.kept), "a token issued before the point"),
        judge_rejected(revoked_before, _refresh(client, grants.revoked), "a token revoked before the point"),
        judge_rejected(revoked_since, _refresh(client, grants.revoked_since), "a token revoked after the point"),
        _check_rotated(client, grants, policy),
        judge_rejected(open_code, _redeem(client, Code(*grants.open_code)), "an unused code"),
        judge_rejected(open_login, _log_in(client, Login(*grants.open_login), identity), "a pending login"),
        judge_rejected(used_code, _redeem(client, Code(*grants.used_code)), "a code used before the point"),
    ]


def _check_rotated(client: GrantClient, grants: SeededGrants, policy: RotatedPolicy) -> CheckResult:
    """Check the rotated token and its successor. A wrong one ends the family, so the possibly valid one goes first."""
    if policy is RotatedPolicy.REVOKE:
        rotated, successor = (_refresh(client, token) for token in (grants.rotated, grants.rotated_since))
    else:
        successor, rotated = (_refresh(client, token) for token in (grants.rotated_since, grants.rotated))
    return judge_rotated(policy, rotated, successor)


def _check_new_flow(client: GrantClient, identity: SyntheticIdentity) -> CheckResult:
    """Run a whole new flow: login, token, userinfo, refresh, userinfo; and check that its code works only once."""
    check, meaning = "tokens.new_flow", "a new flow"
    try:
        code = synthetic_client.complete_login(client.send, synthetic_client.begin_login(client.send), identity)
        tokens = synthetic_client.redeem_code(client.send, code)
        synthetic_client.check_userinfo(client.send, tokens.access)
        tokens = synthetic_client.refresh_tokens(client.send, tokens.refresh)
        synthetic_client.check_userinfo(client.send, tokens.access)
    except FlowFailed as error:
        return CheckResult(check, Verdict.failed(f"{meaning}: it {error}"))
    again = judge_rejected(check, _redeem(client, code), f"{meaning}: its code a second time")
    if again.verdict.outcome is not Outcome.PASS:
        return again
    return CheckResult(check, Verdict.passed(f"{meaning}: from login to refreshed token, and its code works once"))


def _log_in(client: GrantClient, login: Login, identity: SyntheticIdentity) -> GrantAttempt:
    """Complete a login. It may be rejected, or return a code, which must be rejected then."""
    responses = []

    def send(_step: str, function: str, request: HttpRequest, expected: int) -> HttpResponse:
        responses.append(client.try_send(function, request))
        return refuse_unexpected(responses[-1], expected)

    try:
        code = synthetic_client.complete_login(send, login, identity)
    except FlowFailed:
        status = responses[-1].status
        return GrantAttempt(status, REFUSED if status < SERVER_ERRORS_FROM else "")
    return _redeem(client, code)


def _refresh(client: GrantClient, token: str) -> GrantAttempt:
    return _attempt(client, synthetic_client.refresh_request(token))


def _redeem(client: GrantClient, code: Code) -> GrantAttempt:
    return _attempt(client, synthetic_client.redeem_request(code))


def _attempt(client: GrantClient, request: HttpRequest) -> GrantAttempt:
    response = client.try_send("token", request)
    result = ISSUED if "access_token" in synthetic_client.json_object(response) else oauth_error(response)
    return GrantAttempt(response.status, result)
