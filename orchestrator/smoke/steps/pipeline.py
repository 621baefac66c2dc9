"""Step 9: whether the pipeline's role lasts and reaches as far as `ship.yml` needs it to."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.domain.names import resource_name
from orchestrator.smoke.results import Fact, Verdict
from orchestrator.smoke.world import World

JOB_SECONDS = 18_000


def run(world: World) -> Iterator[Fact]:
    """Yield how long the role's sessions last, and whether it may assume the bootstrap roles of every region."""
    iam, name = world.clients("iam"), resource_name("pipeline", world.name)
    role = iam.get_role(RoleName=name)["Role"]
    yield Fact(
        "11",
        Verdict.PASS if role["MaxSessionDuration"] >= JOB_SECONDS else Verdict.FAIL,
        f"sessions of the pipeline's role last at most {role['MaxSessionDuration']} s; the job takes up to {JOB_SECONDS}",
    )
    regions = dict.fromkeys((world.region, *filter(None, [world.environment.backups.copy_region])))
    for region in regions:
        bootstrap = f"arn:aws:iam::{world.account}:role/cdk-hnb659fds-deploy-role-{world.account}-{region}"
        answer = iam.simulate_principal_policy(
            PolicySourceArn=role["Arn"], ActionNames=["sts:AssumeRole"], ResourceArns=[bootstrap]
        )
        decision = answer["EvaluationResults"][0]["EvalDecision"]
        yield Fact(
            "10",
            Verdict.PASS if decision == "allowed" else Verdict.FAIL,
            f"the pipeline's role may assume the bootstrap roles of {region}: {decision}",
        )
    yield Fact(
        "11",
        Verdict.NOT_RUN,
        "run ship.yml against this environment by hand, with a bake of 70 minutes: only GitHub can issue its token",
    )
