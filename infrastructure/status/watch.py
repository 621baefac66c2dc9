"""What watches the status page from its own stack: a function that needs nothing of the environment, every minute."""

from __future__ import annotations

from aws_cdk import Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from constructs import Construct

from infrastructure.arns import bucket_arn
from infrastructure.lambda_functions import Package
from infrastructure.naming import physical_name
from infrastructure.status.functions import create_page_function
from orchestrator.application.status_page.site import STATE
from orchestrator.environments import Environment

_EVERY, _SECONDS = Duration.minutes(1), 30


class Watch(Construct):
    """The function that says on the page that it is not checked any more.

    Args:
        stack: the page's stack.
        environment: the environment.
        bucket: the name of the page's bucket.
        package: the package of the functions.
    """

    def __init__(self, stack: Stack, environment: Environment, bucket: str, package: Package) -> None:
        super().__init__(stack, "Watch")
        files = bucket_arn(bucket, "*")
        statements = [
            iam.PolicyStatement(actions=["s3:GetObject"], resources=[bucket_arn(bucket, STATE)]),
            # Without it a missing file is AccessDenied.
            iam.PolicyStatement(actions=["s3:ListBucket"], resources=[bucket_arn(bucket)]),
            iam.PolicyStatement(actions=["s3:PutObject"], resources=[files]),
        ]
        function = create_page_function(
            self,
            environment,
            package,
            "watch",
            "publish_status_page.watch",
            statements,
            _SECONDS,
            {"STATUS_BUCKET": bucket, "STATUS_REGION": stack.region},
            {files: "each incident has a page of its own"},
        )
        rule = events.Rule(
            self,
            "Clock",
            rule_name=physical_name("status-watch", environment),
            schedule=events.Schedule.rate(_EVERY),
        )
        rule.add_target(targets.LambdaFunction(function, max_event_age=_EVERY, retry_attempts=1))
