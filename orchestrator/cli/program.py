"""How every command is parsed and run: what its options may be, and what its output does to a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from math import isfinite
from pathlib import Path
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command_from_info
from typer.models import CommandInfo

from orchestrator.cli.errors import report_errors
from orchestrator.cli.extras import ExtraMissing, extra_of
from orchestrator.cli.streams import guarded_output
from orchestrator.cli.usage import JSON, WATCH, has_flag, name_of, refuse_options_before, refused_usage
from orchestrator.domain.errors import Refused

WATCH_COMMAND = "watch"
"""The command whose output is a stream, without an option for it."""

F = TypeVar("F", bound=Callable[..., Any])


class _Checked:
    """A command or a group that refuses values which no option may have, before anything runs."""

    def parse_args(self: Any, context: Any, args: list[str]) -> list[str]:
        """Parse the arguments.

        Raises:
            typer.Exit: a value is blank, is not text, or is a number without an end.
        """
        if context.resilient_parsing:
            # The shell completes a word; the values are not complete.
            incomplete: list[str] = super().parse_args(context, args)  # type: ignore[misc]
            return incomplete
        with self._reported(args, {}):
            parsed, words, _ = self.make_parser(context).parse_args(args=list(args))
        rest = ("arguments", " ".join(words))
        with self._reported(words if isinstance(self, TyperGroup) else [], parsed, rest):
            for parameter in self.get_params(context):
                for text in _texts(parsed.get(parameter.name)):
                    _refuse_blank(parameter, text)
            remaining: list[str] = super().parse_args(context, args)  # type: ignore[misc]
            for parameter in self.get_params(context):
                _refuse_unusable(name_of(parameter), context.params.get(parameter.name))
                for path in _texts(parsed.get(parameter.name)) if parameter.type.name == "path" else ():
                    _refuse_unreachable(name_of(parameter), path)
        return remaining

    @contextmanager
    def _reported(
        self: Any, words: list[str], values: Mapping[str, Any], rest: tuple[str, str] = ("arguments", "")
    ) -> Iterator[None]:
        """Report a refusal, as JSON if that was given, or is among the words of a command that are not parsed yet."""
        as_json = bool(values.get("json")) or has_flag(JSON, words)
        lines = bool(values.get("watch")) or has_flag(WATCH, words) or self.name == WATCH_COMMAND
        with report_errors(as_json, lines=lines), refused_usage(values, rest, as_json=as_json):
            yield

    def invoke(self: Any, context: Any) -> Any:
        """Run the command, or the group with its command.

        Raises:
            typer.Exit: it imports a module of an extra that is not installed.
        """
        try:
            return super().invoke(context)  # type: ignore[misc]
        except ModuleNotFoundError as error:
            extra = extra_of(error.name)
            if extra is None:
                raise
            lines = bool(context.params.get("watch")) or self.name == WATCH_COMMAND
            with report_errors(bool(context.params.get("json")), lines=lines):
                raise ExtraMissing(extra, str(error.name)) from error


class Command(_Checked, TyperCommand):
    """A command of the command line.

    Its parameters are built when they are first used. The program has some 45 commands, runs one of them, and lists
    the others by name and help: building all parameters took a third of the time of ``--help``.
    """

    function: Callable[..., Any]

    @cached_property
    def _complete(self) -> Any:
        """The command with its parameters."""
        return get_command_from_info(
            CommandInfo(callback=self.function), pretty_exceptions_short=False, rich_markup_mode=None
        )

    @property
    def params(self) -> Any:
        """The parameters of the function."""
        return self._complete.params

    @params.setter
    def params(self, _none: object) -> None:
        """Ignore those of the placeholder."""

    @property
    def callback(self) -> Any:
        """The function, called with the values of the parameters."""
        return self._complete.callback

    @callback.setter
    def callback(self, _none: object) -> None:
        """Ignore the placeholder."""


class Group(_Checked, TyperGroup):
    """A group of commands. If it is a command itself, its options are refused before the name of another command."""

    def resolve_command(self, context: Any, args: list[str]) -> Any:
        """Return name, command and arguments of the command that the first argument names.

        Raises:
            typer.Exit: there is no such command, or options of the group are given before it.
        """
        if context.resilient_parsing:
            return super().resolve_command(context, args)
        with self._reported(args, context.params, ("COMMAND", args[0])):
            found = super().resolve_command(context, args)
            if self.invoke_without_command:
                refuse_options_before(context, args[0])
        return found


class Program(Group):
    """The whole command line."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run the command line; its output is guarded."""
        with guarded_output():
            return super().main(*args, **extra)


class CommandLine(typer.Typer):
    """Commands and groups whose options are checked.

    Args:
        program: it is the whole command line, not a group of it.
        options: as of `typer.Typer`.
    """

    def __init__(self, *, program: bool = False, **options: Any) -> None:
        super().__init__(cls=Program if program else Group, rich_markup_mode=None, **options)

    def command(self, name: str | None = None, **options: Any) -> Callable[[F], F]:
        """Return the decorator of a command."""

        def register(function: F) -> F:
            def placeholder() -> None:
                """Stand for the function: typer reads the parameters of what it registers."""

            named: Any = function
            placeholder.__name__, placeholder.__doc__ = named.__name__, named.__doc__
            kind: Any = type("Command", (Command,), {"function": staticmethod(function)})
            super(CommandLine, self).command(name, cls=kind, **options)(placeholder)
            return function

        return register


def _texts(value: object) -> Iterator[str]:
    """Yield what was given for a parameter, as it was given; a flag and an absent option have none."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from _texts(entry)


def _refuse_blank(parameter: Any, text: str) -> None:
    if not text.strip():
        # In a pipeline this is a variable that was not set, not a wish for the default.
        raise Refused(name_of(parameter), text, "give a value" if parameter.required else "give a value, or omit it")


def _refuse_unusable(name: str, value: object) -> None:
    if isinstance(value, float) and not isfinite(value):
        raise Refused(name, value, "give a finite number")
    # A path may have any bytes; other texts are recorded, and records are UTF-8.
    for text in _texts(value):
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise Refused(name, text, "give text in UTF-8") from error


def _refuse_unreachable(name: str, path: str) -> None:
    """Refuse a path that can neither be read nor written, such as one whose name is too long."""
    try:
        Path(path).exists()
    except OSError as error:
        raise Refused(name, path, f"name another path ({error.strerror})") from error
