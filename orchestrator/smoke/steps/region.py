"""Step 8: the environment in a second region, after the first was lost: a login and a token."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from orchestrator.domain.deployment.record import DeploymentOutcome
from orchestrator.local.cdk_deploy import SERVICE
from orchestrator.smoke.results import Fact, Verdict
from orchestrator.smoke.steps.shipping import RELEASES, overlay
from orchestrator.smoke.world import STACKS, World


def run(world: World) -> Iterator[Fact]:
    """Yield whether a deployment in the second region passes its verification, which logs in and signs a token."""
    settings = world.folder / "second-region.toml"
    document = world.settings.read_text(encoding="utf-8")
    moved = f'[{world.name}]\nregion = "{world.second_region}"\nlost_region = "{world.region}"\n'
    header = f"[{world.name}]\n"
    before, _, own = document.partition(header)
    kept = "\n".join(line for line in own.splitlines() if not line.startswith("region ="))
    settings.write_text(f"{before}{moved}{kept}\n", encoding="utf-8")
    there = replace(world, settings=settings)
    there.deployer.bootstrap(world.second_region)
    there.deploy(there.synthesise(), *STACKS)
    # The stacks' first versions are live already. Another release is verified before it is.
    there.deploy(there.synthesise(release=overlay(there, RELEASES[0])), SERVICE)
    deployment = there.ship("second-region", strategy="all-at-once")
    yield Fact(
        "1",
        Verdict.PASS if deployment.outcome is DeploymentOutcome.SUCCEEDED else Verdict.FAIL,
        f"in {world.second_region}: {deployment.outcome}, {deployment.reason or 'a login succeeded, a token was signed'}",
    )
