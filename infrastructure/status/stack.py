"""The status page's stack: a private bucket that CloudFront serves, in an account and a region of its own if set so.

The page is static and depends on nothing of the environment while it is served: it stands when the rest is down. The
orchestrator writes its files; the bucket's policy lets only that function and principals of its own account do so. If it
writes no more, a function of this stack says so on the page.
"""

from __future__ import annotations

from aws_cdk import Aws, CfnOutput, Duration, RemovalPolicy, Stack
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infrastructure.arns import role_arn
from infrastructure.buckets import create_bucket
from infrastructure.common import EnvironmentStack
from infrastructure.lambda_functions import Package
from infrastructure.nag import suppress_nag, suppress_nist
from infrastructure.naming import physical_name, status_bucket_name
from infrastructure.status.subscribers import Subscribers
from infrastructure.status.watch import Watch
from orchestrator.domain.status_page.headers import CONTENT_SECURITY_POLICY, HSTS_SECONDS, PERMISSIONS_POLICY
from orchestrator.environments import Environment

FRESH, OLDEST = Duration.seconds(5), Duration.seconds(10)
"""How long CloudFront serves a file without asking again. A reader sees a change within 10 seconds."""

_KEPT_VERSIONS = Duration.days(1)


class StatusStack(EnvironmentStack):
    """The status page of one environment.

    Args:
        scope: the app.
        environment: the environment. Its status page is enabled.
        package: the package of the functions.
    """

    def __init__(self, scope: Construct, environment: Environment, package: Package) -> None:
        settings = environment.status_page
        super().__init__(
            scope,
            environment,
            "status",
            f"Public status page of the OAuth service ({environment.name})",
            region=settings.region or None,
            account=settings.account or None,
        )
        bucket = self._create_bucket(environment)
        headers = _headers_policy(self, physical_name("status", environment))
        distribution = self._create_distribution(environment, bucket, headers)
        name = status_bucket_name(environment, Aws.ACCOUNT_ID)
        Watch(self, environment, name, package)
        if settings.subscribers is not None:
            subscribers = Subscribers(self, environment, settings.subscribers, name, package)
            subscribers.receive_announcements_of(bucket)
            subscribers.serve_through(distribution, headers)
        CfnOutput(self, "Bucket", value=bucket.bucket_name, description="The files of the status page")
        CfnOutput(
            self,
            "DomainTarget",
            value=distribution.distribution_domain_name,
            description=f"The target of the DNS record of {settings.domain}" if settings.domain else "The page's host",
        )

    def _create_bucket(self, environment: Environment) -> s3.Bucket:
        bucket = create_bucket(
            self,
            "Site",
            status_bucket_name(environment, Aws.ACCOUNT_ID),
            None,
            versioned=True,
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="replaced",
                    noncurrent_version_expiration=_KEPT_VERSIONS,
                    abort_incomplete_multipart_upload_after=Duration.days(1),
                )
            ],
            # The orchestrator writes the whole page again, from the ledger.
            removal_policy=RemovalPolicy.DESTROY,
        )
        if environment.status_page.account:
            bucket.add_to_resource_policy(_let_publisher_write(bucket, environment))
        reason = "The page is public; logs of its readers would be personal data without a purpose"
        suppress_nag(bucket, reason, "S1")
        suppress_nist(bucket, reason, "S3BucketLoggingEnabled")
        suppress_nist(
            bucket,
            "The page is public, and written again from the ledger within minutes",
            *("S3BucketReplicationEnabled", "S3DefaultEncryptionKMS"),
        )
        return bucket

    def _create_distribution(
        self, environment: Environment, bucket: s3.Bucket, headers: cloudfront.ResponseHeadersPolicy
    ) -> cloudfront.Distribution:
        settings, name = environment.status_page, physical_name("status", environment)
        certificate = (
            acm.Certificate.from_certificate_arn(self, "Certificate", settings.certificate_arn)
            if settings.certificate_arn
            else None
        )
        distribution = cloudfront.Distribution(
            self,
            "Distribution",
            comment=f"Status page ({environment.name})",
            default_root_object="index.html",
            domain_names=[settings.domain] if settings.domain else None,
            certificate=certificate,
            minimum_protocol_version=cloudfront.SecurityPolicyProtocol.TLS_V1_2_2021,
            http_version=cloudfront.HttpVersion.HTTP2_AND_3,
            price_class=cloudfront.PriceClass.PRICE_CLASS_100,
            default_behavior=cloudfront.BehaviorOptions(
                origin=origins.S3BucketOrigin.with_origin_access_control(bucket),
                allowed_methods=cloudfront.AllowedMethods.ALLOW_GET_HEAD,
                viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
                cache_policy=cloudfront.CachePolicy(
                    self,
                    "Cache",
                    cache_policy_name=name,
                    min_ttl=Duration.seconds(0),
                    default_ttl=FRESH,
                    max_ttl=OLDEST,
                    enable_accept_encoding_gzip=True,
                    enable_accept_encoding_brotli=True,
                ),
                response_headers_policy=headers,
            ),
        )
        suppress_nag(distribution, "A static page without personal data is for readers everywhere", "CFR1")
        suppress_nag(
            distribution, "It serves files that are the same for every reader: WAF has nothing to guard", "CFR2"
        )
        suppress_nag(distribution, "Logs of the page's readers would be personal data without a purpose", "CFR3")
        if not settings.certificate_arn:
            suppress_nag(distribution, "Without a domain CloudFront's own certificate decides the protocols", "CFR4")
        return distribution


def _headers_policy(scope: Construct, name: str) -> cloudfront.ResponseHeadersPolicy:
    return cloudfront.ResponseHeadersPolicy(
        scope,
        "Headers",
        response_headers_policy_name=name,
        security_headers_behavior=cloudfront.ResponseSecurityHeadersBehavior(
            content_security_policy=cloudfront.ResponseHeadersContentSecurityPolicy(
                content_security_policy=CONTENT_SECURITY_POLICY, override=True
            ),
            content_type_options=cloudfront.ResponseHeadersContentTypeOptions(override=True),
            frame_options=cloudfront.ResponseHeadersFrameOptions(
                frame_option=cloudfront.HeadersFrameOption.DENY, override=True
            ),
            referrer_policy=cloudfront.ResponseHeadersReferrerPolicy(
                referrer_policy=cloudfront.HeadersReferrerPolicy.NO_REFERRER, override=True
            ),
            strict_transport_security=cloudfront.ResponseHeadersStrictTransportSecurity(
                access_control_max_age=Duration.seconds(HSTS_SECONDS),
                include_subdomains=True,
                override=True,
            ),
        ),
        custom_headers_behavior=cloudfront.ResponseCustomHeadersBehavior(
            custom_headers=[
                cloudfront.ResponseCustomHeader(header="Permissions-Policy", value=PERMISSIONS_POLICY, override=True)
            ]
        ),
    )


def _let_publisher_write(bucket: s3.Bucket, environment: Environment) -> iam.PolicyStatement:
    """Let the publishing function of the environment's account write.

    Its role is named in a condition: a principal that does not exist yet would make the policy invalid.
    """
    publisher = role_arn(Stack.of(bucket), environment, "event-publish-status-page", account=environment.account)
    return iam.PolicyStatement(
        sid="LetPublisherWrite",
        principals=[iam.AccountPrincipal(environment.account)],
        actions=["s3:PutObject"],
        resources=[bucket.arn_for_objects("*")],
        conditions={"ArnEquals": {"aws:PrincipalArn": publisher}},
    )
