"""Seeded grants of a drill: seed them before its recovery point, change them after it, and check them afterwards.

Standing grants are given ahead of time, by a schedule, for drills of older points (ADR 75).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from orchestrator.application.cloud import Cloud
from orchestrator.domain.analysis.observations import HttpRequest, HttpResponse
from orchestrator.domain.deployment.plan import Service
from orchestrator.domain.errors import Unreachable
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
from orchestrator.domain.recovery.standing_grants.coverage import LIFETIME, StandingGrants
from orchestrator.domain.recovery.standing_grants.held import not_covered
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


def live_client(cloud: Cloud, service: Service) -> tuple[GrantClient, SyntheticIdentity]:
    """Return a client of the live service, and the synthetic identity."""
    targets = {name: (function_name, service.alias) for name, function_name in service.functions.items()}
    identity = SyntheticIdentity(cloud.probe_clients.macs, service.synthetic_key_id, cloud.environment)
    return GrantClient(cloud.probe_clients.functions, targets), identity


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


MOST_CHANGED = 2
"""How many earlier sets are changed in a run: the last one, and the one before if the service failed then."""


def keep_standing_grants(cloud: Cloud) -> str:
    """Give a set of standing grants, and change the earlier ones once it is complete.

    So the newest set before any recovery point was changed after that point. A second delivery of the same event gives
    a second set, which does no harm.

    Raises:
        Unreachable: the service issued no grants. Lambda repeats the event; without a set, points are not covered.
    """
    client, identity = live_client(cloud, msgspec.json.decode(cloud.settings["SERVICE"], type=Service))
    now = cloud.now()
    earlier = [one for one in cloud.standing_grants.list_sets(now - LIFETIME, now) if one.changed_at is None]
    try:
        # Recovery points are whole seconds, and so are the times of the sets: a second after the last grant or later.
        grants = seed_grants(client, identity, lambda: (cloud.now() + timedelta(seconds=2)).replace(microsecond=0))
    except FlowFailed as error:
        raise Unreachable(f"no standing grants were given: the service {error}") from error
    cloud.seeded_grants.save_standing(grants)
    cloud.sleep(max(0.0, (grants.written_at - cloud.now()).total_seconds()))
    changes = [_change_standing(cloud, client, one) for one in earlier[-MOST_CHANGED:]]
    return "; ".join([f"standing grants of {grants.written_at.isoformat()}", *changes])


def _change_standing(cloud: Cloud, client: GrantClient, one: StandingGrants) -> str:
    grants, changed_at = cloud.seeded_grants.find_standing(one.written_at), cloud.now()
    if grants is None:
        return f"those of {one.written_at.isoformat()} are no longer kept"
    try:
        changed = revoke_and_rotate(client, grants)
    except FlowFailed as error:
        withdraw_spoiled(cloud, grants, error)
        return f"those of {one.written_at.isoformat()} were not changed: the service {error}"
    cloud.seeded_grants.save_standing(changed, changed_at)
    return f"those of {one.written_at.isoformat()} were changed"


def withdraw_spoiled(cloud: Cloud, grants: SeededGrants, error: FlowFailed) -> None:
    """Withdraw standing grants that the service refuses to rotate, so that no later drill takes them.

    Their token was rotated before, and its successor was lost: the change was made, and not recorded. As changed from the
    beginning, they cover no point.
    """
    if error.error == REFUSED:
        cloud.seeded_grants.save_standing(grants, grants.written_at)


def check_grants(
    client: GrantClient,
    identity: SyntheticIdentity,
    grants: SeededGrants | None,
    policy: RotatedPolicy,
    *,
    expected: bool,
    not_tried: Mapping[str, str] | None = None,
) -> list[CheckResult]:
    """Check every grant, and a new flow, against the service with the restored tables.

    Args:
        client: of the isolated service.
        identity: the synthetic identity.
        grants: what was seeded before the recovery point; None if nothing was.
        policy: what happens to tokens that were rotated after the recovery point.
        expected: whether there must be grants, so that missing ones are a result of their own.
        not_tried: checks of grants that cannot be tried, with the reason. They are not covered, and do not decide.

    Raises:
        Throttled, Unreachable: Lambda or KMS did not accept the calls.
    """
    results = [_check_new_flow(client, identity)]
    if grants is None or not grants.changed:
        return results + ([not_seeded(check) for check in GRANT_CHECKS] if expected else [])
    kept, used_code, revoked_before, revoked_since, rotated_since, open_code, open_login = GRANT_CHECKS

    def rejected(check: str, attempt: Callable[[], GrantAttempt], meaning: str) -> Callable[[], CheckResult]:
        return lambda: judge_rejected(check, attempt(), meaning)

    # The used code comes last: using it again ends the family that it started.
    checks: dict[str, Callable[[], CheckResult]] = {
        kept: lambda: judge_accepted(kept, _refresh(client, grants.kept), "a token issued before the point"),
        revoked_before: rejected(
            revoked_before, lambda: _refresh(client, grants.revoked), "a token revoked before the point"
        ),
        revoked_since: rejected(
            revoked_since, lambda: _refresh(client, grants.revoked_since), "a token revoked after the point"
        ),
        rotated_since: lambda: _check_rotated(client, grants, policy),
        open_code: rejected(open_code, lambda: _redeem(client, Code(*grants.open_code)), "an unused code"),
        open_login: rejected(
            open_login, lambda: _log_in(client, Login(*grants.open_login), identity), "a pending login"
        ),
        used_code: rejected(
            used_code, lambda: _redeem(client, Code(*grants.used_code)), "a code used before the point"
        ),
    }
    reasons = not_tried or {}
    return results + [
        not_covered(check, reasons[check]) if check in reasons else run() for check, run in checks.items()
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
