"""Subscribers of the status page: their table, the endpoint of the form and the links, and the queue of their messages.

All of it is in the stack of the page, so announcements reach subscribers from the page alone, while the rest is down:
the bucket reports each new file of announcements to the queue. Only where the settings name a sender.

The endpoint can neither send e-mail nor read who is subscribed beyond single items; the function that sends takes no
request from outside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import Duration, Stack
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infrastructure.alarms import Alarm, create_alarm, messages_in
from infrastructure.arns import bucket_arn
from infrastructure.common import removal_policy_of
from infrastructure.lambda_functions import Package
from infrastructure.nag import suppress_nag, suppress_nist
from infrastructure.naming import physical_name
from infrastructure.public_api import (
    Throttle,
    create_link_key,
    create_public_api,
    route_to_function,
    suppress_public,
)
from infrastructure.queues import create_dead_letters, create_messages, deliver_messages
from infrastructure.status.functions import create_page_function
from infrastructure.topics import create_topic
from orchestrator.domain.mail.settings import MailSettings, encode_mail
from orchestrator.domain.status_page.settings import encode_status_page
from orchestrator.domain.subscribers.announcements import ANNOUNCEMENTS
from orchestrator.domain.subscribers.messages import CONFIRM_PATH, REQUEST_PATH, UNSUBSCRIBE_PATH
from orchestrator.environments import Environment

THROTTLE = Throttle(5, 10)
"""A subscriber needs three requests."""

ROUTES = ((REQUEST_PATH, ("POST",)), *((path, ("GET", "HEAD", "POST")) for path in (CONFIRM_PATH, UNSUBSCRIBE_PATH)))

SENDER_SECONDS, ENDPOINT_SECONDS = 30, 15
_PARALLEL = 10
_KEPT_IN_QUEUE = Duration.days(1)
_RECOVERY_DAYS = 7
"""How long backups of the table keep an erased address."""

_DEAD_LETTERS = "subscriber-dead-letters"


class Subscribers(Construct):
    """The subscribers of a page.

    Args:
        stack: the page's stack.
        environment: the environment. Its page has a sender.
        sender: the sender.
        bucket: the name of the page's bucket.
        package: the package of the functions.
    """

    def __init__(
        self, stack: Stack, environment: Environment, sender: MailSettings, bucket: str, package: Package
    ) -> None:
        super().__init__(stack, "Subscribers")
        self._stack, self._environment, self._sender = stack, environment, sender
        self._bucket, self._package = bucket, package
        self._table = self._create_table()
        self._key = create_link_key(
            self,
            environment,
            "status-link-key",
            f"Signs links and webhooks of the status page ({environment.name})",
            not_rotated="Links of sent messages end subscriptions for a year, and webhooks verify with it: it is replaced if "
            "it leaks",
        )
        self._dead_letters = create_dead_letters(self, environment, _DEAD_LETTERS)
        self._messages = create_messages(
            self,
            environment,
            "subscriber-messages",
            kept=_KEPT_IN_QUEUE,
            function_seconds=SENDER_SECONDS,
            dead_letters=self._dead_letters,
        )
        self._endpoint = self._create_endpoint()
        self._create_sender()
        self._create_alarms()

    def serve_through(self, distribution: cloudfront.Distribution, headers: cloudfront.ResponseHeadersPolicy) -> None:
        """Have CloudFront pass requests of the form and of links to the endpoint, uncached."""
        distribution.add_behavior(
            "/subscriptions/*",
            origins.RestApiOrigin(self._endpoint),
            allowed_methods=cloudfront.AllowedMethods.ALLOW_ALL,
            viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.HTTPS_ONLY,
            cache_policy=cloudfront.CachePolicy.CACHING_DISABLED,
            origin_request_policy=cloudfront.OriginRequestPolicy.ALL_VIEWER_EXCEPT_HOST_HEADER,
            response_headers_policy=headers,
        )

    def receive_announcements_of(self, bucket: s3.Bucket) -> None:
        """Have the bucket report each new file of announcements to the queue.

        The bucket's own property does it: the CDK's method would add a function that may change every bucket.
        """
        permitted = self._messages.add_to_resource_policy(
            iam.PolicyStatement(
                sid="LetBucketReport",
                principals=[iam.ServicePrincipal("s3.amazonaws.com")],
                actions=["sqs:SendMessage"],
                resources=[self._messages.queue_arn],
                conditions={
                    "ArnEquals": {"aws:SourceArn": bucket_arn(self._bucket)},
                    "StringEquals": {"aws:SourceAccount": self._stack.account},
                },
            )
        )
        cfn_bucket = bucket.node.default_child
        assert isinstance(cfn_bucket, s3.CfnBucket)
        names = s3.CfnBucket.S3KeyFilterProperty(
            rules=[s3.CfnBucket.FilterRuleProperty(name="prefix", value=ANNOUNCEMENTS)]
        )
        cfn_bucket.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
            queue_configurations=[
                s3.CfnBucket.QueueConfigurationProperty(
                    event="s3:ObjectCreated:*",
                    queue=self._messages.queue_arn,
                    filter=s3.CfnBucket.NotificationFilterProperty(s3_key=names),
                )
            ]
        )
        # S3 checks that it may send when the bucket is created.
        assert permitted.policy_dependable is not None
        bucket.node.add_dependency(permitted.policy_dependable)

    def _create_table(self) -> dynamodb.Table:
        table = dynamodb.Table(
            self,
            "Table",
            table_name=physical_name("subscribers", self._environment),
            partition_key=dynamodb.Attribute(name="pk", type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name="sk", type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.AWS_MANAGED,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True, recovery_period_in_days=_RECOVERY_DAYS
            ),
            time_to_live_attribute="expires_at",
            deletion_protection=self._environment.deletion_protection,
            removal_policy=removal_policy_of(self._environment),
        )
        suppress_nist(
            table,
            "Point-in-time recovery of a few days is its backup; a longer one would keep erased addresses",
            "DynamoDBInBackupPlan",
        )
        return table

    def _create_endpoint(self) -> apigateway.RestApi:
        function = self._function(
            "serve_subscriptions",
            [
                self._on_table("GetItem", "PutItem", "DeleteItem", "Query"),
                iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[self._messages.queue_arn]),
                self._read_key(),
            ],
            ENDPOINT_SECONDS,
        )
        api = create_public_api(
            self,
            "Api",
            self._environment,
            "subscriptions",
            f"Form and links of the status page ({self._environment.name})",
            THROTTLE,
        )
        route_to_function(self, api, ROUTES, function.function_arn)
        suppress_public(
            api,
            unauthenticated="The form is public, and a link is signed: subscribers have no account",
            throttled=f"The stage takes {THROTTLE.requests_per_second} requests a second, and confirmations are limited by "
            "address and hour",
        )
        # A log would have addresses of readers, too.
        suppress_nag(api, "A log would have the tokens of links: the function logs method and status", "APIG1", "APIG6")
        suppress_nist(api, "A log would have the tokens of links", "APIGWExecutionLoggingEnabled")
        return api

    def _create_sender(self) -> None:
        function = self._function(
            "deliver_to_subscribers",
            [
                self._on_table("GetItem", "PutItem", "UpdateItem", "Query"),
                iam.PolicyStatement(
                    actions=["sqs:SendMessage"], resources=[self._messages.queue_arn, self._dead_letters.queue_arn]
                ),
                iam.PolicyStatement(
                    actions=[
                        *("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"),
                        "sqs:ChangeMessageVisibility",
                    ],
                    resources=[self._messages.queue_arn],
                ),
                iam.PolicyStatement(actions=["s3:GetObject"], resources=[bucket_arn(self._bucket, ANNOUNCEMENTS)]),
                # Without it a missing file is AccessDenied.
                iam.PolicyStatement(actions=["s3:ListBucket"], resources=[bucket_arn(self._bucket)]),
                iam.PolicyStatement(
                    actions=["ses:SendEmail", "ses:SendRawEmail"],
                    resources=[self._sender.identity_arn],
                    conditions={"StringEquals": {"ses:FromAddress": self._sender.sender}},
                ),
                self._read_key(),
            ],
            SENDER_SECONDS,
        )
        deliver_messages(function, self._messages, _PARALLEL)

    def _on_table(self, *actions_on_items: str) -> iam.PolicyStatement:
        return iam.PolicyStatement(
            actions=[f"dynamodb:{action}" for action in actions_on_items], resources=[self._table.table_arn]
        )

    def _read_key(self) -> iam.PolicyStatement:
        return iam.PolicyStatement(actions=["secretsmanager:GetSecretValue"], resources=[self._key.secret_arn])

    def _function(self, module: str, statements: Sequence[iam.PolicyStatement], seconds: int) -> lambda_.Function:
        name, handler = module.replace("_", "-"), f"{module}.handler"
        return create_page_function(
            self, self._environment, self._package, name, handler, statements, seconds, self._variables()
        )

    def _variables(self) -> Mapping[str, str]:
        page = self._environment.status_page
        return {
            "STATUS_PAGE": encode_status_page(page),
            "STATUS_ADDRESS": page.public_address,
            "STATUS_BUCKET": self._bucket,
            "STATUS_REGION": self._stack.region,
            "SUBSCRIBERS_TABLE": physical_name("subscribers", self._environment),
            "NOTIFICATION_QUEUE": self._messages.queue_url,
            "NOTIFICATION_DEAD_LETTERS": self._dead_letters.queue_url,
            "LINK_KEY": self._key.secret_arn,
            "MAIL": encode_mail(self._sender),
        }

    def _create_alarms(self) -> None:
        environment = self._environment
        contacts = environment.contacts["operators"]
        topic = create_topic(self, environment, "Operators", "status-operators", contacts, None, of_alarms=True)
        reason = "Its messages name an alarm and nothing else; CloudWatch cannot publish under AWS's own key"
        suppress_nag(topic, reason, "SNS2")
        suppress_nist(topic, reason, "SNSEncryptedKMS")
        alarm = Alarm(
            "status-undelivered-announcements",
            "dead-letters",
            "announcements did not reach subscribers of the status page",
            messages_in(physical_name(_DEAD_LETTERS, self._environment)),
            0,
            construct_id="UndeliveredAlarm",
        )
        create_alarm(self, self._environment, alarm, topic)
