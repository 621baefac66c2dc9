"""The keys of the live view: each acts once, after a confirmation, through the function of its command."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from orchestrator.cli.context import Context
from orchestrator.cli.live.operator_commands import command_deployment, roll_back_deployment
from orchestrator.domain.deployment.decision import OperatorAction
from orchestrator.domain.errors import OrchestratorError

QUIT, YES = "q", "y"
REASON = "requested in the live view"


class StoppedWatching(Exception):
    """The operator stopped watching. What is watched continues; the message is the command that follows it again."""


@dataclass(frozen=True)
class KeyAction:
    """A key that acts.

    Attributes:
        label: what it does, in a word or two.
        question: asks for the confirmation; the answer is y or n.
        run: acts; returns what happens now.
    """

    key: str
    label: str
    question: str
    run: Callable[[], str]


@dataclass(frozen=True)
class Notice:
    """The answer to an action. `bad`: it was refused or failed."""

    text: str
    bad: bool


class OperatorKeys:
    """What the pressed keys mean.

    Args:
        actions: the keys that act.
        again: the command that follows the same again.
    """

    def __init__(self, actions: Sequence[KeyAction], again: str) -> None:
        self._actions = {action.key: action for action in actions}
        self._again = again
        self.unconfirmed: KeyAction | None = None
        self.notice: Notice | None = None

    @property
    def legend(self) -> tuple[tuple[str, str], ...]:
        """The keys with their labels."""
        return (*((action.key, action.label) for action in self._actions.values()), (QUIT, "quit watching"))

    def press(self, key: str) -> None:
        """Take a key: ask, act, or stop watching. A key without a meaning does nothing.

        Raises:
            StoppedWatching: the operator wants to watch no longer.
        """
        action = self.unconfirmed
        if action is not None:
            self.unconfirmed = None
            self.notice = _run(action) if key == YES else Notice("not confirmed, nothing was changed", bad=False)
        elif key == QUIT:
            raise StoppedWatching(self._again)
        elif key in self._actions:
            self.unconfirmed = self._actions[key]


def _run(action: KeyAction) -> Notice:
    try:
        return Notice(action.run(), bad=False)
    except (OrchestratorError, BotoCoreError, ClientError) as error:
        return Notice(str(error), bad=True)


def deployment_actions(
    context: Context, name: str, by: str, follow_rollback: Callable[[str], None]
) -> tuple[KeyAction, ...]:
    """Return the keys that act on a deployment, as its commands do.

    Args:
        context: the environment.
        name: the deployment.
        by: the operator, as `--requested-by`.
        follow_rollback: gets the name of a rollback's execution that was started, to follow it, too.
    """

    def send(action: OperatorAction) -> str:
        return f"{name} {command_deployment(context, name, action, by)}"

    def roll_back() -> str:
        started = roll_back_deployment(context, name, REASON, by)
        follow_rollback(started.execution)
        return f"started {started.execution}"

    return (
        KeyAction(
            "p", "promote", f"Promote {name} now, skipping the remaining steps?", lambda: send(OperatorAction.PROMOTE)
        ),
        KeyAction("a", "abort", f"Abort {name} and roll it back?", lambda: send(OperatorAction.ABORT)),
        KeyAction("r", "roll back", f"Point every alias of {name} back at its stable version?", roll_back),
    )
