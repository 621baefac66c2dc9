"""The role with which jobs of one repository's one environment ship here, by GitHub's OIDC tokens: no key is stored anywhere.

It deploys as the CDK's own bootstrap roles, announces releases, and reads what `release promote --watch` and `verify` show. It neither moves
traffic nor writes the ledger: that is the machine's.
"""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Duration, Stack
from aws_cdk import aws_iam as iam

from environments import Environment
from environments.watching import SIGNING_OFF, signing_profile
from orchestrator.infrastructure_access import PIPELINE
from orchestrator.infrastructure_places import Places
from orchestrator.infrastructure_statements import statements_of, wildcards_of
from stack_parts import explain_wildcards, name_of, worldwide

ISSUER = "token.actions.githubusercontent.com"
AUDIENCE = "sts.amazonaws.com"
HOURS = 5
"""A deployment with all its bakes extended is followed to its end."""

_BOOTSTRAP = "cdk-hnb659fds"


def pipeline_role_arn(stack: Stack, environment: Environment) -> str:
    """Name the role's ARN without asking the role, whose policy names the bus that this is for."""
    name = worldwide(name_of("pipeline", environment), environment)
    return stack.format_arn(service="iam", region="", resource="role", resource_name=name)


def pipeline_role(stack: Stack, environment: Environment, places: Places) -> None:
    """Make the role and, where the account has none, the provider; nothing where no repository is named."""
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
    bootstrap = stack.format_arn(
        service="iam", region="", resource="role", resource_name=f"{_BOOTSTRAP}-*-{stack.account}-{environment.region}"
    )
    protected = [
        stack.format_arn(service="cloudformation", resource="stack", resource_name=f"{name_of(what, environment)}/*")
        for what in ("stack", "orchestrator")
    ]
    signing = [] if environment.security.code_signing == SIGNING_OFF else _signing(stack, environment)
    role = iam.Role(
        stack,
        "PipelineRole",
        role_name=worldwide(name_of("pipeline", environment), environment),
        description=f"Ships releases to {environment.name} from {pipeline.repository}",
        assumed_by=iam.WebIdentityPrincipal(provider, trusted),
        max_session_duration=Duration.hours(HOURS),
        inline_policies={
            "access": iam.PolicyDocument(
                statements=[
                    *statements_of(PIPELINE, places, environment.region),
                    iam.PolicyStatement(sid="DeployAsTheCdkDoes", actions=["sts:AssumeRole"], resources=[bootstrap]),
                    iam.PolicyStatement(
                        sid="SayReleaseReady",
                        actions=["events:PutEvents"],
                        resources=[places.bus],
                        conditions={"StringEquals": {"events:detail-type": "ReleaseReady"}},
                    ),
                    iam.PolicyStatement(
                        sid="ProtectAliases",
                        actions=["cloudformation:SetStackPolicy"],
                        resources=protected,
                    ),
                    *signing,
                ]
            )
        },
    )
    # It hands over to the CDK's roles, which can do all that CloudFormation can: a boundary that allows that would bound nothing.
    iam.PermissionsBoundary.of(role).clear()
    explain_wildcards(
        role,
        {
            **wildcards_of(PIPELINE, places),
            bootstrap: "the CDK's bootstrap makes five roles of that name, each for one thing",
            **{
                arn: "jobs and packages are named as they come"
                for one in signing
                for arn in one.resources
                if "*" in arn
            },
            **dict.fromkeys(protected, "CloudFormation puts an id of its own behind a stack's name"),
        },
    )


def _signing(stack: Stack, environment: Environment) -> list[iam.PolicyStatement]:
    """Let it have packages signed: what AWS Signer reads and writes in the bucket it does in the caller's name."""
    bucket = (
        f"arn:{stack.partition}:s3:::{worldwide(f'ib-oauth-signing-{environment.name}-{stack.account}', environment)}"
    )
    profile = stack.format_arn(
        service="signer", resource="/signing-profiles", resource_name=signing_profile(environment.name)
    )
    given = environment.security.code_signing_profile
    return [
        iam.PolicyStatement(
            sid="Sign",
            actions=["signer:StartSigningJob", "signer:GetSigningProfile"],
            resources=[given.rpartition("/")[0] if given else profile],
        ),
        iam.PolicyStatement(
            sid="SeeWhatWasSigned",
            actions=["signer:DescribeSigningJob"],
            resources=[stack.format_arn(service="signer", resource="/signing-jobs", resource_name="*")],
        ),
        iam.PolicyStatement(
            sid="CarryPackages",
            actions=["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"],
            resources=[f"{bucket}/*"],
        ),
        iam.PolicyStatement(sid="SeePackages", actions=["s3:ListBucket"], resources=[bucket]),
    ]


def _provider(stack: Stack) -> str:
    # No thumbprints: AWS trusts GitHub's certificate by its own list of authorities.
    provider = iam.CfnOIDCProvider(stack, "GithubTokens", url=f"https://{ISSUER}", client_id_list=[AUDIENCE])
    return provider.attr_arn
