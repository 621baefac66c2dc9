"""The nine steps, as data."""

from __future__ import annotations

from orchestrator.smoke.results import ACCOUNT, SECOND_REGION, Step
from orchestrator.smoke.steps import creation, cutover, drills, keys, pipeline, policies, region, shipping, task_errors

STEPS = (
    Step(
        number=1,
        title="break the first creation, then deploy",
        proves="A first deployment that failed half-way can be repeated; templates fit; functions with encrypted "
        "variables run; whether the account can have a cost anomaly monitor.",
        rows=("2", "9", "22", "27"),
        usd=0.4,
        minutes=35,
        calls=("npx cdk bootstrap", "npx cdk deploy", "orchestrator remove-failed-stacks", "ce:CreateAnomalyMonitor"),
        run=creation.run,
        after=(),
    ),
    Step(
        number=2,
        title="let AWS judge policies and patterns",
        proves="IAM accepts every policy, CheckReadiness may describe alarms, and no pattern over the trail matches our "
        "own calls.",
        rows=("6", "23"),
        usd=0.1,
        minutes=3,
        calls=("access-analyzer:ValidatePolicy", "iam:SimulatePrincipalPolicy", "logs:TestMetricFilter"),
        run=policies.run,
        needs=frozenset({ACCOUNT}),
    ),
    Step(
        number=3,
        title="ship a good release and three bad ones under load",
        proves="Bad releases are rolled back, and how long each phase takes on AWS; which metrics, trimmed counts and "
        "log pages exist.",
        rows=("14", "24", "25", "34"),
        usd=0.8,
        minutes=45,
        calls=("npx cdk deploy", "states:StartExecution", "cloudwatch:GetMetricData", "logs:FilterLogEvents"),
        run=shipping.run,
    ),
    Step(
        number=4,
        title="kill a function that a state machine invokes",
        proves="Every task retries the errors under which Step Functions reports a function that times out or dies.",
        rows=("8",),
        usd=0.05,
        minutes=3,
        calls=("lambda:CreateFunction", "states:CreateStateMachine", "states:StartExecution"),
        run=task_errors.run,
        after=(),
    ),
    Step(
        number=5,
        title="drill on provisioned tables under load",
        proves="A drill by the stream and one with an export succeed, no request of a client fails or is throttled, and "
        "nothing of the drills is left.",
        rows=("3", "3b", "4", "5", "15", "20", "26"),
        usd=1.0,
        minutes=60,
        calls=("dynamodb:UpdateTable", "dynamodb:BatchWriteItem", "states:StartExecution"),
        run=drills.run,
    ),
    Step(
        number=6,
        title="block a table for 200 writers, then restore and cut over",
        proves="How long writers see a previous resource policy, what is read right after a change, and that a cutover "
        "succeeds under load.",
        rows=("12", "13", "17"),
        usd=0.8,
        minutes=55,
        calls=("dynamodb:PutResourcePolicy", "dynamodb:GetResourcePolicy", "states:StartExecution"),
        run=cutover.run,
    ),
    Step(
        number=7,
        title="rotate a signing key and look at the security alarms",
        proves="How long KMS takes to authorize a new key by its tags, and that no security alarm fired so far.",
        rows=("19", "7"),
        usd=0.1,
        minutes=8,
        calls=("kms:CreateKey", "cloudwatch:DescribeAlarmHistory"),
        run=keys.run,
    ),
    Step(
        number=8,
        title="lose the region",
        proves="In a second region, with other role names, a login succeeds and a token is signed.",
        rows=("1",),
        usd=0.8,
        minutes=35,
        calls=("npx cdk bootstrap", "npx cdk deploy", "states:StartExecution"),
        run=region.run,
        needs=frozenset({ACCOUNT, SECOND_REGION}),
    ),
    Step(
        number=9,
        title="check the pipeline's role",
        proves="The role lasts for the whole job and may deploy to every region; ship.yml itself is run by hand.",
        rows=("10", "11"),
        usd=0.0,
        minutes=1,
        calls=("iam:GetRole", "iam:SimulatePrincipalPolicy"),
        run=pipeline.run,
        needs=frozenset({ACCOUNT}),
    ),
)
"""In the order in which they run."""
