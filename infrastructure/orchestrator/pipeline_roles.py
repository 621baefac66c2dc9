"""Roles of the release pipeline: one for GitHub jobs that deploy, and one that only announces releases.

The pipeline role is assumed by the jobs of one GitHub environment of one repository, with GitHub's OIDC tokens, so no
AWS credentials are stored. It assumes the CDK's bootstrap roles to deploy, publishes `ReleaseReady` events, and reads
what `release promote --watch` and `verify` show. It cannot shift traffic or write the ledger; the state machines do.

The promotion role lets the preceding environment, usually in another account, announce a release here. It can publish
`ReleaseReady` events and nothing else; this environment's own state machine and checklist decide about the deployment.
"""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam

from infrastructure.arns import bucket_arn, named_arn, role_arn, role_named
from infrastructure.nag import suppress_wildcards
from infrastructure.naming import bucket_name, global_name, physical_name
from infrastructure.orchestrator.iam_arns import Resources
from infrastructure.orchestrator.iam_grants import PIPELINE_PERMISSIONS
from infrastructure.orchestrator.iam_policies import policy_statements, wildcard_reasons
from orchestrator.environments import Environment
from orchestrator.environments.monitoring import SIGNING_OFF, signing_profile

ISSUER = "token.actions.githubusercontent.com"
AUDIENCE = "sts.amazonaws.com"
MAX_SESSION_HOURS = 5
"""Long enough to follow a deployment whose bake times are all extended."""

_BOOTSTRAP = "cdk-hnb659fds"


def pipeline_role_arn(stack: Stack, environment: Environment) -> str:
    """Return the pipeline role's ARN by name, because the role's policy depends on the bus that needs the ARN."""
    return role_arn(stack, environment, "pipeline")


def promotion_role_arn(stack: Stack, environment: Environment) -> str:
    """Return the promotion role's ARN by name, because the role's policy depends on the bus that needs the ARN."""
    return role_arn(stack, environment, "promotion")


def create_promotion_role(stack: Stack, environment: Environment, bus: events.IEventBus) -> None:
    """Create the promotion role, if the environment has promoters."""
    if not environment.promoters:
        return
    iam.Role(
        stack,
        "PromotionRole",
        role_name=global_name(physical_name("promotion", environment), environment),
        description=f"Announces releases to {environment.name}; has no other permission",
        assumed_by=iam.CompositePrincipal(*(iam.ArnPrincipal(arn) for arn in environment.promoters)),
        inline_policies={"access": iam.PolicyDocument(statements=[_announce_releases(bus.event_bus_arn)])},
    )


def create_pipeline_role(stack: Stack, environment: Environment, resources: Resources) -> None:
    """Create the pipeline role and, if the account has none, the OIDC provider; nothing without a pipeline."""
    pipeline = environment.pipeline
    if pipeline is None:
        return
    provider = pipeline.provider or _provider(stack)
    trusted: Mapping[str, Mapping[str, str]] = {
        "StringEquals": {
            f"{ISSUER}:aud": AUDIENCE,
            f"{ISSUER}:sub": f"repo:{pipeline.repository}:environment:{pipeline.github_environment}",
        }
    }
    # The CDK's bootstrap names its roles after their region, and each stack is deployed by those of its own region.
    places = [(stack.account, region) for region in (environment.region, *environment.other_regions)]
    page = environment.status_page
    if page.enabled:
        places.append((page.account or stack.account, page.region))
    bootstrap = [
        role_named(stack, f"{_BOOTSTRAP}-*-{account}-{region}", account=account)
        for account, region in dict.fromkeys(places)
    ]
    protected = [
        named_arn(stack, "cloudformation", "stack", f"{physical_name(name, environment)}/*")
        for name in ("stack", "orchestrator")
    ]
    signing = [] if environment.security.code_signing == SIGNING_OFF else _signing(stack, environment)
    role = iam.Role(
        stack,
        "PipelineRole",
        role_name=global_name(physical_name("pipeline", environment), environment),
        description=f"Deploys releases to {environment.name} from {pipeline.repository}",
        assumed_by=iam.WebIdentityPrincipal(provider, trusted),
        max_session_duration=Duration.hours(MAX_SESSION_HOURS),
        inline_policies={
            "access": iam.PolicyDocument(
                statements=[
                    *policy_statements(PIPELINE_PERMISSIONS, resources, environment.region),
                    iam.PolicyStatement(sid="AssumeCdkBootstrapRoles", actions=["sts:AssumeRole"], resources=bootstrap),
                    _announce_releases(resources.bus),
                    iam.PolicyStatement(
                        sid="SetStackPolicies",
                        actions=["cloudformation:SetStackPolicy"],
                        resources=protected,
                    ),
                    *signing,
                ]
            )
        },
    )
    # No boundary: the role assumes the CDK's roles, which can do everything that CloudFormation can.
    iam.PermissionsBoundary.of(role).clear()
    suppress_wildcards(
        role,
        {
            **wildcard_reasons(PIPELINE_PERMISSIONS, resources),
            **dict.fromkeys(bootstrap, "the CDK's bootstrap creates five roles with this prefix, each for one purpose"),
            **{
                arn: "AWS Signer names jobs, and each release names its packages"
                for statement in signing
                for arn in statement.resources
                if "*" in arn
            },
            **dict.fromkeys(protected, "CloudFormation appends an id to a stack's name"),
        },
    )


def _announce_releases(bus_arn: str) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        sid="AnnounceReleases",
        actions=["events:PutEvents"],
        resources=[bus_arn],
        conditions={"StringEquals": {"events:detail-type": "ReleaseReady"}},
    )


def _signing(stack: Stack, environment: Environment) -> list[iam.PolicyStatement]:
    """Allow code signing. AWS Signer reads and writes the bucket with the caller's permissions."""
    bucket = bucket_name("signing", environment, stack.account)
    profile = named_arn(stack, "signer", "/signing-profiles", signing_profile(environment.name))
    shared_profile = environment.security.code_signing_profile
    return [
        iam.PolicyStatement(
            sid="StartSigning",
            actions=["signer:StartSigningJob", "signer:GetSigningProfile"],
            resources=[shared_profile.rpartition("/")[0] if shared_profile else profile],
        ),
        iam.PolicyStatement(
            sid="DescribeSigningJobs",
            actions=["signer:DescribeSigningJob"],
            resources=[named_arn(stack, "signer", "/signing-jobs", "*")],
        ),
        iam.PolicyStatement(
            sid="TransferPackages",
            actions=["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"],
            resources=[bucket_arn(bucket, "*")],
        ),
        iam.PolicyStatement(sid="ListPackages", actions=["s3:ListBucket"], resources=[bucket_arn(bucket)]),
    ]


def _provider(stack: Stack) -> str:
    # No thumbprints: AWS verifies GitHub's certificate with its own list of certificate authorities.
    provider = iam.CfnOIDCProvider(stack, "GithubTokens", url=f"https://{ISSUER}", client_id_list=[AUDIENCE])
    return provider.attr_arn
