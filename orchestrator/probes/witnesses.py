"""Witnesses of a drill: given before its point, changed after it, and tried in the restored copy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from orchestrator.domain.observation import Answer, Request
from orchestrator.domain.recovery import Finding
from orchestrator.domain.token_safety import RotatedPolicy
from orchestrator.domain.verdict import Outcome, Verdict
from orchestrator.domain.witnesses import (
    ISSUED,
    REFUSED,
    SERVER_ERRORS_FROM,
    Tried,
    Witnesses,
    judge_alive,
    judge_dead,
    judge_rotated,
    unseen,
)
from orchestrator.probes import synthetic
from orchestrator.probes.ports import Invokes
from orchestrator.probes.synthetic import Broken, Code, Login, Prover, error_of, refuse_unexpected

OLD = (
    "tokens.kept",
    "tokens.used_code",
    "tokens.revoked_before",
    "tokens.revoked_since",
    "tokens.rotated_since",
    "tokens.open_code",
    "tokens.open_login",
)
"""The checks that need witnesses."""


@dataclass(frozen=True)
class Served:
    """Where the service is served: function by short name to its Lambda function and qualifier."""

    invokes: Invokes
    functions: Mapping[str, tuple[str, str]]

    def send(self, _step: str, function: str, request: Request, expected: int) -> Answer:
        """Send a request. Raises Broken where another status comes back; Throttled, Unreachable."""
        return refuse_unexpected(self.ask(function, request), expected)

    def ask(self, function: str, request: Request) -> Answer:
        """Send a request and take whatever comes back. Raises Throttled, Unreachable."""
        name, qualifier = self.functions[function]
        return self.invokes.invoke(name, qualifier, request)


def give(served: Served, prover: Prover, now: Callable[[], datetime]) -> Witnesses:
    """Have the service give witnesses. Raises Broken."""
    send = served.send
    codes = [synthetic.log_in(send, synthetic.begin(send), prover) for _ in range(5)]
    kept, revoked, revoked_since, rotated = (synthetic.redeem(send, code).refresh for code in codes[:4])
    synthetic.revoke(send, revoked)
    login = synthetic.begin(send)
    return Witnesses(
        written_at=now(),
        kept=kept,
        used_code=(codes[0].code, codes[0].verifier),
        revoked=revoked,
        revoked_since=revoked_since,
        rotated=rotated,
        open_code=(codes[4].code, codes[4].verifier),
        open_login=(login.transaction, login.cookie, login.verifier, login.state),
    )


def change(served: Served, witnesses: Witnesses) -> Witnesses:
    """Do what happens after the point: one family is revoked, of another the token is replaced. Raises Broken."""
    synthetic.revoke(served.send, witnesses.revoked_since)
    return witnesses.after_rotation(synthetic.refresh(served.send, witnesses.rotated).refresh)


def look(
    served: Served, prover: Prover, witnesses: Witnesses | None, policy: RotatedPolicy, *, expected: bool
) -> list[Finding]:
    """Try everything in the restored copy.

    Args:
        served: the copy.
        prover: the synthetic identity's.
        witnesses: what was given before the point; None where nothing was.
        policy: what becomes of tokens that were replaced since.
        expected: whether there have to be witnesses, so that their absence is a finding.

    Raises:
        Throttled, Unreachable: Lambda or KMS did not let us.
    """
    found = [_new_flow(served, prover)]
    if witnesses is None or not witnesses.changed:
        return found + ([unseen(check) for check in OLD] if expected else [])
    # The used code comes last: trying it ends the family that came of it.
    return [
        *found,
        judge_alive(OLD[0], _refreshed(served, witnesses.kept), "a token issued before the point"),
        judge_dead(OLD[2], _refreshed(served, witnesses.revoked), "a token revoked before the point"),
        judge_dead(OLD[3], _refreshed(served, witnesses.revoked_since), "a token revoked after the point"),
        _rotated(served, witnesses, policy),
        judge_dead(OLD[5], _redeemed(served, Code(*witnesses.open_code)), "a code that was outstanding"),
        judge_dead(OLD[6], _logged_in(served, Login(*witnesses.open_login), prover), "a login that was outstanding"),
        judge_dead(OLD[1], _redeemed(served, Code(*witnesses.used_code)), "a code used before the point"),
    ]


def _rotated(served: Served, witnesses: Witnesses, policy: RotatedPolicy) -> Finding:
    """The token that was replaced and the one that replaced it. Trying a wrong one ends the family, so what may be right comes first."""
    if policy is RotatedPolicy.REVOKE:
        replaced, last = (_refreshed(served, one) for one in (witnesses.rotated, witnesses.rotated_since))
    else:
        last, replaced = (_refreshed(served, one) for one in (witnesses.rotated_since, witnesses.rotated))
    return judge_rotated(policy, replaced, last)


def _new_flow(served: Served, prover: Prover) -> Finding:
    """A whole new flow: log in, redeem, userinfo, refresh, userinfo; and its code does not work twice."""
    check, meaning = "tokens.new_flow", "a new flow"
    try:
        code = synthetic.log_in(served.send, synthetic.begin(served.send), prover)
        tokens = synthetic.redeem(served.send, code)
        synthetic.identify(served.send, tokens.access)
        tokens = synthetic.refresh(served.send, tokens.refresh)
        synthetic.identify(served.send, tokens.access)
    except Broken as error:
        return Finding(check, Verdict.failed(f"{meaning}: it {error}"))
    again = judge_dead(check, _redeemed(served, code), f"{meaning}: its code a second time")
    if again.verdict.outcome is not Outcome.PASS:
        return again
    return Finding(check, Verdict.passed(f"{meaning}: from login to refreshed token, and its code works once"))


def _logged_in(served: Served, login: Login, prover: Prover) -> Tried:
    """A login may still be ended, and give a code that is dead; or not even that."""
    answers = []

    def send(_step: str, function: str, request: Request, expected: int) -> Answer:
        answers.append(served.ask(function, request))
        return refuse_unexpected(answers[-1], expected)

    try:
        code = synthetic.log_in(send, login, prover)
    except Broken:
        status = answers[-1].status
        return Tried(status, REFUSED if status < SERVER_ERRORS_FROM else "")
    return _redeemed(served, code)


def _refreshed(served: Served, token: str) -> Tried:
    return _tried(served, synthetic.refreshing(token))


def _redeemed(served: Served, code: Code) -> Tried:
    return _tried(served, synthetic.redeeming(code))


def _tried(served: Served, request: Request) -> Tried:
    answer = served.ask("token", request)
    result = ISSUED if "access_token" in synthetic.document_of(answer) else error_of(answer)
    return Tried(answer.status, result)
