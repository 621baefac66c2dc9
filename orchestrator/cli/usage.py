"""Errors of usage: an option that does not exist, which with ``--json`` is a refusal, or that would have no effect."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from orchestrator.domain.errors import Refused

JSON, WATCH = "--json", "--watch"

# typer exports no name for it: some of its versions contain click, and others depend on it.
UsageError: Any = typer.BadParameter.__base__


def has_flag(flag: str, words: Sequence[str]) -> bool:
    """Return whether a flag is among words of a command line that may not be valid; what follows ``--`` is no option."""
    return flag in (words[: words.index("--")] if "--" in words else words)


@contextmanager
def refused_usage(values: Mapping[str, Any], rest: tuple[str, str], *, as_json: bool) -> Iterator[None]:
    """Raise every error of usage as a refusal, if the output is JSON. As text it has the usage and how to get help.

    Args:
        values: what was given for each parameter, by its name, as far as it is known.
        rest: name and text of what follows the parameters: the command of a group, or arguments that no command takes.
        as_json: print JSON.

    Raises:
        Refused: in place of a usage error.
    """
    try:
        yield
    except UsageError as error:
        if not as_json:
            raise
        raise _refusal(error, values, rest) from error


def _refusal(error: Any, values: Mapping[str, Any], rest: tuple[str, str]) -> Refused:
    remedy = error.format_message().rstrip(".")
    if (parameter := getattr(error, "param", None)) is not None:
        value = values.get(parameter.name)
        return Refused(name_of(parameter), "" if value is None else value, error.message.rstrip(".") or remedy)
    if (option := getattr(error, "option_name", None)) is not None:
        return Refused(option, "", remedy)
    return Refused(*rest, remedy)


def name_of(parameter: Any) -> str:
    """Return the name of a parameter as it is typed; an argument has the name of its variable."""
    return str(parameter.opts[0] if parameter.param_type_name == "option" else parameter.name)


def refuse_options(context: Any, remedy: str, *, only: Collection[str] = (), but: Collection[str] = ()) -> None:
    """Refuse options that would have no effect in the way in which a command is used.

    Args:
        context: of the command.
        remedy: what to do with such an option.
        only: the names of the options that are refused; with none, all are.
        but: the names of options that have an effect.

    Raises:
        Refused: one was typed.
    """
    for parameter in _typed(context):
        name = name_of(parameter)
        if name not in but and (not only or name in only):
            raise _refused(context, parameter, remedy)


def refuse_options_before(context: Any, command: str) -> None:
    """Refuse the options of a group that is a command, too, before the name of its command: they have no effect there.

    Args:
        context: of the group, after its options were parsed.
        command: the name of the command.

    Raises:
        Refused: there is one.
    """
    for parameter in _typed(context):
        raise _refused(context, parameter, f"give it after `orchestrator {context.info_name} {command}`")


def _typed(context: Any) -> Iterator[Any]:
    """Yield the parameters that were typed, and have not their defaults."""
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if source is not None and source.name == "COMMANDLINE":
            yield parameter


def _refused(context: Any, parameter: Any, remedy: str) -> Refused:
    value = context.params.get(parameter.name or "")
    return Refused(name_of(parameter), str(value) if isinstance(value, Path) else value, remedy)
