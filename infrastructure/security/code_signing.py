"""Code signing, if an environment enables it: the trusted signing profile, and the bucket for packages.

The profile and the bucket belong to the security stack, which is deployed first: a package must be signed before a
function that requires a signature can use it.
"""

from __future__ import annotations

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_signer as signer
from constructs import Construct

from infrastructure.buckets import create_bucket
from infrastructure.common import removal_policy_of
from infrastructure.nag import suppress_nag, suppress_nist
from infrastructure.naming import bucket_name
from orchestrator.environments import Environment
from orchestrator.environments.monitoring import SIGNING_OFF, signing_profile

PLATFORM = "AWSLambda-SHA384-ECDSA"
"""The signing platform of AWS Signer for Lambda."""

_VALID_MONTHS = 135
"""The maximum, so that a version needed for a rollback does not expire. A compromised signature is revoked instead."""

_POLICIES = {"warn": "Warn", "enforce": "Enforce"}


def create_signing_profile(scope: Construct, environment: Environment) -> str | None:
    """Create the bucket and the signing profile; return the ARN of the trusted version, or None without signing."""
    security = environment.security
    if security.code_signing == SIGNING_OFF:
        return None
    bucket = create_bucket(
        scope,
        "SigningBucket",
        bucket_name("signing", environment, Stack.of(scope).account),
        None,
        versioned=True,  # AWS Signer requires it
        lifecycle_rules=[
            s3.LifecycleRule(id="Expire", expiration=Duration.days(30), noncurrent_version_expiration=Duration.days(1))
        ],
        removal_policy=removal_policy_of(environment),
    )
    suppress_nag(bucket, "AWS Signer and CloudTrail record every signing", "S1")
    reason = "The code is not confidential, and with a KMS key every signer would need permission to use it"
    suppress_nist(bucket.node.default_child or bucket, reason, "S3DefaultEncryptionKMS")
    if security.code_signing_profile:
        return security.code_signing_profile
    profile = signer.CfnSigningProfile(
        scope,
        "SigningProfile",
        platform_id=PLATFORM,
        profile_name=signing_profile(environment.name),
        signature_validity_period=signer.CfnSigningProfile.SignatureValidityPeriodProperty(
            type="MONTHS", value=_VALID_MONTHS
        ),
    )
    profile.apply_removal_policy(removal_policy_of(environment))
    CfnOutput(scope, "SigningProfileVersion", value=profile.attr_profile_version_arn)
    return profile.attr_profile_version_arn


def require_signatures(stack: Stack, environment: Environment, publisher: str | None) -> None:
    """Make every function of a stack reject packages that this publisher did not sign, or report them."""
    if publisher is None:
        return
    trusted = lambda_.CfnCodeSigningConfig(
        stack,
        "CodeSigning",
        description=f"Trusted publisher of the code in {environment.name}",
        allowed_publishers=lambda_.CfnCodeSigningConfig.AllowedPublishersProperty(
            signing_profile_version_arns=[publisher]
        ),
        code_signing_policies=lambda_.CfnCodeSigningConfig.CodeSigningPoliciesProperty(
            untrusted_artifact_on_deployment=_POLICIES[environment.security.code_signing]
        ),
    )
    for node in stack.node.find_all():
        if isinstance(node, lambda_.CfnFunction):
            node.code_signing_config_arn = trusted.attr_code_signing_config_arn
