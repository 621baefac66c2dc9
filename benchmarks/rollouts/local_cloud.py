"""Deployments of an equal release on the local cloud, while both versions answer 1 % of their requests with 500.

The whole orchestrator runs: state machines, probes, alarms, event handlers. The releases differ only in a comment, so
every rollback is a false alarm. Steps are short, so that many deployments fit into an hour.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks import Line
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
    name = f"d-equal-{number:03}"
    here.start_deployment(name, strategy={"type": "canary", "steps": list(STEPS)})
    return here.wait_for_deployment(name, TIMEOUT_SECONDS)


def measure(deployments: int) -> tuple[list[Line], list[str]]:
    """Run the deployments one after the other; return the line and the reasons of rollbacks."""
    rolled_back, notes = 0, []
    with (
        tempfile.TemporaryDirectory() as state,
        tempfile.TemporaryDirectory() as releases,
        local_environment(Path(state), seed=SEED) as here,
    ):
        here.deploy_release(faulty_release(Path(releases), 0))
        here.start_deployment("d-equal-base", strategy="all-at-once")
        base = here.wait_for_deployment("d-equal-base", TIMEOUT_SECONDS)
        notes.append(f"base: {base.outcome} {base.reason}")
        with Traffic(here.api_url, here.platform_url, rate_per_second=RATE_PER_SECOND, seed=SEED):
            for number in range(1, deployments + 1):
                ended = deploy(here, Path(releases), number)
                if ended.outcome is not DeploymentOutcome.SUCCEEDED:
                    rolled_back += 1
                    reason = ended.rollback.reason if ended.rollback else ended.reason
                    notes.append(f"{ended.id}: {ended.outcome}: {reason}")
    notes.append(f"{rolled_back} of {deployments} deployments of an equal release were rolled back")
    percent = 100 * rolled_back / deployments
    return [
        Line(f"false rollbacks of {deployments} on the local cloud", percent, "%", MOST_FALSE_PERCENT, "limit")
    ], notes
