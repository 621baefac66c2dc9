"""Grants of the synthetic identity that are given before the point of a drill, so that it can be seen what a restore does to them.

    before the point                                  after it                  in the restored copy
    kept              a family with its refresh token                           still refreshes
    used_code         the code that it came of, used                            fails
    revoked           a family that was revoked                                 stays dead
    revoked_since     a family                        revoked                   stays dead
    rotated           a family                        its token is replaced     as the policy says
    open_code         a code that nobody has used                               fails
    open_login        a login that nobody has ended                             comes to nothing

What is known of them are secrets. They are kept sealed, and in no representation.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from orchestrator.domain.recovery import Finding
from orchestrator.domain.token_safety import RotatedPolicy
from orchestrator.domain.verdict import Outcome, Verdict

REFUSED = "invalid_grant"
ISSUED = "issued"
SERVER_ERRORS_FROM = 500


@dataclass(frozen=True)
class Witnesses:
    """The grants of one drill. Refresh tokens, codes with their verifiers, and what a browser keeps of a login.

    written_at: when the last of them was given: only a point later than this has them all.
    rotated_since: the token that replaced `rotated` after the point; empty until then.
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
        """Whether what happens after the point has happened."""
        return bool(self.rotated_since)

    def after_rotation(self, token: str) -> Witnesses:
        """With the token that replaced `rotated`."""
        return replace(self, rotated_since=token)


@dataclass(frozen=True)
class Tried:
    """What came of trying something in the restored copy.

    Attributes:
        status: HTTP status.
        result: `issued`, or the OAuth error code; empty where there was neither.
    """

    status: int
    result: str


def judge_alive(check: str, tried: Tried, meaning: str) -> Finding:
    """Something that has to work: FAIL where it is refused, ERROR where the service itself fails."""
    if tried.result == ISSUED:
        return _finding(check, Verdict.passed(f"{meaning}: it works"), tried)
    return _finding(check, _otherwise(tried, f"{meaning}: it should work"), tried)


def judge_dead(check: str, tried: Tried, meaning: str) -> Finding:
    """Something that has to be refused as `invalid_grant`, and as nothing else: a service that is down refuses, too."""
    if tried.result == REFUSED:
        return _finding(check, Verdict.passed(f"{meaning}: it is dead"), tried)
    return _finding(check, _otherwise(tried, f"{meaning}: it should be dead"), tried)


def judge_rotated(policy: RotatedPolicy, before: Tried, since: Tried) -> Finding:
    """A token that was replaced after the point, and the one that replaced it.

    Under REVOKE `before` was tried first, the one that a copy as the restore left it would take; under ACCEPT `since`.
    """
    check, meaning = "tokens.rotated_since", f"replaced after the point, and the policy is {policy}"
    if policy is RotatedPolicy.REVOKE:
        first = judge_dead(check, since, f"the last token of a family that was {meaning}")
    else:
        first = judge_alive(check, since, f"the last token of a family that was {meaning}")
    if first.verdict.outcome is not Outcome.PASS:
        return first
    replaced = judge_dead(check, before, f"a token that was {meaning}")
    told = replaced if replaced.verdict.outcome is not Outcome.PASS else first
    return replace(told, figures={"replaced": _figures(before), "last": _figures(since)})


def unseen(check: str) -> Finding:
    """A check for which there is no witness. Missing evidence is no pass."""
    return Finding(check, Verdict.inconclusive("nothing was issued before the point that could be tried"))


def _otherwise(tried: Tried, what: str) -> Verdict:
    told = f"{what}, and was answered {tried.status} {tried.result}".rstrip()
    return Verdict.error(told) if tried.status >= SERVER_ERRORS_FROM else Verdict.failed(told)


def _finding(check: str, verdict: Verdict, tried: Tried) -> Finding:
    return Finding(check, verdict, _figures(tried))


def _figures(tried: Tried) -> dict[str, int | str]:
    return {"status": tried.status, "result": tried.result}


PATIENCE = timedelta(minutes=15)
"""How long a point that has the witnesses is waited for. DynamoDB's latest is about five minutes ago."""


def awaited(witnesses: Witnesses, latest: Iterable[datetime | None], now: datetime) -> str:
    """What is still to be waited for; empty where every table can be restored to a point that has them.

    A table that cannot be restored at all, or is too late, is nothing to wait for: the plan refuses it, or the findings tell.
    """
    known = [one for one in latest if one is not None]
    behind = [one for one in known if one < witnesses.written_at]
    if not behind or now > witnesses.written_at + PATIENCE:
        return ""
    return f"tables can be restored to {min(behind).isoformat()}, and the witnesses are of {witnesses.written_at.isoformat()}"
