"""Code signing is off until an environment asks for it; then every function wants the one publisher, and the pipeline can have packages signed."""

from __future__ import annotations

import dataclasses
import json

import pytest

import cdk_app
from infrastructure.lambda_functions import Package
from infrastructure.service import stack as service_stack
from orchestrator import environments
from orchestrator.environments.pipeline import PipelineSettings
from tests.infrastructure.rule_packs import add_packs, violations
from tests.infrastructure.templates import App, resources, synthesise, text_of

PROFILE = "arn:aws:signer:us-west-1:123456789012:/signing-profiles/ib_oauth_staging/0123456789"


def signing(**settings) -> environments.Environment:
    environment = environments.load("prod")
    security = dataclasses.replace(environment.security, **settings)
    return dataclasses.replace(
        environment, security=security, pipeline=PipelineSettings("owner/name", "production", None)
    )


@pytest.fixture(scope="module")
def enforced(tmp_path_factory):
    return synthesise(tmp_path_factory.mktemp("enforced"), signing(code_signing="enforce"), prepare=add_packs)


def security_of(one) -> dict:
    (file,) = [file for file in one.files if "-security-" in file.name]
    return json.loads(file.read_bytes())


def test_nothing_is_signed_until_an_environment_requests_it(every):
    kinds = ("AWS::Signer::SigningProfile", "AWS::Lambda::CodeSigningConfig")
    assert not [one for template in every.all for kind in kinds for one in resources(template, kind)]


def test_packs_of_rules_find_nothing_that_is_not_explained(enforced):
    assert violations(enforced.folder) == []


def test_every_function_wants_the_signature_of_the_stacks_own_profile(enforced):
    (profile,) = resources(security_of(enforced), "AWS::Signer::SigningProfile").values()
    assert profile["PlatformId"] == "AWSLambda-SHA384-ECDSA"
    assert profile["ProfileName"] == environments.monitoring.signing_profile("prod") == "ib_oauth_prod"
    for template in (enforced.service, enforced.orchestrator):
        ((name, trusted),) = resources(template, "AWS::Lambda::CodeSigningConfig").items()
        assert trusted["CodeSigningPolicies"] == {"UntrustedArtifactOnDeployment": "Enforce"}
        (publisher,) = trusted["AllowedPublishers"]["SigningProfileVersionArns"]
        assert "SigningProfile" in text_of(publisher)
        functions = resources(template, "AWS::Lambda::Function").values()
        assert {one["CodeSigningConfigArn"]["Fn::GetAtt"][0] for one in functions} == {name}


def test_packages_are_signed_in_a_bucket_that_keeps_versions_and_is_not_public(enforced):
    buckets = resources(security_of(enforced), "AWS::S3::Bucket")
    (bucket,) = [one for one in buckets.values() if "signing" in text_of(one["BucketName"])]
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}


def test_the_pipeline_may_have_packages_signed_under_that_profile_and_no_other(enforced):
    (role,) = [
        one
        for one in resources(enforced.orchestrator, "AWS::IAM::Role").values()
        if one.get("RoleName") == "ib-oauth-pipeline-prod"
    ]
    statements = {one["Sid"]: one for one in role["Policies"][0]["PolicyDocument"]["Statement"] if "Sid" in one}
    assert text_of(statements["StartSigning"]["Resource"]).endswith(":/signing-profiles/ib_oauth_prod")
    assert text_of(statements["TransferPackages"]["Resource"]).endswith(
        ":s3:::ib-oauth-signing-prod-<AWS::AccountId>/*"
    )


def test_what_was_signed_is_deployed_byte_for_byte_and_trusts_the_profile_that_is_named(tmp_path):
    environment = signing(code_signing="warn", code_signing_profile=PROFILE)
    for part in ("service", "orchestrator"):
        (tmp_path / f"{part}.zip").write_bytes(f"signed {part}".encode())
    app = App(outdir=str(tmp_path / "assembly"))
    cdk_app.compose(
        app,
        environment,
        service_stack.Build(Package(str(tmp_path), "a" * 64, str(tmp_path / "service.zip")), "0" * 40),
        Package(str(tmp_path), "b" * 64, str(tmp_path / "orchestrator.zip")),
    )
    app.synth()

    template = json.loads((tmp_path / "assembly/ib-oauth-stack-prod.template.json").read_bytes())
    (trusted,) = resources(template, "AWS::Lambda::CodeSigningConfig").values()
    assert trusted["AllowedPublishers"] == {"SigningProfileVersionArns": [PROFILE]}
    assert trusted["CodeSigningPolicies"] == {"UntrustedArtifactOnDeployment": "Warn"}
    security = json.loads((tmp_path / "assembly/ib-oauth-security-prod.template.json").read_bytes())
    assert not resources(security, "AWS::Signer::SigningProfile")
    assets = json.loads((tmp_path / "assembly/ib-oauth-stack-prod.assets.json").read_bytes())["files"]
    packages = [one["source"] for one in assets.values() if one["source"]["path"].endswith(".zip")]
    assert [one["packaging"] for one in packages] == ["file"]
    assert (tmp_path / "assembly" / packages[0]["path"]).read_bytes() == b"signed service"
    variables = resources(template, "AWS::Lambda::Function")["TokenFunction"]["Environment"]["Variables"]
    assert json.loads(variables["RELEASE"])["build"] == "a" * 16
