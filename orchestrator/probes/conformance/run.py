"""Run the conformance checks against an issuer: one result for each control."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from orchestrator.domain.compliance.result import NotApplicable, NotChecked, Result, Status, result_of_problem
from orchestrator.domain.errors import Throttled, Unreachable
from orchestrator.domain.printable import one_line
from orchestrator.domain.texts import shortened
from orchestrator.probes.conformance import authorization, discovery, issued_tokens, resources, tokens
from orchestrator.probes.conformance.registry import Check
from orchestrator.probes.conformance.session import Session
from orchestrator.probes.synthetic_client import FlowFailed

CHECKS = {
    name: check
    for module in (discovery, authorization, tokens, issued_tokens, resources)
    for name, check in module.registry.checks.items()
}
"""The check of each control, in the order they run."""

FLOW = "oauth-flow-completes"
"""The control that fails if a flow fails; the others that need it are not checked then."""
SKIP_AFTER_UNREACHABLE = 3
"""After so many checks in a row without an answer, the others are not tried."""


def run_checks(session: Session, progress: Callable[[str], None] = lambda _: None) -> list[Result]:
    """Run every check.

    Args:
        session: of the issuer.
        progress: called with the id of each control before its check.

    Returns:
        One result for each control of the framework `oauth`. If the issuer does not answer, the others are not checked.
    """
    return list(_results(session, progress))


def _results(session: Session, progress: Callable[[str], None]) -> Iterator[Result]:
    unanswered: list[str] = []
    for name, check in CHECKS.items():
        if len(unanswered) >= SKIP_AFTER_UNREACHABLE:
            yield Result(name, Status.NOT_CHECKED, f"the issuer did not answer: {unanswered[-1]}", "repeat the command")
            continue
        progress(name)
        try:
            yield _result(name, check, session)
            unanswered.clear()
        except (Unreachable, Throttled) as error:
            unanswered.append(_quoted(error))
            yield Result(name, Status.NOT_CHECKED, unanswered[-1], "repeat the command")
    try:
        session.close()
    except (Unreachable, Throttled, NotChecked, FlowFailed):
        return  # what stays valid expires within minutes


def _result(name: str, check: Check, session: Session) -> Result:
    try:
        return result_of_problem(name, _quoted(check(session)))
    except NotApplicable as error:
        return Result(name, Status.NOT_APPLICABLE, str(error))
    except NotChecked as error:
        return Result(name, Status.NOT_CHECKED, _quoted(error.reason), error.remedy)
    except FlowFailed as error:
        problem = f"a flow did not complete: {_quoted(error)}"
        if name == FLOW:
            return Result(name, Status.FAIL, problem)
        return Result(name, Status.NOT_CHECKED, problem, f"solve {FLOW} first")


def _quoted(text: object) -> str:
    return shortened(one_line(str(text)))
