"""Grants of the synthetic identity that a drill issues before its recovery point, to check what a restore does to them.

    grant           before the point                    after the point           in the restored tables
    kept            a family with its refresh token     -                         refreshes
    used_code       the used code of that family        -                         is rejected
    revoked         a revoked family                    -                         is rejected
    revoked_since   a family                            it is revoked             is rejected
    rotated         a family                            its token is rotated      depends on the policy
    open_code       an unused code                      -                         is rejected
    open_login      a pending login                     -                         is rejected

They contain secrets. They are stored encrypted, and hidden in representations.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from orchestrator.domain.recovery.record import CheckResult
from orchestrator.domain.recovery.token_sanitization import RotatedPolicy
from orchestrator.domain.verdict import Outcome, Verdict

REFUSED = "invalid_grant"
ISSUED = "issued"
SERVER_ERRORS_FROM = 500
_POINT_ROUNDING = timedelta(seconds=1)


@dataclass(frozen=True)
class SeededGrants:
    """The grants of one drill: refresh tokens, codes with their verifiers, and the browser state of a login.

    Attributes:
        written_at: when the last of them was issued; only a later recovery point includes them all.
        rotated_since: the token that replaced `rotated` after the point; empty before that.
    """

    written_at: datetime
    kept: str = field(repr=False)
    used_code: tuple[str, str] = field(repr=False)
    revoked: str = field(repr=False)
    revoked_since: str = field(repr=False)
    rotated: str = field(repr=False)
    open_code: tuple[str, str] = field(repr=False)
    open_login: tuple[str, str, str, str] = field(repr=False)
    rotated_since: str = field(default="", repr=False)

    @property
    def changed(self) -> bool:
        """Whether the changes after the point were made."""
        return bool(self.rotated_since)

    def precede(self, point: datetime) -> bool:
        """Return whether all of them were issued before a recovery point. Others are not in a table of that point.

        Points are whole seconds: `written_at` is a second later than the issue, and the point that was awaited for it
        may be earlier than it by less than that.
        """
        return point > self.written_at - _POINT_ROUNDING

    def after_rotation(self, token: str) -> SeededGrants:
        """Return the grants with the token that replaced `rotated`."""
        return replace(self, rotated_since=token)


@dataclass(frozen=True)
class GrantAttempt:
    """The result of trying a grant in the isolated service.

    Attributes:
        status: HTTP status.
        result: `issued`, or the OAuth error code; empty if there was neither.
    """

    status: int
    result: str


def judge_accepted(check: str, attempt: GrantAttempt, meaning: str) -> CheckResult:
    """Judge a grant that must be accepted: FAIL if it is rejected, ERROR if the service itself fails."""
    if attempt.result == ISSUED:
        return _check_result(check, Verdict.passed(f"{meaning}: it is accepted"), attempt)
    return _check_result(check, _failure(attempt, f"{meaning}: it should be accepted"), attempt)


def judge_rejected(check: str, attempt: GrantAttempt, meaning: str) -> CheckResult:
    """Judge a grant that must be rejected as `invalid_grant`. Other errors do not count: a broken service also fails."""
    if attempt.result == REFUSED:
        return _check_result(check, Verdict.passed(f"{meaning}: it is rejected"), attempt)
    return _check_result(check, _failure(attempt, f"{meaning}: it should be rejected"), attempt)


def judge_rotated(policy: RotatedPolicy, before: GrantAttempt, since: GrantAttempt) -> CheckResult:
    """Judge a token that was rotated after the point, and its replacement.

    Under REVOKE `before` was tried first, because an unsanitized table would accept it; under ACCEPT `since`.
    """
    check, meaning = "tokens.rotated_since", f"rotated after the point, and the policy is {policy}"
    if policy is RotatedPolicy.REVOKE:
        first = judge_rejected(check, since, f"the last token of a family that was {meaning}")
    else:
        first = judge_accepted(check, since, f"the last token of a family that was {meaning}")
    if first.verdict.outcome is not Outcome.PASS:
        return first
    replaced_result = judge_rejected(check, before, f"a token that was {meaning}")
    result = replaced_result if replaced_result.verdict.outcome is not Outcome.PASS else first
    return replace(result, figures={"replaced": _figures(before), "last": _figures(since)})


def not_seeded(check: str) -> CheckResult:
    """Return the result of a check without a seeded grant. Missing evidence never passes."""
    return CheckResult(check, Verdict.inconclusive("there is no grant from before the point to try"))


def older_than_grants(kind: str) -> CheckResult:
    """Return the result of the seeded grants in a drill of a backup without standing grants. It does not decide."""
    reason = (
        f"not covered: a backup of kind {kind} is older than any grant of its drill, and holds no standing grants that were "
        "kept: `tokens.safe` judged the grants that it holds"
    )
    return CheckResult("tokens.seeded", Verdict.inconclusive(reason), decides=False)


def _failure(attempt: GrantAttempt, expectation: str) -> Verdict:
    reason = f"{expectation}, and the response was {attempt.status} {attempt.result}".rstrip()
    return Verdict.error(reason) if attempt.status >= SERVER_ERRORS_FROM else Verdict.failed(reason)


def _check_result(check: str, verdict: Verdict, attempt: GrantAttempt) -> CheckResult:
    return CheckResult(check, verdict, _figures(attempt))


def _figures(attempt: GrantAttempt) -> dict[str, int | str]:
    return {"status": attempt.status, "result": attempt.result}


SEEDING_TIMEOUT = timedelta(minutes=15)
"""How long to wait for a recovery point with the seeded grants. DynamoDB's latest is about five minutes ago."""


def recovery_point_pending(grants: SeededGrants, latest: Iterable[datetime | None], now: datetime) -> str:
    """Return what to wait for; empty if every table can be restored to a point with the grants.

    Tables that cannot be restored, or are too late, are not awaited: the plan or the checks refuse them.
    """
    known = [time for time in latest if time is not None]
    behind = [time for time in known if time < grants.written_at]
    if not behind or now > grants.written_at + SEEDING_TIMEOUT:
        return ""
    written = grants.written_at.isoformat()
    return f"tables can be restored to {min(behind).isoformat()}, and the seeded grants were written at {written}"
