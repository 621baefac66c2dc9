"""Delays of the `aws-timing` profile."""

from __future__ import annotations

import random
from collections.abc import Callable
from types import ModuleType
from typing import Any

from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap
from orchestrator.local.emulator.scheduler import Scheduler

Prepare = Callable[[Callable[..., Any]], Callable[..., Callable[[], object]]]
"""Makes, of the delayed function, a function that takes its arguments and returns the delayed call."""


def call_unchanged(original: Callable[..., Any]) -> Callable[..., Callable[[], object]]:
    """Return a function that returns the call of the original with the same arguments."""

    def prepare(*args: Any, **kwargs: Any) -> Callable[[], object]:
        return lambda: original(*args, **kwargs)

    return prepare


def delayed(
    options: Options,
    module: ModuleType,
    name: str,
    low: float,
    high: float,
    *,
    prepare: Prepare = call_unchanged,
    duplicate_probability: float = 0.0,
) -> None:
    """Delay every call of ``module.name`` by a random time if the profile is `aws-timing`.

    Args:
        options: the profile, and the seed of the delays.
        module: the module of the function.
        name: the function; its result is discarded.
        low: shortest delay in seconds.
        high: longest delay in seconds.
        prepare: evaluates the arguments that must not be evaluated late, such as the current time.
        duplicate_probability: probability that a call is made a second time, after a delay of its own.
    """
    if options.profile != "aws-timing":
        return
    generator = random.Random(options.seed)  # noqa: S311 - a delay, not a secret
    scheduler = Scheduler(f"late-{name.strip('_')}")

    def wrapper(original: Callable[..., Any]) -> Callable[..., None]:
        prepared = prepare(original)

        def call_late(*args: Any, **kwargs: Any) -> None:
            call = prepared(*args, **kwargs)
            calls = 2 if duplicate_probability and generator.random() < duplicate_probability else 1
            for _ in range(calls):
                scheduler.call_later(generator.uniform(low, high), call)

        return call_late

    wrap(module, name, wrapper)
