"""The stage of a rehearsal: a local environment with a project folder of its own, in which commands are typed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from orchestrator import environments
from orchestrator.environments import project
from orchestrator.environments.toml_editor import with_original_tables, with_value
from orchestrator.local import cdk_deploy, identity_provider
from orchestrator.local.cloud import ROOT, LocalCloud
from orchestrator.local.deployed_environment import ENVIRONMENT, LocalEnvironment, cloud_for, stack_output
from orchestrator.local.rehearsal_clients import RehearsalFailed
from orchestrator.local.traffic_generator import Traffic
from orchestrator.local.waiting import wait_until

T = TypeVar("T")
RATE_PER_SECOND = 8.0
COMMAND_SECONDS = 600.0
POLL_SECONDS = 0.5
SHELL = "bash"


@dataclass(frozen=True)
class Typed:
    """A command that was typed, and what it printed."""

    command: str
    code: int
    output: str


@dataclass
class Stage:
    """A local environment under traffic.

    Attributes:
        here: the environment.
        folder: the project's folder; its settings file is the environment's.
        say: called with each progress message.
        commands: every command that was typed in a person's place.
        notes: what an injector remembers between its steps.
    """

    here: LocalEnvironment
    folder: Path
    say: Callable[[str], None]
    commands: list[str] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)

    def type(self, command: str, *, expected: int | None = 0) -> Typed:
        """Run a command as a person types it: in the project's folder, with the environment's name for `ENV`.

        Args:
            command: shell, as the runbook has it.
            expected: the exit code; None for any.

        Raises:
            RehearsalFailed: it ended with another exit code.
        """
        here = re.sub(r"\bENV\b", ENVIRONMENT, command)
        self.commands.append(here)
        typed = self.run(here)
        if expected is not None and typed.code != expected:
            raise RehearsalFailed(f"`{here}` ended with {typed.code}, expected {expected}: {typed.output[-600:]}")
        return typed

    def run(self, command: str) -> Typed:
        """Run a command that belongs to the rehearsal, and not to the person."""
        finished = subprocess.run(
            [
                SHELL,
                "-euo",
                "pipefail",
                "-c",
                f'orchestrator() {{ "{sys.executable}" -m orchestrator "$@"; }}\n{command}',
            ],
            cwd=self.folder,
            env={**_environ(), **self.here.local.environ, project.VARIABLE: str(self.folder / project.NAME)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=COMMAND_SECONDS,
        )
        return Typed(command, finished.returncode, finished.stdout.strip())

    def refresh_address(self) -> None:
        """Read the service's address again: a stack that was created anew has another."""
        self.here = replace(self.here, api_url=stack_output(self.here.cloud, cdk_deploy.SERVICE, "ApiUrl").rstrip("/"))

    def deploy_stacks(self, stacks: tuple[str, ...] = (cdk_deploy.SERVICE, cdk_deploy.ORCHESTRATOR)) -> None:
        """Deploy the stacks again, with the project's settings."""
        with project.selected(self.folder / project.NAME):
            environment = environments.load(ENVIRONMENT)
            cdk_deploy.deploy(self.here.local, environment, platform_url=self.here.platform_url, stacks=stacks)

    @staticmethod
    def wait_until(condition: Callable[[], T | None], seconds: float, what: str) -> T:
        """Wait until a condition has a value, and return it.

        Raises:
            RehearsalFailed: it had none in time.
        """
        return wait_until(condition, seconds, what, RehearsalFailed, POLL_SECONDS)


def _environ() -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("LANG", "TMPDIR") if name in os.environ}
    path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}"
    return {"PATH": path, "PYTHONPATH": str(ROOT), "HOME": "/nonexistent", "AWS_PAGER": "", **kept}


def stage_settings(document: str) -> str:
    """Return the settings of a stage, by those of the project."""
    # As in an account: tables and keys are protected, and outlive their stacks.
    protected = with_value(document, ENVIRONMENT, "deletion_protection", True)
    return with_original_tables(protected, ENVIRONMENT)


@contextmanager
def open_stage(folder: Path, say: Callable[[str], None], *, traffic: bool = True) -> Iterator[Stage]:
    """Start a local cloud in a project of its own, deploy the stacks, and send traffic; stop all on exit."""
    folder = folder.resolve()
    settings = stage_settings(environments.settings_file().read_text(encoding="utf-8"))
    (folder / project.NAME).write_text(settings, encoding="utf-8")
    with (
        project.selected(folder / project.NAME),
        identity_provider.serve() as platform_url,
        LocalCloud.start(project.local_folder()) as local,
    ):
        cdk_deploy.deploy(local, environments.load(ENVIRONMENT), platform_url=platform_url)
        cloud = cloud_for(local.environ)
        api_url = stack_output(cloud, cdk_deploy.SERVICE, "ApiUrl").rstrip("/")
        here = LocalEnvironment(local, cloud, platform_url, api_url)
        say(f"the environment runs at {api_url}, {datetime.now(UTC):%H:%M:%S} UTC")
        stage = Stage(here, folder, say)
        if not traffic:
            yield stage
            return
        with Traffic(api_url, platform_url, rate_per_second=RATE_PER_SECOND):
            yield stage
