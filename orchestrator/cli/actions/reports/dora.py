"""The command `report --dora`: DORA's four keys, from the ledger and the commits of the project's repository."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from orchestrator.application.failover.copied_ledgers import newest_recorded
from orchestrator.cli.actions.reports.replay import LISTED, parse_age
from orchestrator.cli.context import Context
from orchestrator.cli.rendering.output import console, print_json, text_table
from orchestrator.domain.dora import Durations, FourKeys, four_keys

DEFAULT_AGE = "90d"
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")  # whole: two short names may be of one commit
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))
_GIT_SECONDS = 10


def report_dora(context: Context, since: str | None, repository: Path, *, json: bool) -> None:
    """Print the four keys of the deployments that ended in a time.

    Args:
        context: the environment.
        since: an age such as ``90d``; None for `DEFAULT_AGE`.
        repository: a folder in the git repository that the releases were built from.
        json: print one JSON object.

    Raises:
        Refused: since is no age.
    """
    until = context.cloud.now()
    earliest = until - parse_age(since or DEFAULT_AGE)
    listed = newest_recorded(
        context.cloud, lambda cloud: cloud.ledger.newest_records(LISTED), lambda one: one.requested_at, LISTED
    )
    deployments = [one.record for one in listed]
    commits = {one.release.commit for one in deployments if _COMMIT.fullmatch(one.release.commit)}
    keys = four_keys(deployments, commit_times(commits, repository), earliest, until)
    # A deployment ends after it was requested, so none of the period is missing if an older one is listed.
    complete = len(deployments) < LISTED or deployments[-1].requested_at < earliest
    if json:
        print_json({"dora": keys, "change_failure_rate": keys.change_failure_rate, "complete": complete})
        return
    screen = console()
    screen.print(f"DORA's four keys of {context.name} since {earliest:%Y-%m-%d %H:%M} UTC", style="bold", markup=False)
    screen.print(text_table(("key", "value", "of"), rows_of(keys)))
    if keys.change_lead_time.unknown:
        screen.print("lead time: a commit's time is read from git in the current project; fetch it if it is unknown")
    if not complete:
        screen.print(f"only the newest {LISTED} deployments were read: give a later --since")


def rows_of(keys: FourKeys) -> list[tuple[str, str, str]]:
    """Return the four keys as rows of a table: name, value, and the deployments that it is of."""
    rate = keys.change_failure_rate
    return [
        ("deployment frequency", f"{keys.deployments_per_day:.2g} a day", f"{keys.deployments} that clients met"),
        ("change lead time", *_cells(keys.change_lead_time)),
        (
            "change failure rate",
            "-" if rate is None else f"{rate:.1%}",
            f"{keys.failed} of {keys.deployments} rolled back",
        ),
        ("failed deployment recovery time", *_cells(keys.failed_deployment_recovery_time)),
    ]


def _cells(durations: Durations) -> tuple[str, str]:
    of = f"{durations.measured} measured" + (f", {durations.unknown} unknown" if durations.unknown else "")
    if durations.median is None or durations.longest is None:
        return "-", of
    return f"median {_in_words(durations.median)}, longest {_in_words(durations.longest)}", of


def _in_words(duration: timedelta) -> str:
    seconds = duration.total_seconds()
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def commit_times(commits: Iterable[str], repository: Path) -> Mapping[str, datetime]:
    """Return the times of commits, as far as the repository has them. Without git, or while it hangs, there are none."""
    git = shutil.which("git")
    wanted = sorted(commits)
    if git is None or not wanted:
        return {}

    def run(arguments: Sequence[str], text: str = "") -> list[str]:
        command = [git, "-C", str(repository), *arguments]
        # The arguments are ours, and commits of hexadecimal digits.
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=_GIT_SECONDS, check=False)  # noqa: S603
        return done.stdout.splitlines()

    try:
        checked = run(["cat-file", "--batch-check=%(objecttype)"], "".join(f"{commit}\n" for commit in wanted))
        known = [commit for commit, kind in zip(wanted, checked, strict=False) if kind == "commit"]
        # A user may have set log.showSignature, whose lines are not times.
        log = ["log", "--no-show-signature", "--no-walk=unsorted", "--format=%ct"]
        times = run([*log, *known]) if known else []
    except subprocess.TimeoutExpired:
        return {}
    return {commit: datetime.fromtimestamp(int(at), UTC) for commit, at in zip(known, times, strict=True)}
