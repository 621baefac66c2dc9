"""``python -m orchestrator.smoke``: show on an AWS account, or as far as possible on the local cloud, what AWS does.

It prints what it will cost and take before it changes anything, and asks. It removes what it made, also when it fails
or is interrupted.

    python -m orchestrator.smoke --account 123456789012 --second-region us-east-2 --yes-spend
    python -m orchestrator.smoke --local --steps 1,3
"""

from __future__ import annotations

import argparse
import io
import secrets
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
from botocore.config import Config

from orchestrator import environments
from orchestrator.cli.streams import OUTPUT_NOT_WRITTEN, discard
from orchestrator.domain.errors import Refused
from orchestrator.domain.printable import printable
from orchestrator.domain.regions import refuse_region
from orchestrator.environments import project
from orchestrator.local import identity_provider
from orchestrator.local.cloud import LocalCloud
from orchestrator.smoke.access import hash_of
from orchestrator.smoke.report import write_report
from orchestrator.smoke.results import (
    ACCOUNT,
    SECOND_REGION,
    Report,
    Step,
    select_steps,
    total_minutes,
    total_usd,
)
from orchestrator.smoke.runner import run_steps
from orchestrator.smoke.settings import NAME, account_settings, local_settings
from orchestrator.smoke.steps import STEPS
from orchestrator.smoke.teardown import tear_down
from orchestrator.smoke.world import AccountDeployer, LocalDeployer, World

DONE, FAILED, REFUSED = 0, 1, 2
REPORTS = Path("build/smoke")
_CONFIG = Config(retries={"mode": "standard", "total_max_attempts": 8}, max_pool_connections=50, read_timeout=60)


def main(arguments: Sequence[str] | None = None, ask: Callable[[str], str] = input) -> int:
    """Run the smoke test; return the exit code.

    It is 0 if all steps passed, 1 if a step failed or something is left, 2 if it was refused, and 4 if all steps passed
    and the output could not be written.

    Args:
        arguments: of the command line.
        ask: asks the operator.
    """
    options = _parser().parse_args(arguments)
    try:
        for option, region in (("--region", options.region), ("--second-region", options.second_region)):
            if region is not None:
                refuse_region(option, region)
        steps = () if options.clean_up else select_steps(STEPS, _numbers(options.steps))
        _say(describe(steps, local=options.local))
        if options.dry_run:
            return DONE
        report = _run_locally(steps, options) if options.local else _run_in_account(steps, options, ask)
    except Refused as error:
        sys.stderr.write(f"{printable(str(error))}\n")
        return REFUSED
    as_json, page = write_report(report, options.report)
    for thing in report.left:
        _say(f"NOT REMOVED: {thing}")
    _say(f"{'succeeded' if report.succeeded else 'failed'}; report: {page} and {as_json}")
    if not report.succeeded:
        return FAILED
    return OUTPUT_NOT_WRITTEN if isinstance(sys.stdout, _Unread) else DONE


def describe(steps: Sequence[Step], *, local: bool) -> str:
    """Return what the steps will do, cost and take."""
    lines = [
        f"{step.number}. {step.title}: {step.minutes} min, {_cost(step.usd, local=local)}\n   {step.proves}"
        for step in steps
    ]
    total = f"together about {total_minutes(steps)} minutes and {_cost(total_usd(steps), local=local)}"
    where = "on the local cloud" if local else f"in stacks named ib-oauth-*-{NAME}, which are removed at the end"
    return "\n".join([*lines, f"{total}, {where}"])


def agreed(options: argparse.Namespace, steps: Sequence[Step], ask: Callable[[str], str]) -> bool:
    """Return whether the operator agrees to the cost."""
    if options.yes_spend:
        return True
    if not sys.stdin.isatty():
        return False
    return ask(f"Spend about {total_usd(steps):.2f} USD in account {options.account}? Type yes: ").strip() == "yes"


def _run_in_account(steps: Sequence[Step], options: argparse.Namespace, ask: Callable[[str], str]) -> Report:
    if not options.account:
        raise Refused("--account", "", "name the account's 12 digits: the smoke test creates and deletes in it")
    if not agreed(options, steps, ask):
        raise Refused("--yes-spend", False, "nothing was changed; add it to agree to the cost")
    clients_of = _account_clients()
    caller = clients_of(options.region)("sts").get_caller_identity()["Account"]
    if caller != options.account:
        raise Refused("--account", options.account, f"the credentials are of account {caller}")
    with tempfile.TemporaryDirectory() as temporary:
        folder, secret = Path(temporary), secrets.token_urlsafe(32)
        (folder / "client-secret").write_text(secret, encoding="utf-8")
        settings = folder / project.NAME
        settings.write_text(
            account_settings(options.region, options.account, hash_of(secret), options.repository), encoding="utf-8"
        )
        world = World(
            settings,
            NAME,
            clients_of,
            AccountDeployer(options.account),
            folder,
            second_region=options.second_region or "",
        )
        regions = {region: clients_of(region) for region in filter(None, (options.second_region, options.region))}
        available = {ACCOUNT, *([SECOND_REGION] if options.second_region else [])}
        return run_steps(steps, world, available, tear_down=_tear_down(NAME, regions), say=_say)


def _run_locally(steps: Sequence[Step], options: argparse.Namespace) -> Report:
    del options
    with (
        tempfile.TemporaryDirectory() as temporary,
        identity_provider.serve() as platform_url,
        LocalCloud.start(Path(temporary) / "cloud") as cloud,
    ):
        folder = Path(temporary)
        settings = folder / project.NAME
        settings.write_text(local_settings(), encoding="utf-8")
        environment = environments.load(environments.LOCAL, settings)
        synthesis = {"endpoint_url": cloud.endpoint_url, "platform_url": platform_url}

        def clients_of(region: str) -> Callable[[str], Any]:
            return _clients(cloud.environ_for_region(region))

        world = World(settings, environments.LOCAL, clients_of, LocalDeployer(cloud, environment), folder, synthesis)
        regions = {cloud.region: clients_of(cloud.region)}
        return run_steps(steps, world, (), tear_down=_tear_down(environments.LOCAL, regions), say=_say)


def _tear_down(name: str, regions: Mapping[str, Callable[[str], Any]]) -> Callable[[], tuple[str, ...]]:
    return lambda: tear_down(name, regions, _say)


def _account_clients() -> Callable[[str], Callable[[str], Any]]:
    return cache(lambda region: _clients({"AWS_REGION": region}))


def _clients(environ: Mapping[str, str]) -> Callable[[str], Any]:
    session = botocore.session.get_session()
    address: dict[str, Any] = (
        {
            "endpoint_url": environ["AWS_ENDPOINT_URL"],
            "aws_access_key_id": environ["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": environ["AWS_SECRET_ACCESS_KEY"],
        }
        if "AWS_ENDPOINT_URL" in environ
        else {}
    )

    @cache
    def create(service: str) -> Any:
        return session.create_client(service, region_name=environ["AWS_REGION"], config=_CONFIG, **address)

    return create


def _numbers(text: str | None) -> list[int]:
    if text is None:
        return []
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise Refused("--steps", text, "give numbers, such as 1,3,7") from error


def _cost(usd: float, *, local: bool) -> str:
    return "no cost" if local else f"{usd:.2f} USD"


class _Unread(io.StringIO):
    """Takes the place of standard output when its reader is gone."""


def _say(text: str) -> None:
    """Print lines. A reader that is gone ends neither the steps nor the clean-up: stacks would be left."""
    try:
        for line in text.splitlines():
            sys.stdout.write(f"{printable(line)}\n")
        sys.stdout.flush()
    except OSError:
        discard((sys.stdout,))
        sys.stdout = _Unread()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m orchestrator.smoke", description=__doc__)
    parser.add_argument("--account", default="", help="the account's 12 digits; it must be that of the credentials")
    parser.add_argument("--region", default="us-west-1", help="region of the stacks")
    parser.add_argument("--second-region", help="region of step 8; without it the step does not run")
    parser.add_argument(
        "--repository", default="", help="GitHub repository OWNER/NAME, for the pipeline's role of step 9"
    )
    parser.add_argument("--steps", help="numbers, such as 1,3; default: all")
    parser.add_argument("--yes-spend", action="store_true", help="agree to the cost without being asked")
    parser.add_argument("--dry-run", action="store_true", help="print the steps, their cost and time, and end")
    parser.add_argument("--clean-up", action="store_true", help="run no step; remove what an earlier run left")
    parser.add_argument("--local", action="store_true", help="run on a local cloud what can run there")
    parser.add_argument("--report", type=Path, default=REPORTS, help="folder of report.json and report.html")
    return parser


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a character that the terminal lacks ends nothing
    # A pipeline that is cancelled and a terminal that is closed end the steps, and not the clean-up. What `nohup` and
    # the shell let a process ignore stays ignored.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    sys.exit(main())
