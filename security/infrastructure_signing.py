"""Code signing, where an environment asks for it: whose signature functions need, and where AWS Signer finds packages and leaves signed ones.

The profile and the bucket are this stack's, which is deployed before the others: a package has to be signed before a function can want it.
"""

from __future__ import annotations

from aws_cdk import Acknowledgment, CfnOutput, Duration, Stack, Validations
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_signer as signer
from constructs import Construct

from environments import Environment
from environments.watching import SIGNING_OFF, signing_profile
from stack_parts import explain, kept, worldwide

PLATFORM = "AWSLambda-SHA384-ECDSA"
"""The one with which AWS Signer signs what Lambda checks."""

_NIST = "NIST.800.53.R5"
_VALID_MONTHS = 135
"""The longest: a version that a rollback may need must not become untrusted by age. What must go is revoked."""

_POLICIES = {"warn": "Warn", "enforce": "Enforce"}


def publisher_of(scope: Construct, environment: Environment) -> str | None:
    """Make what signing needs; return the ARN of the profile's version that is trusted, or None where nothing is signed."""
    security = environment.security
    if security.code_signing == SIGNING_OFF:
        return None
    bucket = s3.Bucket(
        scope,
        "SigningBucket",
        bucket_name=worldwide(f"ib-oauth-signing-{environment.name}-{Stack.of(scope).account}", environment),
        encryption=s3.BucketEncryption.S3_MANAGED,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        enforce_ssl=True,
        minimum_tls_version=1.2,
        versioned=True,  # AWS Signer asks for it
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        lifecycle_rules=[
            s3.LifecycleRule(id="Expire", expiration=Duration.days(30), noncurrent_version_expiration=Duration.days(1))
        ],
        removal_policy=kept(environment),
    )
    explain(bucket, "What is signed is told by AWS Signer and by the trail", "S1")
    reason = "Code is no secret, and whoever has it signed would need a right to the key as well"
    Validations.of(bucket.node.default_child or bucket).acknowledge(
        Acknowledgment(id=f"{_NIST}::{_NIST}-S3DefaultEncryptionKMS", reason=reason)
    )
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
    profile.apply_removal_policy(kept(environment))
    CfnOutput(scope, "SigningProfileVersion", value=profile.attr_profile_version_arn)
    return profile.attr_profile_version_arn


def want_signatures(stack: Stack, environment: Environment, publisher: str | None) -> None:
    """Have every function of a stack take packages of this publisher alone, or tell of others."""
    if publisher is None:
        return
    trusted = lambda_.CfnCodeSigningConfig(
        stack,
        "CodeSigning",
        description=f"Who may have built what runs in {environment.name}",
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
