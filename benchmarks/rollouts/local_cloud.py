"""Deployments of an equal release on the local cloud, while both versions answer 1 % of their requests with 500.

The whole orchestrator runs: state machines, probes, alarms, event handlers. The releases differ only in a comment, so
every rollback is a false alarm. Steps are short, so that many deployments fit into an hour.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TypedDict

from benchmarks import Line
from benchmarks.rollouts.kept_results import KeptResults, code_digest
from orchestrator.domain.deployment.record import Deployment, DeploymentOutcome
from orchestrator.local.deployed_environment import LocalEnvironment, local_environment
from orchestrator.local.traffic_generator import Traffic

SEED = 14
ERROR_SHARE = 0.01
STEPS = ({"weight_percent": 10, "bake_seconds": 10}, {"weight_percent": 50, "bake_seconds": 10})
RATE_PER_SECOND = 20.0
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


def faulty_release(folder: Path, number: int) -> Path:
    """Write an overlay of the service that answers 1 % of requests with 500; return its folder.

    Every process draws by itself, from a seed, so failures are independent of the version. The number makes the release
    differ from every other.
    """
    target = folder / f"equal-{number}"
    overlay = target / "service" / "http" / "app.py"
    overlay.parent.mkdir(parents=True, exist_ok=True)
    source = (SERVICE / "http" / "app.py").read_text(encoding="utf-8")
    assert source.count(DISPATCH) == 1, "the service's dispatch has another form: adapt DISPATCH"
    code = source.replace(DISPATCH, FAILING + DISPATCH) + CHANCE
    overlay.write_text(f"{code}\n# equal release {number}\n", encoding="utf-8")
    return target


def deploy(here: LocalEnvironment, folder: Path, number: int) -> Deployment:
    """Deploy one equal release, and wait for its end."""
    here.deploy_release(faulty_release(folder, number))
    name = _name(number)
    here.start_deployment(name, strategy={"type": "canary", "steps": list(STEPS)})
    return here.wait_for_deployment(name, TIMEOUT_SECONDS)


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
        tempfile.TemporaryDirectory() as releases,
        local_environment(Path(state), seed=seed) as here,
    ):
        here.deploy_release(faulty_release(Path(releases), 0))
        here.start_deployment("d-equal-base", strategy="all-at-once")
        base = here.wait_for_deployment("d-equal-base", TIMEOUT_SECONDS)
        if base.outcome is not DeploymentOutcome.SUCCEEDED:
            raise RuntimeError(f"the release before the first one was not deployed: {base.outcome} {base.reason}")
        with Traffic(here.api_url, here.platform_url, rate_per_second=RATE_PER_SECOND, seed=seed):
            for number in numbers:
                ended = deploy(here, Path(releases), number)
                assert ended.ended_at is not None, "it was waited for until it had ended"
                reason = ended.rollback.reason if ended.rollback else ended.reason or ""
                seconds = (ended.ended_at - ended.requested_at).total_seconds()
                kept.put(_key(number), {"outcome": str(ended.outcome), "reason": reason, "seconds": seconds})


def _name(number: int) -> str:
    return f"d-equal-{number:03}"


def _key(number: int) -> str:
    return f"local cloud|{_name(number)}"
