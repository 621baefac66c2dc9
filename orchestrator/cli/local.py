"""Starting and stopping the local cloud of this folder."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

import environments
from orchestrator.cli.context import LOCAL_FOLDER
from orchestrator.cli.output import console
from orchestrator.domain.errors import Refused
from orchestrator.domain.restoration import variables_of
from orchestrator.local import platform, stacks, stage
from orchestrator.local.cloud import LocalCloud, LocalCloudNotRunning
from orchestrator.local.fidelity.options import PROFILES, Options


def up(
    env: str,
    profile: str | None,
    seed: int | None,
    restore_seconds: float | None,
    release: Path | None,
    *,
    detach: bool,
) -> None:
    """Start it, deploy the stacks, and stay until Ctrl-C or, detached, return. Where it runs, deploy the stacks as the sources are now.

    Raises:
        Refused: the environment is none of the local cloud, the profile is unknown, a restore would take less than no time, there is no such
            release, or what runs would have to be another local cloud.
        LocalCloudError: it did not start.
    """
    environment = _local(env)
    if profile is not None and profile not in PROFILES:
        raise Refused("--profile", profile, f"give one of {', '.join(PROFILES)}")
    if restore_seconds is not None and restore_seconds < 0:
        raise Refused("--restore-seconds", restore_seconds, "give 0 or more")
    if release is not None and not release.is_dir():
        raise Refused("--release", str(release), "there is no such folder; `examples/releases` has some")
    if running := _running():
        given = {"--profile": profile, "--seed": seed, "--restore-seconds": restore_seconds}
        for option, value in given.items():
            if value is not None:
                raise Refused(
                    option, value, "the local cloud runs already, as it was started: `orchestrator down` first"
                )
        _deploy_again(running, environment, release)
        return
    with ExitStack() as opened:
        local = LocalCloud.start(
            LOCAL_FOLDER,
            profile=profile or PROFILES[0],
            seed=seed,
            restore_seconds=Options.restore_seconds if restore_seconds is None else restore_seconds,
            lifetime="detached" if detach else "parent",
        )
        started = opened.enter_context(ExitStack())
        started.callback(local.stop)
        platform_url = _platform_beside(local) if detach else opened.enter_context(platform.serve())
        screen = console()
        screen.print(f"local cloud {local.endpoint_url} (pid {local.pid}), login platform {platform_url}")
        screen.print("deploying the stacks with the CDK command line …")
        stacks.deploy(local, environment, release, platform_url=platform_url, stacks=stacks.EVERYTHING)
        service = stage.stack_output(stage.cloud_at(local.environ), stacks.SERVICE, "ApiUrl").rstrip("/")
        screen.print(f"deployed; the OAuth service is at {service}", soft_wrap=True)
        screen.print("try `orchestrator status`, or log in with examples/client/login.py (docs/integration.md)")
        if detach:
            started.pop_all()
            screen.print("it goes on in the background; `orchestrator down` stops it")
            return
        screen.print("Ctrl-C stops it")
        _wait_for_ctrl_c()
    screen.print("stopped")


def _running() -> LocalCloud | None:
    try:
        return LocalCloud.find(LOCAL_FOLDER)
    except LocalCloudNotRunning:
        return None


def _deploy_again(local: LocalCloud, environment: environments.Environment, release: Path | None) -> None:
    screen = console()
    screen.print(f"local cloud {local.endpoint_url} (pid {local.pid}) runs already; deploying the stacks again …")
    cloud = stage.cloud_at(local.environ)
    told = variables_of(cloud.versions.describe(f"ib-oauth-authorize-{environment.name}"))
    # The login platform is a process beside the cloud, so its address is in no file; the functions have it.
    (url, *_) = {one["url"] for one in json.loads(told["PLATFORMS"]).values()}
    stacks.deploy(local, environment, release, platform_url=url, stacks=stacks.EVERYTHING)
    screen.print("deployed; `orchestrator deploy` ships what is new in $LATEST")


def down(env: str) -> None:
    """Stop it.

    Raises:
        LocalCloudNotRunning: nothing runs.
    """
    _local(env)
    local = LocalCloud.find(LOCAL_FOLDER)
    local.stop()
    console().print(f"stopped the local cloud (pid {local.pid})")


def _local(env: str) -> environments.Environment:
    if env not in environments.names() or environments.load(env).cloud != "local":
        raise Refused("env", env, 'only an environment with cloud = "local" is started and stopped here')
    return environments.load(env)


def _platform_beside(local: LocalCloud) -> str:
    """Start the login platform as a process that ends with the local cloud."""
    process = subprocess.Popen(
        [sys.executable, "-m", "orchestrator.local.platform", "--parent-pid", str(local.pid)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
    )
    assert process.stdout is not None, "it was asked for"
    return str(json.loads(process.stdout.readline())["url"])


def _wait_for_ctrl_c() -> None:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
