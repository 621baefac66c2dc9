"""Hooks, ``[[delivery.hooks]]``: servers or Lambda functions that a deployment asks before it continues.

A hook is a gate (`gates.py`) that one answer passes or fails. It fails closed: no answer, another answer than PASS, and an
answer to another question all roll the deployment back. The answer repeats the question's one-time token, so it belongs
to one gate of one deployment; every attempt of the same question has the same token.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from orchestrator.domain.deployment.custom_checks import MAX_TEXT, NAME, NAME_REMEDY, URL, URL_REMEDY
from orchestrator.domain.deployment.gates import Gate, GateKind
from orchestrator.domain.printable import one_line
from orchestrator.domain.schema import SettingsReader, read_named
from orchestrator.domain.setting_rules import Choice
from orchestrator.domain.texts import shortened

MAX_HOOKS = 5
MAX_TIMEOUT_SECONDS = 15
"""Three attempts stay within a task's minute."""

ATTEMPTS = 3
"""How often a hook is called until it answers."""

DEADLINE = timedelta(minutes=5)
"""The longest time that a hook takes with all repetitions of its task."""

VERDICTS = ("PASS", "FAIL")

_FUNCTION = re.compile(r"arn:aws:lambda:[a-z0-9-]+:[0-9]{12}:function:[A-Za-z0-9_-]+(:[A-Za-z0-9$_-]+)?")
_SECRET = re.compile(r"arn:aws:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[\w/+=.@-]+")


class HookKind(StrEnum):
    """How a hook is called."""

    WEBHOOK = "webhook"
    LAMBDA = "lambda"


class HookPhase(StrEnum):
    """When every deployment calls a hook."""

    BEFORE_TRAFFIC = "before_traffic"
    AFTER_EACH_STEP = "after_each_step"
    AFTER_PROMOTION = "after_promotion"


@dataclass(frozen=True)
class Hook:
    """One hook.

    Attributes:
        phases: when every deployment calls it; a strategy can name it in its steps as well.
        timeout: of one attempt.
        url, secret: of a webhook: its address, and the ARN of the Secrets Manager secret that signs the requests.
        function: of a Lambda function: its ARN.
    """

    name: str
    kind: HookKind
    phases: tuple[HookPhase, ...]
    timeout: timedelta
    url: str = ""
    secret: str = ""
    function: str = ""


@dataclass(frozen=True)
class HookCall:
    """The question that a deployment asks at one gate. `answer_token`: its one-time token, which the answer repeats."""

    answer_token: str


@dataclass(frozen=True)
class HookAnswer:
    """What a hook answered.

    Attributes:
        passed: it answered PASS.
        judged: it answered PASS or FAIL; otherwise there was no valid answer, which says nothing about the release.
    """

    passed: bool
    judged: bool
    reason: str


def read_hooks(settings: SettingsReader) -> tuple[Hook, ...]:
    """Read the ``hooks`` of a ``[delivery]`` table.

    Raises:
        Refused: a hook is wrong. The error names the field, the value and the remedy.
    """
    return read_named(settings, "hooks", "hook", MAX_HOOKS, _read_hook)


def _read_hook(table: SettingsReader) -> Hook:
    kind = HookKind(table.choice("kind", tuple(HookKind), decides=True))
    webhook = kind is HookKind.WEBHOOK
    hook = Hook(
        name=table.text("name", matching=NAME, remedy=NAME_REMEDY),
        kind=kind,
        phases=_phases(table),
        timeout=timedelta(seconds=table.whole_number("timeout_seconds", 1, MAX_TIMEOUT_SECONDS)),
        url=table.text("url", matching=URL, remedy=URL_REMEDY, at_most=MAX_TEXT) if webhook else "",
        secret=table.text("secret", matching=_SECRET, remedy="give the ARN of a secret in Secrets Manager")
        if webhook
        else "",
        function=""
        if webhook
        else table.text("function", matching=_FUNCTION, remedy="give the ARN of a Lambda function"),
    )
    table.refuse_unknown_keys()
    return hook


def _phases(table: SettingsReader) -> tuple[HookPhase, ...]:
    names = table.texts("phases", described_by=Choice(tuple(HookPhase)))
    known = tuple(HookPhase)
    if not set(names) <= set(known) or len(set(names)) != len(names):
        raise table.refused("phases", list(names), f"give a list out of {', '.join(known)}, each once")
    return tuple(HookPhase(name) for name in names)


def hook_gate(name: str, before_step: int) -> Gate:
    """Return the gate that calls a hook before a step."""
    return Gate(GateKind.HOOK, name, before_step, DEADLINE)


def with_phase_gates(gates: Iterable[Gate], steps: int, hooks: Iterable[Hook]) -> tuple[Gate, ...]:
    """Return the gates of a plan with those of the hooks that every deployment calls, in their order.

    A hook comes before the other gates of the same place, so that a person approves what a hook has passed.

    Args:
        gates: those that the strategy names.
        steps: the number of steps.
        hooks: of the environment.
    """
    places = {
        HookPhase.BEFORE_TRAFFIC: [0],
        HookPhase.AFTER_EACH_STEP: list(range(1, steps + 1)),
        HookPhase.AFTER_PROMOTION: [steps + 1],
    }
    of_phases = [hook_gate(hook.name, place) for hook in hooks for phase in hook.phases for place in places[phase]]
    return tuple(sorted([*of_phases, *gates], key=lambda gate: gate.before_step))


def read_answer(document: object, call: HookCall) -> HookAnswer:
    """Read what a hook answered. Its reason is escaped and shortened, so that the record can store it.

    Args:
        document: the decoded JSON of its answer.
        call: the question.
    """
    if not isinstance(document, Mapping):
        return HookAnswer(passed=False, judged=False, reason="its answer is no JSON object")
    token, verdict, reason = (document.get(key) for key in ("answer_token", "verdict", "reason"))
    # "surrogatepass": JSON can contain lone surrogates, which a token of ours never has.
    answered = token.encode(errors="surrogatepass") if isinstance(token, str) else b""
    if not hmac.compare_digest(answered, call.answer_token.encode()):
        return HookAnswer(passed=False, judged=False, reason="its answer does not repeat the question's answer_token")
    if verdict not in VERDICTS:
        return HookAnswer(passed=False, judged=False, reason=f"its verdict is none of {', '.join(VERDICTS)}")
    said = shortened(one_line(reason)) if isinstance(reason, str) and reason.strip() else "no reason"
    return HookAnswer(passed=verdict == "PASS", judged=True, reason=said)
