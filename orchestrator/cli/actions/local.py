"""The commands `up` and `down`: the local cloud of the project."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

from orchestrator import environments
from orchestrator.cli.rendering.output import console
from orchestrator.domain.errors import Refused
from orchestrator.domain.names import resource_name
from orchestrator.domain.recovery.restore import environment_variables_of
from orchestrator.environments import project
from orchestrator.local import cdk_deploy, deployed_environment, identity_provider
from orchestrator.local.cloud import LocalCloud, LocalCloudNotRunning
from orchestrator.local.emulator.options import PROFILES


def up(
    env: str,
    profile: str | None,
    seed: int | None,
    restore_seconds: float | None,
    release: Path | None,
    *,
    detach: bool,
) -> None:
    """Start the local cloud and deploy the stacks; return at Ctrl-C or, with `detach`, at once.

    If the local cloud runs already, deploy the stacks again from the current sources.

    Raises:
        Refused: the environment is not local, an option is invalid, there is no such release, or an option would need
            another local cloud than the running one.
        LocalCloudError: the local cloud did not start.
    """
    environment = _local(env)
    if profile is not None and profile not in PROFILES:
        raise Refused("--profile", profile, f"give one of {', '.join(PROFILES)}")
    if restore_seconds is not None and restore_seconds < 0:
        raise Refused("--restore-seconds", restore_seconds, "give 0 or more")
    if release is not None and not release.is_dir():
        raise Refused("--release", str(release), "there is no such folder; `examples/releases` has some")
    if running := _running():
        options = {"--profile": profile, "--seed": seed, "--restore-seconds": restore_seconds}
        for option, value in options.items():
            if value is not None:
                raise Refused(
                    option, value, "the local cloud is already running without it: run `orchestrator down` first"
                )
        _deploy_again(running, environment, release)
        return
    with ExitStack() as stack:
        local = LocalCloud.start(
            project.local_folder(),
            region=environment.region,
            profile=profile or PROFILES[0],
            seed=seed,
            restore_seconds=restore_seconds,
            lifetime="detached" if detach else "parent",
        )
        started = stack.enter_context(ExitStack())
        started.callback(local.stop)
        platform_url = _start_identity_provider(local) if detach else stack.enter_context(identity_provider.serve())
        screen = console()
        screen.print(f"local cloud {local.endpoint_url} (pid {local.pid}), identity provider {platform_url}")
        screen.print("deploying the stacks …")
        cdk_deploy.deploy(local, environment, release, platform_url=platform_url, stacks=cdk_deploy.EVERYTHING)
        service = deployed_environment.stack_output(
            deployed_environment.cloud_for(local.environ), cdk_deploy.SERVICE, "ApiUrl"
        ).rstrip("/")
        screen.print(f"deployed; the OAuth service is at {service}", soft_wrap=True)
        screen.print("try `orchestrator status`, or log in with examples/client/login.py (docs/guides/integration.md)")
        if detach:
            started.pop_all()
            screen.print("running in the background; `orchestrator down` stops it")
            return
        screen.print("Ctrl-C stops it")
        _wait_for_ctrl_c()
    screen.print("stopped")


def _running() -> LocalCloud | None:
    try:
        return LocalCloud.find(project.local_folder())
    except LocalCloudNotRunning:
        return None


def _deploy_again(local: LocalCloud, environment: environments.Environment, release: Path | None) -> None:
    screen = console()
    screen.print(f"local cloud {local.endpoint_url} (pid {local.pid}) is already running; deploying the stacks again …")
    cloud = deployed_environment.cloud_for(local.environ)
    variables = environment_variables_of(cloud.versions.describe_version(resource_name("authorize", environment.name)))
    # The identity provider is a separate process; only the functions' variables contain its address.
    (url, *_) = {provider["url"] for provider in json.loads(variables["PLATFORMS"]).values()}
    cdk_deploy.deploy(local, environment, release, platform_url=url, stacks=cdk_deploy.EVERYTHING)
    screen.print("deployed; `orchestrator deploy` deploys the changes in $LATEST")


def down(env: str) -> None:
    """Stop the local cloud.

    Raises:
        LocalCloudNotRunning: it is not running.
    """
    _local(env)
    local = LocalCloud.find(project.local_folder())
    local.stop()
    console().print(f"stopped the local cloud (pid {local.pid})")


def _local(env: str) -> environments.Environment:
    if env not in environments.names() or environments.load(env).cloud != "local":
        raise Refused("env", env, 'name an environment with cloud = "local"')
    return environments.load(env)


def _start_identity_provider(local: LocalCloud) -> str:
    """Start the identity provider as a process that ends with the local cloud; return its URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "orchestrator.local.identity_provider", "--parent-pid", str(local.pid)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
    )
    assert process.stdout is not None, "stdout is a pipe"
    return str(json.loads(process.stdout.readline())["url"])


def _wait_for_ctrl_c() -> None:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
