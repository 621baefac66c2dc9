"""The command `doctor`: check an environment and its account, one line a check."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from orchestrator.aws.clients import translate_errors
from orchestrator.cli.actions.checks.environment_checks import Checks
from orchestrator.cli.actions.checks.examine import examine
from orchestrator.cli.context import Context, clients_of
from orchestrator.cli.errors import DONE, FAILED, UNREACHABLE
from orchestrator.cli.rendering.output import console, print_json
from orchestrator.domain.doctor.result import Level, Named, has_failed, is_incomplete
from orchestrator.domain.printable import one_line

_STYLES = {Level.PASS: "green", Level.WARN: "yellow", Level.FAIL: "bold red", Level.SKIPPED: "dim"}


def doctor(context: Context, *, json: bool) -> int:
    """Check an environment; return the exit code: 1 if a check failed, 3 if AWS did not answer one, else 0.

    Raises:
        Unreachable: there are no credentials, or AWS could not be reached at all.
    """
    checks = Checks(context, partial(clients_of, context.environment))
    results, screen = [], console()
    with translate_errors():
        # Nothing can be read without credentials, so this error ends the command.
        _ = checks.caller
    for name, judge in checks.all():
        result = examine(name, judge, context.name)
        results.append(result)
        if not json:
            screen.print(
                _line(result), style=_STYLES[result.result.level], markup=False, highlight=False, soft_wrap=True
            )
    if json:
        print_json({"environment": context.name, "checks": [_as_json(result) for result in results]})
    else:
        screen.print(_summary(results), style="bold", markup=False)
    if has_failed(results):
        return FAILED
    return UNREACHABLE if is_incomplete(results) else DONE


def _line(named: Named) -> str:
    result = named.result
    remedy = f" -> {result.remedy}" if result.remedy else ""
    return f"{result.level:<8} {named.check:<15} {one_line(result.reason)}{one_line(remedy)}"


def _as_json(named: Named) -> Mapping[str, str]:
    return {
        "check": named.check,
        "level": named.result.level,
        "reason": named.result.reason,
        "remedy": named.result.remedy,
    }


def _summary(results: list[Named]) -> str:
    counts = {level: sum(named.result.level is level for named in results) for level in Level}
    return f"{len(results)} checks: {', '.join(f'{count} {level}' for level, count in counts.items() if count)}"
