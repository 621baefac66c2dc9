"""Deployments of an equal release on the local cloud, while both versions answer 1 % of their requests with 500.

The whole orchestrator runs: state machines, probes, alarms, event handlers. The releases differ only in a file with their
number, so every rollback is a false alarm. Steps are short, so that many deployments fit into an hour.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from io import BytesIO
from multiprocessing import get_context
from pathlib import Path
from typing import TypedDict
from urllib.request import urlopen
from zipfile import ZipFile

from benchmarks import Line
from benchmarks.rollouts.kept_results import KeptResults, code_digest
from orchestrator import environments
from orchestrator.domain.deployment.record import Deployment, DeploymentOutcome
from orchestrator.local.deployed_environment import ENVIRONMENT, LocalEnvironment, local_environment
from orchestrator.local.traffic_generator import Traffic

SEED = 14
ERROR_SHARE = 0.01
STEPS = ({"weight_percent": 10, "bake_seconds": 10}, {"weight_percent": 50, "bake_seconds": 10})
RATE_PER_SECOND = 10.0
TIMEOUT_SECONDS = 600.0
MOST_FALSE_PERCENT = 1.0
SERVICE = Path(__file__).resolve().parents[2] / "service"

DISPATCH = "            return self.routes.dispatch(self._event)\n"
FAILING = f"""\
            if _CHANCE.random() < {ERROR_SHARE}:
                raise RuntimeError("one request of a hundred fails, in every version")
"""
CHANCE = f"""

import os  # noqa: E402
from random import Random  # noqa: E402

_CHANCE = Random({SEED} + os.getpid())
"""


class Result(TypedDict):
    """How one deployment ended."""

    outcome: str
    reason: str
    seconds: float


def faulty_release(folder: Path) -> Path:
    """Write an overlay of the service that answers 1 % of requests with 500; return its folder.

    Every process draws by itself, from a seed, so failures are independent of the version.
    """
    target = folder / "equal"
    overlay = target / "service" / "http" / "app.py"
    overlay.parent.mkdir(parents=True, exist_ok=True)
    source = (SERVICE / "http" / "app.py").read_text(encoding="utf-8")
    assert source.count(DISPATCH) == 1, "the service's dispatch has another form: adapt DISPATCH"
    overlay.write_text(source.replace(DISPATCH, FAILING + DISPATCH) + CHANCE, encoding="utf-8")
    return target


def packages(here: LocalEnvironment) -> Mapping[str, bytes]:
    """Return the deployed package of each function."""
    found = {}
    for function in environments.FUNCTIONS:
        answer = here.cloud.clients("lambda").get_function(FunctionName=f"ib-oauth-{function}-{ENVIRONMENT}")
        with urlopen(answer["Code"]["Location"]) as response:
            found[function] = response.read()
    return found


def deploy(here: LocalEnvironment, base: Mapping[str, bytes], number: int) -> Deployment:
    """Deploy one equal release, and wait for its end.

    Args:
        here: the local cloud.
        base: the packages of the first release. Another release has one more file, with its number: a synthesis of the
            stacks for each of 200 releases would take most of the time of the measurement.
        number: of the release.
    """
    client = here.cloud.clients("lambda")
    for function, package in base.items():
        written = BytesIO(package)
        with ZipFile(written, "a") as archive:
            archive.writestr("release_number.txt", str(number))
        name = f"ib-oauth-{function}-{ENVIRONMENT}"
        client.update_function_code(FunctionName=name, ZipFile=written.getvalue())
        client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    name = _name(number)
    here.start_deployment(name, strategy={"type": "canary", "steps": list(STEPS)})
    ended = here.wait_for_deployment(name, TIMEOUT_SECONDS)
    if ended.outcome is DeploymentOutcome.REFUSED:
        raise RuntimeError(f"{name} was refused, and proves nothing: {ended.reason}")
    return ended


def measure(deployments: int, clouds: int = 1, keep: Path | None = None) -> tuple[list[Line], list[str]]:
    """Run the deployments, and return the line and the reasons of rollbacks.

    Args:
        deployments: how many.
        clouds: how many local clouds run them side by side, each one deployment after the other.
        keep: a file that keeps each result, so that an interrupted run goes on where it stopped as long as the judging
            code is the same; None forgets them.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "results.jsonl" if keep is None else keep
        kept: KeptResults[Result] = KeptResults(path, code_digest())
        numbers = range(1, deployments + 1)
        missing = [number for number in numbers if kept.get(_key(number)) is None]
        shares = [share for cloud in range(clouds) if (share := missing[cloud::clouds])]
        with ProcessPoolExecutor(max(1, len(shares)), get_context("spawn")) as pool:
            list(pool.map(_run_on_one_cloud, shares, [path] * len(shares)))
        ended: KeptResults[Result] = KeptResults(path, code_digest())
        found = {number: result for number in numbers if (result := ended.get(_key(number)))}
    notes = [
        f"{_name(number)}: {result['outcome']}: {result['reason']}"
        for number, result in found.items()
        if result["outcome"] != DeploymentOutcome.SUCCEEDED
    ]
    rolled_back = len(notes)
    seconds = sorted(result["seconds"] for result in found.values())
    notes.append(f"{rolled_back} of {deployments} deployments of an equal release were rolled back")
    notes.append(f"from request to end of one: median {seconds[len(seconds) // 2]:.0f} s, longest {seconds[-1]:.0f} s")
    percent = 100 * rolled_back / deployments
    return [
        Line(f"false rollbacks of {deployments} on the local cloud", percent, "%", MOST_FALSE_PERCENT, "limit")
    ], notes


def _run_on_one_cloud(numbers: Sequence[int], keep: Path) -> None:
    """Start a local cloud, and deploy one release after the other; keep each result."""
    kept: KeptResults[Result] = KeptResults(keep, code_digest())
    seed = SEED + numbers[0]
    with (
        tempfile.TemporaryDirectory() as state,
        tempfile.TemporaryDirectory() as release,
        local_environment(Path(state), seed=seed) as here,
    ):
        here.deploy_release(faulty_release(Path(release)))
        here.start_deployment("d-equal-base", strategy="all-at-once")
        base = here.wait_for_deployment("d-equal-base", TIMEOUT_SECONDS)
        if base.outcome is not DeploymentOutcome.SUCCEEDED:
            raise RuntimeError(f"the release before the first one was not deployed: {base.outcome} {base.reason}")
        packaged = packages(here)
        with Traffic(here.api_url, here.platform_url, rate_per_second=RATE_PER_SECOND, seed=seed):
            for number in numbers:
                ended = deploy(here, packaged, number)
                assert ended.ended_at is not None, "it was waited for until it had ended"
                reason = ended.rollback.reason if ended.rollback else ended.reason or ""
                seconds = (ended.ended_at - ended.requested_at).total_seconds()
                kept.put(_key(number), {"outcome": str(ended.outcome), "reason": reason, "seconds": seconds})


def _name(number: int) -> str:
    return f"d-equal-{number:03}"


def _key(number: int) -> str:
    return f"local cloud|{_name(number)}"
