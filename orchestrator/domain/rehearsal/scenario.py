"""A scenario of a rehearsal, as data: what is injected, and what must be the end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class End(StrEnum):
    """How a scenario ends for the clients of the service.

    COMMANDS: a person ran the runbook's commands before; the rehearsal runs them in the person's place.
    """

    THROUGHOUT = "in service throughout"
    UNAIDED = "in service again without a person"
    COMMANDS = "in service again after a person's commands"


class CloudUse(StrEnum):
    """SHARED: further scenarios can follow on the same local cloud. OWN: it does not survive the scenario."""

    SHARED = "shared"
    OWN = "own"


@dataclass(frozen=True)
class Objectives:
    """The longest time until the service is complete again, and the largest loss of acknowledged writes."""

    recovery_time: timedelta
    data_loss: timedelta


@dataclass(frozen=True)
class Scenario:
    """One disaster.

    Attributes:
        name: lower case, words joined by a dash.
        injected: what happens, one sentence.
        expected: the end that the rehearsal must have.
        action: what a person must do, one sentence; empty if nothing.
        commands: what a person types, from the runbook, for the environment `ENV`; empty if nothing.
        runbook: the page and its section below docs/runbooks.
        alarm: the alarm by which a person learns of it, without prefix and environment; empty if none fires.
        objectives: on a local cloud, whose restores take a second.
        limits: what the local cloud cannot show of it, one sentence; empty if nothing.
    """

    name: str
    injected: str
    expected: End
    action: str
    commands: tuple[str, ...]
    runbook: str
    alarm: str
    objectives: Objectives
    cloud: CloudUse = CloudUse.SHARED
    limits: str = ""
