"""Having a release signed from the command line: once for a publisher, and the assembly is made of what was signed."""

from __future__ import annotations

import dataclasses
import json

import pytest

from orchestrator import environments
from orchestrator.aws.code_signer import Publisher
from orchestrator.cli.actions import release
from orchestrator.cli.context import Context
from orchestrator.domain.errors import Refused
from orchestrator.local import cdk_deploy
from orchestrator.packaging import releases

ACCOUNT = "123456789012"
PROFILE = f"arn:aws:signer:us-west-1:{ACCOUNT}:/signing-profiles/ib_oauth_staging/0123456789"


class _Signer:
    """In place of AWS Signer: one profile, whose version is `version`."""

    version = "0123456789"
    environment = "staging"
    jobs: list[str]

    def __init__(self, _client, _s3, bucket):
        assert bucket == f"ib-oauth-signing-{_Signer.environment}-{ACCOUNT}"

    def read_publisher(self, name, owner):
        return Publisher(name, owner, _Signer.version)

    def sign_package(self, publisher, key, package):
        _Signer.jobs.append(f"{publisher.name} {key.partition('/')[2]}")
        return b"signed " + package


@pytest.fixture
def built(tmp_path, monkeypatch):
    monkeypatch.setattr(releases, "releases_folder", lambda: tmp_path)
    folder = releases.build(["local"])
    (folder / "assemblies" / "staging").mkdir(parents=True)
    (folder / "assemblies" / "staging" / "unsigned.json").write_text("{}")
    return folder


@pytest.fixture
def synthesised(monkeypatch):
    found = []
    monkeypatch.setattr(cdk_deploy, "synthesise", lambda context, assembly: found.append((context, assembly)))
    monkeypatch.setattr(release, "Signer", _Signer)
    monkeypatch.setattr(_Signer, "jobs", [], raising=False)
    return found


def context(name="staging", **security):
    environment = environments.load(name)
    environment = dataclasses.replace(
        environment, account=ACCOUNT, security=dataclasses.replace(environment.security, **security)
    )
    _Signer.environment = name
    found = Context(environment, {"signer": None, "s3": None}.__getitem__)
    vars(found)["account"] = ACCOUNT
    return found


def test_where_no_setting_requests_signatures_nothing_is_signed(built, synthesised, capsys):
    release.sign(context(), built, json=True)

    assert json.loads(capsys.readouterr().out) == {"environment": "staging", "code_signing": "off"}
    assert (_Signer.jobs, synthesised) == ([], [])


def test_a_release_is_signed_once_for_a_publisher_and_its_assembly_is_made_anew(built, synthesised, capsys):
    release.sign(context(code_signing="enforce"), built, json=True)
    capsys.readouterr()
    release.sign(context(code_signing="enforce"), built, json=True)

    assert _Signer.jobs == ["ib_oauth_staging orchestrator.zip", "ib_oauth_staging service.zip"]
    kept = built / "signed" / "0123456789"
    assert (kept / "service.zip").read_bytes() == b"signed " + (built / "service.zip").read_bytes()
    assembly = built / "assemblies" / "staging"
    assert synthesised == [({"environment": "staging", "signed": str(kept)}, assembly)] * 2
    assert not assembly.exists(), "what was not signed is gone"
    printed = json.loads(capsys.readouterr().out)
    assert printed["profile"] == {"name": "ib_oauth_staging", "owner": ACCOUNT, "version": "0123456789"}


def test_the_next_environment_that_trusts_the_same_publisher_deploys_the_same_bytes(built, synthesised):
    release.sign(context(code_signing="enforce"), built, json=True)
    _Signer.jobs.clear()

    release.sign(context("prod", code_signing="enforce", code_signing_profile=PROFILE), built, json=True)

    assert _Signer.jobs == []
    assert synthesised[1][0]["signed"] == synthesised[0][0]["signed"]


def test_a_package_that_was_changed_after_it_was_signed_is_refused(built, synthesised):
    release.sign(context(code_signing="warn"), built, json=True)
    (built / "signed" / "0123456789" / "service.zip").write_bytes(b"other")

    with pytest.raises(Refused, match=r"service\.zip: 'changed' is refused"):
        release.sign(context(code_signing="warn"), built, json=True)


def test_a_profile_that_signs_with_another_version_than_is_trusted_is_refused(built, synthesised, monkeypatch):
    monkeypatch.setattr(_Signer, "version", "9876543210")

    with pytest.raises(Refused, match="ib_oauth_staging signs with version 9876543210"):
        release.sign(context(code_signing="warn", code_signing_profile=PROFILE), built, json=True)
    assert _Signer.jobs == []
